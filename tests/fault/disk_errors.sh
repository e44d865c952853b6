# A disk that fails: writes, syncs, a file system that gives up. A clear errno to the caller, a clear line in the log and in health, reads
# go on; after a failed sync nothing is acknowledged until it is mounted anew, and then all that was acknowledged is there.
. "$(dirname "$0")/../lib.sh"

fault() { printf '%s\n' "$@" >"$FAULTS"; }
REAL=$IPAMFS
fake_disk
health() { head -1 "$M/.ipam/health"; }
list() { contents "$M/prod/n"; }

mount_fs
make_cluster prod n
for i in 1 2 3; do claim "$M/prod/n/a$i"; done
rm "$M/prod/n/a2"

# A write that fails: nothing was stored, and as soon as it works again it does.
fault "write ipam.db-wal"
refused "a write fails: the caller's errno" "Input/output error" claim "$M/prod/n/b1"
ok "health" grep -q "^failing: disk I/O error: Input/output error, since 20" "$M/.ipam/health"
ok "the log" grep -q "changes fail: disk I/O error: Input/output error" "$WORK/log"
refused "a release fails, too" "Input/output error" rm "$M/prod/n/a1"
same "reads go on" "10.244.0.2/24 fd00:10:244::2/64" "$(xargs <"$M/prod/n/a1")"
ok "reports, too" grep -q "10.244.0.4" "$M/prod/.ipam/leases"
fault
ok "it works again by itself" claim "$M/prod/n/b1"
same "health is well" ok "$(health)"
ok "the log says so" grep -q "changes succeed again" "$WORK/log"

# A disk that hangs keeps who changes something waiting, and nobody else; it is said.
fault "slow-sync 15000 ipam.db-wal"
claim "$M/prod/n/late" &
late=$!
pids+=("$late")
ok "a disk that hangs: health says so" until_true 15 grep -qE "^degraded: the disk has not answered for ([5-9]|1[0-9]) seconds" "$M/.ipam/health"
ok "a metric as well" grep -qE "^ipamfs_commit_stalled_seconds ([5-9]|1[0-9])" "$M/.ipam/metrics/ipamfs.prom"
same "reads go on" "10.244.0.2/24 fd00:10:244::2/64" "$(xargs <"$M/prod/n/a1")"
ok "who waits has not been answered" kill -0 "$late"
fault
wait "$late"
same "and is, when it answers again" 0 $?
said() { [ "$(grep -c "the disk has not answered\|the disk answers again" "$WORK/log")" -eq 2 ]; }
ok "the log has said both, once" until_true 10 said
same "health is well" ok "$(health)"

# What is written to an import while its text is being stored would go with that.
echo '{"node":"n","name":"one","addresses":["10.244.0.51"]}' >"$WORK/one"
sed 's/one/two/; s/51/52/' "$WORK/one" >"$WORK/two"
fault "slow-sync 8000 ipam.db-wal"
exec 6>"$M/prod/.ipam/import"
cat "$WORK/one" >&6 &
first=$!
pids+=("$first")
until_true 20 grep -q '^ipamfs_queue_length [1-9]' "$M/.ipam/metrics/ipamfs.prom"
refused "an import that comes while one is being stored" "busy" sh -c 'cat "$1" >&6' sh "$WORK/two"
wait "$first"
same "the one before is taken" "0 10.244.0.51/24" "$? $(cat "$M/prod/n/one")"
fault
ok "and so is the next" sh -c 'cat "$1" >&6' sh "$WORK/two"
exec 6>&-
same "with its lease" "10.244.0.52/24" "$(cat "$M/prod/n/two")"

# A sync that fails. The next one would succeed, and mean nothing.
fault "sync ipam.db-wal"
refused "a sync fails: the caller's errno" "Input/output error" claim "$M/prod/n/c1"
fault
refused "it is not forgotten" "Input/output error" claim "$M/prod/n/c2"
refused "for a delegation, too" "Input/output error" mkdir "$M/prod/n2"
refused "and a release" "Input/output error" rm "$M/prod/n/a1"
refused "and what is written behind" "Input/output error" bash -c "setfattr -n user.pod -v x '$M/prod/n/a1' && '$HELPERS/mount/sys' fsync '$M/prod/n/a1'"
ok "health says what, and what to do" grep -q "^failing: an fsync failed.*mount again" "$M/.ipam/health"
ok "so does the log" grep -q "changes fail: an fsync failed" "$WORK/log"
same "reads go on" "10.244.0.2/24 fd00:10:244::2/64" "$(xargs <"$M/prod/n/a1")"
acked=$(list)
umount_fs
ok "its log is left for the next mount" test -s "$DB-wal"
mount_fs
same "mounted again, all is there that was acknowledged" "" "$(comm -23 <(echo "$acked") <(list))"
ok "and it works" claim "$M/prod/n/c2"
same "health" ok "$(health)"
ok "what was written is in the database by now" test "$(sqlite3 "$DB" "SELECT count(*) FROM lease WHERE name = 'c2'")" = 1

# A mount during which the sync fails is refused.
kill_fs
fault "sync ipam.db-wal"
refused "a mount that can't make its log durable is refused" "fsync failed" "$IPAMFS" "$DB" "$M" -f
fault
mount_fs
same "later it works, and nothing is lost" "" "$(comm -23 <(echo "$acked") <(list))"
umount_fs

# While the log is folded back: no change fails by it, but those after it do.
mount_fs sync=normal
append "$M/prod/.ipam/settings" "max-blocks 200"
fault "sync ipam.db"
i=$(fill "$M/prod/n/f" 6000)
fault
ok "a sync of the database fails: refused after $i" grep -q "Input/output error" "$WORK/error"
ok "health" grep -q "^failing: an fsync failed" "$M/.ipam/health"
acked=$(list)
umount_fs
mount_fs
same "nothing is lost" "" "$(comm -23 <(echo "$acked") <(list))"
umount_fs
check_clean "after failing syncs"

# ---- a real one: ext4 on a loop device whose own disk is full
IPAMFS=$REAL
loop_disk() {
	mkdir "$WORK/under" "$WORK/disk"
	mount -t tmpfs -o size=24m tmpfs "$WORK/under" || exit 1
	mounts+=("$WORK/under")
	truncate -s 64M "$WORK/under/image"
	mkfs.ext4 -q -E lazy_itable_init=1,nodiscard -O ^metadata_csum -J size=4 "$WORK/under/image"
	mount -o loop,errors=remount-ro "$WORK/under/image" "$WORK/disk" || exit 1
	mounts=("$WORK/disk" "${mounts[@]}")
}
if losetup -f >/dev/null 2>&1; then
	loop_disk
	DB=$WORK/disk/ipam.db
	M=$WORK/mnt2
	mount_fs
	mkdir "$M/prod"
	put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16"
	mkdir "$M/prod/n"
	claim "$M/prod/n/first"
	head -c 64M /dev/zero >"$WORK/under/filler" 2>/dev/null
	i=$(fill "$M/prod/n/l" 20000)
	ok "a real disk fails after $i: $(cat "$WORK/error")" grep -q "Input/output error\|Read-only file system" "$WORK/error"
	ok "health: $(health)" grep -q "^failing: " "$M/.ipam/health"
	same "reads go on" 10.0.0.2/16 "$(cat "$M/prod/n/first")"
	acked=$(list)
	umount_fs "$M"
	umount "$WORK/disk"
	rm "$WORK/under/filler"
	e2fsck -fp "$WORK/under/image" >/dev/null 2>&1
	mount -o loop,errors=remount-ro "$WORK/under/image" "$WORK/disk"
	mount_fs
	same "with the disk mended, all is there that was acknowledged" "" "$(comm -23 <(echo "$acked") <(list))"
	ok "and it works" claim "$M/prod/n/last"

	# The file system gives up, and is read only from then on.
	mount -o remount,abort "$WORK/disk"
	refused "a file system that gave up: the caller's errno" "Read-only file system" claim "$M/prod/n/after"
	ok "health: $(health)" grep -q "^failing: .*Read-only" "$M/.ipam/health"
	same "reads go on" 10.0.0.2/16 "$(cat "$M/prod/n/first")"
	acked=$(list)
	umount_fs "$M"
	umount "$WORK/disk"
	e2fsck -fp "$WORK/under/image" >/dev/null 2>&1
	mount -o loop "$WORK/under/image" "$WORK/disk"
	mount_fs
	same "then all is there" "" "$(comm -23 <(echo "$acked") <(list))"
	umount_fs "$M"
	check_clean "after a real failure"

	# Read only by somebody's wish: with the database open the kernel refuses it.
	mount_fs
	refused "a remount to read only under it is refused" "busy" mount -o remount,ro "$WORK/disk"
	ok "and it goes on" claim "$M/prod/n/more"
	umount_fs "$M"
	mount -o remount,ro "$WORK/disk"
	refused "a database on a file system that is read only: the mount says so" "Read-only file system" "$IPAMFS" "$DB" "$M" -f
	umount "$WORK/disk"
else
	pass "no loop device here: the real disk is left out"
fi
