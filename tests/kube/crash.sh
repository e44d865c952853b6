#!/usr/bin/env bash
# ipamkube controller, killed at any moment between delegating and telling, and started again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/16 24
fd00:10:244::/48 64"

# ---- at the two moments that matter
rule '{"method":"PATCH","times":1,"hold":"before","lose":"request"}'
node_make n-1
controller
until_true 20 held
given=$(mounted n-1)
controller_end KILL
admin POST release >/dev/null
same "killed after it was delegated, before it was told" "" "$(podcidrs n-1)"
ok "once" controller_once
same "it is told that one" "$given" "$(podcidrs n-1)"
rule '{"method":"PATCH","times":1,"hold":"after"}'
node_make n-2
controller
until_true 20 held
given=$(podcidrs n-2)
controller_end KILL
admin POST release >/dev/null
ok "killed after it was told" controller_once
same "it keeps that one" "$given $given" "$(podcidrs n-2) $(mounted n-2)"
agree "killed at the two moments"

# The patch of a dead controller arrives after its successor has begun: the Node went and came meanwhile.
rule '{"method":"PATCH","path":"/api/v1/nodes/n-3","times":1,"hold":"before"}'
node_make n-3
controller
until_true 20 held
controller_end KILL
node_delete n-3
ok "a successor, with the Node gone" controller_once
node_make n-4
ok "which gives the block away" controller_once
node_make n-3
admin POST release >/dev/null
until_true 20 eval '[ "$(requests "method=PATCH&path='$nodes'/n-3")" -ge 1 ]'
ok "the Node is made again, and the old patch comes" controller_once
agree "the patch of a dead one"

# ---- at any moment
# Nodes that have blocks in the mount alone
untold() {
	kube GET $nodes | jq -r '.items[] | select(.spec.podCIDRs | not).metadata.name' | while read -r it; do [ ! -d "$M/prod/$it" ] || echo "$it"; done
}
given_one() { [ -d "$M/prod/n-$((next - 1))" ] || [ -d "$M/prod/n-$((next - 2))" ] || [ -d "$M/prod/n-$((next - 3))" ]; }
next=5 gone=1 between=0
for round in $(seq "${ROUNDS:-12}"); do
	case $((round % 3)) in
	0) rule '{"method":"PATCH","times":2,"lose":"answer"}' ;;
	1) rule '{"method":"PATCH","times":-1,"delay":400,"lose":"request"}' ;;
	2) rule '{"method":"PATCH","times":2,"delay":30}' ;;
	esac
	makers=()
	for i in 1 2 3; do
		node_make "n-$next" &
		makers+=($!)
		next=$((next + 1))
	done
	controller --qps 0 --mass-release-delay 300ms
	[ $((round % 3)) -ne 0 ] || node_delete "n-$((gone++))"
	# Where the requests are lost: in between for sure, however busy the machine is. Otherwise at any moment.
	if [ $((round % 3)) -eq 1 ]; then until_true 20 given_one; else rest $((100 + RANDOM % 300)); fi
	controller_end KILL
	wait "${makers[@]}"
	[ -z "$(untold)" ] || between=$((between + 1))
	[ $((round % 3)) -ne 1 ] || admin DELETE rules >/dev/null
done
ok "some of the kills were between the mount and the API" test "$between" -gt 0
no_overlap "killed again and again"
admin DELETE rules >/dev/null
ok "and once through" controller_once --mass-release-delay 300ms
ok "all have their blocks" all_served
agree "killed again and again, then once through"
check_clean "at the end"

# The mount dies under it.
controller
for i in 1 2 3; do node_make "n-$((next++))"; done
kill_fs
mount_fs
node_make "n-$((next++))"
ok "the mount died, and came back" until_true 40 all_served
agree "the mount died"
controller_end
check_clean "at the very end"
apiserver_stop
