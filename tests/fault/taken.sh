# Somebody else's code runs in a worker, with all that a worker has (preload/taken.c). It tries to get out.
. "$(dirname "$0")/../lib.sh"
FALLS=expected
TAKEN=$HELPERS/fault/taken.so
# Where it tries to write outside of its directories: what it makes there goes, also where a worker could make it.
outside() { ls /etc/ld.so.preload /etc/cron.d/ipamfs-taken 2>/dev/null; }
had=$(outside)
trap 'for it in $(outside); do [[ $had == *"$it"* ]] || rm -f "$it"; done; cleanup' EXIT

# What is tried upon, in directories that are root's; the program is a copy there.
scene() {
	export TAKEN_DIR=$WORK/$1
	mkdir -p "$TAKEN_DIR"/{db/empty,bin,elsewhere,spool,mnt}
	echo other | tee "$TAKEN_DIR/db/other" "$TAKEN_DIR/db/renamed" "$TAKEN_DIR/db/gone" "$TAKEN_DIR/bin/other" >/dev/null
	printf '#!/bin/sh\necho owned >%s/owned\n' "$TAKEN_DIR" >"$TAKEN_DIR/db/script"
	chmod +x "$TAKEN_DIR/db/script"
	cp "$BUILD/bin/ipamfs" "$TAKEN_DIR/bin/ipamfs"
	"$HELPERS/fault/abstract" "$TAKEN_DIR" &
	pids+=("$!")
	until_true 60 grep -q "@$TAKEN_DIR" /proc/net/unix || fail "$1: somebody listens without a file"
}
sleep 3600 &
export TAKEN_VICTIM=$!
pids+=("$TAKEN_VICTIM")
# Nobody listens there.
export TAKEN_PORT=1
tried() { sed -n 's/^taken \([^:]*\): '"$1"'.*/\1/p' "$2" | grep -v '^needs' | sort; }

# ---- by a process that nothing confines
scene free
LD_PRELOAD=$TAKEN TAKEN_ALONE=1 /bin/true 2>"$WORK/free.log"
ok "the tries are real: root without walls does nearly all" test "$(tried "done" "$WORK/free.log" | wc -l)" -ge 60

# ---- by a worker
# taken_worker LOG SOURCE OPTIONS: until it serves
taken_worker() {
	IPAMFS=$TAKEN_DIR/bin/ipamfs
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$TAKEN" "$IPAMFS" >"$WORK/preloaded"
	chmod +x "$WORK/preloaded"
	"$WORK/preloaded" "$2" "$TAKEN_DIR/mnt" -f -o "$3" 2>"$WORK/$1" &
	daemon=$!
	pids+=("$daemon")
	mounts+=("$TAKEN_DIR/mnt")
	until_true 60 is_up "$TAKEN_DIR/mnt"
}
# judge LOG WHAT ALLOWED: all that was tried but ALLOWED is refused
judge() {
	ok "$2: all of it was tried" grep -q "that is all" "$WORK/$1"
	same "$2: all is refused" "$3" "$(tried "done" "$WORK/$1" | xargs)"
	local it
	for it in $3; do grep "^taken $it: refused" "$WORK/$1"; done
	same "$2: nothing was left out" "" "$(comm -23 <(tried "done" "$WORK/free.log") <(cat <(tried refused "$WORK/$1") <(tried "done" "$WORK/$1") | sort) | xargs)"
	same "$2: what it needs it has" "itself log read spool thread" "$(sed -n 's/^taken needs \(.*\): done/\1/p' "$WORK/$1" | sort | xargs)"
}
left_alone() {
	same "$1: files are as they were" "other other other other" \
		"$(cat "$TAKEN_DIR"/db/{other,renamed,gone} "$TAKEN_DIR/bin/other" | xargs)"
	same "$1: and so are their modes" "644 0" "$(stat -c '%a %u' "$TAKEN_DIR/db/other")"
	same "$1: nothing is new" "" "$(ls "$TAKEN_DIR/db" | grep -vxE 'empty|gone|ipam.db(-wal|-shm)?|other|renamed|script' | xargs)"
	same "$1: nor elsewhere" "$had" "$(outside)$(ls "$TAKEN_DIR/elsewhere")"
	ok "$1: the other process lives" kill -0 "$TAKEN_VICTIM"
}

scene worker
taken_worker worker.log "$TAKEN_DIR/db/ipam.db" "sync=normal,spool=$TAKEN_DIR/spool"
judge worker.log "a worker" ""
left_alone "a worker"
same "no file on the mount is a program or a device" 1 "$(grep -c " $TAKEN_DIR/mnt fuse.ipamfs .*nosuid.*nodev.*noexec" /proc/mounts)"
pass_all() { [ -z "$(cat /proc/"$(worker_of "$daemon")"/task/*/status | awk '/^Cap(Prm|Eff|Bnd|Amb):/ && $2 !~ /^0+$/ || /^NoNewPrivs:/ && $2 != 1 || /^Seccomp:/ && $2 != 2')" ]; }
ok "each of its threads is so" pass_all
ok "it serves all the same" mkdir "$TAKEN_DIR/mnt/prod"
umount_fs "$TAKEN_DIR/mnt"
same "its log went with it" "ipam.db" "$(ls "$TAKEN_DIR/db" | grep '^ipam.db' | xargs)"

# With etcd: what speaks to it, and no more. There is none at that port.
scene engine
taken_worker engine.log "etcd://127.0.0.1:$TAKEN_PORT/taken" "state=$TAKEN_DIR/db/ipam.db,node=n1,sync=normal,spool=$TAKEN_DIR/spool"
judge engine.log "with etcd" "tcp tcp-engine"
left_alone "with etcd"
umount_fs "$TAKEN_DIR/mnt"

# On a kernel without Landlock the filter of its calls stands alone. A file without a name can be made anywhere then, which nobody sees.
scene bare
TAKEN_BARE=1 taken_worker bare.log "etcd://127.0.0.1:$TAKEN_PORT/taken" "state=$TAKEN_DIR/db/ipam.db,node=n1,sync=normal,spool=$TAKEN_DIR/spool"
judge bare.log "without Landlock" "abstract create-nameless-elsewhere tcp tcp-bind tcp-elsewhere tcp-engine"
left_alone "without Landlock"
ok "which is logged" grep -q "warning: Landlock: " "$WORK/bare.log"
umount_fs "$TAKEN_DIR/mnt"

# ---- what a supervisor executes
scene upgrade
IPAMFS=$TAKEN_DIR/bin/ipamfs
DB=$TAKEN_DIR/db/ipam.db
M=$TAKEN_DIR/mnt
mount_fs sync=normal
worker() { awk '$1 == "worker_pid" { print $2 }' "$M/.ipam/stats"; }
goes_on() { # NAME WHY: it is refused, for this reason
	: >"$WORK/log"
	refused "$1" "goes on" "$IPAMCTL" upgrade --timeout 2 --mount "$M"
	ok "$1: the log says why" grep -q "can't take over: .*$2" "$WORK/log"
}
before=$(worker)
chown 1001 "$IPAMFS"
goes_on "another user's program isn't executed" "belongs to uid 1001"
chown 0 "$IPAMFS" && chmod 757 "$IPAMFS"
goes_on "nor one that others may write to" "others may write to"
chmod 755 "$IPAMFS" && chmod 777 "$TAKEN_DIR/bin"
goes_on "nor one in a directory of others" "others may write in the directory $TAKEN_DIR/bin"
chmod 755 "$TAKEN_DIR/bin"
cp "$IPAMFS" "$TAKEN_DIR/saved"
mv "$TAKEN_DIR/db/script" "$IPAMFS"
goes_on "nor a script" ""
ok "which has not run" test ! -e "$TAKEN_DIR/owned"
same "the worker is the same" "$before" "$(worker)"
mv "$TAKEN_DIR/saved" "$IPAMFS"
ok "a new file that root put there is executed" "$IPAMCTL" upgrade --mount "$M"
ok "and another worker serves" test "$(worker)" != "$before"
same "by the name that it had" ipamfs "$(cat "/proc/$daemon/comm")"
umount_fs
