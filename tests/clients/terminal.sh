#!/usr/bin/env bash
# What others wrote, in names, attributes, files and answers, does nothing to the terminal of whoever reads it, and makes no line that
# isn't one: in every output of every program, the daemon's log among them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
mount_fs
make_cluster prod w1
c1=$'\xc2\x9b31m' over=$'\xe2\x80\xae' raw=$'\x9b31m' esc=$'\e]0;owned\a\nprod/w1/forged'
mkdir "$M/prod/n$c1$over" "$M/$raw$over"
put "$M/$raw$over/.ipam/cidrs" "10.99.0.0/16 24"
touch "$M/prod/w1/l$c1$over" "$M/prod/w1/l$raw" "$M/prod/w1/plain"
setfattr -n "user.k$esc$c1$over$raw" -v "v$esc$c1$over$raw" "$M/prod/w1/plain"
setfattr -n user.pod -v "ns/p$esc$c1$over$raw" "$M/prod/w1/plain"
setfattr -n user.netns -v "/nowhere$esc$c1" "$M/prod/w1/plain"
address=$(cut -d/ -f1 "$M/prod/w1/plain" | head -1)

# harmless NAME COMMAND...: what it says on both has none of it, nor a line that the attribute begins
harmless() {
	local name=$1
	shift
	timeout 60 "$@" >"$WORK/said" 2>&1 </dev/null
	if [ ! -s "$WORK/said" ]; then
		fail "$name" "$* says nothing"
	elif grep -Eaq '^prod/w1/forged' "$WORK/said" || LC_ALL=C grep -Paq '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae\x8e\x8f]|\xe2\x81[\xa6-\xaf]' "$WORK/said" ||
		! iconv -f UTF-8 -t UTF-8 "$WORK/said" >/dev/null 2>&1; then
		fail "$name" "$* says: $(head -c 600 "$WORK/said" | cat -v)"
	else
		pass "$name"
	fi
}

for json in "" --json; do
	harmless "history $json" "$IPAMCTL" history --mount "$M" $json
	harmless "history of an address $json" "$IPAMCTL" history --mount "$M" "$address" $json
	harmless "history of a moment $json" "$IPAMCTL" history --mount "$M" "$address" --at now $json
	harmless "find an address $json" "$IPAMCTL" find --mount "$M" "$address" $json
	harmless "find a name $json" "$IPAMCTL" find --mount "$M" plain $json
	harmless "find what has such a name $json" "$IPAMCTL" find --mount "$M" "l$c1$over" $json
	harmless "du $json" "$IPAMCTL" du --mount "$M" $json
	harmless "gc $json" "$IPAMCTL" gc --mount "$M" --cluster prod --node w1 --dry-run --verbose --grace 0 $json
	harmless "check $json" "$IPAMCTL" check "$M" $json
	harmless "check a database $json" "$IPAMCTL" check "$DB" $json
done
harmless "top" "$IPAMCTL" top --mount "$M" --once
harmless "a cluster that isn't there" "$IPAMCTL" gc --mount "$M" --cluster "x$esc$c1$over$raw"
harmless "a node that isn't there" "$IPAMCTL" gc --mount "$M" --cluster prod --node "x$esc$c1$over$raw"
harmless "which cluster?" "$IPAMCTL" gc --mount "$M"
harmless "an option that isn't one" "$IPAMCTL" gc "--x$esc$c1$over$raw"
harmless "a mount that isn't one" "$IPAMCTL" du --mount "$WORK/x$esc$c1$over$raw"
harmless "a node that is removed" "$IPAMCTL" node remove --mount "$M" --cluster "$raw$over" x
mkdir "$WORK/net"
printf 'a%s\neth0' "$c1" >"$WORK/net/10.244.0.9$c1$over"
harmless "import of host-local's files" "$IPAMCTL" import --mount "$M" --cluster prod --node w1 --host-local "$WORK/net" --dry-run
jq -n --arg evil "$esc$c1$over" '{kind: "List", items: [{kind: "Node", metadata: {name: "w9"}, spec: {podCIDR: "10.77.0.0/24"}},
	{kind: "Pod", metadata: {name: "p\($evil)", namespace: "n\($evil)", uid: "u"}, spec: {nodeName: "w1"}, status: {phase: "Running", podIP: $evil}}]}' >"$WORK/dump"
harmless "import of Kubernetes' objects" "$IPAMCTL" import --mount "$M" --cluster prod --kubernetes "$WORK/dump" --dry-run --verbose

harmless "the table of leases" cat "$M/prod/.ipam/leases"
harmless "ipamkube" "$BUILD/bin/ipamkube" controller --mount "$M" --cluster "x$esc$c1$over$raw" --once
harmless "the plugin" env CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/x CNI_IFNAME=eth0 CNI_PATH=/x "$BUILD/bin/ipamfs-cni" \
	< /dev/null
harmless "the daemon, of its arguments" "$IPAMFS" "$DB" "$WORK/x$esc$c1$over$raw" -o "y$esc$c1$over$raw"
umount_fs
cp "$DB" "$WORK/d$esc$c1$over$raw.db" 2>/dev/null || cp "$DB" "$WORK/d$c1$over$raw.db"
"$IPAMFS" "$WORK/d$c1$over$raw.db" "$M" -f -o "history=1" 2>>"$WORK/log2" >&2 &
pids+=($!)
mounts+=("$M")
until_true 20 eval '[ -s "$WORK/log2" ]'
harmless "the daemon's log" cat "$WORK/log2"
