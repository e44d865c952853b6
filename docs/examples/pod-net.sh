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

add() {
	lease=$1/$2
	(set -C && : >"$lease") || exit 1 # allocates; fails if the name is held
	trap 'ip netns del "$2" 2>/dev/null; rm -f "$lease"' EXIT
	ip netns add "$2"
	ip link add eth0 netns "$2" type veth peer name "v-$2" ${BRIDGE_NETNS:+netns "$BRIDGE_NETNS"}
	in_netns "${BRIDGE_NETNS:-}" ip link set "v-$2" master "$3" up
	in_netns "$2" ip link set lo up
	in_netns "$2" ip link set eth0 up
	while read -r address; do
		case $address in
		*:*) in_netns "$2" ip addr add "$address" dev eth0 nodad ;;
		*) in_netns "$2" ip addr add "$address" dev eth0 ;;
		esac
	done <"$lease"
	for gateway in $(getfattr --only-values -n user.ipam.gateway "$lease" 2>/dev/null); do
		in_netns "$2" ip route add default via "$gateway"
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
