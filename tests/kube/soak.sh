#!/usr/bin/env bash
# A random soak: two controllers, of which one leads, Nodes that come and go, a server that does its worst, crashes. SEED=N repeats
# one, OPERATIONS=N makes it longer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
SEED=${SEED:-$(date +%N | sed 's/^0*//')}
OPERATIONS=${OPERATIONS:-80}
RANDOM=$((SEED % 32768))
echo "# SEED=$SEED"
kube_up
cluster "10.244.0.0/18 24
fd00:10:244::/48 64"
admin POST settings '{"bookmarkMs":300,"page":7}' >/dev/null
declare -A running=()
begin() {
	"$IPAMKUBE" controller --mount "$M" --cluster prod --identity "$1" --lease-duration 2 --renew-deadline 1.3s --retry-period 0.2 \
		--timeout 2 --qps 0 --release-delay 300ms --mass-release-delay 2s --metrics "$WORK/$1.prom" 2>>"$WORK/$1.log" >&2 &
	running[$1]=$!
	pids+=($!)
}
end() {
	kill "-$2" "${running[$1]}" 2>/dev/null
	kill -CONT "${running[$1]}" 2>/dev/null
	wait "${running[$1]}" 2>/dev/null
}
one() { [ $((RANDOM % 2)) -eq 0 ] && echo a || echo b; }
any() { echo "n-$((RANDOM % 60))"; }

begin a
begin b
for ((i = 0; i < OPERATIONS; i++)); do
	case $((RANDOM % 22)) in
	0 | 1 | 2 | 3 | 4 | 5) node_make "$(any)" ;;
	6) node_make "$(any)" finalizer:test.example/a ;;
	7) node_make "$(any)" "10.244.$((RANDOM % 64)).0/24" ;;
	8 | 9) node_delete "$(any)" ;;
	10) kube PATCH "$nodes/$(any)" '{"metadata":{"finalizers":null}}' >/dev/null ;;
	11) kube PATCH "$nodes/$(any)" "{\"metadata\":{\"labels\":{\"beat\":\"$i\"}}}" >/dev/null ;;
	12) admin POST "drop?how=$([ $((RANDOM % 2)) -eq 0 ] && echo end || echo reset)" >/dev/null ;;
	13) admin POST forget >/dev/null ;;
	14) rule "{\"method\":\"PATCH\",\"times\":2,\"lose\":\"$([ $((RANDOM % 2)) -eq 0 ] && echo answer || echo request)\"}" ;;
	15) rule "{\"method\":\"$([ $((RANDOM % 2)) -eq 0 ] && echo PATCH || echo GET)\",\"user\":\"*\",\"path\":\"/api/v1/nodes*\",\"times\":2,\"skip\":$((RANDOM % 3)),\"code\":$([ $((RANDOM % 2)) -eq 0 ] && echo 500 || echo 409)}" ;;
	16) rule '{"method":"PATCH","times":3,"delayAnswer":700}' ;;
	17) rule '{"method":"PATCH","times":1,"delay":2500}' ;;
	18) rule '{"method":"PUT","path":"*leases*","times":3,"lose":"request"}' ;;
	19)
		who=$(one)
		end "$who" KILL
		begin "$who"
		;;
	20)
		who=$(one)
		kill -STOP "${running[$who]}"
		sleep "0.$((RANDOM % 9))"
		kill -CONT "${running[$who]}"
		;;
	21) [ ! -d "$M/prod/n-1" ] || : >"$M/prod/n-1/pod-$i" ;;
	esac >/dev/null 2>&1
	[ $((RANDOM % 3)) -ne 0 ] || sleep "0.0$((RANDOM % 99))"
done
admin DELETE rules >/dev/null
admin POST release >/dev/null
rm -f "${M:?}"/prod/*/pod-* 2>/dev/null
# Those of which podCIDRs were made up may overlap, and foreign ones are nobody's business: they go.
for it in $(admin GET history | jq -r '[.[] | select(.type == "ADDED" and .kind == "Node" and .object.spec.podCIDRs) | .object.metadata.name] | unique[]'); do
	kube DELETE "$nodes/$it" >/dev/null
	kube PATCH "$nodes/$it" '{"metadata":{"finalizers":null}}' >/dev/null
done
for it in $(kube GET $nodes | jq -r '.items[] | select(.metadata.deletionTimestamp).metadata.name'); do
	kube PATCH "$nodes/$it" '{"metadata":{"finalizers":null}}' >/dev/null
done
for i in 100 101 102; do node_make "n-$i"; done
made_up=$(admin GET history | jq -r '[.[] | select(.type == "ADDED" and .kind == "Node" and .object.spec.podCIDRs) | .object.metadata.name] | unique | join(" ")')
settled() { all_served && [ "$(kube GET $nodes | jq '.items | length')" -eq "$(ls "$M/prod" | wc -l)" ]; }
ok "all settles" until_true 60 settled || tail -5 "$WORK"/[ab].log
# shellcheck disable=SC2086
agree "at the end" $made_up
for it in a b; do
	end $it TERM
	same "$it ends cleanly" 0 $?
done
for it in a b; do ok "what $it reports is valid" promtool check metrics <"$WORK/$it.prom"; done
check_clean "at the end"
apiserver_stop
