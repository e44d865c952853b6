#!/usr/bin/env bash
# Two controllers, of which one leads: by a Lease, which is taken over when it runs out, and never does the old one write after it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
mount_fs
printf '%s\n' "token-a alice" "token-b bob" "token-t test" >"$WORK/tokens"
apiserver_start --token-file "$WORK/tokens"
CURL+=(-H "Authorization: Bearer token-t")
cluster "10.244.0.0/16 24"
kubeconfig "$WORK/a.conf" token-a
kubeconfig "$WORK/b.conf" token-b
lease=/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/ipamkube
holder() { kube GET $lease 2>/dev/null | jq -r '.spec.holderIdentity // ""'; }
holds() { [ "$(holder)" = "$1" ]; }
# elect a|b [OPTIONS...]: its pid is $a or $b
elect() {
	local who=$1
	shift
	"$IPAMKUBE" controller --mount "$M" --cluster prod --kubeconfig "$WORK/$who.conf" --identity "$who" --lease-duration 6 \
		--renew-deadline 4s --retry-period 0.3 --timeout 2 "$@" 2>>"$WORK/$who.log" >&2 &
	printf -v "$who" %s $!
	pids+=($!)
}
writes() { admin GET "requests?user=$1" | jq "[.[] | select(.method != \"GET\" and .code < 300 and .at > ${2:-0} and (.uri | contains(\"leases\") | not))] | length"; }

elect a
ok "the first leads" until_true 20 holds a
node_make n-1
ok "and gives" until_true 20 has_podcidrs n-1
elect b
node_make n-2
until_true 20 has_podcidrs n-2
same "the second doesn't write" "0 true" "$(writes bob) $([ "$(writes alice)" -ge 2 ] && echo true)"
same "the Lease has what others read" "a 6 0 true" "$(kube GET $lease | jq -r '.spec | "\(.holderIdentity) \(.leaseDurationSeconds) \(.leaseTransitions) \(.renewTime >= .acquireTime)"')"
renewed=$(kube GET $lease | jq -r .spec.renewTime)
ok "it is renewed" until_true 10 eval '[ "$(kube GET $lease | jq -r .spec.renewTime)" != "$renewed" ]'

# ---- the leader is killed
kill -9 "$a"
wait "$a" 2>/dev/null
renewed=$(admin GET "history" | jq '[.[] | select(.kind == "Lease" and .object.spec.holderIdentity == "a")][-1].at')
node_make n-3
ok "killed: the second takes over" until_true 20 holds b
# Six seconds after the last renewal.
took=$(admin GET "history" | jq '[.[] | select(.kind == "Lease" and .object.spec.holderIdentity == "b")][0].at')
ok "not before the lease's time" test $((took - renewed)) -gt 5900
ok "it goes on" until_true 20 has_podcidrs n-3
same "a transition is counted" 1 "$(kube GET $lease | jq .spec.leaseTransitions)"
agree "after a takeover"

# ---- the leader ends by itself: the next needs not wait
elect a
sleep 1 # until it is told that another leads; nothing depends on it
kill "$b"
wait "$b"
same "the leader ends cleanly" 0 $?
ok "released: the other takes over" until_true 20 holds a
# Whom the Lease was of before, when the other took it.
ok "without waiting for the lease's time, since it was nobody's" eval 'admin GET history | jq -e "[.[] | select(.kind == \"Lease\").object.spec.holderIdentity] | rindex([\"b\", \"\", \"a\"]) != null"'

# ---- the leader stands still, and wakes up when another leads
elect b
node_make n-4
until_true 20 has_podcidrs n-4
rule '{"user":"alice","method":"PATCH","times":1,"hold":"before"}'
kill -STOP "$a"
ok "stood still: the other takes over" until_true 20 holds b
since=$(admin GET "history" | jq '[.[] | select(.kind == "Lease" and .object.spec.holderIdentity == "b")][-1].at')
for i in 5 6 7; do node_make n-$i; done
until_true 20 all_served
kill -CONT "$a"
admin POST release >/dev/null
node_make n-8
until_true 20 has_podcidrs n-8
until_true 10 eval '[ "$(admin GET "requests?user=alice" | jq "[.[] | select(.at > $since)] | length")" -gt 0 ]'
same "awake, the old one wrote nothing" 0 "$(writes alice "$since")"
agree "after it stood still"

# ---- the leader is cut off: it gives up before another may begin
admin DELETE rules >/dev/null
rule '{"user":"bob","method":"PUT","path":"*leases*","times":-1,"lose":"request"}'
rule '{"user":"bob","method":"PATCH","path":"*leases*","times":-1,"lose":"request"}'
ok "cut off from its Lease: the other takes over" until_true 20 holds a
since=$(admin GET "history" | jq '[.[] | select(.kind == "Lease" and .object.spec.holderIdentity == "a")][-1].at')
for i in 9 10 11; do node_make n-$i; done
ok "which goes on" until_true 20 all_served
same "the old one wrote nothing after" 0 "$(writes bob "$since")"
agree "after it was cut off"
admin DELETE rules >/dev/null

# ---- several at once, from nothing: one leads
kill "$a" "$b"
wait "$a" "$b" 2>/dev/null
kube DELETE $lease >/dev/null
elect a
elect b

until_true 20 eval '[ -n "$(holder)" ]'
for i in 12 13 14; do node_make n-$i; done
ok "both at once, without a Lease" until_true 20 all_served
same "one of them led" 1 "$(admin GET history | jq 'map(select(.kind == "Lease")) | .[(map(.type) | rindex("DELETED")):] |
	map(select(.type != "DELETED").object.spec.holderIdentity) | unique | length')"
agree "at the end"
check_clean "at the end"
