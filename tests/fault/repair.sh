# Damaged databases: pages scribbled over, a file cut short, a log removed. What can be told comes back; no address that was held is
# ever given again.
. "$(dirname "$0")/../lib.sh"

mount_fs sync=normal
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/16 25
fd00::/48 64"
for n in n1 n2 n3; do mkdir "$M/prod/$n"; done
for n in n1 n2 n3; do touch "$M/prod/$n"/l{1..60}; done
rm "$M"/prod/n2/l{1..60..3}
for i in $(seq 5 9); do mv "$M/prod/n1/l$i" "$M/prod/n1/renamed$i"; done
setfattr -n user.pod -v shop/db-0 "$M/prod/n1/l1"
put "$M/prod/.ipam/reserved" 10.0.77.0/24
list() { contents "$M/prod"; }
before=$(list)
held=$(tr ' ' '\n' <<<"$before" | grep / | grep -v '^n' | cut -d/ -f1)
umount_fs
sqlite3 "$DB" 'PRAGMA journal_mode=DELETE' >/dev/null
cp "$DB" "$WORK/good"

damaged=
# start NAME: the good one again
start() {
	rm -f "$DB"*
	cp "$WORK/good" "$DB"
}
pages() { sqlite3 "$WORK/good" "SELECT pageno FROM dbstat WHERE name = '$1' AND pagetype LIKE '${2:-%}' ORDER BY pageno"; }
size=$(sqlite3 "$WORK/good" 'PRAGMA page_size')
# scribble PAGE...: random bytes over them
scribble() {
	local page
	for page; do dd if=/dev/urandom of="$DB" bs="$size" seek=$((page - 1)) count=1 conv=notrunc status=none; done
}
repair() {
	"$IPAMCTL" check --repair "$DB" >"$WORK/out" 2>&1
	status=$?
	damaged=$(ls "$DB".damaged-* 2>/dev/null | grep -v report | head -1)
}
# None of the addresses that were held can be had.
given_again() {
	local n
	# shellcheck disable=SC2086
	for n in "$M"/prod/n*; do "$HELPERS/mount/sys" any "$n" $held; done
}
settled() {
	check_clean "$1"
	mount_fs
	same "$1: no address that was held is given again" "" "$(given_again)"
}

start
sum=$(sha256sum <"$DB")
repair
same "a sound one: nothing to repair" "0 $DB: nothing to repair" "$status $(cat "$WORK/out")"
same "and nothing changed" "$sum" "$(sha256sum <"$DB")"

start
# shellcheck disable=SC2046
scribble $(pages lease_ip4) $(pages lease_name) $(pages node | head -0)
refused "damaged indexes are found" "" "$IPAMCTL" check --quiet "$DB"
repair
same "they are made anew, and nothing is lost" 0 "$status"
ok "the damaged one is kept" test -s "$damaged"
settled "indexes"
same "indexes: every lease is as it was" "$before" "$(list)"
umount_fs

for which in 2 3; do
	start
	scribble "$(pages lease leaf | sed -n "${which}p")"
	repair
	same "a page of leases: all comes back by the indexes, and what is not as it was is told" 1 "$status"
	ok "and it says which, and how" grep -q "^kept: lease 'prod/n.*by the indexes" "$WORK/out"
	settled "leases"
	same "leases: every one has its name and addresses" "$before" "$(list)"
	umount_fs
done

start
# shellcheck disable=SC2046
scribble $(pages lease leaf | sed -n 2,3p) $(pages lease_name) $(pages lease_ip4) $(pages lease_ip6)
repair
ok "with the indexes gone as well, the history tells" grep -q "^kept: lease .* by the history" "$WORK/out"
settled "history"
same "history: names and addresses of all" "$before" "$(list)"
umount_fs

start
# shellcheck disable=SC2046
scribble $(pages lease leaf | sed -n 2,3p) $(pages lease_name) $(pages lease_ip4) $(pages lease_ip6) $(pages history leaf | sed -n '4~2p')
repair
same "where nothing tells, something is lost" 1 "$status"
ok "what can't be told is reserved" grep -q "^uncertain: 10.0.0.*reserved" "$WORK/out"
ok "a list of it lies beside the damaged one" grep -q "^uncertain: 10.0.0" "$damaged.report"
settled "nothing tells"
ok "nothing tells: it is there to be looked at" grep -q '^10.0.0' "$M/prod/.ipam/reserved"
umount_fs

start
# Behind the tables' own names, without which nothing of it can be read.
cut=$(($(stat -c %s "$DB") * 2 / 3)) names=$(($(pages sqlite_schema | tail -1) * size))
truncate -s $((cut > names ? cut : names)) "$DB"
repair
ok "a file cut short: $(grep -c '^kept' "$WORK/out") kept, $(grep -c '^lost' "$WORK/out") lost, $(grep -c '^uncertain' "$WORK/out") uncertain" test -n "$damaged"
settled "cut short"
umount_fs

start
sqlite3 "$DB" "DROP INDEX lease_ip4; UPDATE lease SET ip4 = (SELECT ip4 FROM lease WHERE name = 'l10' AND node = (SELECT id FROM node WHERE name = 'n1')) WHERE name = 'l20' AND node = (SELECT id FROM node WHERE name = 'n1');
CREATE INDEX lease_ip4 ON lease (cluster, ip4) WHERE ip4 IS NOT NULL"
refused "two leases of one address are found" "" "$IPAMCTL" check --quiet "$DB"
repair
ok "the one of which the history tells it stays, and it says so" grep -q "^kept: lease 'prod/n1/l20'.*a row says otherwise" "$WORK/out"
same "status" 1 "$status"
settled "conflict"
ok "conflict: the older" test -e "$M/prod/n1/l10"
umount_fs

start
scribble 1
repair
same "a first page that is gone: refused" 1 "$status"
ok "and it says what to do" grep -q "nothing can be read of it.*backup" "$WORK/out"

seed=${SEED:-$((RANDOM))}
RANDOM=$seed
total=$(($(stat -c %s "$WORK/good") / size))
for round in 1 2 3 4 5; do
	start
	for _ in 1 2 3 4; do scribble $((2 + RANDOM % (total - 1))); done
	repair
	if [ -n "$damaged" ]; then
		settled "four random pages of $total (seed $seed, round $round)"
		umount_fs
	else
		ok "four random pages (seed $seed, round $round): hit nothing, or refused: $(tail -1 "$WORK/out")" grep -q "nothing to repair\|nothing can be read\|still has findings" "$WORK/out"
	fi
done

# The log is removed after a crash.
rm -f "$DB"*
mount_fs sync=normal
make_cluster prod n1
claim "$M/prod/n1/a"
kill_fs
rm "$DB-wal"
refused "a log that was removed after a crash is found" "the log that it left" "$IPAMCTL" check "$DB"
refused "the mount is refused" "the log that it left" timeout 60 "$IPAMFS" "$DB" "$M" -f
repair
ok "repair takes the database as it is, and warns" grep -q "^uncertain: .*log that it left is missing" "$WORK/out"
same "status" 1 "$status"
mount_fs
ok "then it is mounted" test -e "$M/.ipam/health"
refused "a mounted one isn't repaired" "in use by an ipamfs" "$IPAMCTL" check --repair "$DB"
same "usage" 2 "$("$IPAMCTL" check --repair >/dev/null 2>&1; echo $?)"
umount_fs

# A bit of the log flips after a crash: refused, and a repair has all of it again.
rm -f "$DB"*
mount_fs sync=normal
make_cluster prod n1
for i in $(seq 40); do claim "$M/prod/n1/l$i"; done
before=$(list)
kill_fs
at=$(($(stat -c %s "$DB-wal") / 2))
byte=$(od -An -tu1 -j"$at" -N1 "$DB-wal")
printf "\\x$(printf %02x $((byte ^ 8)))" | dd of="$DB-wal" bs=1 seek="$at" conv=notrunc status=none
refused "a bit of the log: the mount is refused" "the log that it left" timeout 60 "$IPAMFS" "$DB" "$M" -f
repair
ok "repair reads what lies behind it, and says where the log breaks off" grep -q "^uncertain: its log breaks off at page" "$WORK/out"
same "status" 1 "$status"
mount_fs
same "every lease that was acknowledged is there" "$before" "$(list)"
umount_fs
check_clean "a bit of the log"
