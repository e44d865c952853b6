#!/usr/bin/env bash
# ipamkube agent: a worker's own Node's podCIDRs in its own mount, so that CNI needs nothing else.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cni_lib.sh
. "$(dirname "$0")/../cni_lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
network() { printf '{"cniVersion":"1.0.0","name":"net","type":"bridge","ipam":{"type":"ipamfs","mount":"%s","cluster":"prod","node":"w-1"}}' "$M"; }
add() { plugin "$CNI" ADD "$1" "$(network)"; }
del() { plugin "$CNI" DEL "$1" "$(network)"; }
# agent [OPTIONS...]: its pid is $agent, its log $WORK/agent.log; it watches
agent() {
	admin DELETE requests >/dev/null
	"$IPAMKUBE" agent --mount "$M" --cluster prod --node w-1 "$@" 2>>"$WORK/agent.log" >&2 &
	agent=$!
	pids+=("$agent")
	ok "it watches" until_true 20 eval 'admin GET "requests?path=$nodes" | jq -e "any(.[]; .uri | contains(\"watch=\"))"'
}
agent_end() {
	kill "-${1:-TERM}" "$agent" 2>/dev/null
	wait "$agent" 2>/dev/null
	status=$?
}
has() { [ "$(mounted w-1)" = "$1" ]; }
# again CIDR...: the Node is made again, with these
again() {
	node_delete w-1
	node_make w-1 "$@"
}

# ---- it waits, then adopts
node_make w-2 10.244.9.0/24
node_make w-1
agent --cluster-cidr 10.244.0.0/16,fd00:10:244::/48
ok "it waits for its podCIDRs" until_true 20 grep -q "w-1: waits" "$WORK/agent.log"
same "a Node without podCIDRs has nothing in the mount" "" "$(mounted w-1)"
kube PATCH $nodes/w-1 '{"spec":{"podCIDRs":["10.244.3.0/24","fd00:10:244:3::/64"]}}' >/dev/null
ok "then it has them" until_true 20 has "10.244.3.0/24 fd00:10:244:3::/64"
same "no other Node's" w-1 "$(ls "$M/prod")"
ok "CNI works" add pod-1
same "with addresses of the block" "10.244.3.2/24 fd00:10:244:3::2/64" "$(addresses)"
same "it asks for its own Node alone" 0 "$(admin GET "requests?path=$nodes*" | jq '[.[] | select(.agent | startswith("curl") | not) | select((.uri | test("metadata.name(%3D|=)w-1|/nodes/w-1")) | not)] | length')"
same "and writes nothing to it" 0 "$(admin GET "requests" | jq '[.[] | select(.agent | startswith("curl") | not) | select(.method != "GET" and (.uri | contains("events") | not))] | length')"

# ---- once more from the start, and by crashes
agent_end
same "it ends cleanly" 0 "$status"
agent
ok "started again" until_true 20 has "10.244.3.0/24 fd00:10:244:3::/64"
ok "the lease is there" test -e "$M/prod/w-1/pod-1" -o -n "$(ls "$M/prod/w-1")"
agent_end KILL
agent
ok "killed, and started again" until_true 20 has "10.244.3.0/24 fd00:10:244:3::/64"
umount_fs
mount_fs
ok "CNI goes on when the mount was away" add pod-2

# ---- the Node is made again with others
del pod-1
del pod-2
again 10.244.4.0/24 fd00:10:244:4::/64
ok "other podCIDRs, no leases: they are exchanged" until_true 40 has "10.244.4.0/24 fd00:10:244:4::/64"
ok "CNI takes them" add pod-3
same "an address of these" "10.244.4.2/24 fd00:10:244:4::2/64" "$(addresses)"
again 10.244.5.0/24 fd00:10:244:5::/64
ok "others again, with a lease: it is told" until_true 40 grep -q '10.244.5.0/24' "$WORK/agent.log"
same "and the lease keeps its block" "10.244.4.0/24 fd00:10:244:4::/64" "$(mounted w-1)"
ok "with the lease in it" plugin "$CNI" CHECK pod-3 "$(jq -c --argjson p "$(cat "$WORK/out")" '. + {prevResult: $p}' <<<"$(network)")"
del pod-3
ok "until it goes" until_true 60 has "10.244.5.0/24 fd00:10:244:5::/64"
again
ok "made again without podCIDRs: it waits" until_true 20 eval '[ "$(grep -c "w-1: waits" "$WORK/agent.log")" -ge 2 ]'
same "made again without: it keeps what it had" "10.244.5.0/24 fd00:10:244:5::/64" "$(mounted w-1)"
kube PATCH $nodes/w-1 '{"spec":{"podCIDRs":["10.244.6.0/24","fd00:10:244:6::/64"]}}' >/dev/null
ok "until there are others" until_true 40 has "10.244.6.0/24 fd00:10:244:6::/64"
node_delete w-1
until_true 20 eval 'tail -1 "$WORK/agent.log" | grep -q "w-1: the Node is gone"'
same "a Node that is gone takes nothing from its machine" "10.244.6.0/24 fd00:10:244:6::/64" "$(mounted w-1)"

# ---- a server as it is: what happens while the watch is away is forgotten when it comes back
node_make w-1 10.244.6.0/24 fd00:10:244:6::/64
for how in event code; do
	admin POST settings "{\"gone\":\"$how\"}" >/dev/null
	rule '{"method":"GET","query":"*watch=*","hold":"before"}'
	admin POST "drop?how=reset" >/dev/null
	until_true 20 held
	[ $how = event ] && block=7 || block=8
	again 10.244.$block.0/24 fd00:10:244:$block::/64
	admin POST forget >/dev/null
	if [ $how = event ]; then rule '{"method":"GET","query":"*limit=*","code":500}'; fi
	if [ $how = code ]; then rule '{"method":"GET","query":"*limit=*","code":200,"text":"<html></html>"}'; fi
	admin POST release >/dev/null
	ok "after 410 by $how, and a list that failed" until_true 60 has "10.244.$block.0/24 fd00:10:244:$block::/64"
	admin DELETE rules >/dev/null
done
ok "CNI works still" add pod-9
agent_end
same "it ends cleanly" 0 "$status"
del pod-9

# ---- a host whose name has capitals: the kubelet calls its Node in lower case, and so is the mount's
node_make mixed-1 10.244.77.0/24
ok "a host called Mixed-1 is the Node mixed-1" unshare --uts bash -c 'hostname Mixed-1 && exec "$@"' - timeout 60 "$IPAMKUBE" agent --mount "$M" \
	--cluster prod --cluster-cidr 10.244.0.0/16 --once
same "which has its podCIDRs" 10.244.77.0/24 "$(mounted mixed-1)"
ok "for ipamctl as well" unshare --uts bash -c 'hostname Mixed-1 && exec "$@"' - "$IPAMCTL" gc --mount "$M" --cluster prod --dry-run
mkdir "$M/prod/Mixed-2" "$M/prod/mixed-2"
touch "$M/prod/Mixed-2/pod"
same "where both are, the one that is called as the host" prod/Mixed-2 "$(unshare --uts bash -c 'hostname Mixed-2 && exec "$@"' - "$IPAMCTL" gc --mount "$M" --cluster prod --dry-run | cut -d: -f1)"
rm "$M/prod/Mixed-2/pod"
rmdir "$M/prod/Mixed-2" "$M/prod/mixed-2" "$M/prod/mixed-1"

# ---- once
ok "once" timeout 60 "$IPAMKUBE" agent --mount "$M" --cluster prod --node w-1 --once
node_make w-5
timeout 60 "$IPAMKUBE" agent --mount "$M" --cluster prod --node w-5 --once --timeout 2 >"$WORK/once" 2>&1
same "once, for a Node without podCIDRs: 1" 1 $?
timeout 60 "$IPAMKUBE" agent --mount "$M" --cluster prod --node w-none --once --timeout 2 >"$WORK/once" 2>&1
same "once, for a Node that isn't there: 1" 1 $?
ok "which is said" grep -q w-none "$WORK/once"
node_make w-6 192.168.1.0/24
timeout 60 "$IPAMKUBE" agent --mount "$M" --cluster prod --node w-6 --once --timeout 2 >"$WORK/once" 2>&1
same "once, for podCIDRs that are none of the cluster's: 1" 1 $?
ok "which are named" grep -q 192.168.1.0/24 "$WORK/once"
check_clean "at the end"
apiserver_stop
