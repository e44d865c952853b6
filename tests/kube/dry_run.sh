#!/usr/bin/env bash
# `ipamkube controller --dry-run`: it tells what there is to do, and neither the mount nor the API is written to.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/16 24"
mkdir "$M/prod/gone-1" "$M/prod/gone-2" "$M/prod/has-1" "$M/prod/other-1"
touch "$M/prod/gone-2/pod"
node_make has-1
node_make new-1
node_make old-1 10.244.9.0/24
node_make foreign-1 192.168.0.0/24
node_make other-1 10.244.77.0/24
node_make twice-1 10.244.50.0/24
node_make twice-2 10.244.50.0/25

writes() { admin GET requests | jq '[.[] | select(.method != "GET")] | length'; }
mount_now() { cat "$M/prod/.ipam/blocks" "$M/prod/.ipam/history"; }
dry() { timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --dry-run "$@"; }
before=$(writes) there=$(mount_now)
out=$(dry 2>"$WORK/log.dry")
same "the status says that some would be left alone" 1 $?
same "each Node that wouldn't stay as it is has a line" "\
foreign-1: left alone: its podCIDRs 192.168.0.0/24 are no blocks of cluster prod
gone-1: removed from the mount, since its Node is gone: its blocks 10.244.0.0/24 are free
gone-2: left alone: its Node is gone, but the mount's node has leases still
has-1: given the blocks that the mount has for it, 10.244.2.0/24
new-1: given the next free blocks
old-1: adopted with its podCIDRs 10.244.9.0/24
other-1: gets its podCIDRs 10.244.77.0/24 for blocks instead of 10.244.3.0/24
twice-1: left alone, or the other: its podCIDRs 10.244.50.0/24 overlap those of Node twice-2
twice-2: left alone: its podCIDRs 10.244.50.0/25 are no blocks of cluster prod" "$(sed '$d' <<<"$out" | sort)"
same "and the last one sums up" "5 would be changed, 4 left alone; nothing was written" "$(tail -1 <<<"$out")"
same "the log is silent" "" "$(cat "$WORK/log.dry")"
same "no request but GET came to the API server" "$before" "$(writes)"
same "no Event, no Lease" "0 0" "$(kube GET /api/v1/events | jq '.items | length') $(kube GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases 2>/dev/null | jq '.items | length')"
same "and the mount is as it was, its history too" "$there" "$(mount_now)"
refused "metrics would be written" "--dry-run writes nothing" dry --metrics "$WORK/m.prom"
same "and aren't" "" "$(ls "$WORK" | grep m.prom)"

for node in foreign-1 twice-1 twice-2; do node_delete $node; done
rm "$M/prod/gone-2/pod"
ok "what it told is what is done" controller_once --mass-release-delay 300ms
ok "by requests that would have been seen" test "$(writes)" -gt "$before"
same "the Nodes have what was told" "10.244.2.0/24,10.244.9.0/24,10.244.77.0/24" "$(podcidrs has-1),$(podcidrs old-1),$(podcidrs other-1)"
same "and then there is nothing to do" "0 would be changed, 0 left alone; nothing was written" "$(dry)"
apiserver_stop
