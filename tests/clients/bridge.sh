# Debian's bridge plugin with our addresses: pods in network namespaces, traffic both ways, every version that it speaks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

host=ipamfs-b$$ a=ba$$ b=bb$$
namespaces+=("$a" "$b" "$host")
mount_fs
make_cluster prod
node=$M/prod/n1
mkdir "$WORK/bin"
ln -s "$CNI" "$WORK/bin/ipamfs"
ln -s /usr/lib/cni/bridge "$WORK/bin/bridge"
for it in "$host" "$a" "$b"; do ip netns add "$it" || exit 1; done
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$@"
}
# The bridge's and the pods' addresses are to be used at once, not after a search for duplicates.
for it in "$host" "$a" "$b"; do in_ns "$it" sysctl -qw net.ipv6.conf.default.accept_dad=0; done

# bridge COMMAND CONTAINER NAMESPACE VERSION [TOP-MEMBERS]: in the test's host namespace
bridge() {
	printf '{"cniVersion":"%s","name":"net","type":"bridge","bridge":"cni0","isGateway":true,"ipam":{"type":"ipamfs","mount":"%s","node":"n1","routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}%s}' "$4" "$M" "${5-}" |
		in_ns "$host" env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_NETNS="/run/netns/$3" CNI_IFNAME=eth0 CNI_PATH="$WORK/bin" \
			"$WORK/bin/bridge" >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/out" "$WORK/err"; return 1; }
}
address() { sed -n "$2s,/.*,,p" "$node/$1.eth0"; }

for version in 0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0; do
	ok "$version: a pod" bridge ADD "$a" "$a" "$version"
	result=$(cat "$WORK/out")
	ok "$version: another" bridge ADD "$b" "$b" "$version"
	ok "$version: IPv4 there" until_true 10 in_ns "$a" ping -4 -c 1 -W 1 "$(address "$b" 1)"
	ok "$version: and back" until_true 10 in_ns "$b" ping -4 -c 1 -W 1 "$(address "$a" 1)"
	ok "$version: IPv6 there" until_true 10 in_ns "$a" ping -6 -c 1 -W 1 "$(address "$b" 2)"
	ok "$version: and back" until_true 10 in_ns "$b" ping -6 -c 1 -W 1 "$(address "$a" 2)"
	ok "$version: the gateway" until_true 10 in_ns "$a" ping -4 -c 1 -W 1 10.244.0.1
	ok "$version: the address is the pod's" sh -c "nsenter --net=/run/netns/$a ip addr show eth0 | grep -q '$(head -1 "$node/$a.eth0")'"
	case $version in
	0.4.0 | 1.0.0) ok "$version: CHECK" bridge CHECK "$a" "$a" "$version" ",\"prevResult\":$result" ;;
	esac
	ok "$version: DEL" bridge DEL "$a" "$a" "$version"
	ok "$version: DEL of the other" bridge DEL "$b" "$b" "$version"
	same "$version: nothing is left" "" "$(ls "$node")"
	same "$version: no interface either" "" "$(in_ns "$a" ip -br link show eth0 2>/dev/null)$(in_ns "$host" ip -br link show type veth)"
	ok "$version: DEL again" bridge DEL "$a" "$a" "$version"
done
umount_fs
check_clean "after it all"
