#!/usr/bin/env bash
# Both families: under kube-controller-manager's nodeipam, under ipamkube, handed over, and on a server that takes only one.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

SERVICES=10.96.0.0/16,fd00:10:96::/108
cidrs_of() { pod_cidrs | cut -d' ' -f2 | sort -V; }
oracle_dual() {
	oracle_start --feature-gates IPv6DualStack=true --cluster-cidr 10.244.0.0/16,fd00:10:244::/48 --service-cluster-ip-range "$SERVICES" \
		--node-cidr-mask-size-ipv4 24 --node-cidr-mask-size-ipv6 64
}

kube_up --feature-gates IPv6DualStack=true --service-cluster-ip-range "$SERVICES"
nodes_create d- 1 30
oracle_dual
ok "kube-controller-manager gives 30 nodes podCIDRs of both families" until_true 60 assigned 30
same "all distinct" "" "$(assignment_faults 24 64)"
oracle_end
by_oracle=$(cidrs_of)
nodes_delete_all

cluster_up "10.244.0.0/16 24
fd00:10:244::/48 64"
nodes_create d- 1 30
controller_start
ok "ipamkube gives 30 nodes podCIDRs of both families" until_true 60 assigned 30
same "all distinct" "" "$(assignment_faults 24 64)"
families() { cut -d, -f"$1" | sort -V; }
same "of IPv4 the very set of kube-controller-manager's" "$(families 1 <<<"$by_oracle")" "$(cidrs_of | families 1)"
same "of IPv6 too" "$(families 2 <<<"$by_oracle")" "$(cidrs_of | families 2)"
ok "the mount has what the API has" agreed
controller_end

given=$(pod_cidrs)
nodes_create e- 1 10
oracle_dual
ok "kube-controller-manager takes over" until_true 60 assigned 40
same "and leaves what there is" "$given" "$(pod_cidrs | grep '^d-')"
same "all distinct" "" "$(assignment_faults 24 64)"
oracle_end
given=$(pod_cidrs)
controller_start
ok "ipamkube takes over again" until_true 30 agreed
same "and leaves what there is" "$given" "$(pod_cidrs)"
nodes_create f- 1 10
ok "it goes on" until_true 30 assigned 50
same "all distinct" "" "$(assignment_faults 24 64)"
controller_end
same "it ends cleanly" 0 $?

# A server without dual stack (1.20's default) takes the first podCIDR and drops the second, silently. The block that the mount
# has stays the node's: it must not be given to another.
nodes_delete_all
kube_server_end
kube_options=()
kube_server_start
controller_start
nodes_create single- 1 10
ok "a server of one family: each node gets a podCIDR of it" until_true 60 assigned 10
same "all distinct" "" "$(assignment_faults 24)"
nodes_create more- 1 10
ok "and more of them" until_true 60 assigned 20
same "all distinct" "" "$(assignment_faults 24)"
same "in the mount no block is there twice" "" "$(cut -d' ' -f1 "$M/prod/.ipam/blocks" | sort | uniq -d)"
given=$(pod_cidrs)
controller_end
controller_start
nodes_create last- 1 1
ok "started again, it goes on" until_true 30 assigned 21
same "and what it gave stays" "$given" "$(pod_cidrs | grep -v '^last-')"
controller_end
umount_fs
check_clean "at the end"
