# The command line: what is refused, and with which words; options; mount(8); the background; the end.
. "$(dirname "$0")/../lib.sh"

run() { "$IPAMFS" "$@"; }
refused "no arguments" "SOURCE MOUNTPOINT" run
refused "a wrong option" "'colour=blue' is not known" run "$DB" "$M" -o colour=blue
refused "a wrong value" "'sync=never' is not known" run "$DB" "$M" -o sync=never
refused "a missing directory" "make the directory first" run "$DB" "$WORK/nowhere"
touch "$WORK/file"
refused "a file to mount on" "not a directory" run "$DB" "$WORK/file"
refused "a directory as database" "Is a directory" run "$WORK" "$M"
same "nothing was made" "" "$(ls "$WORK" | grep ipam.db)"
head -c 8192 /dev/urandom >"$WORK/noise.db"
before=$(cksum <"$WORK/noise.db")
refused "no database" "not an ipamfs database" run "$WORK/noise.db" "$M"
same "what never was mounted isn't unmounted" "" "$(run "$WORK/noise.db" "$M" -f 2>&1 | grep unmounted)"
same "left as it was" "$before" "$(cksum <"$WORK/noise.db")"
sqlite3 "$WORK/other.db" 'CREATE TABLE t (x)'
refused "another program's database" "not an ipamfs database" run "$WORK/other.db" "$M"
same "left as it was, too" "CREATE TABLE t (x);" "$(sqlite3 "$WORK/other.db" .schema)"

# ---- a damaged one is called so by whoever reads it, and nobody advises a new one
# damaged WHAT SQL
damaged() {
	local copy=$WORK/damaged.db
	rm -f "$copy"
	"$IPAMCTL" init "$copy" --cluster c --cluster-cidr 10.0.0.0/16 >/dev/null
	sqlite3 "$copy" "$2" >/dev/null
	before=$(cksum <"$copy")
	for who in "$IPAMFS $copy $M" "$IPAMFS $copy $M -o ro" "$IPAMCTL check $copy" "$IPAMCTL history --database $copy" \
		"$IPAMCTL backup --database $copy $WORK/no.db" "$IPAMCTL init $copy --cluster d --cluster-cidr 10.1.0.0/16"; do
		refused "$1: $(basename "${who%% *}") ${who#* }" "a damaged ipamfs database; 'ipamctl check --repair'" $who
	done
	same "$1: it is as it was" "$before" "$(cksum <"$copy")"
	if "$IPAMCTL" check --repair "$copy" >"$WORK/out" 2>&1; then ok "$1: repaired, it is sound" "$IPAMCTL" check "$copy"; else
		ok "$1: it can't be repaired, which is said" grep -q "nothing can be read of it.*restore a backup" "$WORK/out"
		same "$1: and stays" "$before" "$(cksum <"$copy")"
	fi
	repaired+=" $(sqlite3 "$copy" 'SELECT count(*) FROM cluster' 2>/dev/null || echo no)"
}
repaired=
damaged "the version is gone" 'PRAGMA user_version = 0'
damaged "the mark of whose it is is gone" 'PRAGMA application_id = 0'
damaged "the schema is gone" 'PRAGMA writable_schema = 1; DELETE FROM sqlite_schema; PRAGMA application_id = 0; PRAGMA user_version = 0'
same "what has its tables still is repaired" " 1 1 no" "$repaired"

# ---- the background
ok "in the background" run "$DB" "$M" -o allow_other,sync=normal,rw,dev,suid,noauto,x-systemd.automount,_netdev
mounts+=("$M")
daemon=$(pgrep -o -f "^$IPAMFS $DB $M")
pids+=("$daemon")
same "it is mounted as what it is" "$DB fuse.ipamfs" "$(awk -v m="$M" '$2 == m { print $1, $3 }' /proc/mounts)"
mkdir "$WORK/second"
refused "a second daemon" "in use by another ipamfs" run "$DB" "$WORK/second"
make_cluster prod n1
touch "$M/prod/n1/a"
kill -TERM "$daemon"
gone() { ! kill -0 "$daemon" && ! mountpoint -q "$M"; }
ok "SIGTERM ends it, and unmounts" until_true 20 gone
check_clean "after SIGTERM"
same "what was acknowledged is stored" "a|10.244.0.2" "$(sqlite3 "$DB" 'SELECT name, ip4 FROM lease')"

version=$(sqlite3 "$DB" 'PRAGMA user_version')
sqlite3 "$DB" 'PRAGMA user_version = 99'
refused "a newer version" "made by a newer ipamfs" run "$DB" "$M"
sqlite3 "$DB" "PRAGMA user_version = $version"

# A database of the first version: read only it can't be brought up to date, and says so.
cp "$DB" "$WORK/old.db"
sqlite3 "$WORK/old.db" 'DROP TRIGGER cidr_selector; DROP TRIGGER cidr_selector_changed; DROP TABLE label; DROP TABLE engine; DROP INDEX node_shared; DROP INDEX cluster_shared; ALTER TABLE cidr DROP COLUMN selector; ALTER TABLE cluster DROP COLUMN shared; ALTER TABLE cluster DROP COLUMN revision; ALTER TABLE node DROP COLUMN shared; ALTER TABLE node DROP COLUMN revision; ALTER TABLE node DROP COLUMN held; ALTER TABLE node DROP COLUMN doubt; DROP TABLE history; DROP TABLE network_last; DROP TABLE network; ALTER TABLE lease DROP COLUMN ephemeral; ALTER TABLE reserved DROP COLUMN services; PRAGMA user_version = 1'
refused "an older version, ro" "made by an older ipamfs" run "$WORK/old.db" "$M" -o ro
mount_fs "" "$WORK/old.db"
same "is brought up to date" "10.244.0.2/24" "$(head -1 "$M/prod/n1/a")"
umount_fs
same "for good" "$version" "$(sqlite3 "$WORK/old.db" 'PRAGMA user_version')"

# ---- a database below its own mount point would be asked for by itself
mkdir -p "$WORK/over/below"
ln -s "$WORK/over/below" "$WORK/link"
refused "a database below its own mount point" "would lie below it" run "$WORK/over/below/x.db" "$WORK/over"
refused "by another name, too" "would lie below it" run "$WORK/link/x.db" "$WORK/over"
same "nothing was made there" "" "$(ls "$WORK/over/below")"
mkdir "$WORK/over/side"
mount_fs "" "$WORK/over/below/x.db" "$WORK/over/side"
ok "beside it is fine" mkdir "$WORK/over/side/c"
umount_fs "$WORK/over/side"

# ---- options
mount_fs ro
refused "ro: no allocating" "Read-only file system" touch "$M/prod/n1/b"
same "ro: looking" "10.244.0.2/24" "$(head -1 "$M/prod/n1/a")"
umount_fs
mount_fs uid=1001,gid=1002,umask=027
same "uid, gid, umask of a directory" "1001 1002 750" "$(stat -c '%u %g %a' "$M/prod/n1")"
same "and of a lease" "1001 1002 640" "$(stat -c '%u %g %a' "$M/prod/n1/a")"
umount_fs

# ---- the mount of one that died is taken off; nothing else is
mounts_at() { [ "$(grep -c " $M " /proc/mounts)" -eq "$1" ]; }
mount_fs
kill_daemon
mount_fs "" "$WORK/other-one.db"
ok "over one that died: taken off" mounts_at 1
ok "which the log tells" grep -q "that died was taken off" "$WORK/log"
ok "and it serves" mkdir "$M/fresh"
first=$daemon
mount_fs
ok "over one that serves: it stays" until_true 20 mounts_at 2
umount_fs
ok "as it was" test -d "$M/fresh"
daemon=$first
umount_fs
mount -t tmpfs none "$M"
mount_fs
ok "over something else: it stays" mounts_at 2
umount_fs
same "as it was, too" tmpfs "$(stat -f -c %T "$M")"
umount "$M"

# ---- what mount(8) passes of SELinux is the kernel's to judge
if [ ! -d /sys/fs/selinux ]; then
	refused "a label, where there is no SELinux" "can't be mounted" run "$DB" "$M" -o 'context="system_u:object_r:tmp_t:s0:c1,c2"'
	refused "but no label is none" "is not known" run "$DB" "$M" -o context=
fi

# ---- mount(8), which finds an installed program by fuse.ipamfs, and any by its path
ok "mount(8)" mount -t fuse "$IPAMFS#$DB" "$M" -o sync=normal,nosuid,nodev
same "is mounted" "$DB" "$(awk -v m="$M" '$2 == m { print $1 }' /proc/mounts)"
ok "with its flags" grep -q " $M fuse.ipamfs .*nosuid.*nodev" /proc/mounts
daemon=$(pgrep -o -f "ipamfs $DB $M")
pids+=("$daemon")
umount "$M"
ok "umount ends it" until_true 20 gone

# ---- rows that contradict each other are not served
sqlite3 "$DB" "PRAGMA foreign_keys = OFF; UPDATE lease SET ip4 = '10.244.9.9'"
refused "a lease outside its node's block" "contradicts itself" run "$DB" "$M"
refused "which check names" "is in no block of its node" "$IPAMCTL" check "$DB"
