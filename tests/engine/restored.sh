# An etcd that goes back, or isn't the one that it was: who knew it leases and delegates nothing, and says so, until it agrees again with
# what is known here, or an administrator takes it as it is.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
health() { head -1 "$1/.ipam/health"; }
says() { [[ $(health "$1") == *"$2"* ]]; }
save() { rm -f "$WORK/snapshot" && ctl snapshot save "$WORK/snapshot"; }
# restore: the member ends, and begins anew with what was saved
restore() {
	etcd_kill 0
	rm -rf "$ETCD_DIR/m0"
	ctl snapshot restore "$WORK/snapshot" --data-dir "$ETCD_DIR/m0" --name m0 --initial-cluster "$initial" \
		--initial-advertise-peer-urls "http://$(peer_host 0):${peer_ports[0]}"
	etcd_begin 0
	until_true 30 etcd_healthy
} >>"$WORK/restore.log" 2>&1

mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 grep -q 10.244 "$B/prod/.ipam/cidrs"
ok "etcd is saved" save
mkdir "$A/prod/w1"
until_true 20 touch "$A/prod/w1/a"
touch "$A/prod/w1/b"
ok "a node is made after that" until_true 20 test -e "$B/prod/w1/b"

# ---- put back to where there was no such node
restore
ok "health says it within 5 s" until_true 5 says "$A" "isn't the etcd that this machine knew"
ok "on the other machine, too" until_true 5 says "$B" "isn't the etcd that this machine knew"
refused "nothing is leased" "No route to host" touch "$A/prod/w1/c"
refused "nor delegated" "No route to host" mkdir "$B/prod/w2"
ok "what runs stays" test -e "$A/prod/w1/a" -a -e "$B/prod/w1/a"
ok "and is released" rm "$A/prod/w1/b"
ok "health tells what is missing" until_true 20 says "$A" "node 'prod/w1' isn't there"
machine_kill w1
machine w1
refused "after a start it is the same" "No route to host" touch "$A/prod/w1/c"
ok "and said" until_true 5 says "$A" "isn't the etcd"
refused "another word takes nothing" "Invalid argument" put "$A/.ipam/accept" "yes"
ok "an administrator takes it as it is" put "$B/.ipam/accept" engine
ok "there all goes on" until_true 20 mkdir "$B/prod/w2"
ok "and is well" until_true 20 says "$B" ok
put "$A/.ipam/accept" engine
ok "here the node is as one that was removed by force" until_true 20 says "$A" "was removed elsewhere"
refused "which leases nothing" "Read-only file system" touch "$A/prod/w1/c"
ok "and keeps what runs" test -e "$A/prod/w1/a"
refused "one that is sound takes no word" "Invalid argument" put "$B/.ipam/accept" engine
rm "$A/prod/w1/a"
ok "it begins anew" until_true 20 mkdir "$A/prod/w1"
until_true 20 touch "$A/prod/w1/a"
until_true 20 test -e "$B/prod/w1/a"

# ---- put back to where all was as it is
save
revision() { ctl get x -w json | jq .header.revision; }
before=$(revision)
touch "$A/prod/w1/later"
until_true 20 test -e "$B/prod/w1/later"
ok "only publications came after" test "$(revision)" -gt "$before"
restore
ok "one that agrees is taken by itself" until_true 30 touch "$A/prod/w1/d"
ok "and said to be as it was" until_true 30 grep -q "isn't the etcd that this machine knew" "$WORK/w1.log"
ok "health is well" until_true 30 says "$A" ok
ok "what was not published any more is again" until_true 30 test -e "$B/prod/w1/d"
ok "all agrees" until_true 30 "$IPAMCTL" check "$A"
machine_end w1
machine_end w2

# ---- emptied
machine w1
ready w1
etcd_kill 0
rm -rf "$ETCD_DIR/m0"
etcd_begin 0
until_true 30 etcd_healthy
ok "an empty one is known as another" until_true 10 says "$A" "isn't the etcd"
refused "and leases nothing" "No route to host" touch "$A/prod/w1/e"
same "nothing is written there" "" "$(ctl get --prefix "$PREFIX")"
machine_end w1

# ---- endpoints of two
mine=$(etcd_endpoints)
other_port="" other_peer=""
free_port other_port other_peer
etcd --name other --data-dir "$ETCD_DIR/other" --listen-client-urls "http://127.0.0.1:$other_port" --advertise-client-urls "http://127.0.0.1:$other_port" \
	--listen-peer-urls "http://127.0.0.1:$other_peer" --initial-advertise-peer-urls "http://127.0.0.1:$other_peer" \
	--initial-cluster "other=http://127.0.0.1:$other_peer" >"$WORK/etcd-other.log" 2>&1 &
other=$!
pids+=("$other")
until_true 30 curl -sf "http://127.0.0.1:$other_port/health"
endpoints="$mine,127.0.0.1:$other_port" machine w3
ok "endpoints of two clusters are refused" until_true 10 says "$WORK/w3" "two clusters of etcd"
refused "nothing is made in either" "No route to host" mkdir "$WORK/w3/x"
same "nor written" "" "$(ctl get --prefix "$PREFIX")"
machine_end w3
kill "$other"
wait "$other"
exit 0
