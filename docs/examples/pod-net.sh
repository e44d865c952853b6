#!/bin/sh
# A pod's network by shell alone: a network namespace with the addresses of a lease, on a bridge.
#
#   pod-net.sh add NODE-DIR NAME BRIDGE    e.g. pod-net.sh add /run/ipamfs/prod/worker-1 web-0 br0
#   pod-net.sh del NODE-DIR NAME
#
# The namespace and the lease are both called NAME. BRIDGE_NETNS, if set, is the namespace that the bridge is in.
set -eu

# in_netns NAME COMMAND...: with no name, here
in_netns() {
	netns=$1
	shift
	if [ -n "$netns" ]; then nsenter --net="/run/netns/$netns" "$@"; else "$@"; fi
}

die() {
	echo "pod-net.sh: $*" >&2
	exit 1
}

add() {
	name=$2 bridge=$3 lease=$1/$2
	# Interfaces' names have 15 characters at most, leases' 255.
	veth=v$(printf %s "$lease" | cksum | cut -d ' ' -f 1)
	command -v getfattr >/dev/null || die "getfattr is missing, which reads the lease's gateway: install the package attr"
	(set -C && : >"$lease") || exit 1 # allocates; fails if the name is held
	trap 'rm -f "$lease"' EXIT
	ip netns add "$name"
	trap 'ip netns del "$name"; rm -f "$lease"' EXIT # the veth pair goes with the namespace
	ip link add eth0 netns "$name" type veth peer name "$veth" ${BRIDGE_NETNS:+netns "$BRIDGE_NETNS"}
	in_netns "${BRIDGE_NETNS:-}" ip link set "$veth" master "$bridge" up
	in_netns "$name" ip link set lo up
	in_netns "$name" ip link set eth0 up
	while read -r address; do
		case $address in
		*:*) in_netns "$name" ip addr add "$address" dev eth0 nodad ;;
		*) in_netns "$name" ip addr add "$address" dev eth0 ;;
		esac
	done <"$lease"
	for gateway in $(getfattr --absolute-names --only-values -n user.ipam.gateway "$lease"); do
		in_netns "$name" ip route add default via "$gateway"
	done
	trap - EXIT
}

del() {
	ip netns del "$2" # the veth pair goes with it
	rm "$1/$2"        # releases
}

case ${1:-} in
add) add "$2" "$3" "$4" ;;
del) del "$2" "$3" ;;
*) sed -n 's/^# \{0,1\}//; 2,7p' "$0" >&2; exit 2 ;;
esac
