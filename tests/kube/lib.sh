# For the tests of ipamkube: a stand-in for a Kubernetes API server, spoken to with curl and jq. Sourced after tests/lib.sh.
# shellcheck shell=bash

IPAMKUBE=$BUILD/bin/ipamkube
STANDIN=$HELPERS/kube/apiserver
CURL=(curl -sS --max-time 30)
API="" # its address
KUBECONFIG=$WORK/kubeconfig
export KUBECONFIG
unset KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT

# apiserver_start [OPTIONS...]: on any free port; its pid is $apiserver. With --tls-cert it speaks HTTPS.
apiserver_start() {
	local scheme=http
	[[ " $* " == *" --tls-cert "* ]] && scheme=https
	rm -f "$WORK/port"
	"$STANDIN" --port-file "$WORK/port" "$@" >/dev/null 2>>"$WORK/apiserver.log" &
	apiserver=$!
	pids+=("$apiserver")
	until_true 30 [ -e "$WORK/port" ] || {
		fail "the stand-in starts" "$(tail -5 "$WORK/apiserver.log")"
		exit 1
	}
	API=$scheme://127.0.0.1:$(cat "$WORK/port")
	kubeconfig
}

# apiserver_stop: it ends by itself, and well (a sanitizer would tell)
apiserver_stop() {
	kill "$apiserver" 2>/dev/null
	wait "$apiserver"
	same "the stand-in ends cleanly" 0 $?
}

# kubeconfig [FILE [TOKEN]]: for $API
kubeconfig() {
	local file=${1:-$KUBECONFIG} token=${2-}
	cat >"$file" <<-END
		apiVersion: v1
		kind: Config
		current-context: test
		contexts:
		- name: test
		  context: {cluster: test, user: test}
		clusters:
		- name: test
		  cluster: {server: "$API"}
		users:
		- name: test
		  user: {${token:+token: $token}}
	END
}

# ---- the API

# kube VERB PATH [BODY [CONTENT-TYPE]]: its answer on stdout; fails where the code is 400 or more. The code is in $WORK/code.
kube() {
	local verb=$1 path=$2 type=${4:-application/json} code
	[ "$verb" != PATCH ] || type=${4:-application/merge-patch+json}
	code=$("${CURL[@]}" -o "$WORK/answer" -w '%{http_code}' -X "$verb" ${3:+-H "Content-Type: $type" --data-binary "$3"} "$API$path")
	echo "$code" >"$WORK/code"
	[ ! -e "$WORK/answer" ] || cat "$WORK/answer"
	[ "$code" -gt 0 ] && [ "$code" -lt 400 ]
}
# code NAME CODE VERB PATH [BODY [TYPE]]: it is answered so
code() {
	local name=$1 wanted=$2
	shift 2
	kube "$@" >/dev/null 2>&1
	same "$name" "$wanted" "$(cat "$WORK/code")"
}

nodes=/api/v1/nodes
# node_make NAME [KEY=VALUE (a label) | CIDR | finalizer:NAME]...
node_make() {
	local name=$1 it body
	shift
	body=$(jq -nc --arg name "$name" '{kind: "Node", apiVersion: "v1", metadata: {name: $name}, spec: {}} | reduce $ARGS.positional[] as $it (.;
		if $it | startswith("finalizer:") then .metadata.finalizers += [$it[10:]]
		elif $it | test("^[0-9a-f.:]+/[0-9]+$") then .spec.podCIDRs += [$it]
		else .metadata.labels[$it | split("=")[0]] = ($it | split("=")[1]) end)' --args -- "$@")
	kube POST $nodes "$body" >/dev/null
}
node_delete() { kube DELETE "$nodes/$1" >/dev/null; }
# nodes_make FIRST LAST [SAME AS node_make]: many at once, named n-1, n-2, ...: one curl, several connections
nodes_make() {
	local first=$1 last=$2
	shift 2
	jq -nr --argjson first "$first" --argjson last "$last" --arg api "$API$nodes" --arg ca "${CACERT-}" 'range($first; $last + 1) |
		"next\nurl=\"\($api)\"\noutput=\"/dev/null\"\nheader=\"Content-Type: application/json\"\ndata=\"{\\\"metadata\\\":{\\\"name\\\":\\\"n-\(.)\\\"}}\""' |
		sed 1d | curl -sS --parallel --parallel-max 4 -K - >/dev/null 2>>"$WORK/curl.log"
}
# podcidrs NAME: 'CIDR CIDR', IPv4 first as they are, "" without
podcidrs() { kube GET "$nodes/$1" | jq -r '.spec.podCIDRs // [] | join(" ")'; }
# mounted NAME: the same of the mount's node
mounted() { paste -sd' ' "$M/prod/$1/.ipam/cidrs" 2>/dev/null; }
has_podcidrs() { [ -n "$(podcidrs "$1")" ]; }
# how many Nodes have podCIDRs
served() { kube GET $nodes | jq '[.items[] | select(.spec.podCIDRs)] | length'; }
all_served() { [ "$(served)" -eq "${1:-$(kube GET $nodes | jq '.items | length')}" ]; }
# events REASON [NODE]: how many there are
events() {
	kube GET /api/v1/events | jq --arg reason "$1" --arg node "${2-}" \
		'[.items[] | select(.reason == $reason and ($node == "" or .involvedObject.name == $node))] | length'
}
has_event() { [ "$(events "$@")" -gt 0 ]; }

# admin VERB WHAT [BODY]: of /standin/
admin() {
	"${CURL[@]}" --fail-with-body -X "$1" ${3:+-H 'Content-Type: application/json' --data-binary "$3"} "$API/standin/$2"
}
rule() { admin POST rules "$1" >/dev/null || fail "rule $1"; }
# requests QUERY: how many the log has; method=, path=, user=, code=
requests() { admin GET "requests?$1" | jq length; }
hits() { admin GET rules | jq '[.[].hits] | add'; }
held() { [ "$(admin GET rules | jq '[.[].held] | add')" -ge "${1:-1}" ]; }

# ---- ipamkube

# controller [OPTIONS...]: in the background; its pid is $controller, its log $WORK/controller.log. It frees blocks sooner than it does
# unless it is told.
controller() {
	"$IPAMKUBE" controller --mount "$M" --cluster prod --leader-elect=false --release-delay 300ms "$@" 2>>"$WORK/controller.log" >&2 &
	controller=$!
	pids+=("$controller")
}
# controller_end [SIGNAL]: its status is $status
controller_end() {
	kill "-${1:-TERM}" "$controller" 2>/dev/null
	wait "$controller" 2>/dev/null
	status=$?
}
# controller_once [OPTIONS...]: its output in $WORK/once, its status returned
controller_once() { timeout 200 "$IPAMKUBE" controller --mount "$M" --cluster prod --once --release-delay 300ms "$@" >"$WORK/once" 2>&1; }

# cluster CIDRS: prod with these
cluster() {
	mkdir "$M/prod"
	put "$M/prod/.ipam/cidrs" "$1"
}

# agree NAME [NODE...]: each Node's podCIDRs are the mount's, no node of the mount is without its Node; and no two Nodes ever had
# one block. Those named are left out, as foreign.
agree() {
	local name=$1
	shift
	kube GET $nodes | jq -r '.items[] | select(.spec.podCIDRs) | "\(.metadata.name) \(.spec.podCIDRs | join(" "))"' | leave_out "$@" |
		sort >"$WORK/theirs"
	awk 'NF' "$M/prod/.ipam/blocks" | awk '{ print $2, $1 }' | leave_out "$@" | mount_lines | sort >"$WORK/ours"
	if cmp -s "$WORK/theirs" "$WORK/ours"; then pass "$name: the Nodes and the mount say the same"; else
		fail "$name: the Nodes and the mount say the same" "$(diff "$WORK/theirs" "$WORK/ours" | head -20)"
	fi
	no_overlap "$name" "$@"
}
leave_out() { awk -v names=" $* " 'index(names, " " $1 " ") == 0'; }
# 'NODE CIDR' lines, IPv4 before IPv6, to 'NODE CIDR CIDR'
mount_lines() { awk '{ k = $2 ~ /:/ ? 2 : 1; c[$1, k] = $2; n[$1] } END { for (x in n) print x (c[x, 1] ? " " c[x, 1] : "") (c[x, 2] ? " " c[x, 2] : "") }'; }
no_overlap() {
	local name=$1
	shift
	same "$name: no two Nodes ever had one block" "[]" "$(admin GET overlaps | jq -c --arg names " $* " \
		'map(select([" \(.node) ", " \(.other) " | inside($names)] | any | not))')"
}

kube_up() {
	mount_fs "$@"
	apiserver_start
}

# certificates: in $WORK/tls a CA with a certificate for 127.0.0.1's server, one for a client, one for a client that has expired; and
# another CA with a client
certificates() {
	local dir=$WORK/tls who ca
	mkdir -p "$dir"
	for ca in ca other; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$ca" -keyout "$dir/$ca.key" \
			-out "$dir/$ca.crt" 2>/dev/null
	done
	for who in server:ca client:ca stranger:other expired:ca; do
		ca=${who#*:} who=${who%:*}
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$who" -keyout "$dir/$who.key" 2>/dev/null |
			openssl x509 -req -CA "$dir/$ca.crt" -CAkey "$dir/$ca.key" -CAcreateserial -days "$([ "$who" = expired ] && echo -1 || echo 30)" \
				-extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$dir/$who.crt" 2>/dev/null
	done
}
