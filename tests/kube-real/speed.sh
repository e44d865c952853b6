#!/usr/bin/env bash
# 1,000 nodes at once, and 1,000 that join: how long ipamkube takes to give them their podCIDRs, and how long
# kube-controller-manager does, with the same limits, in turn. Prints milliseconds and ratios. A test it is by the median of the
# pairs: what disturbs one of a pair, on a machine with other work, is not to decide.
#
#   PAIRS=5 NODES=1000 by default
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"
CIDR=10.240.0.0/12 CIDR4=10.24
PAIRS=${PAIRS:-5} NODES=${NODES:-1000}
# Where etcd's data lies: neither is to wait for a disk that the other doesn't wait for.
DB=$ETCD_DIR/ipam.db

oracle_begin() { oracle_start; }
oracle_stop() { oracle_end; }
# Each time with a mount that knows no node.
ipamkube_begin() {
	cluster_up
	controller_start --leader-elect=false
}
ipamkube_stop() {
	controller_kill
	kill_fs
	rm -f "$DB"*
}

# waiting_nodes WHO: all there before it starts; sets total (from the start of the program) and spread (first podCIDR to last)
waiting_nodes() {
	nodes_rush wait- 1 "$NODES"
	recording "$WORK/record"
	until_true 60 seen "$NODES" || fail "$NODES nodes are there"
	began=$EPOCHREALTIME
	"$1_begin"
	until_true 120 seen_assigned "$NODES" || fail "$1 gives $NODES nodes their podCIDRs"
	faults=$(assignment_faults 24)
	[ -z "$faults" ] || fail "what $1 gave is sound" "$faults"
	recording_end
	"$1_stop"
	total=$(last_after "$began") spread=$(first_to_last)
	nodes_delete_all
}

# joining_nodes WHO: it runs already; sets total (from the first Node's appearance) and spread (a node's wait, median)
joining_nodes() {
	"$1_begin"
	node_create first
	until_true 60 assigned 1 || fail "$1 runs"
	recording "$WORK/record"
	until_true 60 seen 1
	nodes_rush join- 2 "$NODES"
	until_true 120 seen_assigned "$NODES" || fail "$1 gives $NODES joining nodes their podCIDRs"
	faults=$(assignment_faults 24)
	[ -z "$faults" ] || fail "what $1 gave is sound" "$faults"
	recording_end
	"$1_stop"
	total=$(joining) spread=$(lag)
	nodes_delete_all
}

# pairs WHAT UNIT: PAIRS of both in turn, which of them first changes; the medians of the ratios in $ratio_total and $ratio_spread
pairs() {
	local what=$1 i who order
	local -A totals spreads
	: >"$WORK/totals"
	: >"$WORK/spreads"
	for ((i = 1; i <= PAIRS; i++)); do
		order="oracle ipamkube"
		[ $((i % 2)) -eq 1 ] || order="ipamkube oracle"
		for who in $order; do
			"$what" "$who"
			totals[$who]=$total spreads[$who]=$spread
		done
		ratio "${totals[ipamkube]}" "${totals[oracle]}" >>"$WORK/totals"
		ratio "${spreads[ipamkube]}" "${spreads[oracle]}" >>"$WORK/spreads"
		printf '   %s: kube-controller-manager %s ms (%s %s ms), ipamkube %s ms (%s ms), ratio %s (%s)\n' "$what" \
			"${totals[oracle]}" "$2" "${spreads[oracle]}" "${totals[ipamkube]}" "${spreads[ipamkube]}" \
			"$(tail -n 1 "$WORK/totals")" "$(tail -n 1 "$WORK/spreads")"
	done
	ratio_total=$(median <"$WORK/totals") ratio_spread=$(median <"$WORK/spreads")
	echo "   $what, $NODES nodes: ipamkube takes $ratio_total of kube-controller-manager's time ($2: $ratio_spread), median of $PAIRS pairs"
}
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }

kube_up
pairs waiting_nodes "first to last"
ok "$NODES waiting nodes take no longer than with kube-controller-manager" at_most "$ratio_total" 1
# Of kube-controller-manager's time ten seconds are a wait before it lists the Nodes. From the first podCIDR to the last, which is printed
# beside it, is how the work itself compares.
# How long it is until the last one has joined, who makes them decides more than who gives the podCIDRs.
pairs joining_nodes "a node's wait"
ok "of $NODES joining nodes one waits no longer than with kube-controller-manager" at_most "$ratio_spread" 1
