#!/usr/bin/env bash
# Agents, one a machine, against the real server: each follows its own Node's podCIDRs, whoever wrote them.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

# agent NODE [OPTIONS...]: with a mount of its own at $WORK/NODE; pid in pid[NODE]
declare -A pid
agent() {
	local node=$1
	shift
	[ -e "$WORK/$node/.ipam/version" ] || mount_fs "" "$WORK/$node.db" "$WORK/$node"
	"$IPAMKUBE" agent --mount "$WORK/$node" --cluster pods --node "$node" "$@" </dev/null >>"$WORK/agent-$node.log" 2>&1 &
	pid[$node]=$!
	pids+=("$!")
}
has() { [ "$(paste -sd, "$WORK/$1/pods/$1/.ipam/cidrs" 2>/dev/null)" == "$2" ]; }
follows() { has "$1" "$(pod_cidr "$1")"; }

kube_up
agent w-1
agent w-2 --cluster-cidr "$CIDR"
nodes_create w- 1 2
ok "a Node without podCIDR: nothing is made up" test ! -e "$WORK/w-1/pods/w-1"
oracle_start
ok "kube-controller-manager gives them podCIDRs" until_true 60 assigned 2
ok "the first agent's mount has its Node's" until_true 30 follows w-1
ok "and the second's" until_true 30 follows w-2
same "the first has its podCIDR as the cluster's CIDR" "$(pod_cidr w-1) 24" "$(cat "$WORK/w-1/pods/.ipam/cidrs")"
same "the second the CIDR that was said" "$CIDR 24" "$(cat "$WORK/w-2/pods/.ipam/cidrs")"
ok "nobody else's node is there" test "$(ls "$WORK/w-1/pods")" == w-1 -a "$(ls "$WORK/w-2/pods")" == w-2
: >"$WORK/w-1/pods/w-1/web-0"
prefix=$(pod_cidr w-1)
ok "a lease is an address of the podCIDR" grep -q "^${prefix%.0/24}\." "$WORK/w-1/pods/w-1/web-0"

# The agent isn't needed for leases, and learns what it missed.
kill -9 "${pid[w-2]}"
wait "${pid[w-2]}" 2>/dev/null
kubectl delete node w-2 >/dev/null
node_create w-2
ok "made anew, w-2 gets another podCIDR" until_true 30 assigned 2
agent w-2
ok "started again, the agent exchanges the blocks" until_true 30 follows w-2

# With a lease outside it can't: that is said, and nothing is taken.
held=$(cat "$WORK/w-1/pods/w-1/.ipam/cidrs") address=$(cat "$WORK/w-1/pods/w-1/web-0")
kubectl delete node w-1 >/dev/null
sleep 1
same "the Node is gone: the lease stays" "$address" "$(cat "$WORK/w-1/pods/w-1/web-0")"
node_create w-1
ok "made anew, w-1 gets another podCIDR" until_true 30 assigned 2
warned() { kubectl get events -A --field-selector "involvedObject.name=$1,type=Warning" -o name | grep -q .; }
if [ "$(pod_cidr w-1)" != "$held" ]; then
	ok "with a lease outside it is told by an event" until_true 30 warned w-1
	same "the blocks stay" "$held" "$(cat "$WORK/w-1/pods/w-1/.ipam/cidrs")"
	same "and the lease" "$address" "$(cat "$WORK/w-1/pods/w-1/web-0")"
	rm "$WORK/w-1/pods/w-1/web-0"
	ok "released, the blocks are exchanged" until_true 90 follows w-1
fi
oracle_end

# Beside the controller: whoever wrote the podCIDRs.
cluster_up
controller_start
agent w-3
node_create w-3
ok "ipamkube's controller gives, the agent follows" until_true 60 follows w-3
same "all distinct" "" "$(assignment_faults 24)"
kube_server_end
: >"$WORK/w-3/pods/w-3/db-0"
ok "without a server leases are given all the same" test -s "$WORK/w-3/pods/w-3/db-0"
kube_server_start
agent w-4
node_create w-4
ok "with the server again a new node is served" until_true 60 follows w-4
for node in w-1 w-2 w-3 w-4; do
	kill "${pid[$node]}"
	wait "${pid[$node]}"
	same "the agent of $node ends cleanly" 0 $?
	umount "$WORK/$node"
done
controller_end
same "and the controller" 0 $?
