# A Kubernetes cluster's nodes and pods are adopted from what kubectl prints; jq, on the same dump, says what should come of it.
. "$(dirname "$0")/../lib.sh"

"$HELPERS/clients/kube_dump" 50 1500 7 >"$WORK/dump.json"
dump=$WORK/dump.json
import() { "$IPAMCTL" import --mount "$M" --cluster "${cluster:-prod}" --kubernetes "$@"; }
# imported QUERY: of a summary in JSON on standard input
summary() { jq -r '[.imported, .addresses, .present, .nodes.imported, .nodes.present, (.conflicts | length)] | join(" ")'; }
status_of() { "$@" >/dev/null 2>&1; echo $?; }
state() { find "$M" -mindepth 1 -not -name README | sort; }
# what a cluster holds: NODE NAME ADDRESS... a line
leases() { jq -r '.[] | [.node, .name, (.addresses[] | sub("/.*"; ""))] | join(" ")' "$M/$1/.ipam/leases.json" | sort; }
blocks() { sed 's/ [0-9]* [0-9]*$//' "$M/$1/.ipam/blocks" | sort; }
mount_fs

# ---- the oracle
cat >"$WORK/oracle.jq" <<'END'
[.items[] | select(.kind == "Pod")] as $pods
| [.items[] | select(.kind == "Node" and .spec.podCIDRs)] as $nodes
| (reduce $nodes[] as $n ({}; .[$n.metadata.name] = [$n.spec.podCIDRs[] | sub("0/24$|/64$"; "")])) as $prefix
| [$pods[] | select(.spec.hostNetwork | not)] as $own
| [$own[] | select(.status.phase == "Succeeded" or .status.phase == "Failed" | not)] as $live
| [$live[] | select(.status.podIP)] as $held
| [$held[] | . as $p | select([$p.status.podIPs[].ip | . as $ip | any($prefix[$p.spec.nodeName][]; . as $x | $ip | startswith($x))] | all)] as $inside
| [$inside | group_by(.status.podIP)[] | max_by(.metadata.creationTimestamp)] as $kept
| {
	hostNetwork: (($pods | length) - ($own | length)), terminated: (($own | length) - ($live | length)),
	noAddress: (($live | length) - ($held | length)), noPodCIDR: ([.items[] | select(.kind == "Node" and (.spec.podCIDRs | not))] | length),
	conflicts: (($held | length) - ($kept | length)), nodes: ($nodes | length),
	leases: [$kept[] | "\(.spec.nodeName) \(.metadata.namespace)_\(.metadata.name) \([.status.podIPs[].ip] | join(" "))"],
	blocks: [$nodes[] | .metadata.name as $n | .spec.podCIDRs[] | "\(.) \($n)"]
}
END
jq -f "$WORK/oracle.jq" "$dump" >"$WORK/oracle.json"
oracle() { jq -r "$1" "$WORK/oracle.json"; }
n=$(oracle '.leases | length')
ok "the dump has something of everything" jq -e '.hostNetwork > 10 and .terminated > 10 and .noAddress > 1 and .noPodCIDR > 0 and .conflicts > 1 and (.leases | length) > 1000' "$WORK/oracle.json"

# ---- nothing is done before it can be
refused "no such cluster" "no cluster 'prod'; --create makes it" import "$dump"
refused "no cluster at all" "no cluster yet" "$IPAMCTL" import --mount "$M" --kubernetes "$dump"
mkdir "$M/prod"
refused "a cluster without CIDRs" "'10.0.0.0/18 24' >> $M/prod/.ipam/cidrs" import "$dump"
same "nothing was done" "$M/prod" "$(state)"
import "$dump" 2>&1 | grep '^  echo' >"$WORK/hint"
ok "what it says to write" sh "$WORK/hint"
same "will do" "10.0.0.0/18 24 fd00::/58 64" "$(paste -sd ' ' "$M/prod/.ipam/cidrs")"
import "$dump" --dry-run --json >"$WORK/dry.json" 2>/dev/null
same "a dry run counts, and does nothing" "0 0 0 0 0 $(oracle .conflicts)" "$(summary <"$WORK/dry.json")"
ok "and says what would be done" grep -q "would import $(oracle .nodes) nodes and $n leases" <(import "$dump" --dry-run 2>/dev/null)
same "strict: a conflict, and nothing is imported" 1 "$(status_of import "$dump" --strict)"
refused "so it says" "nothing was imported" import "$dump" --strict
same "so it is" "$M/prod" "$(state)"

# ---- the import
import "$dump" --json >"$WORK/out.json"
same "what conflicts is left out: status 1" 1 $?
same "counts" "$n $((2 * n)) 0 $(oracle .nodes) 0 $(oracle .conflicts)" "$(summary <"$WORK/out.json")"
same "what was skipped" "$(oracle '[.hostNetwork, .terminated, .noAddress, .noPodCIDR] | join(" ")')" \
	"$(jq -r '.skipped | [.hostNetwork, .terminated, .noAddress, .noPodCIDR] | join(" ")' "$WORK/out.json")"
same "exactly the nodes' podCIDRs are blocks" "" "$(diff <(oracle '.blocks[]' | sort) <(blocks prod))"
same "exactly the pods' addresses are leases" "" "$(diff <(oracle '.leases[]' | sort) <(leases prod))"
lease=$(oracle '.leases[5]')
read -r node name address _ <<<"$lease"
file=$M/prod/$node/$name
same "a lease knows its pod" "${name/_//}" "$(getfattr --absolute-names --only-values -n user.pod "$file")"
uid=$(jq -r --arg ip "$address" '.items[] | select(.kind == "Pod" and .status.podIP == $ip and .status.phase == "Running") | .metadata.uid' "$dump" | head -1)
same "and the pod's uid" "$uid" "$(getfattr --absolute-names --only-values -n user.pod-uid "$file")"
same "a conflict that is listed" "in none of its node's blocks" "$(jq -r 'first(.conflicts[] | select(.address | startswith("192.168"))).why' "$WORK/out.json")"
check_clean "after the import"

# ---- again
before=$(leases prod)
same "again: all of it is there" "0 0 $n 0 $(oracle .nodes) $(oracle .conflicts)" "$(import "$dump" --json | summary)"
rm "$file"
same "what is gone comes back, alone" "1 2 $((n - 1)) 0 $(oracle .nodes) $(oracle .conflicts)" "$(import "$dump" --json | summary)"
same "as it was" "$before" "$(leases prod)"
mv "$file" "$M/prod/$node/some-container.eth0"
same "a lease of another name that says it is the pod's will do" "0 0 $n" "$(import "$dump" --json | summary | cut -d ' ' -f 1-3)"
mv "$M/prod/$node/some-container.eth0" "$file"
refused "without --json: at most twenty conflicts" "left out: 0 nodes and $(oracle .conflicts) pods in conflict" import "$dump"

# ---- the forms in which it comes
jq -c 'def first_of(k): .items |= map(select(.kind == k));
	{kind: "NodeList", items: (first_of("Node").items | map(del(.kind, .apiVersion)))},
	{metadata: {}, items: (first_of("Pod").items | map(del(.kind))), kind: "PodList"}, {kind: "List", items: null}' "$dump" >"$WORK/lists.json"
cluster=forms
same "--create, two lists, items without kinds, from a pipe" "$n $((2 * n)) 0 $(oracle .nodes) 0 $(oracle .conflicts)" \
	"$(import - --create --json <"$WORK/lists.json" | summary)"
same "the same leases" "$before" "$(leases forms)"
same "the CIDRs that it made" "$(cat "$M/prod/.ipam/cidrs")" "$(cat "$M/forms/.ipam/cidrs")"
jq -c '.items[60]' "$dump" >"$WORK/one.json"
same "one object alone" "otherKinds 0" "otherKinds $(import "$WORK/one.json" --json | jq .skipped.otherKinds)"
same "an empty list" "0 0 0 0 0 0" "$(echo ' {"items":[],"kind":"List"}' | import - --json | summary)"
same "other kinds are passed over" 2 "$(echo '{"items":[{"kind":"Service"},{"kind":"ConfigMap","spec":[1.5e3,{"a":"\"]}"}]}]}' | import - --json | jq .skipped.otherKinds)"
cluster=undone
same "--create and --strict, with a conflict" 1 "$(status_of import "$dump" --create --strict)"
ok "leave no cluster" test ! -e "$M/undone"

# ---- what is no dump
cluster=forms
all=$(state)
broken() { refused "$1" "$2" import - <<<"$3"; }
broken "empty" "is empty" ""
broken "no JSON" "standard input: byte 0: no Kubernetes list" "apiVersion: v1"
broken "an object that is none" "byte 0: an object that is neither" '{"kind":"Deployment"}'
broken "an array" "byte 0: no Kubernetes list" '[]'
broken "items that are no objects" "byte 10: an object is wanted here" '{"items":[7]}'
broken "a comma too many" "byte 28: a value is wanted here" '{"items":[{"kind":"Node2" },]}'
broken "a bracket that closes another" "byte 32: a comma or ] is wanted" '{"items":[{"kind":"A","spec":[1 }]}'
broken "one that closes the object" "byte 30: a comma or } is wanted" '{"items":[{"kind":"A","spec":1]]}'
broken "a bad value deep inside" "byte 30: a value is wanted" '{"items":[{"kind":"A","spec":[,{}]}]}'
broken "a bad string in what is kept" "byte 10" $'{"items":[{"kind":"\xff"}]}'
broken "a key twice" "duplicate" '{"items":[{"kind":"Pod","kind":"Node"}]}'
broken "items twice" "items again" '{"items":[],"items":[]}'
broken "a Pod without a name" "byte 10: a Pod without a name" '{"items":[{"kind":"Pod","metadata":{"namespace":"x"}}]}'
broken "a name that would be a path" "byte 10: a Node without a name" '{"items":[{"kind":"Node","metadata":{"name":"../x"}}]}'
broken "something behind it" "byte 14: no Kubernetes list" '{"items":[]}
 x'
{ printf '{"items":'; printf '[%.0s' {1..400}; } >"$WORK/deep"
refused "too deep, and cut off" "byte" import "$WORK/deep"
refused "no such file" "No such file" import "$WORK/none"
size=$(stat -c %s "$WORK/lists.json")
cut_off() {
	local at
	for ((at = 1; at < 4000; at += 97)); do
		head -c "$at" "$WORK/lists.json" | import - --dry-run --quiet >"$WORK/said" 2>&1 && return 1
		grep -q "byte $at: " "$WORK/said" || { cat "$WORK/said"; return 1; }
	done
	for at in $((size / 2)) $((size - 1000)) $((size - 20)); do
		head -c "$at" "$WORK/lists.json" | import - --quiet >"$WORK/said" 2>&1 && return 1
		grep -q 'nothing was imported' "$WORK/said" || return 1
	done
}
ok "cut off anywhere: an error that says where" cut_off
same "nothing was done by all that" "$all" "$(state)"

# ---- conflicts, one of each
node() { printf '{"kind":"Node","metadata":{"name":"%s","creationTimestamp":"%s"},"spec":{"podCIDR":"%s"}}\n' "$1" "${3:-2025-01-01T00:00:00Z}" "$2"; }
# pod NAME NODE ADDRESS [TIME [PHASE]]
pod() {
	printf '{"kind":"Pod","metadata":{"namespace":"ns","name":"%s","uid":"u-%s","creationTimestamp":"%s"},"spec":{"nodeName":"%s"},"status":{"phase":"%s","podIP":"%s"}}\n' \
		"$1" "${1:0:20}-$2" "${4:-2025-01-01T00:00:00Z}" "$2" "${5:-Running}" "$3"
}
list() { jq -cs '{kind: "List", items: .}'; }
cluster=odd
mkdir "$M/odd"
put "$M/odd/.ipam/cidrs" "10.1.0.0/16 24"
put "$M/odd/.ipam/reserved" "10.1.9.0/24
10.1.1.200-10.1.1.210"
mkdir "$M/odd/there" "$M/odd/other"
put "$M/odd/there/.ipam/cidrs" 10.1.50.0/24
put "$M/odd/other/.ipam/cidrs" 10.1.51.0/24
env printf '10.1.50.7\n' >"$M/odd/there/ns_moved"
touch "$M/odd/there/10.1.50.8"
long=$(printf 'x%.0s' {1..253})
{
	node n1 10.1.1.0/24
	node n2 10.1.2.0/24
	node twin-old 10.1.3.0/24 2024-01-01T00:00:00Z
	node twin-new 10.1.3.0/24
	node wide 10.1.8.0/23
	node far 10.2.0.0/24
	node kept-free 10.1.9.0/24
	node taken 10.1.51.0/24
	node there 10.1.50.0/24
	node other 10.1.52.0/24
	node waiting ""
	node wrong 10.1.4.1/24
	pod gateway n1 10.1.1.1
	pod network n1 10.1.1.0
	pod broadcast n1 10.1.1.255
	pod reserved n1 10.1.1.205
	pod pending n1 10.1.1.5 2025-06-01T00:00:00Z Pending
	pod running n1 10.1.1.5
	pod old n2 10.1.2.6 2024-01-01T00:00:00Z
	pod new n2 10.1.2.6
	pod on-left-out twin-old 10.1.3.5
	pod moved there 10.1.50.9
	pod held there 10.1.50.8
	pod elsewhere other 10.1.51.7
	pod nowhere gone 10.1.1.9
	pod no-cidr waiting 10.1.1.10
	pod malformed n1 10.1.1.300
	pod same n1 10.1.1.30 2024-01-01T00:00:00Z
	pod same n1 10.1.1.31
	pod same n1 10.1.1.31
	pod "$long" n1 10.1.1.40
} | list >"$WORK/odd.json"
import "$WORK/odd.json" --json >"$WORK/odd.out"
same "conflicts: status" 1 $?
why() { jq -r --arg who "$1" '[.conflicts[] | select(.name == $who)] | if length == 1 then first | "\(.address) \(.why)" else "\(length) of them" end' "$WORK/odd.out"; }
left_out() { same "$1" "$3" "$(why "$2")"; }
left_out "an old node's podCIDR that is a younger one's too" twin-old "10.1.3.0/24 the podCIDR of twin-new, too"
left_out "a podCIDR of another size" wide "10.1.8.0/23 no block of the cluster's CIDRs"
left_out "one outside the cluster's CIDRs" far "10.2.0.0/24 no block of the cluster's CIDRs"
left_out "a reserved one" kept-free "10.1.9.0/24 reserved"
left_out "one that another node has" taken "10.1.51.0/24 held by node other"
left_out "a node that is there with other blocks" other "10.1.52.0/24 the node is there with other blocks"
left_out "a podCIDR that is none" wrong "- has a podCIDR that is no CIDR"
left_out "a gateway's address" n1/ns_gateway "10.1.1.1 its block's gateway ('gateway none' in the cluster's settings leases it)"
left_out "a network's" n1/ns_network "10.1.1.0 a network's or broadcast address"
left_out "a broadcast address" n1/ns_broadcast "10.1.1.255 a network's or broadcast address"
left_out "a reserved one" n1/ns_reserved "10.1.1.205 reserved"
left_out "who doesn't run yields to who does" n1/ns_pending "10.1.1.5 the address of n1/ns_running, too"
left_out "the older yields" n2/ns_old "10.1.2.6 the address of n2/ns_new, too"
left_out "a pod of a node that was left out" twin-old/ns_on-left-out "10.1.3.5 its node was left out"
left_out "a name that has another address here" there/ns_moved "- has a lease of this name with other addresses"
left_out "an address that another holds here" there/ns_held "10.1.50.8 held by there/10.1.50.8"
left_out "a node that is nowhere" gone/ns_nowhere "10.1.1.9 its node is neither in the dump nor in the mount"
left_out "a node without a podCIDR" waiting/ns_no-cidr "10.1.1.10 its node has no podCIDR"
left_out "an address that is none" n1/ns_malformed "- has an address that is none"
left_out "an older pod of the same name" n1/ns_same "- another pod of this name is newer"
same "a pod that was listed twice" 1 "$(jq .skipped.repeated "$WORK/odd.out")"
same "what would hold the others" "10.2.0.0/24 24" "$(jq -r '.missing[]' "$WORK/odd.out")"
same "those that keep what they have" "n1 ns_running 10.1.1.5
n1 ns_same 10.1.1.31
n2 ns_new 10.1.2.6
other ns_elsewhere 10.1.51.7
there 10.1.50.8 10.1.50.8
there ns_moved 10.1.50.7" "$(leases odd | grep -v xxx)"
same "a name too long for a lease ends with the uid" "255 10.1.1.40" "$(leases odd | awk '/xxx/ { print length($2), $3 }')"
same "again" "0 0 5" "$(import "$WORK/odd.json" --json | summary | cut -d ' ' -f 1-3)"
put "$M/odd/.ipam/settings" "gateway none"
ok "a gateway's address, with 'gateway none'" grep -q '"imported": 1,' <(import "$WORK/odd.json" --json)
refused "more than twenty" "and 1 more (--verbose lists them)" import <(
	node n1 10.1.1.0/24
	for i in {100..120}; do pod "p$i" n1 "10.99.0.$i"; done
) --dry-run
same "verbose" 21 "$(import <(for i in {100..120}; do pod "p$i" n1 "10.99.0.$i"; done) --dry-run --verbose 2>&1 | grep -c "10.99.0")"
same "--create adds what is missing" 0 "$(status_of import <(node far 10.2.0.0/24) --create)"
same "to what there is" "10.1.0.0/16 24 10.2.0.0/24 24" "$(paste -sd ' ' "$M/odd/.ipam/cidrs")"

# ---- what only the mount knows is refused there, left out and the rest written again
cluster=quota
mkdir "$M/quota"
put "$M/quota/.ipam/cidrs" "10.3.0.0/16 24"
put "$M/quota/.ipam/reserved" "10.3.3.0/25
10.3.3.128/25"
mkdir "$M/quota/full"
put "$M/quota/full/.ipam/cidrs" 10.3.1.0/24
put "$M/quota/full/.ipam/settings" "max-leases 2"
{
	node full 10.3.1.0/24
	node free 10.3.2.0/24
	node halves 10.3.3.0/24
	for i in {10..15}; do pod "a$i" full "10.3.1.$i"; done
	for i in {10..15}; do pod "b$i" free "10.3.2.$i"; done
	for i in {10..15}; do pod "c$i" halves "10.3.3.$i"; done
} | list >"$WORK/quota.json"
same "strict: nothing" "1 0" "$(status_of import "$WORK/quota.json" --strict) $(leases quota | wc -l)"
ok "and no node" test ! -e "$M/quota/free"
import "$WORK/quota.json" >/dev/null 2>"$WORK/said"
same "a quota, and a block that is reserved in two parts: status" 1 $?
same "both hold, and the rest is there" "2 full 6 free" "$(leases quota | cut -d ' ' -f 1 | sort -r | uniq -c | sort -n | xargs)"
same "each is told" "4 6 1" "$(grep -c 'full/ns_.*: Disk quota exceeded' "$WORK/said") $(grep -c 'halves/ns_c1.*reserved\|halves/ns_c1.*left out' "$WORK/said") $(grep -c '^  10.3.3.0/24 halves: Cannot assign' "$WORK/said")"
ok "there is no such node" test ! -e "$M/quota/halves"

# ---- no daemon
{
	head -c 300000 "$dump"
	touch "$WORK/half"
	until_true 30 test -e "$WORK/gone"
	tail -c +300001 "$dump"
} | import - >"$WORK/said" 2>&1 &
importing=$!
pids+=("$importing")
ok "half of the dump is read" until_true 30 test -e "$WORK/half"
umount_fs
touch "$WORK/gone"
wait "$importing"
same "a mount that ends meanwhile: refused" 1 $?
ok "and said" grep -q "$M/quota/.ipam" "$WORK/said"
check_clean "after it all"
import 2>/dev/null
same "usage" 2 $?
