# A backup while leases come and go as fast as they can: what was acknowledged before it is in it, it is one moment, and copied back it is
# mounted and goes on.
. "$(dirname "$0")/../lib.sh"

# Leases of the log's lines, "NAME ADDRESSES": + made, - removed, ? under way.
held() { awk '$1 == "+" { n = $2; sub(/^. [^ ]* /, ""); held[n] = $0 } $1 != "+" { delete held[$2] }
	END { for (n in held) print n, held[n] }' "$@" | sed 's/ *$//' | sort; }
ever() { awk '$1 == "+" || $1 == "?" { print $2 }' "$@" | sort -u; }
inside() { sqlite3 "$1" "SELECT name || ' ' || ip4 || '/16 ' || ip6 || '/64' FROM lease" | sort; }
copy_log() { rm -rf "$1" && mkdir "$1" && cp "$WORK"/churn.* "$1"; }

mount_fs sync=normal
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16
fd00:10:244::/48 64"
mkdir "$M/prod/n"
"$HELPERS/fault/churn" "$M/prod/n" 6 "$WORK/churn" &
churn=$!
pids+=("$churn")
busy() { [ "$(cat "$WORK"/churn.* 2>/dev/null | wc -l)" -gt "$1" ]; }
until_true 60 busy 1000
for i in 1 2 3 4; do
	copy_log "$WORK/before"
	ok "backup $i under load" "$IPAMCTL" backup --quiet --mount "$M" "$WORK/backup$i.db"
	copy_log "$WORK/after"
	# Made before, and nothing about it since.
	comm -12 <(held "$WORK"/before/*) <(held "$WORK"/after/*) >"$WORK/must"
	ok "backup $i: $(wc -l <"$WORK/must") leases that must be in it" test -s "$WORK/must"
	inside "$WORK/backup$i.db" >"$WORK/has"
	same "backup $i: are, with their addresses" "" "$(comm -23 "$WORK/must" "$WORK/has")"
	same "backup $i: and none that never was" "" "$(comm -23 <(cut -d' ' -f1 "$WORK/has" | sort) <(ever "$WORK"/after/*))"
	check_clean "backup $i" "$WORK/backup$i.db"
done
ok "progress is shown on a terminal" grep -q "pages" <(script -qec "'$IPAMCTL' backup --mount '$M' '$WORK/shown.db'" /dev/null)
ok "without one it isn't" test -z "$("$IPAMCTL" backup --quiet --mount "$M" "$WORK/quiet.db" 2>&1)"
umount -l "$M"
kill -9 "$daemon"
wait "$churn" "$daemon" 2>/dev/null

# As docs/howto/backup.md has it, though the daemon died.
restore() {
	rm -f "$DB-wal" "$DB-shm"
	cp "$WORK/backup4.db" "$DB"
	mount_fs
}
restore
same "restored: the mount shows what the backup has" "" "$(comm -3 <(inside "$WORK/backup4.db") <(contents "$M/prod/n"))"
ok "and goes on" claim "$M/prod/n/new"
same "with an address that nobody has" "" "$(cat "$M"/prod/n/* | sort | uniq -d)"
ok "database and mount agree" "$IPAMCTL" check --quiet "$M"
umount_fs
restore
same "restored again after a clean end" "" "$(comm -3 <(inside "$WORK/backup4.db") <(contents "$M/prod/n"))"
umount_fs
mount_fs ro "$WORK/backup3.db"
ok "a backup can be mounted as it is" test -d "$M/prod/n"
umount_fs

# ---- a plain copy: what is stored comes to the database's own file once nothing has happened for a while
PLAIN=$WORK/plain.db
in_file() { [ "$(sqlite3 "file:$PLAIN?immutable=1" 'SELECT count(*) FROM lease')" = "$1" ]; }
fake_disk
mount_fs "" "$PLAIN"
make_cluster prod n
touch "$M"/prod/n/a{1..120}
ok "some seconds after the last change a plain copy has all" until_true 60 in_file 120
written=$(stat -c %y "$PLAIN")
begun() { [ "$(stat -c %y "$PLAIN")" != "$written" ]; }
echo "slow 1000 plain.db" >"$FAULTS" # of some thirty writes
touch "$M"/prod/n/b{1..120}
ok "it is brought there again" until_true 60 begun
ok "a change meanwhile" claim "$M/prod/n/c"
ok "doesn't wait for that" eval '! in_file 240 && ! in_file 241'
: >"$FAULTS"
ok "and comes there, too" until_true 60 in_file 241
umount_fs
check_clean "after that" "$PLAIN"
