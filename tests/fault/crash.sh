# The daemon is killed in full flow: what was acknowledged is there afterwards, and nothing twice.
. "$(dirname "$0")/../lib.sh"

# What must be there: "NAME ADDRESSES" of each acknowledged lease that no acknowledged or unfinished change touched later.
expected() { awk '$1 == "+" { n = $2; sub(/^. [^ ]* /, ""); held[n] = $0 } $1 != "+" { delete held[$2] }
	END { for (n in held) print n, held[n] }' "$1".* | sed 's/ *$//' | sort; }
removed() { awk '$1 == "-" { gone[$2] = 1 } $1 == "?" { delete gone[$2] } END { for (n in gone) print n }' "$1".*; }

round() {
	local node=$M/prod/$2 log=$WORK/churn-$1-$2 lines
	mkdir "$node"
	"$HELPERS/fault/churn" "$node" 8 "$log" &
	local churn=$!
	pids+=("$churn")
	busy() { [ "$(cat "$log".* 2>/dev/null | wc -l)" -gt "$3" ]; }
	until_true 60 busy 0 0 "$3"
	kill_fs
	wait "$churn"
	mount_fs "sync=$1"
	lines=$(expected "$log" | wc -l)
	ok "sync=$1: $lines acknowledged leases to look for" test "$lines" -gt 100
	same "sync=$1: each is there, with its addresses" "" "$(comm -23 <(expected "$log") <(contents "$M/prod/$2"))"
	same "sync=$1: what was released is gone" "" "$(comm -12 <(removed "$log" | sort) <(ls "$M/prod/$2" | sort))"
	same "sync=$1: no address twice" "" "$(cat "$M/prod/$2"/* | sort | uniq -d)"
	ok "sync=$1: the mount and the database agree" "$IPAMCTL" check --quiet "$M"
}

mount_fs sync=normal
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16
fd00:10:244::/48 64"
round normal n1 1500
round normal n2 1500
umount_fs
mount_fs sync=full
round full n3 400
round full n4 400
umount_fs
check_clean "after four crashes"
same "SQLite's own check" ok "$(sqlite3 "$DB" 'PRAGMA integrity_check')"
