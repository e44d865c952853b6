# Somebody else's hand on the database's files, while they are in use and while they aren't: nothing is written into the void, nothing
# is forgotten, and it is said what to do.
FALLS=expected # of a log's index that is cut short while it is mapped
. "$(dirname "$0")/../lib.sh"

health() { head -1 "$M/.ipam/health"; }
list() { contents "$M/prod/n"; }
begin() {
	rm -f "$DB"* "$WORK"/elsewhere*
	mount_fs "$@"
	make_cluster prod n
	fill "$M/prod/n/a" 20 >/dev/null
	acked=$(list)
}
# refuses NAME HEALTH: changes are, reads go on, health and the log say why
refuses() {
	refused "$1: a create" "Input/output error" claim "$M/prod/n/refused"
	refused "$1: a release" "Input/output error" rm "$M/prod/n/a1"
	ok "$1: health: $(health)" grep -q "^failing: .*$2" "$M/.ipam/health"
	ok "$1: the log" grep -q "changes fail: .*$2" "$WORK/log"
	same "$1: reads go on, and show what was acknowledged" "$acked" "$(list)"
}
again() {
	mount_fs
	same "$1: mounted again, all is there" "$acked" "$(list)"
	ok "$1: and it works" claim "$M/prod/n/new"
	umount_fs
	check_clean "$1"
}

# ---- while it is in use

begin
rm "$DB-wal"
refuses "the log removed" "ipam.db-wal' was removed while it was in use; nothing is lost: mount again"
umount_fs
again "the log removed"

begin
rm "$DB-shm"
refuses "the index of the log removed" "ipam.db-shm' was removed while it was in use; nothing is lost: mount again"
umount_fs
again "the index of the log removed"

begin
rm "$DB-wal" "$DB-shm"
refuses "both removed" "was removed while it was in use; nothing is lost: mount again"
kill_fs
again "both removed, and the daemon killed"

begin
truncate -s 0 "$DB-shm"
refuses "the index of the log cut short" "ipam.db-shm' was cut short while it was in use; nothing is lost: mount again"
umount_fs
again "the index of the log cut short"

begin
cp "$DB-wal" "$WORK/elsewhere"
rm "$DB-wal"
cp "$WORK/elsewhere" "$DB-wal"
refuses "the log replaced" "ipam.db-wal' was replaced by another file while it was in use; nothing is lost: mount again"
ok "the other one is put aside" cmp "$WORK/elsewhere" "$DB-wal.foreign"
umount_fs
again "the log replaced"

begin
mv "$DB" "$WORK/elsewhere"
refuses "the database moved away" "ipam.db' was removed while it was in use; put it back"
mv "$WORK/elsewhere" "$DB"
ok "put back, it works by itself" claim "$M/prod/n/b"
same "health" ok "$(health)"
acked=$(list)
umount_fs
again "moved away and back"

begin
cp "$DB" "$WORK/elsewhere"
mv "$WORK/elsewhere" "$DB"
refuses "the database replaced" "ipam.db' was replaced by another file while it was in use; put it back"
ok "what the mount shows can be taken over" "$IPAMCTL" export --mount "$M" --json
umount_fs

begin
truncate -s 8192 "$DB"
refuses "the database cut short" "ipam.db' was cut short while it was in use; 'ipamctl export'"
umount_fs

begin
truncate -s 5000 "$DB-wal"
refuses "the log cut short" "ipam.db-wal' was cut short while it was in use; 'ipamctl export'"
"$IPAMCTL" export --mount "$M" --shell >"$WORK/export.sh"
umount_fs
rm -f "$DB"*
mount_fs
ok "what was exported can be made again" sh "$WORK/export.sh" "$M"
same "with all of its addresses" "$acked" "$(list)"
umount_fs

begin
umount_fs
mount_fs
dd if=/dev/urandom of="$DB" bs=2048 seek=1 count=1000 conv=notrunc status=none
sqlite3 "$DB" 'PRAGMA integrity_check' >/dev/null 2>&1
# What it has cached it goes on with; sooner or later it reads a page that is none.
fill "$M/prod/n/s" 300 >/dev/null
same "scribbled over: reads go on" "$acked" "$(list | grep '^a')"
umount_fs
"$IPAMCTL" check --repair "$DB" >"$WORK/out" 2>&1
ok "scribbled over: repaired, or said what else to do: $(tail -1 "$WORK/out")" grep -q "the damaged one: \|restore a backup" "$WORK/out"

# Another program's own business with it isn't somebody's hand.
begin
sqlite3 "$DB" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
ok "a checkpoint by sqlite3 is no trouble" claim "$M/prod/n/c"
sqlite3 "$DB" 'VACUUM; PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
ok "nor a VACUUM" claim "$M/prod/n/d"
ok "nor a reader" sqlite3 "$DB" 'SELECT count(*) FROM lease'
ok "nor an integrity check" "$IPAMCTL" check --quiet "$M"
same "health" ok "$(health)"
acked=$(list)
umount_fs
again "other programs"

# ---- while it isn't

begin
kill_fs
rm -f "$DB-shm"
again "killed, the index of the log removed"

# A link is a name for the file, beside which its log lies, and goes.
begin
umount_fs
ln -s "$DB" "$WORK/link.db"
mount_fs "" "$WORK/link.db"
ok "by a link: it works" claim "$M/prod/n/b"
rm "$WORK/link.db"
ok "without the link: it works on" claim "$M/prod/n/c"
acked=$(list)
kill_worker
ok "the next worker has it, too" claim "$M/prod/n/d"
acked=$(list)
kill_fs
again "by a link, and killed"

# What a daemon that died has left must be all of it: a bit, or an end that is missing, is refused like a log that was removed, by whatever
# looks first and however often.
frame=$((24 + $(sqlite3 "$DB" 'PRAGMA page_size')))
size() { stat -c %s "$DB-wal"; }
flip() { # OFFSET
	local byte
	byte=$(od -An -tu1 -j"$1" -N1 "$DB-wal")
	printf "\\x$(printf %02x $((byte ^ 8)))" | dd of="$DB-wal" bs=1 seek="$1" conv=notrunc status=none
}
damaged_log() { # NAME HOW
	local copy
	copy=$(sha256sum <"$DB-wal")
	refused "$1: the mount is refused" "$2" timeout 60 "$IPAMFS" "$DB" "$M" -f
	refused "$1: check says so" "$2" "$IPAMCTL" check "$DB"
	refused "$1: a backup is refused" "$2" "$IPAMCTL" backup "$WORK/backup.db" --database "$DB"
	ln -s "$DB" "$WORK/link.db"
	refused "$1: the mount is refused by another name, too" "$2" timeout 60 "$IPAMFS" "$WORK/link.db" "$M" -f
	rm "$WORK/link.db"
	same "$1: and the log stays as it is" "$copy" "$(sha256sum <"$DB-wal")"
}
end() { echo $((32 + ($(size) - 32) / frame * frame)); }

begin
kill_fs
mkdir "$WORK/whole"
cp -p "$DB-wal" "$DB-shm" "$WORK/whole"
back() { # the same inodes
	cat "$WORK/whole/ipam.db-wal" >"$DB-wal"
	cat "$WORK/whole/ipam.db-shm" >"$DB-shm"
}
flip $((32 + 3 * frame + 100))
damaged_log "a bit of the fourth page" "was damaged or cut (only"
back
flip $((32 + 3 * frame + 100))
rm "$DB-shm"
damaged_log "a bit, and no index" "was damaged or cut (only"
back
flip 20
damaged_log "a bit of the log's header" "was damaged at its beginning"
back
flip $(($(end) - 40))
damaged_log "a bit of the last page" "was damaged or cut (only"
back
truncate -s $(($(end) - frame)) "$DB-wal"
damaged_log "a page less" "was damaged or cut (only"
back
truncate -s 32 "$DB-wal"
damaged_log "the header alone" "was damaged or cut (only 0"
back
dd if=/dev/urandom of="$DB-wal" bs=1 seek=3000 count=4000 conv=notrunc status=none
damaged_log "scribbled over" "was damaged or cut (only"
back
again "the log put back as it was"
rm -r "$WORK/whole"

begin
kill_fs
truncate -s 0 "$DB-wal"
refused "killed, the log emptied: refused" "the log that it left" timeout 60 "$IPAMFS" "$DB" "$M" -f
ok "a backup by another name isn't meant" cp "$DB" "$WORK/elsewhere.db"
mount_fs "" "$WORK/elsewhere.db"
umount_fs

# A start that fails leaves the log to the next one: here that of a program which the database is too new for.
begin
now=$(sqlite3 "$DB" 'PRAGMA user_version')
kill_fs
version() { sqlite3 -cmd '.dbconfig no_ckpt_on_close on' "$DB" "PRAGMA user_version = $1" >/dev/null; }
version 99
refused "a database of a newer version: refused" "made by a newer ipamfs" timeout 60 "$IPAMFS" "$DB" "$M" -f
ok "and its log is left" test -s "$DB-wal"
version "$now"
again "a start that failed"

# Where the daemon was started may go.
begin
umount_fs
mkdir "$WORK/started" "$WORK/started/in"
cd "$WORK/started/in" || exit 1
mount_fs "" ../../ipam.db
cd / || exit 1
rm -r "$WORK/started"
ok "the starter's directory is gone: it works on" claim "$M/prod/n/b"
acked=$(list)
kill_fs
again "the starter's directory gone, and killed"
