#!/usr/bin/env bash
# A thousand Nodes at once.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
N=1000
kube_up
cluster "10.0.0.0/8 24
fd00:10::/32 64"
nodes_make 1 $N
same "there are a thousand Nodes" $N "$(kube GET $nodes | jq '.items | length')"
ok "once" controller_once --qps 0
same "each has its blocks" $N "$(served)"
agree "a thousand at once"
same "one patch each" $N "$(requests method=PATCH)"
ok "listed in pages" test "$(requests "method=GET&path=$nodes")" -ge 3

# Another thousand while it watches, and half of the first go.
controller --qps 0
nodes_make $((N + 1)) $((2 * N))
for i in $(seq 1 2 $((N / 2))); do echo "next"; echo "url=$API$nodes/n-$i"; echo "request=DELETE"; echo "output=/dev/null"; done |
	sed 1d | curl -sS --parallel --parallel-max 4 -K - >/dev/null 2>&1
left=$((2 * N - N / 4))
ok "a thousand more, while others go" until_true 90 all_served $left
until_true 60 eval '[ "$(ls "$M/prod" | wc -l)" -eq '$left' ]'
agree "two thousand"
controller_end
same "it ends cleanly" 0 "$status"
check_clean "at the end"
apiserver_stop
