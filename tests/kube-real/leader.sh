#!/usr/bin/env bash
# Several controllers, by the real Lease: one leads, another takes over when it dies, stands still, or ends.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

holder() { kubectl get lease -n kube-system ipamkube -o jsonpath='{.spec.holderIdentity}'; }
transitions() { kubectl get lease -n kube-system ipamkube -o jsonpath='{.spec.leaseTransitions}'; }
led_by() { [ "$(holder)" == "$1" ]; }

# start NAME: a controller on a mount of its own, as its Deployment has them; pid in pid[NAME]
declare -A pid
start() {
	local dir=$WORK/$1
	if [ ! -e "$dir/.ipam/version" ]; then
		mount_fs "" "$WORK/$1.db" "$dir"
		mkdir "$dir/prod"
		put "$dir/prod/.ipam/cidrs" "$CIDR 24"
	fi
	M=$dir controller_start --identity "$1"
	pid[$1]=$controller
}
end() {
	kill "-$2" "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null
}

kube_up
start one
ok "the first one leads" until_true 30 led_by one
start two
nodes_create a- 1 20
ok "nodes are served" until_true 30 assigned 20
ok "by the leader alone" test ! -e "$WORK/two/prod/a-1" -a -e "$WORK/one/prod/a-1"

end one KILL
nodes_create b- 1 20
ok "the leader is killed: the other takes over" until_true 60 led_by two
ok "and serves the nodes" until_true 60 assigned 40
same "all distinct" "" "$(assignment_faults 24)"
M=$WORK/two
ok "with a mount of its own it knows what the first one gave" until_true 10 agreed
had=$(transitions)

start one
nodes_create c- 1 5
ok "the one that was killed waits when it is back" until_true 30 assigned 45
ok "the other leads still" led_by two
end two TERM
ok "one that ends gives the Lease up: the next takes it over" until_true 30 led_by one
same "a transition is counted" $((had + 1)) "$(transitions)"
nodes_create d- 1 5
ok "and serves" until_true 30 assigned 50
M=$WORK/one
ok "its mount, of long ago, has what the API has" until_true 10 agreed

# One that stands still learns only when it wakes that it doesn't lead any more; what it had in hand must not be written then.
start two
nodes_rush e- 1 60
kill -STOP "${pid[one]}"
ok "the leader stands still: the other takes over" until_true 60 led_by two
ok "and serves" until_true 60 assigned 110
given=$(pod_cidrs)
kill -CONT "${pid[one]}"
nodes_create f- 1 5
ok "the first one is awake: the second leads still" until_true 30 assigned 115
ok "by the Lease" led_by two
same "what was given is as it was" "$given" "$(pod_cidrs | grep -v '^f-')"
same "all distinct" "" "$(assignment_faults 24)"
M=$WORK/two
ok "the mount of the leader has what the API has" until_true 10 agreed

# The Lease is taken away by hand.
kubectl delete lease -n kube-system ipamkube >/dev/null
ok "a Lease that is deleted is made anew" until_true 30 holder
nodes_create g- 1 5
ok "and one of them serves" until_true 60 assigned 120
same "all distinct" "" "$(assignment_faults 24)"
end one TERM
end two TERM
for M in "$WORK/one" "$WORK/two"; do
	umount "$M"
done
until_true 30 "$IPAMCTL" check --quiet "$WORK/one.db"
check_clean "the first mount's state" "$WORK/one.db"
check_clean "the second's" "$WORK/two.db"

# ---- both mounts of one cluster that etcd keeps

nodes_delete_all
machine east
machine west
mkdir "$WORK/east/prod"
put "$WORK/east/prod/.ipam/cidrs" "$CIDR 24"
until_true 20 test -s "$WORK/west/prod/.ipam/cidrs"
M=$WORK/east controller_start --identity east
east=$controller
ok "with mounts that etcd keeps: one leads" until_true 60 led_by east
M=$WORK/west controller_start --identity west
nodes_create h- 1 30
ok "it serves the nodes" until_true 60 assigned 30
kill -9 "$east"
wait "$east" 2>/dev/null
machine_kill east
nodes_create i- 1 30
ok "its machine dies, mount and all: the other serves" until_true 60 assigned 60
same "all distinct" "" "$(assignment_faults 24)"
M=$WORK/west
ok "its mount has what the API has" until_true 20 agreed
kubectl delete nodes h-1 i-1 >/dev/null
ok "nodes of both go" until_true 30 test ! -e "$M/prod/h-1" -a ! -e "$M/prod/i-1"
controller_end
same "it ends cleanly" 0 $?
