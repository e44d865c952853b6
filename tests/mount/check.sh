# ipamctl: init in kube-controller-manager's words, and check against databases that were tampered with.
. "$(dirname "$0")/../lib.sh"

ctl() { "$IPAMCTL" "$@"; }
ok "init" ctl init "$DB" --cluster prod --cluster-cidr 10.244.0.0/16,fd00:10:244::/48 \
	--node-cidr-mask-size-ipv4 25 --node-cidr-mask-size-ipv6 80 --service-cluster-ip-range 10.244.255.0/24
refused "a cluster that is there" "already" ctl init "$DB" --cluster prod --cluster-cidr 10.1.0.0/16
refused "host bits" "is no CIDR" ctl init "$DB" --cluster b --cluster-cidr 10.1.0.1/16
refused "what was meant is offered" "did you mean '10.1.0.0/16'" ctl init "$DB" --cluster b --cluster-cidr 10.1.0.1/16
refused "what is missing is said" "--cluster-cidr CIDR[,CIDR...] is missing" ctl init "$DB" --cluster b
refused "overlap" "overlap" ctl init "$DB" --cluster b --cluster-cidr 10.1.0.0/16,10.1.128.0/17
same "of which nothing is left" "prod" "$(sqlite3 "$DB" 'SELECT name FROM cluster')"
refused "a mask that doesn't suit" "doesn't suit" ctl init "$WORK/new.db" --cluster b --cluster-cidr 10.1.0.0/28
same "no new file" "" "$(ls "$WORK" | grep new)"
refused "a mistyped command" "did you mean 'check'" ctl chekc
same "to who reads, nothing is suggested that changes" "" "$(for word in get lst show ls stat port; do ctl $word 2>&1 | grep -E "mean '(gc|init|import|node|upgrade)'"; done)"
same "nor by an option" "" "$(ctl check --report "$DB" 2>&1 | grep "mean '--repair'")"
refused "but a slip is" "did you mean '--repair'" ctl check --repairs "$DB"
refused "nor by its beginning" "no option '--rep' here" ctl check --rep "$DB"
ctl frobnicate 2>/dev/null
same "usage is status 2" 2 $?

mount_fs
refused "init of what is mounted" "in use" ctl init "$DB" --cluster c --cluster-cidr 10.1.0.0/16
mkdir "$M/prod/n1" "$M/prod/n2"
same "the masks" "10.244.0.0/25 fd00:10:244::/80" "$(xargs <"$M/prod/n1/.ipam/cidrs")"
touch "$M/prod/n1/a" "$M/prod/n1/b" "$M/prod/n2/c"
ok "a mount is sound" ctl check "$M"
umount_fs
ok "a database is sound: 1 cluster" grep -q ': 1 cluster, 2 nodes, .*: 0 findings$' <(ctl check "$DB")
refused "a backup to standard output" "can't be written to standard output" ctl backup --database "$DB" -
same "makes no file" "" "$(ls | grep -x -- -)"
ok "its history is read" ctl history --database "$DB"
same "and who only reads makes nothing beside it" "ipam.db" "$(ls "$WORK" | grep ipam.db)"
sqlite3 "$WORK/empty.db" ".restore $DB" 'PRAGMA foreign_keys = ON; DELETE FROM lease; DELETE FROM block; DELETE FROM node; DELETE FROM cluster; DELETE FROM history'
refused "one without a cluster, as a plain copy may be, isn't called sound" "no cluster is in it" ctl check "$WORK/empty.db"
ctl check --quiet "$WORK/empty.db" >/dev/null
same "nor by the status" 1 $?
same "JSON says it" "0 3" "$(ctl check --json "$DB" | jq -r '"\(.findings | length) \(.leases)"')"

# tamper WHAT WANTED SQL: on a copy without constraints, one finding at least that has the words, and status 1
tamper() {
	local copy=$WORK/tampered.db
	rm -f "$copy"
	sqlite3 "$DB" ".backup $copy"
	sqlite3 "$copy" "PRAGMA foreign_keys = OFF; DROP TRIGGER block_overlap; DROP TRIGGER block_moved;
		DROP INDEX lease_ip4; DROP INDEX lease_ip6; DROP INDEX lease_name; DROP INDEX block_first; DROP INDEX block_last; $3"
	refused "$1" "$2" ctl check "$copy"
}
tamper "an address twice" "held by another lease" "UPDATE lease SET ip4 = '10.244.0.2' WHERE name = 'b'"
tamper "an address of another node" "in no block of its node" "UPDATE lease SET ip4 = '10.244.0.9' WHERE name = 'c'"
tamper "a gateway" "gateway" "UPDATE lease SET ip4 = '10.244.0.1' WHERE name = 'a'"
tamper "a network address" "network address" "UPDATE lease SET ip4 = '10.244.0.0' WHERE name = 'a'"
tamper "a broadcast address" "broadcast" "UPDATE lease SET ip4 = '10.244.0.127' WHERE name = 'a'"
tamper "an anycast address" "anycast" "UPDATE lease SET ip6 = 'fd00:10:244::' WHERE name = 'a'"
tamper "a reserved address" "is reserved" "INSERT INTO reserved SELECT id, 7, '10.244.0.2', 0 FROM cluster"
tamper "a reserved block" "is reserved" "INSERT INTO reserved SELECT id, 7, '10.244.0.0/24', 0 FROM cluster"
tamper "a block that a services' range meets" "reserved for services" "INSERT INTO reserved SELECT id, 7, '10.244.0.120/30', 1 FROM cluster"
tamper "a block twice" "overlaps" "INSERT INTO block SELECT id + 900, cluster, node, '10.244.0.0/24', first_key, '0af400ff', NULL, NULL FROM block WHERE cidr = '10.244.0.0/25'"
tamper "a name twice" "two leases" "UPDATE lease SET name = 'a' WHERE name = 'b'"
tamper "a lease of no node" "of no node" "DELETE FROM node WHERE name = 'n2'"
tamper "text that isn't canonical" "isn't written as" "UPDATE lease SET ip6 = 'FD00:10:244::2' WHERE name = 'a'"
tamper "a resting address that is leased" "is to rest" "INSERT INTO resting SELECT cluster, ip4, 0 FROM lease WHERE name = 'a'"
tamper "an id not given yet" "not given yet" "UPDATE sequence SET next_id = 3"
tamper "a setting that is none" "is none" "INSERT INTO setting VALUES (3, 'colour', 'blue')"
refused "what is no database" "not an ipamfs database" ctl check /etc/passwd
refused "what is no mount" "not where an ipamfs is mounted" ctl check "$WORK"

# ---- a schema that isn't ours, and rows that no program of ours makes: neither served nor run into
# foreign WHAT WANTED SQL: check and the mount refuse it, soon
foreign() {
	local copy=$WORK/foreign.db
	rm -f "$copy"*
	sqlite3 "$DB" ".backup $copy"
	sqlite3 "$copy" "PRAGMA foreign_keys = OFF; $3"
	refused "$1: check" "$2" timeout 60 "$IPAMCTL" check "$copy"
	refused "$1: the mount" "${4:-$2}" timeout 60 "$IPAMFS" "$copy" "$M" -f
}
endless="WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i FROM s) SELECT i FROM s"
foreign "a trigger" "trigger 'quiet'" "CREATE TRIGGER quiet BEFORE INSERT ON lease BEGIN SELECT RAISE(IGNORE); END"
foreign "an endless view for a table" "view 'sequence'" "DROP TABLE sequence; CREATE VIEW sequence AS $endless" "table 'sequence' is missing"
foreign "an endless view for the table with the mark" "view 'engine'" "DROP TABLE engine; CREATE VIEW engine AS $endless" "table 'engine' is missing"
foreign "a table more" "table 'mine'" "CREATE TABLE mine (x)"
foreign "an index that is missing" "index 'lease_ip4' is missing" "DROP INDEX lease_ip4"
foreign "an index that guards nothing" "index 'lease_ip4' isn't as" "DROP INDEX lease_ip4; CREATE INDEX lease_ip4 ON lease (cluster, ip4)"
foreign "the last id of all" "sequence of ids" "UPDATE sequence SET next_id = 9223372036854775807" "the next id"
for table in cluster node lease; do
	for name in .. a/../../b; do
		foreign "a $table '$name'" "not a valid name" "UPDATE $table SET name = '$name' WHERE id = (SELECT min(id) FROM $table)" "is no name"
	done
done
