# What the tests of ipamkube share: a stand-in API server, its Nodes, and programs that run against it.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KUBE=$BUILD/bin/ipamkube
KC=$WORK/kubeconfig
PROM=$WORK/kube.prom
unset KUBECONFIG NODE_NAME IPAMFS_MOUNT KUBERNETES_SERVICE_HOST
export HOME=$WORK

# start LOG COMMAND...: in the background; its pid is $started
start() {
	local log=$1
	shift
	"$@" >>"$log" 2>&1 &
	started=$!
	pids+=("$started")
}

# api_start [TOKEN-FILE]
api_start() {
	rm -f "$WORK/port"
	start "$WORK/api.log" "$HELPERS/kube/apiserver" "$WORK/port" "$@"
	until_true 20 test -s "$WORK/port" || { fail "the stand-in API server starts" && exit 1; }
	API=http://127.0.0.1:$(cat "$WORK/port")
	kubeconfig "" >"$KC"
}

# kubeconfig USER-YAML [SERVER]
kubeconfig() {
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: it
		clusters:
		- name: it
		  cluster:
		    server: ${2:-$API}
		users:
		- name: it
		  user: {$1}
		contexts:
		- name: it
		  context: {cluster: it, user: it}
	END
}

NODES=/api/v1/nodes
LEASE=/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/ipamkube
request() { curl -sS -m 20 -X "$1" "$API$2" ${3:+-d "$3"}; }
get() { request GET "$1"; }
node() { get "$NODES/$1"; }
merge() { curl -sS -m 20 -X PATCH -H "Content-Type: application/merge-patch+json" "$API$NODES/$1" -d "$2" >/dev/null; }
remove() { request DELETE "$NODES/$1" >/dev/null; }
fault() { request POST "/fault?$1" >/dev/null; }
counted() { get "/count?$1"; }

# make_nodes: of lines NAME [CIDR[,CIDR] [KEY=VALUE[,...]]], where - is no CIDR
make_nodes() {
	jq -nR '{items: [inputs | split(" ") | {
		apiVersion: "v1", kind: "Node",
		metadata: {name: .[0], labels: ((.[2] // "") | split(",") | map(split("=") | {(.[0]): .[1]}) | add)},
		spec: (if (.[1] // "-") == "-" then {} else (.[1] | split(",")) as $c | {podCIDR: $c[0], podCIDRs: $c} end)
	}]}' >"$WORK/bulk"
	request POST /bulk "@$WORK/bulk" >/dev/null
}

# Of the server and of the mount: lines NAME CIDR, of each block.
pod_cidrs() { get "$NODES" | jq -r '.items[] | .metadata.name as $n | (.spec.podCIDRs // [])[] | "\($n) \(.)"' | sort; }
blocks() { awk '{ print $2, $1 }' "$M/prod/.ipam/blocks" | sort; }
without() { get "$NODES" | jq '[.items[] | select(.spec.podCIDRs == null)] | length'; }
cidr_of() { node "$1" | jq -r '.spec.podCIDRs // [] | join(" ")'; }
block_of() { xargs <"$M/prod/$1/.ipam/cidrs"; }

all_have() { [ "$(without)" == 0 ]; }
has() { [ -n "$(cidr_of "$1")" ]; }
gone() { [ ! -e "$M/prod/$1" ]; }
there() { [ -e "$M/prod/$1" ]; }
said() { grep -q -- "$1" "$WORK/kube.log"; }
events_of() { get /api/v1/events | jq -r --arg n "$1" '.items[] | select(.involvedObject.name == $n) | "\(.reason) \(.count)"' | sort; }
has_event() { events_of "$1" | grep -q "$2"; }

# What must be true at any time: no block in two hands, and none that the mount and the server see differently.
agreed() {
	same "$1: no podCIDR twice" "" "$(pod_cidrs | cut -d' ' -f2 | sort | uniq -d)"
	same "$1: the mount's blocks are the Nodes' podCIDRs" "" "$(diff <(pod_cidrs) <(blocks))"
}

# controller [OPTIONS]: in the background, its pid is $controller; once [OPTIONS]: until it ends
FAST=(--qps 1000 --burst 2000)
controller() {
	start "$WORK/kube.log" "$KUBE" controller --cluster prod --mount "$M" --kubeconfig "$KC" "${FAST[@]}" "$@"
	controller=$started
}
once() { "$KUBE" controller --cluster prod --mount "$M" --kubeconfig "$KC" "${FAST[@]}" --once --no-leader-election "$@" 2>&1; }
# end PID [SIGNAL]: its status
end() {
	kill "-${2:-TERM}" "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}
# As when nothing had been: another server, an empty cluster with these CIDRs.
afresh() {
	local it
	for it in "$M"/prod/*/*; do rm -f "$it"; done 2>/dev/null
	for it in "$M"/prod/*; do rmdir "$it"; done 2>/dev/null
	mkdir -p "$M/prod"
	put "$M/prod/.ipam/cidrs" "$1" || fail "cidrs $1"
	[ -z "${api:-}" ] || end "$api" KILL
	api_start
	api=$started
	: >"$WORK/kube.log"
}
