#!/usr/bin/env bash
# Nodes that have podCIDRs already: taken over before any other block is given out; and those that can't be, which are reported and
# left alone while the rest goes on.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up

fresh() {
	rm -rf "${M:?}"/prod/* 2>/dev/null
	rmdir "$M/prod/"* "$M/prod" 2>/dev/null
	apiserver_stop >/dev/null
	apiserver_start
	cluster "$1"
}

# ---- before any other: the Nodes without come first in the list, and the blocks that they would get are another's
cluster "10.244.0.0/16 24
fd00:10:244::/48 64"
for i in 1 2 3 4 5; do node_make a-$i; done
node_make z-1 10.244.0.0/24 fd00:10:244::/64
node_make z-2 10.244.1.0/24 fd00:10:244:2::/64
node_make z-3 10.244.2.0/24
ok "once" controller_once
same "what was there is adopted" "10.244.0.0/24 fd00:10:244::/64,10.244.1.0/24 fd00:10:244:2::/64,10.244.2.0/24" \
	"$(mounted z-1),$(mounted z-2),$(mounted z-3)"
same "the others have theirs" 8 "$(served)"
agree "adoption"

# ---- in pages of three: the adopted ones stand in the last
fresh "10.244.0.0/16 24"
admin POST settings '{"page":3}' >/dev/null
for i in 1 2 3 4 5 6 7; do node_make a-$i; done
for i in 0 1 2 3; do node_make z-$i 10.244.$i.0/24; done
ok "with a list in pages" controller_once
ok "which it was" test "$(requests "method=GET&path=$nodes")" -gt 3
same "all have one" 11 "$(served)"
agree "adoption from pages"
# A page that has expired: nothing of half a list may count.
for i in 1 2 3 4 5 6 7; do node_make b-$i; done
for i in 4 5 6; do node_make y-$i 10.244.2$i.0/24; done
rule '{"method":"GET","path":"/api/v1/nodes","query":"*continue=*","skip":1,"times":2,"code":410}'
ok "with a page that has expired, twice" controller_once
same "it was" 2 "$(requests "code=410")"
same "all have one after all" 21 "$(served)"
agree "adoption after 410 between pages"

# ---- nearly full: of four blocks three are others', one is free
fresh "10.244.0.0/22 24"
for i in 1 2; do node_make a-$i; done
for i in 0 1 3; do node_make z-$i 10.244.$i.0/24; done
controller
ok "the one that is free is given" until_true 20 eval '[ "$(served)" -eq 4 ]'
ok "and that there is none more is said" until_true 20 has_event CIDRNotAvailable
same "to one of the two" 1 "$(($(has_podcidrs a-1 && echo 1 || echo 0) + $(has_podcidrs a-2 && echo 1 || echo 0)))"
agree "nearly full"
controller_end

# ---- what can't be adopted
fresh "10.244.0.0/16 24
fd00:10:244::/48 64"
node_make good-1 10.244.7.0/24 fd00:10:244:7::/64
node_make foreign-1 192.168.0.0/24
node_make foreign-2 10.244.9.0/25            # of the cluster's, but no block of it
node_make foreign-3 10.244.10.0/23           # two blocks of it
node_make half-1 10.244.20.0/24 fd99::/64    # one that is, one that isn't
node_make new-1
controller
until_true 20 has_podcidrs new-1
ok "the others get theirs" has_podcidrs new-1
for it in foreign-1 foreign-2 foreign-3 half-1; do ok "$it: an Event tells" until_true 20 has_event CIDRAssignmentFailed $it; done
same "none for those that are well" "0 0" "$(events CIDRAssignmentFailed good-1) $(events CIDRAssignmentFailed new-1)"
ok "the log names it" grep -q 'foreign-1.*192.168.0.0/24' "$WORK/controller.log"
same "they are left alone" "192.168.0.0/24,10.244.9.0/25,10.244.10.0/23,10.244.20.0/24 fd99::/64" \
	"$(podcidrs foreign-1),$(podcidrs foreign-2),$(podcidrs foreign-3),$(podcidrs half-1)"
same "nothing is written to them" 0 "$(requests "method=PATCH&path=$nodes/foreign-*")"
same "and nothing of theirs is in the mount" "" "$(ls "$M/prod" | grep -E 'foreign|half')"
for i in $(seq 2 9); do node_make new-$i; done
ok "the rest goes on" until_true 30 eval '[ "$(kube GET $nodes | jq "[.items[] | select(.metadata.name | startswith(\"new-\")) | select(.spec.podCIDRs)] | length")" -eq 9 ]'

# Two Nodes with one block: the first has it, the second is told.
node_make double-1 10.244.30.0/24
until_true 20 eval '[ "$(mounted double-1)" = 10.244.30.0/24 ]'
node_make double-2 10.244.30.0/24
ok "a second Node with a block is told" until_true 20 has_event CIDRAssignmentFailed double-2
same "the first keeps it" 10.244.30.0/24 "$(mounted double-1)"
same "the second has nothing of the mount" no "$([ -d "$M/prod/double-2" ] && echo yes || echo no)"
ok "the log names the other" grep -q 'double-2.*double-1\|double-1.*double-2' "$WORK/controller.log"
node_make double-3 10.244.30.0/25
ok "one that overlaps, too" until_true 20 has_event CIDRAssignmentFailed double-3
before=$(events CIDRAssignmentFailed double-2)
for i in 1 2 3 4 5; do kube PATCH $nodes/double-2 "{\"metadata\":{\"labels\":{\"beat\":\"$i\"}}}" >/dev/null; done
node_make new-10
until_true 20 has_podcidrs new-10
ok "it isn't told again with every change" test "$(events CIDRAssignmentFailed double-2)" -le $((before + 1))
node_delete double-1
ok "when the first is gone, the second has it" until_true 60 eval '[ "$(mounted double-2)" = 10.244.30.0/24 ]'

# A foreign block of which a part is the cluster's is given to nobody.
agree "with those that were refused" foreign-1 foreign-2 foreign-3 half-1 double-2 double-3
node_delete foreign-1
node_make foreign-1
ok "made again without, it gets one" until_true 20 has_podcidrs foreign-1
node_delete half-1
node_delete foreign-2
node_delete foreign-3
node_delete double-3
until_true 20 eval '[ "$(mounted foreign-1)" = "$(podcidrs foreign-1)" ]'
node_make foreign-9 192.168.9.0/24
ok "another is told" until_true 20 has_event CIDRAssignmentFailed foreign-9
controller_end
same "it ends cleanly" 0 "$status"
controller_once --metrics "$WORK/metrics.prom"
same "once, with one that is refused: 1" 1 $?
ok "metrics count what is refused" grep -Eq '^ipamkube_nodes_refused\{reason="foreign"\} 1$' "$WORK/metrics.prom"
ok "and are valid" promtool check metrics <"$WORK/metrics.prom"

# A Node with podCIDRs of which the mount has others: the Node's count, unless leases say no.
fresh "10.244.0.0/16 24"
mkdir "$M/prod/n-1" "$M/prod/n-2" "$M/prod/n-3"
touch "$M/prod/n-2/pod"
node_make n-1 10.244.100.0/24
node_make n-2 10.244.101.0/24
node_make n-3 10.244.2.0/24
held=$(mounted n-2)
controller_once
same "without leases the Node's podCIDRs count" "10.244.100.0/24" "$(mounted n-1)"
same "with leases the mount keeps its own" "$held" "$(mounted n-2)"
ok "and an Event tells" has_event CIDRAssignmentFailed n-2
ok "the lease is there" test -e "$M/prod/n-2/pod"
check_clean "at the end"
apiserver_stop
