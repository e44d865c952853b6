#!/usr/bin/env bash
# No block left; and CIDRs that are for some nodes alone.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/23 24"
for i in 1 2 3 4; do node_make n-$i; done
controller_once --metrics "$WORK/metrics.prom"
same "once, with too few blocks: 1" 1 $?
ok "a metric counts those without" grep -q 'reason="no_block"} 2' "$WORK/metrics.prom"
same "as many as there are have one" 2 "$(served)"
agree "exhausted"
controller
waiting() { kube GET $nodes | jq -r '[.items[] | select(.spec.podCIDRs | not)][0].metadata.name'; }
without=$(waiting)
ok "an Event tells" until_true 20 has_event CIDRNotAvailable "$without"
same "of type Warning, about that Node, in default" "Warning Node $(kube GET "$nodes/$without" | jq -r .metadata.uid)" \
	"$(kube GET "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D$without" |
		jq -r '.items[0] | "\(.type) \(.involvedObject.kind) \(.involvedObject.uid)"')"
kube PATCH $nodes/"$without" '{"metadata":{"labels":{"beat":"1"}}}' >/dev/null
taken=$(kube GET $nodes | jq -r '[.items[] | select(.spec.podCIDRs)][0].metadata.name')
node_delete "$taken"
ok "a block is freed: one more has it" until_true 20 eval '[ "$(served)" -eq 2 ] && [ ! -d "$M/prod/$taken" ]'
agree "a block was freed"
append "$M/prod/.ipam/cidrs" "10.245.0.0/24 24"
ok "a CIDR is added: the last has one" until_true 40 eval '[ "$(served)" -eq 3 ]'
ok "of it" eval 'kube GET $nodes | jq -e "any(.items[]; .spec.podCIDR == \"10.245.0.0/24\")"'
agree "a CIDR was added"
controller_end
ok "once" controller_once --metrics "$WORK/metrics.prom"
ok "the metric is back" grep -q 'reason="no_block"} 0' "$WORK/metrics.prom"

# One family is exhausted: both or none.
append "$M/prod/.ipam/cidrs" "fd00::/64 64"
node_make m-1
controller_once
same "IPv4 is exhausted, IPv6 isn't: none" "" "$(podcidrs m-1)"
node_delete m-1

# ---- selectors
for it in $(kube GET $nodes | jq -r '.items[].metadata.name'); do node_delete "$it"; done
ok "all gone" controller_once --mass-release-delay 300ms
same "nothing is left in the mount" "" "$(ls "$M/prod")"
put "$M/prod/.ipam/cidrs" "10.10.0.0/16 24 selector=zone=a
10.20.0.0/16 24 selector=zone=b
10.30.0.0/23 24
fd00:10:244::/48 64"
node_make a-1 zone=a rack=1
node_make b-1 zone=b
node_make c-1 zone=c
node_make d-1
controller
ok "each by its label" until_true 20 all_served 4
same "from its own" "10.10.0.0/24 10.20.0.0/24 true true" "$(kube GET $nodes/a-1 | jq -r .spec.podCIDR) $(kube GET $nodes/b-1 | jq -r .spec.podCIDR) $(for it in c-1 d-1; do kube GET $nodes/$it | jq '.spec.podCIDR | startswith("10.30.")'; done | paste -sd' ')"
node_make e-1 zone=elsewhere
ok "the CIDR for all has no more: told" until_true 20 has_event CIDRNotAvailable e-1
same "though others have" "" "$(podcidrs e-1)"
kube PATCH $nodes/e-1 '{"metadata":{"labels":{"zone":"b"}}}' >/dev/null
ok "with another label it gets one" until_true 40 has_podcidrs e-1
same "of that" true "$(kube GET $nodes/e-1 | jq '.spec.podCIDR | startswith("10.20.")')"
was=$(podcidrs a-1)
kube PATCH $nodes/a-1 '{"metadata":{"labels":{"zone":"b"}}}' >/dev/null
node_make a-2 zone=a
until_true 20 has_podcidrs a-2
same "another label takes no block away" "$was $was" "$(podcidrs a-1) $(mounted a-1)"
node_delete b-1
node_make b-1 zone=a
ok "made again with another label: of the other" until_true 40 eval '[[ $(podcidrs b-1) == 10.10.* ]]'
agree "selectors"
controller_end
node_make z-1 10.10.77.0/24
ok "podCIDRs of another's CIDR" controller_once
same "are adopted" "10.10.77.0/24" "$(mounted z-1)"
agree "at the end"
check_clean "at the end"
apiserver_stop
