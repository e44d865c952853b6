#!/usr/bin/env bash
# From kube-controller-manager to ipamkube, and back, and again: what one gave the other takes as it is, and goes on.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

kube_up
cluster_up

nodes_create a- 1 60
oracle_start
ok "kube-controller-manager gives 60 nodes their podCIDRs" until_true 60 assigned 60
oracle_end
given=$(pod_cidrs)
controller_start
ok "ipamkube adopts them" until_true 30 agreed
same "all as they are" "$given" "$(pod_cidrs)"
nodes_create b- 1 20
ok "it gives 20 more nodes theirs" until_true 30 assigned 80
same "all distinct" "" "$(assignment_faults 24)"
same "and none of the first is changed" "$given" "$(pod_cidrs | grep '^a-')"
kubectl delete node a-3 a-30 >/dev/null
ok "two nodes go" until_true 30 test ! -e "$M/prod/a-3" -a ! -e "$M/prod/a-30"
controller_end
same "it ends cleanly" 0 $?

given=$(pod_cidrs)
nodes_create c- 1 20
oracle_start
ok "kube-controller-manager takes over, and gives 20 nodes theirs" until_true 60 assigned 98
same "what ipamkube gave is as it was" "$given" "$(pod_cidrs | grep -v '^c-')"
same "all distinct" "" "$(assignment_faults 24)"
ok "it accepts all of it" kill -0 "$oracle"
kubectl delete node b-5 c-5 >/dev/null
until_true 30 nodes_are 96
oracle_end

given=$(pod_cidrs)
controller_start
ok "ipamkube takes over again: the mount learns what came and what went" until_true 30 agreed
same "all as it was" "$given" "$(pod_cidrs)"
nodes_create d- 1 5
ok "and goes on" until_true 30 assigned 101
same "all distinct" "" "$(assignment_faults 24)"
controller_end

# A mount that knows nothing of all this: what ipamkube needs, the API tells.
umount_fs
check_clean "after the handovers"
rm -f "$DB"*
given=$(pod_cidrs)
cluster_up
controller_start
ok "with a mount made anew it adopts everything" until_true 30 agreed
same "as it was" "$given" "$(pod_cidrs)"
controller_end
umount_fs
check_clean "after it was made anew"
