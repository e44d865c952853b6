#!/usr/bin/env bash
# Nodes that kubectl makes and removes, under ipamkube and under kube-controller-manager's nodeipam: both give the same.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

cidrs_of() { pod_cidrs | cut -d' ' -f2 | sort -V; }
count() { pod_cidrs | awk '$2 != "-" && !seen[$2]++ { n++ } END { print n + 0 }'; }

kube_up
ok "kubectl speaks with it" kubectl get --raw /version

# ---- the oracle, then ipamkube, on the same nodes

nodes_create worker- 1 40
ok "40 nodes without podCIDR" waiting 40
oracle_start
ok "kube-controller-manager gives each a podCIDR" until_true 60 assigned 40
same "they are distinct blocks of the cluster" "" "$(assignment_faults 24)"
oracle_end
by_oracle=$(cidrs_of)
nodes_delete_all

nodes_create worker- 1 40
cluster_up
controller_start
ok "ipamkube gives each a podCIDR" until_true 60 assigned 40
same "they are distinct blocks of the cluster" "" "$(assignment_faults 24)"
same "as many as kube-controller-manager gave" 40 "$(count)"
same "the very same set of blocks" "$by_oracle" "$(cidrs_of)"
ok "the mount has what the API has" agreed

# ---- nodes come and go

nodes_create late- 1 10
ok "nodes that join later get theirs" until_true 30 assigned 50
same "they are none that were given before" "" "$(assignment_faults 24)"
gone=$(pod_cidr worker-7)
kubectl delete node worker-7 >/dev/null
ok "with a Node its directory goes" until_true 30 test ! -e "$M/prod/worker-7"
refused "and the block with it" "" grep -q "^$gone " "$M/prod/.ipam/blocks"
node_create worker-7
ok "made anew, it gets one" until_true 30 assigned 50
same "which is nobody else's" "" "$(assignment_faults 24)"
ok "the mount has what the API has" until_true 10 agreed

# A Node that something else still holds on to isn't gone: its pods may run.
held=$(pod_cidr worker-9)
kubectl patch node worker-9 -p '{"metadata":{"finalizers":["example.com/drain"]}}' >/dev/null
kubectl delete node worker-9 --wait=false >/dev/null
ok "deleted, but held by a finalizer" kubectl get node worker-9
node_create after-9
ok "another one gets its block meanwhile" until_true 30 assigned 51
same "the held one keeps its own" "$held" "$(cat "$M/prod/worker-9/.ipam/cidrs")"
same "nobody else has it" "" "$(assignment_faults 24)"
kubectl patch node worker-9 --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
ok "once it is gone, its directory goes" until_true 30 test ! -e "$M/prod/worker-9"

# ---- podCIDRs that others wrote

node_create adopted 10.244.200.0/24
ok "a free block of the cluster that a Node has already is adopted" until_true 30 \
	grep -qx 10.244.200.0/24 "$M/prod/adopted/.ipam/cidrs"
node_create foreign 192.168.7.0/24
shows_event() { kubectl get events -A --field-selector "involvedObject.kind=Node,involvedObject.name=$1,type=Warning" -o name | grep -q .; }
ok "a foreign podCIDR: kubectl get events shows a warning" until_true 30 shows_event foreign
# This kubectl's describe looks for events by a Node's name in the place of its uid, as kubelets write them; later ones by both.
uid=$(kubectl get node foreign -o jsonpath='{.metadata.uid}')
ok "it is found by the uid, as kubectl describe node looks" test -n "$(kubectl get events -A --field-selector "involvedObject.uid=$uid" -o name)"
same "it says what is wrong" 1 "$(kubectl get events -A --field-selector "involvedObject.uid=$uid" -o json |
	jq '[.items[] | select(.type == "Warning" and (.message | contains("192.168.7.0/24")))] | length')"
same "it is left as it is" 192.168.7.0/24 "$(pod_cidr foreign)"
refused "the mount has no block for it" "" test -s "$M/prod/foreign/.ipam/cidrs"
taken=$(pod_cidr worker-1)
node_create twin "$taken"
ok "a podCIDR that another Node has: a warning" until_true 30 shows_event twin
same "both are left as they are" "$taken $taken" "$(pod_cidr worker-1) $(pod_cidr twin)"
same "the mount has it with the first" "$taken" "$(cat "$M/prod/worker-1/.ipam/cidrs")"
kubectl delete node foreign twin >/dev/null
node_create next
ok "the others go on" until_true 30 assigned 52
same "without a collision" "" "$(assignment_faults 24)"
ok "the mount has what the API has" until_true 10 agreed

controller_end
same "ipamkube ends cleanly" 0 $?
umount_fs
check_clean "at the end"
