# Two pods on a bridge, each with the addresses of its lease, reach each other: the script that users are given.
. "$(dirname "$0")/../lib.sh"
script=$ROOT/docs/examples/pod-net.sh

host=ipamfs-h$$ a=pa$$ b=pb$$
namespaces+=("$a" "$b" "$host")
mount_fs
make_cluster prod n1
node=$M/prod/n1
in_host() { nsenter --net="/run/netns/$host" "$@"; }
ip netns add "$host" || exit 1
in_host ip link add br0 type bridge
in_host ip link set br0 up
while read -r gateway; do
	case $gateway in
	*:*) in_host ip addr add "$gateway/64" dev br0 nodad ;;
	*) in_host ip addr add "$gateway/24" dev br0 ;;
	esac
done <"$node/.ipam/gateway"
export BRIDGE_NETNS=$host

ok "a pod" sh "$script" add "$node" "$a" br0
ok "another" sh "$script" add "$node" "$b" br0
refused "a name that is held" "cannot" sh "$script" add "$node" "$a" br0
four=$(sed -n '1s,/.*,,p' "$node/$b") six=$(sed -n '2s,/.*,,p' "$node/$b")
in_a() { nsenter --net="/run/netns/$a" "$@"; }
ok "IPv4: $four answers" until_true 10 in_a ping -4 -c 1 -W 1 "$four"
ok "IPv6: $six answers" until_true 10 in_a ping -6 -c 1 -W 1 "$six"
ok "the gateway answers" until_true 10 in_a ping -4 -c 1 -W 1 10.244.0.1
ok "release one" sh "$script" del "$node" "$a"
ok "and the other" sh "$script" del "$node" "$b"

# What fails half way leaves nothing: no bridge of that name, a namespace that is there already.
none_left() { [ ! -e "$node/$1" ] && ! in_host ip -o link | grep -q "v[0-9]*@"; }
refused "no such bridge" "" sh "$script" add "$node" "$a" nobridge
ok "which leaves no lease, no namespace and no interface" eval "none_left $a && ! ip netns list | grep -qw $a"
ip netns add "$a"
refused "a namespace that is there already" "exists" sh "$script" add "$node" "$a" br0
ok "which stays, without a lease" eval "none_left $a && ip netns list | grep -qw $a"
ip netns del "$a"
long=a-name-longer-than-any-interface-$$
namespaces+=("$long")
ok "a name longer than an interface's" sh "$script" add "$node" "$long" br0
ok "with a default route" eval "nsenter --net=/run/netns/$long ip route | grep -q ^default"
ok "and released" sh "$script" del "$node" "$long"
mkdir "$WORK/bin"
for it in sh ip cksum cut nsenter rm; do ln -s "$(command -v $it)" "$WORK/bin/"; done
refused "without getfattr" "install the package attr" env PATH="$WORK/bin" sh "$script" add "$node" "$a" br0
ok "which leaves nothing" none_left "$a"

same "no lease is left" "" "$(ls "$node")"
same "no namespace either" "" "$(ip netns list | grep -E "^p[ab]$$")"
