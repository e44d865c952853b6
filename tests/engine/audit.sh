# ipamctl check of a mount that shares an engine: its own part, and what all machines have, against an engine that was tampered with.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 grep -q 10.244 "$B/prod/.ipam/cidrs"
mkdir "$A/prod/w1" "$B/prod/w2" "$A/prod/spare"
touch "$A/prod/w1/a" "$A/prod/w1/b" "$B/prod/w2/c"
published() { test -e "$B/prod/w1/b" -a -e "$A/prod/w2/c"; }
until_true 20 published
check() { "$IPAMCTL" check "$@"; }
ok "what is sound" check "$A"
ok "on the other machine, too" check "$B"
said=$(check "$A" 2>&1)
ok "it says how much of the engine it looked at" grep -q "^the engine: 1 clusters, 3 nodes, 3 blocks, 0 resting blocks, 3 leases at revision" <<<"$said"
same "and JSON does" "true 0" "$(check --json "$A" | jq -r '"\(.engine.checked) \(.findings | length)"')"
same "a mount of a file has no engine" alone "$(mount_fs && cat "$M/.ipam/audit"; umount_fs >/dev/null)"

# ---- what nobody of us would write. tamper NAME WANTED KEY VALUE: found on both machines, and not any more when it is as it was
state=$PREFIX/state
cluster=$(ctl get --print-value-only "$state/cluster/prod" | jq -r .id)
node() { ctl get --print-value-only "$state/node/$cluster/$1" | jq -r .id; }
w1=$(node w1) w2=$(node w2)
tamper() {
	local was
	was=$(ctl get --print-value-only "$3")
	if [ -n "$4" ]; then ctl put "$3" "$4" >/dev/null; else ctl del "$3" >/dev/null; fi
	refused "$1" "$2" check "$A"
	refused "$1, on the other machine" "$2" check "$B"
	if [ -n "$was" ]; then ctl put "$3" "$was" >/dev/null; else ctl del "$3" >/dev/null; fi
	ok "$1: mended" check "$A"
}
block=$(ctl get --prefix --keys-only "$state/block/" | while read -r it; do [ -n "$it" ] && [ "$(ctl get --print-value-only "$it" | jq -r .node)" == "$w1" ] && echo "$it"; done)
tamper "a block of which another has the key" "whose record doesn't have it" "$block" "{\"node\":\"$w2\"}"
tamper "a block without a key" "says something else, or isn't there" "$block" ""
tamper "a block inside another" "overlaps another" "${block%-24}-25" "{\"node\":\"$w2\"}"
tamper "a key of a node that there isn't" "whose record doesn't have it" "$state/block/$cluster/40af4ff00-24" '{"node":"00000000000000aa"}'
tamper "a record that says nothing" "isn't understood" "$state/block/$cluster/40af4ff00-24" "hello"
tamper "a key of something else" "isn't understood" "$state/other" 1

# What machines published: one that says it leases what another does.
bucket=$(ctl get --prefix --keys-only "$PREFIX/leases/$w2/" | head -1)
addr=$(sed -n '1s,/.*,,p' "$A/prod/w1/a")
was=$(ctl get --print-value-only "$bucket")
ctl put "$bucket" "$(jq -c --arg addr "$addr" '.[0].addresses = [$addr]' <<<"$was")" >/dev/null
refused "an address in two hands" "'$addr' is held by" check "$A"
refused "of a block that is another's" "is in a block of node 'w1'" check "$A"
ctl put "$bucket" "$was" >/dev/null
ok "an address in two hands: mended" until_true 20 check "$A"

# ---- what can't be looked at
etcd_pause 0
refused "an engine that is away" "only this machine's own part was checked" timeout 100 "$IPAMCTL" check "$A"
etcd_resume 0
ok "and is back" until_true 60 check "$A"

cd /
machine_end w1
machine_end w2
