# What the daemon is started with, and what users take from it: limits, descriptors, signals.
. "$(dirname "$0")/../lib.sh"
chmod 755 "$WORK"
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }

# ---- what its starter had open
exec 7>"$WORK/lock"
flock 7
mount_fs sync=normal,allow_other
exec 7>&-
ok "a lock of its starter isn't kept" flock -n "$WORK/lock" true
closed() { [ -z "$(find /proc/{"$daemon","$(worker_of "$daemon")"}/fd -lname "$WORK/lock")" ]; }
ok "nor the file" closed
make_cluster prod n1

# ---- signals that aren't meant
before=$(worker_of "$daemon")
for signal in XFSZ PIPE USR1 USR2 ALRM IO PWR TTOU TSTP; do kill -s "$signal" "$daemon" "$before"; done
ok "stray signals end nothing, and stop nothing" touch "$M/prod/n1/a"
same "the worker is the same" "$before" "$(worker_of "$daemon")"

# ---- files that may not grow
prlimit --pid "$(worker_of "$daemon")" --fsize=4096:unlimited
refused "where a file may not grow a change fails" "File too large" touch "$M/prod/n1/b"
ok "health says why" grep -q "File too large" "$M/.ipam/health"
same "the worker is the same" "$before" "$(worker_of "$daemon")"
ok "and reads go on" grep -q 10.244 "$M/prod/n1/a"
prlimit --pid "$(worker_of "$daemon")" --fsize=unlimited:unlimited
ok "it goes on by itself" until_true 20 touch "$M/prod/n1/c"
umount_fs
small() { (ulimit -f 1000 && timeout 60 "$BUILD/bin/ipamfs" "$WORK/small.db" "$M" -f); }
refused "so started it says what is wrong" "ulimit -f" small

# ---- descriptors
(ulimit -n 1024 && exec "$IPAMFS" "$DB" "$M" -f -o sync=normal,allow_other 2>>"$WORK/log") &
daemon=$!
pids+=("$daemon")
mounts+=("$M")
until_true 20 is_up "$M"
# hoard UID COUNT FILE: hold it open so often, as a user, until $WORK/go.UID is gone; how it went to $WORK/hoard.UID
hoard() {
	: >"$WORK/go.$1"
	as "$1" bash -c 'i=0; while [ $i -lt '"$2"' ] && exec {fd}<"$1"; do i=$((i + 1)); done; echo "$i"; while [ -e "$2" ]; do sleep 1; done' \
		sh "$3" "$WORK/go.$1" >"$WORK/hoard.$1" 2>&1 &
	pids+=("$!")
	until_true 60 grep -qx '[0-9]*' "$WORK/hoard.$1"
}
count() { tail -1 "$WORK/hoard.$1"; }
hoard 1001 400 "$M/.ipam/stats"
same "a user holds an eighth of what the daemon can, no more" 128 "$(count 1001)"
ok "and is told" grep -q "Too many open files" "$WORK/hoard.1001"
ok "another user reads" as 1002 cat "$M/.ipam/stats"
kill_worker
ok "and root" cat "$M/.ipam/stats"
refused "a worker that takes over knows it" "Too many open files" as 1001 cat "$M/prod/.ipam/map.txt"
for uid in 1002 1003 1004 1005 1006 1007; do hoard "$uid" 400 "$M/.ipam/stats"; done
all=0
for uid in 1001 1002 1003 1004 1005 1006 1007; do all=$((all + $(count "$uid"))); done
same "all users together leave a quarter" 768 "$all"
ok "the last is told so" grep -q "Too many open files in system" "$WORK/hoard.1007"
ok "root reads on" cat "$M/.ipam/stats" "$M/prod/.ipam/map.txt" "$M/.ipam/history"
ok "root allocates" touch "$M/prod/n1/d"
kill_worker
ok "another worker starts" touch "$M/prod/n1/e"
rm "$WORK/go.1001"
ok "what is closed can be opened again" until_true 20 as 1001 cat "$M/.ipam/stats"
prlimit --pid "$(worker_of "$daemon")" --nofile=3:1024
refused "without any descriptor left, history says so" "Too many open files" cat "$M/.ipam/history"
prlimit --pid "$(worker_of "$daemon")" --nofile=1024:1024
ok "and with some it is there" cat "$M/.ipam/history"
rm "$WORK"/go.*
umount_fs

# ---- names that hang
mkfifo "$WORK/fifo"
refused "a FIFO for a database" "not a regular file" timeout 60 "$BUILD/bin/ipamfs" "$WORK/fifo" "$M" -f
refused "a FIFO to check" "not a regular file" timeout 60 "$IPAMCTL" check "$WORK/fifo"
for option in tls_ca tls_cert tls_key password_file; do
	more=state=$WORK/state.db,$option=$WORK/fifo
	case $option in tls_cert) more+=,tls_key=$WORK/fifo ;; tls_key) more+=,tls_cert=$WORK/fifo ;; password_file) more+=,user=x ;; esac
	refused "a FIFO as $option" "not a regular file" timeout 60 "$BUILD/bin/ipamfs" etcd://127.0.0.1:1/x "$M" -f -o "$more"
done

# ---- a libfuse that is built without what a mount that outlives its workers needs
printf 'int %s(void) { return -95; }\n' fuse_session_custom_io fuse_session_custom_io_317 | cc -shared -fPIC -x c -o "$WORK/without.so" -
mkdir "$WORK/unserved"
refused "it is told before anything is mounted" "custom io" env LD_PRELOAD="$WORK/without.so" timeout 60 "$BUILD/bin/ipamfs" "$WORK/other.db" "$WORK/unserved" -f
ok "so that nobody waits for it" timeout 10 ls "$WORK/unserved"
