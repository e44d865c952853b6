# What the tests of CNI plugins share; sourced after lib.sh.
# shellcheck shell=bash
CNI=$BUILD/bin/ipamfs-cni
HOST_LOCAL=/usr/lib/cni/host-local

# plugin PROGRAM COMMAND CONTAINER CONFIG: runs it; its output in $WORK/out, its log in $WORK/err
plugin() {
	local program=$1 command=$2 container=$3 conf=$4
	printf '%s' "$conf" | env CNI_COMMAND="$command" CNI_CONTAINERID="$container" CNI_NETNS="${NETNS-/run/netns/none}" \
		CNI_IFNAME="${IFNAME-eth0}" CNI_ARGS="${ARGS-}" CNI_PATH="${CNI_BIN:-/usr/lib/cni}" "$program" >"$WORK/out" 2>"$WORK/err"
}

# conf VERSION [IPAM-MEMBERS [TOP-MEMBERS]]: a network's configuration; members begin with a comma
conf() {
	printf '{"cniVersion":"%s","name":"%s","type":"bridge","ipam":{"type":"ipamfs","mount":"%s","node":"n1"%s}%s}' \
		"$1" "${NETWORK:-net}" "$M" "${2-}" "${3-}"
}

# addresses: of the result in $WORK/out, whatever its version
addresses() { jq -r '(.ips // [.ip4, .ip6])[]? | .address // .ip | values' "$WORK/out" | tr '\n' ' ' | sed 's/ $//'; }

# code NAME CODE COMMAND CONTAINER CONFIG: the plugin refuses with that code, and an object that tells
code() {
	local name=$1 code=$2 status
	shift 2
	plugin "$CNI" "$@"
	status=$?
	same "$name: code $code" "1 $code true true" "$status $(jq -r '"\(.code) \(.msg | length > 0) \(.cniVersion | length > 0)"' "$WORK/out")"
}
