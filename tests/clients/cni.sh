# The CNI plugin by its protocol: every command, every version's shape, every code, over a real mount.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

mount_fs
make_cluster prod
node=$M/prod/n1
leases() { ls "$node" | tr '\n' ' ' | sed 's/ $//'; }
add() { plugin "$CNI" ADD "$1" "$(conf "${VERSION:-1.1.0}" "${2-}" "${3-}")"; }
del() { plugin "$CNI" DEL "$1" "$(conf 1.1.0 "${2-}" "${3-}")"; }
# Of a name that is this test's own: it counts its processes.
ln -s "$CNI" "$WORK/cni$$"
CNI=$WORK/cni$$
at_work() { test "$(pgrep -c -x "cni$$")" "$1" "$2"; }
# behind DIR PLUGIN'S-ARGUMENTS...: in the background, with its output in $WORK/DIR; wait for ${running[DIR]}
declare -A running
behind() {
	local dir=$1
	shift
	mkdir "$WORK/$dir"
	(WORK=$WORK/$dir && plugin "$CNI" "$@") 2>/dev/null &
	running[$dir]=$!
}

# ---- versions
for VERSION in 0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0; do
	ok "$VERSION: ADD" add v1 ',"routes":[{"dst":"0.0.0.0/0","mtu":1400},{"dst":"::/0","gw":"fd00:10:244::1"}]'
	case $VERSION in
	0.1.0 | 0.2.0) wanted='{"cniVersion":"'$VERSION'","dns":{},"ip4":{"gateway":"10.244.0.1","ip":"10.244.0.2/24","routes":[{"dst":"0.0.0.0/0"}]},"ip6":{"gateway":"fd00:10:244::1","ip":"fd00:10:244::2/64","routes":[{"dst":"::/0","gw":"fd00:10:244::1"}]}}' ;;
	0.*) wanted='{"cniVersion":"'$VERSION'","dns":{},"ips":[{"address":"10.244.0.2/24","gateway":"10.244.0.1","version":"4"},{"address":"fd00:10:244::2/64","gateway":"fd00:10:244::1","version":"6"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0","gw":"fd00:10:244::1"}]}' ;;
	1.0.0) wanted='{"cniVersion":"'$VERSION'","dns":{},"ips":[{"address":"10.244.0.2/24","gateway":"10.244.0.1"},{"address":"fd00:10:244::2/64","gateway":"fd00:10:244::1"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0","gw":"fd00:10:244::1"}]}' ;;
	1.1.0) wanted='{"cniVersion":"'$VERSION'","dns":{},"ips":[{"address":"10.244.0.2/24","gateway":"10.244.0.1"},{"address":"fd00:10:244::2/64","gateway":"fd00:10:244::1"}],"routes":[{"dst":"0.0.0.0/0","mtu":1400},{"dst":"::/0","gw":"fd00:10:244::1"}]}' ;;
	esac
	same "$VERSION: its shape" "$wanted" "$(jq -Sc . "$WORK/out")"
done
unset VERSION
same "asked seven times, one lease" "v1.eth0" "$(leases)"
plugin "$CNI" ADD v1 "$(conf "")"
same "no version is 0.1.0" "0.1.0" "$(jq -r .cniVersion "$WORK/out")"
code "a version of the future" 1 ADD x "$(conf 9.9.9)"
code "CHECK before 0.4.0" 1 CHECK v1 "$(conf 0.3.1)"
same "in the words of other plugins" "config version does not allow CHECK 0.3.1 null" "$(jq -r '"\(.msg) \(.cniVersion) \(.details)"' "$WORK/out")"
code "GC before 1.1.0" 1 GC "" "$(conf 1.0.0)"
code "STATUS before 1.1.0" 1 STATUS "" "$(conf 1.0.0)"
plugin "$CNI" VERSION "" '{"cniVersion":"0.4.0"}'
same "VERSION" '{"cniVersion":"0.4.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}' "$(jq -Sc . "$WORK/out")"

# ---- the node, and what the lease remembers
same "the first ADD made the node" "10.244.0.0/24 fd00:10:244::/64" "$(tr '\n' ' ' <"$node/.ipam/cidrs" | sed 's/ $//')"
ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_ID=zz;K8S_POD_UID=u-1" add pod1
same "attributes" "pod1 eth0 net /run/netns/none shop/cart-0 u-1" "$(for a in container-id ifname network netns pod pod-uid; do getfattr --absolute-names --only-values -n user.$a "$node/pod1.eth0"; echo; done | tr '\n' ' ' | sed 's/ $//')"
ok "grep finds the pod in the table" grep -q "shop/cart-0.* pod1 .* net .*/run/netns/none" "$node/.ipam/leases"
ok "and this boot" grep -q "pod1.*$(cat /proc/sys/kernel/random/boot_id)" "$M/prod/.ipam/leases"
same "it lasts, though it began as an ephemeral one" "" "$(ls "$node/.ipam/ephemeral")"
code "a node that isn't there and not to be made" 103 ADD x "$(conf 1.1.0 ',"node":"n7","createNode":false')"
ok "another node is made" plugin "$CNI" ADD x "$(conf 1.1.0 ',"node":"n2"')"
same "with blocks of its own" "10.244.1.2/24 fd00:10:244:1::2/64" "$(addresses)"
printf 'nameserver 10.0.0.10\nnameserver fd00::10\nsearch a.b c\noptions ndots:5\ndomain d.e\n# x\n' >"$WORK/resolv"
add dns ',"resolvConf":"'"$WORK"'/resolv"'
same "resolvConf" '{"domain":"d.e","nameservers":["10.0.0.10","fd00::10"],"options":["ndots:5"],"search":["a.b","c"]}' "$(jq -Sc .dns "$WORK/out")"
code "a resolvConf that can't be read" 5 ADD x "$(conf 1.1.0 ',"resolvConf":"/nonexistent"')"
mkfifo "$WORK/fifo"
ok "one that is a FIFO holds nobody up" plugin "$CNI" ADD x "$(conf 1.1.0 ',"resolvConf":"'"$WORK"'/fifo"')"
del x
same "left nothing" "dns.eth0 pod1.eth0 v1.eth0" "$(leases)"

ok "a lease made by hand is taken over" sh -c "touch '$node/hand.eth0'"
add hand
same "with its addresses" "$(tr '\n' ' ' <"$node/hand.eth0" | sed 's/ $//')" "$(addresses)"
same "and gets an owner" "hand" "$(getfattr --absolute-names --only-values -n user.container-id "$node/hand.eth0")"
del hand
plain() { printf '{"cniVersion":"1.0.0","name":"net","ipam":{"type":"ipamfs","mount":"%s"}}' "$M"; }
ok "without a node's name" plugin "$CNI" ADD plain "$(plain)"
ok "the host's is taken" test -e "$M/prod/$(hostname)/plain.eth0"
plugin "$CNI" DEL plain "$(plain)"
rmdir "$M/prod/$(hostname)"
put "$M/prod/n2/.ipam/settings" "gateway none"
plugin "$CNI" ADD x "$(conf 1.1.0 ',"node":"n2"')"
same "a node without gateways" "null null" "$(jq -r '"\(.ips[0].gateway) \(.ips[1].gateway)"' "$WORK/out")"
put "$M/prod/n2/.ipam/settings" "gateway first"

# ---- names that can be read in two ways
IFNAME=b.c add a
wanted=$(addresses)
IFNAME=c code "another attachment's lease" 4 ADD a.b "$(conf 1.1.0)"
IFNAME=c code "CHECK of it" 104 CHECK a.b "$(conf 1.1.0 "" ',"prevResult":{"ips":[]}')"
IFNAME=c ok "DEL of it" del a.b
same "leaves the lease to its owner" "$wanted" "$(tr '\n' ' ' <"$node/a.b.c" | sed 's/ $//')"
IFNAME=b.c ok "who releases it" del a
IFNAME=eth0+1 add p
two=',"ranges":[[{"subnet":"10.244.0.0/24","rangeEnd":"10.244.0.9"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.240"}]]'
code "one that is named as a second lease" 4 ADD p "$(conf 1.1.0 "$two")"
ok "DEL" del p
same "leaves it alone" "dns.eth0 p.eth0+1 pod1.eth0 v1.eth0" "$(leases)"
IFNAME=eth0+1 del p
long=$(printf 'x%.0s' $(seq 250))
ok "the longest name there is" add "$long"
ok "is checked" plugin "$CNI" CHECK "$long" "$(conf 1.1.0 "" ",\"prevResult\":$(cat "$WORK/out")")"
ok "is released" del "$long"
code "no room for a second lease's name" 4 ADD "$long" "$(conf 1.1.0 "$two")"
same "left nothing" "dns.eth0 pod1.eth0 v1.eth0" "$(leases)"

# ---- DEL
ok "DEL" del pod1
same "releases" "dns.eth0 v1.eth0" "$(leases)"
ok "DEL again" del pod1
NETNS='' ok "DEL without a namespace" del dns
ok "DEL with a prevResult that is none" del nobody "" ',"prevResult":"x"'
ok "DEL with addresses and ranges that are none" del nobody ',"ranges":"x","routes":7' ',"runtimeConfig":{"ips":5}'
ok "DEL of a node that isn't there" del nobody ',"node":"n8"'
ok "DEL of a cluster that isn't there" del nobody ',"cluster":"other"'
same "which makes none" "n1 n2" "$(ls "$M/prod" | tr '\n' ' ' | sed 's/ $//')"
ok "DEL of the last" del v1

# ---- an answer that nobody takes
conf 1.1.0 | env CNI_COMMAND=ADD CNI_CONTAINERID=mute CNI_NETNS=/x CNI_IFNAME=eth0 "$CNI" >&- 2>"$WORK/err"
same "an ADD whose standard output is closed fails" 1 $?
ok "and leaves no lease" until_true 10 test ! -e "$node/mute.eth0"
conf 1.1.0 | env CNI_COMMAND=ADD CNI_CONTAINERID=lost CNI_NETNS=/x CNI_IFNAME=eth0 "$CNI" >/dev/full 2>"$WORK/err"
same "an ADD whose answer can't be written fails" "1" "$?"
same "and leaves nothing" "" "$(leases)"

# ---- bad requests
NETNS='' code "no namespace" 4 ADD x "$(conf 1.1.0)"
IFNAME='' code "no interface" 4 ADD x "$(conf 1.1.0)"
IFNAME=much-too-long-name code "an interface's name too long" 4 ADD x "$(conf 1.1.0)"
IFNAME=a/b code "an interface's name with a slash" 4 ADD x "$(conf 1.1.0)"
code "no container" 4 ADD "" "$(conf 1.1.0)"
code "a container with a slash" 4 ADD ../x "$(conf 1.1.0)"
code "a container too long" 4 ADD "$(printf 'x%.0s' $(seq 260))" "$(conf 1.1.0)"
code "no such command" 4 EXPLODE x "$(conf 1.1.0)"
ARGS=junk code "CNI_ARGS that are none" 4 ADD x "$(conf 1.1.0)"
code "no JSON" 6 ADD x '{"cniVersion"'
code "JSON that is no object" 6 ADD x '[]'
code "nothing" 6 ADD x ''
code "no ipam" 7 ADD x '{"cniVersion":"1.1.0","name":"net"}'
code "no name" 7 ADD x '{"cniVersion":"1.1.0","ipam":{"type":"ipamfs","mount":"'"$M"'"}}'
code "a cluster that isn't there" 7 ADD x "$(conf 1.1.0 ',"cluster":"other"')"
code "a node's name with a slash" 7 ADD x "$(conf 1.1.0 ',"node":"../x"')"
for it in ADD CHECK GC STATUS; do code "$it with a network's name that is none" 7 "$it" x "$(NETWORK=a/b conf 1.1.0)"; done
NETWORK=a/b ok "which a DEL does without" del x
code "a route's number that is none" 7 ADD x "$(conf 1.1.0 ',"routes":[{"dst":"0.0.0.0/0","mtu":"1400"}]')"
NETNS='' code "no namespace, and an older version" 4 ADD x "$(conf 0.4.0)"
same "the answer is of that version" 0.4.0 "$(jq -r .cniVersion "$WORK/out")"
code "routes that are none" 7 ADD x "$(conf 1.1.0 ',"routes":[{"dst":"x"}]')"
code "a route to no network" 7 ADD x "$(conf 1.1.0 ',"routes":[{"dst":"10.0.0.0"}]')"
code "a route by no address" 7 ADD x "$(conf 1.1.0 ',"routes":[{"dst":"10.0.0.0/8","gw":"x"}]')"
code "a mount that is no absolute path" 7 ADD x '{"cniVersion":"1.1.0","name":"net","ipam":{"mount":"mnt"}}'
code "a createNode that is none" 7 ADD x "$(conf 1.1.0 ',"createNode":"no"')"
code "a version that is none" 6 CHECK x "$(conf newest)"
code "a version that is no string" 7 ADD x '{"cniVersion":1.1,"name":"net","ipam":{}}'
NETNS='' code "CHECK without a namespace" 4 CHECK x "$(conf 1.1.0 "" ',"prevResult":{}')"
conf 1.1.0 | env -u CNI_COMMAND CNI_CONTAINERID=x CNI_NETNS=/x CNI_IFNAME=eth0 "$CNI" >"$WORK/out" 2>"$WORK/err"
same "no command: code 4" 4 "$(jq .code "$WORK/out")"
NETNS=/$(printf 'x%.0s' $(seq 4090)) code "more attributes than a lease holds" 5 ADD x "$(conf 1.1.0)"
order=',"ranges":[[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.200","rangeEnd":"10.244.0.201"},{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.2","rangeEnd":"10.244.0.150"}]]'
for i in 1 2 3; do add "o$i" "$order"; done
same "a set's alternatives are taken in their order" "10.244.0.200/24 10.244.0.201/24" "$(head -qn 1 "$node"/o[12].eth0 | tr '\n' ' ' | sed 's/ $//')"
ok "and the next where one is full" test "$(sed -n '1s/.*\.\([0-9]*\)\/24/\1/p' "$node/o3.eth0")" -le 150
for i in 1 2 3; do del "o$i"; done
same "none of which left a lease" "" "$(leases)"

# ---- which cluster, and by which name, where the configuration doesn't say
add two
mkdir "$M/second"
put "$M/second/.ipam/cidrs" 10.99.0.0/16
ok "a second cluster: CHECK finds the lease" plugin "$CNI" CHECK two "$(conf 1.1.0 "" ",\"prevResult\":$(cat "$WORK/out")")"
ok "ADD goes where the node is" add x
same "there" "two.eth0 x.eth0" "$(leases)"
ok "STATUS asks there" plugin "$CNI" STATUS "" "$(conf 1.1.0)"
ok "DEL finds it" del x
ok "GC finds what nobody has" plugin "$CNI" GC "" "$(conf 1.1.0 "" ',"cni.dev/valid-attachments":[]')"
same "in the first cluster" "" "$(leases)"
code "a node that is in none" 7 ADD x "$(conf 1.1.0 ',"node":"nowhere"')"
mkdir "$M/second/n1"
code "one that is in both" 7 ADD x "$(conf 1.1.0)"
ok "the choice" add x ',"cluster":"second"'
add y ',"cluster":"prod"'
ok "DEL looks in each" del x
ok "and in each" del y
ok "of nothing, too" del y
same "both are gone" "" "$(ls "$M/second/n1" "$node" | grep eth0)"
rmdir "$M/second/n1" "$M/second"
host() { unshare -u sh -c 'hostname "$1"; shift; "$@"' sh "$@"; }
ok "a host's name with capitals" host Worker-X env CNI="$CNI" CNI_COMMAND=ADD CNI_CONTAINERID=cap CNI_NETNS=/x CNI_IFNAME=eth0 \
	sh -c 'printf %s "$0" | "$CNI" >/dev/null' "$(conf 1.1.0 | jq -c 'del(.ipam.node)')"
same "is the kubelet's Node" "cap.eth0" "$(ls "$M/prod/worker-x")"
rm "$M/prod/worker-x/cap.eth0"
mv "$M/prod/worker-x" "$M/prod/Worker-X"
ok "unless a node has it as it is" host Worker-X env CNI="$CNI" CNI_COMMAND=ADD CNI_CONTAINERID=cap CNI_NETNS=/x CNI_IFNAME=eth0 \
	sh -c 'printf %s "$0" | "$CNI" >/dev/null' "$(conf 1.1.0 | jq -c 'del(.ipam.node)')"
same "with capitals" "cap.eth0" "$(ls "$M/prod/Worker-X")"
rm "$M/prod/Worker-X/cap.eth0"
rmdir "$M/prod/Worker-X"
ok "DEL of a container that no lease can name" del "$(printf 'x%.0s' $(seq 300))"
IFNAME=aé ok "and of an interface" del x
IFNAME=aé code "which an ADD refuses" 4 ADD x "$(conf 1.1.0)"
mkdir "$M/six"
printf 'fd01::/48\n10.98.0.0/16\n' >"$M/six/.ipam/cidrs"
add six ',"cluster":"six"'
same "the list's order is the result's" "fd01::2/64 10.98.0.2/24" "$(addresses)"
del six ',"cluster":"six"'
rmdir "$M/six/n1" "$M/six"

# ---- routes, as host-local has them
add x ',"routes":[{"dst":"10.9.0.1/8","gw":""},{"dst":"fd00::1/64","gw":null}]'
same "host bits, and gateways that are none" '[{"dst":"10.9.0.1/8"},{"dst":"fd00::1/64"}]' "$(jq -Sc .routes "$WORK/out")"
VERSION=0.2.0 add x ',"routes":[{"dst":"10.9.0.1/8","gw":""},{"dst":"fd00::1/64","gw":null}]'
same "by families" '[{"dst":"10.9.0.1/8"}] [{"dst":"fd00::1/64"}]' "$(jq -r '"\(.ip4.routes) \(.ip6.routes)"' "$WORK/out")"
del x

# ---- ranges, as host-local has them
add r1 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101","gateway":"10.244.0.254","dataDir":"/x"'
same "one range" "10.244.0.100/24" "$(addresses)"
same "its gateway" "10.244.0.254" "$(jq -r '.ips[0].gateway' "$WORK/out")"
ok "dataDir is said to mean nothing" grep -q "'dataDir' of ipam .*means nothing" "$WORK/err"
add r2 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"'
same "its second address" "10.244.0.101/24" "$(addresses)"
code "no third" 100 ADD r3 "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"')"
sets='[[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"},{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.120","rangeEnd":"10.244.0.121","gateway":"10.244.0.120"}],[{"subnet":"fd00:10:244::/64","rangeStart":"fd00:10:244::100"}]]'
add r3 ',"ranges":'"$sets"
same "the next alternative, without its gateway, and the second set" "10.244.0.121/24 fd00:10:244::100/64" "$(addresses)"
code "a set that fails leaves nothing of the other" 100 ADD r4 "$(conf 1.1.0 ',"ranges":[[{"subnet":"fd00:10:244::/64"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"}]]')"
same "just those" "r1.eth0 r2.eth0 r3.eth0" "$(leases)"
add r5 ',"ranges":[[{"subnet":"10.244.0.0/24","rangeEnd":"10.244.0.9"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.240"}]]'
same "two addresses of a family" "2" "$(addresses | wc -w)"
same "in two leases" "r5.eth0 r5.eth0+1" "$(ls "$node" | grep r5 | tr '\n' ' ' | sed 's/ $//')"
before=$(addresses)
add r5
same "asked again when the ranges are gone: what it holds" "$(sed 's,/.*,,;q' "$node/r5.eth0")" "$(addresses | sed 's,/.*,,')"
ok "CHECK of both" plugin "$CNI" CHECK r5 "$(conf 1.1.0 "$two" "$(printf ',"prevResult":{"ips":[{"address":"%s"},{"address":"%s"}]}' $before)")"
rm "$node/r5.eth0+1"
code "CHECK with one gone" 104 CHECK r5 "$(conf 1.1.0 "$two" "$(printf ',"prevResult":{"ips":[{"address":"%s"},{"address":"%s"}]}' $before)")"
add r5 "$two"
same "which the next ADD makes anew" "2" "$(addresses | wc -w)"
del r5
same "released together" "r1.eth0 r2.eth0 r3.eth0" "$(leases)"
add r6 '' ',"runtimeConfig":{"ipRanges":[[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.150","rangeEnd":"10.244.0.150"}]]}'
same "runtimeConfig.ipRanges" "10.244.0.150/24" "$(addresses)"
echo '{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.151","rangeEnd":"10.244.0.151"}' >"$WORK/range"
add r8 ',"rangeFromFile":"'"$WORK"'/range"'
same "rangeFromFile" "10.244.0.151/24" "$(addresses)"
del r8
code "a range outside the blocks" 7 ADD x "$(conf 1.1.0 ',"subnet":"10.99.0.0/24"')"
ok "which is said" grep -q "outside the blocks.*n1" "$WORK/out"
ok "with the blocks" grep -q "10.244.0.0/24, fd00:10:244::/64" "$WORK/out"
add r7 ',"ranges":[[{"subnet":"fd00:10:244::/64","rangeStart":"fd00:10:244::abc"}]]'
same "a family alone" "fd00:10:244::abc/64" "$(addresses)"
del r7
add r7 ',"subnet":"10.244.0.0/16","rangeStart":"10.244.0.60","rangeEnd":"10.244.0.60"'
same "the network is the range's" "10.244.0.60/16" "$(addresses)"
del r7
code "no address but the gateway" 7 ADD x "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.1","rangeEnd":"10.244.0.1"')"
code "two sets of a family, the second one full" 100 ADD x "$(conf 1.1.0 ',"ranges":[[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.200"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"}]]')"
code "a subnet with host bits" 7 ADD x "$(conf 1.1.0 ',"subnet":"10.244.0.1/24"')"
code "a start outside its subnet" 7 ADD x "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.1.1"')"
code "an end before its start" 7 ADD x "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.9","rangeEnd":"10.244.0.8"')"
code "ranges that overlap" 7 ADD x "$(conf 1.1.0 ',"ranges":[[{"subnet":"10.244.0.0/24"}],[{"subnet":"10.244.0.0/24"}]]')"
code "a set of both families" 7 ADD x "$(conf 1.1.0 ',"ranges":[[{"subnet":"10.244.0.0/24"},{"subnet":"fd00:10:244::/64"}]]')"
code "two of a family, which 0.2.0 can't say" 2 ADD x "$(conf 0.2.0 ',"ranges":[[{"subnet":"10.244.0.0/24","rangeEnd":"10.244.0.9"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.240"}]]')"
same "in the words of other plugins" "CNI version 0.2.0 does not support more than 1 address per family" "$(jq -r .msg "$WORK/out")"
same "none of which left a lease" "r1.eth0 r2.eth0 r3.eth0 r6.eth0" "$(leases)"
add r1 ',"Subnet":"10.244.0.0/24","RangeStart":"10.244.0.100","gatewya":"10.244.0.9"'
same "keys in another case are taken, as elsewhere" "10.244.0.100/24" "$(addresses)"
same "and those that mean nothing are named" "ipamfs: 'gatewya' of ipam is not known here and means nothing" "$(cat "$WORK/err")"
code "STATUS of a range that is full" 50 STATUS "" "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"')"
ok "and of one that has room" plugin "$CNI" STATUS "" "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.102"')"
code "one set that is full is enough" 50 STATUS "" "$(conf 1.1.0 ',"ranges":[[{"subnet":"fd00:10:244::/64"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.100","rangeEnd":"10.244.0.101"}]]')"
code "STATUS of a range outside the blocks" 7 STATUS "" "$(conf 1.1.0 ',"subnet":"10.99.0.0/24"')"
for id in r1 r2 r3 r6; do del $id; done

# ---- requested addresses
ARGS='IP=10.244.0.77' add q1
same "CNI_ARGS IP=" "10.244.0.77/24" "$(addresses | cut -d' ' -f1)"
add q2 '' ',"args":{"cni":{"ips":["10.244.0.78/24","fd00:10:244::78"]}}'
same "args.cni.ips" "10.244.0.78/24 fd00:10:244::78/64" "$(addresses)"
add q3 ',"subnet":"10.244.0.0/24"' ',"runtimeConfig":{"ips":["10.244.0.79"]}'
same "runtimeConfig.ips" "10.244.0.79/24" "$(addresses)"
ARGS='IP=10.244.0.77' code "one that is held" 101 ADD q4 "$(conf 1.1.0)"
ARGS='IP=10.99.0.77' code "one outside the blocks" 102 ADD q4 "$(conf 1.1.0)"
ARGS='IP=10.244.0.1' code "a gateway" 102 ADD q4 "$(conf 1.1.0)"
ARGS='IP=10.244.0.50' code "one outside the ranges" 102 ADD q4 "$(conf 1.1.0 ',"subnet":"10.244.0.0/24","rangeEnd":"10.244.0.40"')"
ARGS='IP=x' code "what is no address" 7 ADD q4 "$(conf 1.1.0)"
code "two addresses of one set" 7 ADD q4 "$(conf 1.1.0 ',"subnet":"10.244.0.0/24"' ',"runtimeConfig":{"ips":["10.244.0.80","10.244.0.81"]}')"
same "in the words of host-local" "failed to allocate all requested IPs: 10.244.0.81" "$(jq -r .msg "$WORK/out")"
code "two addresses of a family, and no sets" 7 ADD q4 "$(conf 1.1.0 "" ',"runtimeConfig":{"ips":["10.244.0.80","10.244.0.81"]}')"
ARGS='IP=10.244.0.82/24' add q4 ',"subnet":"10.244.0.0/24"' ',"runtimeConfig":{"ips":["10.244.0.82"]}'
same "one by two ways" "10.244.0.82/24" "$(addresses)"
del q4
add q4 "$two" ',"runtimeConfig":{"ips":["10.244.0.241","10.244.0.8"]}'
same "one of each set" "10.244.0.8/24 10.244.0.241/24" "$(addresses)"
del q4
same "left nothing" "q1.eth0 q2.eth0 q3.eth0" "$(leases)"

# What an ADD that fails had for a moment, nobody was told of: it doesn't rest.
rests() { sed -n 's/^addresses_resting //p' "$node/.ipam/stats"; }
put "$node/.ipam/settings" "reuse-delay 3600"
ARGS='IP=10.244.0.77' code "one that is held, where addresses rest" 101 ADD q4 "$(conf 1.1.0)"
touch "$node/10.244.0.90"
rm "$node/10.244.0.90"
ARGS='IP=10.244.0.90' code "one that rests" 101 ADD q4 "$(conf 1.1.0)"
full=',"ranges":[[{"subnet":"10.244.0.0/24","rangeEnd":"10.244.0.60"}],[{"subnet":"10.244.0.0/24","rangeStart":"10.244.0.77","rangeEnd":"10.244.0.77"}]]'
code "a second set that is full" 100 ADD q4 "$(conf 1.1.0 "$full")"
NETNS=/$(printf 'x%.0s' $(seq 4090)) code "attributes that find no room" 5 ADD q4 "$(conf 1.1.0)"
same "of all these only what somebody had rests" 2 "$(rests)"
put "$node/.ipam/settings" "reuse-delay 0"
same "and with a shorter reuse-delay nothing does" 0 "$(rests)"

# ---- CHECK
prev() { printf ',"prevResult":{"cniVersion":"1.1.0","ips":[%s]}' "$1"; }
six=$(sed -n 2p "$node/q1.eth0")
ok "CHECK" plugin "$CNI" CHECK q1 "$(conf 1.1.0 "" "$(prev '{"address":"10.244.0.77/24"},{"address":"'"$six"'"}')")"
same "says nothing" "" "$(cat "$WORK/out")"
code "CHECK of another address" 104 CHECK q1 "$(conf 1.1.0 "" "$(prev '{"address":"10.244.0.76/24"},{"address":"'"$six"'"}')")"
code "CHECK of no lease" 104 CHECK nobody "$(conf 1.1.0 "" "$(prev '{"address":"10.244.0.77/24"}')")"
code "CHECK without prevResult" 7 CHECK q1 "$(conf 1.1.0)"

# ---- GC
NETWORK=other add g1
ok "a lease of another node" plugin "$CNI" ADD g2 "$(conf 1.1.0 ',"node":"n2"')"
touch "$node/by-hand"
gc() { plugin "$CNI" GC "" "$(conf 1.1.0 "" "${1-}")"; }
ok "GC without a list" gc
same "releases nothing" "by-hand g1.eth0 q1.eth0 q2.eth0 q3.eth0" "$(leases)"
ok "GC with one attachment" gc ',"cni.dev/valid-attachments":[{"containerID":"q2","ifname":"eth0"},{"containerID":"q3","ifname":"eth1"}]'
same "leaves that, and what isn't of this network" "by-hand g1.eth0 q2.eth0" "$(leases)"
code "GC with a list that can't be read whole" 7 GC "" "$(conf 1.1.0 "" ',"cni.dev/valid-attachments":[{"containerID":"q2"}]')"
same "releases nothing" "by-hand g1.eth0 q2.eth0" "$(leases)"
ok "GC with an empty list" gc ',"cni.dev/valid-attachments":[]'
same "releases all of the network on the node" "by-hand g1.eth0" "$(leases)"
same "and none of another node" "g2.eth0 x.eth0" "$(ls "$M/prod/n2" | tr '\n' ' ' | sed 's/ $//')"
rm "$node/by-hand" "$node/g1.eth0"

# ---- a full node
put "$M/prod/.ipam/cidrs" "10.244.0.0/16 24
fd00:10:244::/48 64
10.250.0.0/29 30"
ok "STATUS" plugin "$CNI" STATUS "" "$(conf 1.1.0)"
code "STATUS of a node that isn't there nor to be made" 50 STATUS "" "$(conf 1.1.0 ',"node":"n7","createNode":false')"
code "STATUS of a cluster that isn't there" 50 STATUS "" "$(conf 1.1.0 ',"cluster":"other"')"
mkdir "$M/tiny"
put "$M/tiny/.ipam/cidrs" "10.8.0.0/29 30"
tiny() { conf 1.1.0 ',"cluster":"tiny","node":"'"$1"'"'"${2-}"; }
ok "STATUS of a node to be made" plugin "$CNI" STATUS "" "$(tiny t1)"
ok "its only address" plugin "$CNI" ADD t1 "$(tiny t1)"
code "STATUS of a full node" 50 STATUS "" "$(tiny t1)"
code "ADD on a full node" 100 ADD t2 "$(tiny t1)"
put "$M/tiny/.ipam/settings" "max-blocks 2"
ok "STATUS of one that may grow" plugin "$CNI" STATUS "" "$(tiny t1)"
spread=',"ranges":[[{"subnet":"10.8.0.0/30"},{"subnet":"10.8.0.4/30"}]]'
ok "so may its ranges: STATUS" plugin "$CNI" STATUS "" "$(tiny t1 "$spread")"
code "but none that lie elsewhere alone" 7 ADD t2 "$(tiny t1 ',"subnet":"10.8.0.4/30"')"
ok "which is said" grep -q "may grow" "$WORK/out"
ok "it grows" plugin "$CNI" ADD t2 "$(tiny t1 "$spread")"
same "into the other range" "10.8.0.6/30" "$(addresses)"
code "STATUS where no block is left" 50 STATUS "" "$(tiny t3)"
code "ADD where no block is left" 100 ADD t3 "$(tiny t3)"
same "no node was made" "t1" "$(ls "$M/tiny")"
put "$M/tiny/.ipam/settings" "max-leases 2"
plugin "$CNI" DEL t2 "$(tiny t1)"
plugin "$CNI" ADD t2 "$(tiny t1)"
code "past max-leases" 100 ADD t4 "$(tiny t1)"
put "$M/tiny/.ipam/settings" "max-blocks 3"
put "$M/tiny/.ipam/cidrs" "10.8.0.0/29 30
fd00:8::/48 64"
code "STATUS where one family has no block left" 50 STATUS "" "$(tiny t3)"
mkdir "$M/bare"
for it in "ADD 100" "STATUS 50"; do
	code "${it% *} in a cluster that has no CIDRs" "${it#* }" "${it% *}" b1 "$(conf 1.1.0 ',"cluster":"bare"')"
	same "${it% *} says that" true "$(jq '.msg | contains("no CIDRs yet")' "$WORK/out")"
done
rmdir "$M/bare"
mkdir "$M/more"
put "$M/more/.ipam/cidrs" "10.9.0.0/24 29"
more() { conf 1.1.0 ',"cluster":"more"'"${1-}"; }
plugin "$CNI" ADD t9 "$(more)"
put "$M/more/n1/.ipam/settings" "max-leases 1"
code "STATUS at max-leases" 50 STATUS "" "$(more)"
put "$M/more/.ipam/cidrs" "10.9.0.0/24 29
fd00:9::/48 64"
put "$M/more/n1/.ipam/cidrs" "10.9.0.0/29
fd00:9::/64"
ok "asked again where the node has more families now" plugin "$CNI" ADD t9 "$(more)"
same "what it holds" "10.9.0.2/29" "$(addresses)"
code "no address to say" 104 ADD t9 "$(more ',"subnet":"fd00:9::/64"')"

# ---- many at once
for i in $(seq 16); do behind "many$i" ADD "m$i" "$(conf 1.1.0 ',"cluster":"prod"')"; done
for i in $(seq 16); do wait "${running[many$i]}"; done
same "16 at once, no address twice" 16 "$(jq -r '.ips[0].address' "$WORK"/many*/out | sort -u | wc -l)"
# Each is to get an address that another one may pass through.
mkdir "$M/prod/n3"
block=$(sed -n '1s,0/24,,p' "$M/prod/n3/.ipam/cidrs")
for i in $(seq 16); do ARGS="IP=$block$((i + 1))" behind "own$i" ADD "o$i" "$(conf 1.1.0 ',"cluster":"prod","node":"n3"')"; done
for i in $(seq 16); do wait "${running[own$i]}"; done
same "16 at once, each with the address that it asks for" "$(seq -f "$block%g/24" 2 17)" "$(for i in $(seq 16); do jq -r '.ips[0].address // .msg' "$WORK/own$i/out"; done)"

# ---- a daemon that hangs: what was given up does nothing later
here() { conf 1.1.0 ',"cluster":"prod"' "${1-}"; }
plugin "$CNI" ADD kept "$(here)"
plugin "$CNI" ADD other "$(here)"
halt_fs "$daemon"
begin=$SECONDS
behind hang ADD hang "$(here)"
behind killed ADD killed "$(here)"
for i in 1 2 3; do behind "again$i" ADD "again$i" "$(here)"; done
behind status STATUS "" "$(here)"
behind del DEL kept "$(here)"
behind gc GC "" "$(here ',"cni.dev/valid-attachments":[]')"
PATIENCE=1 until_true 5 at_work -ge 16
pkill -9 -P "${running[killed]}" -x "cni$$"
for it in hang again1 again2 again3 status del gc; do wait "${running[$it]}"; done
# Ten by their own clocks; here there is also the time that a busy machine takes to start and to end them.
ok "all answer" test $((SECONDS - begin)) -le 90
same "ADD, DEL and GC with code 11, STATUS with 50" "11 11 11 50" "$(jq -s -r 'map(.code) | join(" ")' "$WORK"/{hang,del,gc,status}/out)"
# The runtime asks again for the same container, and the daemon comes to itself.
for i in 1 2 3; do behind "second$i" ADD "again$i" "$(here)"; done
PATIENCE=1 until_true 5 at_work -ge 14
resume_fs "$daemon"
for i in 1 2 3; do wait "${running[second$i]}"; done
ok "the plugin's helpers end" until_true 20 at_work -eq 0
ok "no lease is left behind" test ! -e "$node/hang.eth0"
ok "nor of one that was killed" test ! -e "$node/killed.eth0"
for i in 1 2 3; do
	same "asked again, a success is one ($i)" "$(cat "$node/again$i.eth0")" "$(jq -r '.ips[].address' "$WORK/second$i/out")"
done
ok "a DEL that was given up releases nothing later" test -e "$node/kept.eth0"
ok "nor does a GC" test -e "$node/other.eth0"
ok "asked again, DEL does" plugin "$CNI" DEL kept "$(here)"
ok "at once" test ! -e "$node/kept.eth0"

# ---- and none
umount_fs
code "ADD without a mount" 11 ADD x "$(conf 1.1.0)"
code "DEL without a mount" 11 DEL x "$(conf 1.1.0)"
code "STATUS without a mount" 50 STATUS "" "$(conf 1.1.0)"
mkdir -p "$M/prod/n1"
code "ADD on the mount point's own directories" 11 ADD x "$(conf 1.1.0 ',"cluster":"prod"')"
code "DEL there" 11 DEL x "$(conf 1.1.0 ',"cluster":"prod"')"
ok "VERSION needs none" plugin "$CNI" VERSION "" '{"cniVersion":"1.1.0"}'
rmdir "$M/prod/n1" "$M/prod"
mount_fs
kill_daemon
for it in ADD DEL CHECK GC; do code "$it on a dead daemon's mount" 11 "$it" x "$(here ',"prevResult":{"ips":[]},"cni.dev/valid-attachments":[]')"; done
code "STATUS on it" 50 STATUS "" "$(here)"
take_off "$M"
check_clean "after it all"
