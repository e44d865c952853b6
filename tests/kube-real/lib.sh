# For the tests with a real kube-apiserver, on a real etcd; with kube-controller-manager's nodeipam as the oracle, and kubectl
# for who uses them. All of it on loopback. Sourced after tests/lib.sh and tests/engine/lib.sh; programs from build.sh.
# shellcheck shell=bash

KUBE_BIN=$(bash "$ROOT/tests/kube-real/build.sh" --print)
IPAMKUBE=$BUILD/bin/ipamkube
KUBE=$WORK/kube
export KUBECONFIG=$KUBE/admin.kubeconfig
# What kubectl remembers goes with the rest.
export HOME=$KUBE/home
# One mask for all: what the cluster of the mount has, and what kube-controller-manager is told.
CIDR=10.244.0.0/16
[ -x "$KUBE_BIN/kubectl" ] || {
	fail "a kube-apiserver is there" "none in $KUBE_BIN: make test-kube builds it"
	exit 1
}

# ---- the server

# kube_up [OPTIONS...]: etcd and a kube-apiserver, on free ports, with a token for admin; waits until it is ready
kube_up() {
	mkdir -p "$KUBE/cert" "$HOME"
	free_port kube_port
	openssl genrsa -out "$KUBE/accounts.key" 2048 2>/dev/null
	admin_token=$(openssl rand -hex 16)
	(umask 077 && echo "$admin_token,admin,admin,system:masters" >"$KUBE/tokens")
	[ ${#members[@]} -gt 0 ] || etcd_cluster 1
	kube_options=("$@")
	kube_server_start
	kube_ca=$KUBE/cert/apiserver.crt
	kubeconfig "$KUBECONFIG" "$admin_token"
}

# kube_server_start: start it, or start it again, and wait until it is ready
kube_server_start() {
	"$KUBE_BIN/kube-apiserver" --etcd-servers "http://$(etcd_endpoints)" --etcd-prefix /registry \
		--bind-address 127.0.0.1 --secure-port "$kube_port" --insecure-port 0 --cert-dir "$KUBE/cert" \
		--service-cluster-ip-range 10.96.0.0/16 --endpoint-reconciler-type none --token-auth-file "$KUBE/tokens" \
		--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$KUBE/accounts.key" \
		--service-account-signing-key-file "$KUBE/accounts.key" --authorization-mode "${KUBE_AUTHORIZATION:-AlwaysAllow}" \
		"${kube_options[@]}" </dev/null >>"$WORK/apiserver.log" 2>&1 &
	kube_server=$!
	pids+=("$kube_server")
	until_true 120 kube_ready_or_dead && kube_ready || {
		fail "kube-apiserver starts" "$(tail -5 "$WORK/apiserver.log")"
		exit 1
	}
}
kube_ready() { curl -sf -m 5 -o /dev/null --cacert "$KUBE/cert/apiserver.crt" -H "Authorization: Bearer $admin_token" "https://127.0.0.1:$kube_port/readyz"; }
kube_ready_or_dead() { kube_ready || ! kill -0 "$kube_server"; }
kube_server_end() {
	kill "-${1:-KILL}" "$kube_server" 2>/dev/null
	wait "$kube_server" 2>/dev/null
}

# kubeconfig FILE TOKEN
kubeconfig() {
	(umask 077 && cat >"$1") <<-EOF
		apiVersion: v1
		kind: Config
		clusters:
		- name: test
		  cluster:
		    server: https://127.0.0.1:$kube_port
		    certificate-authority: $kube_ca
		users:
		- name: test
		  user:
		    token: $2
		contexts:
		- name: test
		  context:
		    cluster: test
		    user: test
		current-context: test
	EOF
}

kubectl() { "$KUBE_BIN/kubectl" "$@"; }
# api PATH [CURL-OPTIONS...]: as admin
api() {
	local path=$1
	shift
	curl -sS --cacert "$kube_ca" -H "Authorization: Bearer $admin_token" "https://127.0.0.1:$kube_port$path" "$@"
}

# ---- nodes

# node_json NAME [PODCIDR...]: a Node, as kubectl and the API take it
node_json() {
	local name=$1
	shift
	jq -nc --arg name "$name" --args '{apiVersion: "v1", kind: "Node", metadata: {name: $name}} +
		if $ARGS.positional == [] then {} else {spec: {podCIDR: $ARGS.positional[0], podCIDRs: $ARGS.positional}} end' "$@"
}

# node_create NAME [PODCIDR...]
node_create() { node_json "$@" | kubectl create -f - >/dev/null; }

# nodes_create PREFIX FROM TO: by one kubectl
nodes_create() {
	local i
	for ((i = $2; i <= $3; i++)); do printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s%d"}}\n' "$1" "$i"; done |
		kubectl create -f - >/dev/null
}

# nodes_rush PREFIX FROM TO: as fast as the server takes them, many requests at once on one connection
nodes_rush() {
	local i
	{
		printf 'cacert = "%s"\n' "$kube_ca"
		for ((i = $2; i <= $3; i++)); do
			[ "$i" -eq "$2" ] || echo next
			printf 'url = "https://127.0.0.1:%s/api/v1/nodes"\ncacert = "%s"\nsilent\nfail\noutput = /dev/null\n' "$kube_port" "$kube_ca"
			printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$admin_token"
			printf 'data = "{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"Node\\",\\"metadata\\":{\\"name\\":\\"%s%d\\"}}"\n' "$1" "$i"
		done
	} >"$WORK/rush"
	curl --parallel --parallel-max 32 --silent --show-error --config "$WORK/rush" 2>>"$WORK/rush.log"
}

nodes_delete_all() {
	api "/api/v1/nodes" -X DELETE -f -o /dev/null
	until_true 60 nodes_are 0
}
nodes_are() { [ "$(api /api/v1/nodes | jq '.items | length')" -eq "$1" ]; }

# pod_cidrs: 'NODE CIDR[,CIDR]' a line, '-' for none; sorted by name
pod_cidrs() { api /api/v1/nodes | jq -r '.items[] | "\(.metadata.name) \(.spec.podCIDRs // ["-"] | join(","))"' | sort; }
pod_cidr() { api "/api/v1/nodes/$1" | jq -r '.spec.podCIDRs // ["-"] | join(",")'; }

# waiting N: N nodes have no podCIDR
waiting() { [ "$(api /api/v1/nodes | jq '[.items[] | select(.spec.podCIDR == null)] | length')" -eq "$1" ]; }
# assigned N: there are N nodes, and all of them have one
assigned() { api /api/v1/nodes | jq -e --argjson n "$1" '(.items | length) == $n and all(.items[]; .spec.podCIDR != null)'; }

# assignment_faults MASK...: what is wrong with the podCIDRs that there are, a line each; nothing if all is well. Of each family, in
# this order: as many as masks, podCIDR is the first, of that mask, inside the cluster's CIDR, and no two the same.
assignment_faults() {
	api /api/v1/nodes | jq -r --args --arg v4 "${CIDR4:-10.244.}" --arg v6 "${CIDR6:-fd00:10:244:}" '
		$ARGS.positional as $masks | [.items[] | select(.spec.podCIDR != null)] as $nodes |
		($nodes[] | .metadata.name as $name | .spec |
			(select((.podCIDRs | length) != ($masks | length)) | "\($name) has \(.podCIDRs | length) podCIDRs"),
			(select(.podCIDR != .podCIDRs[0]) | "\($name): podCIDR \(.podCIDR), podCIDRs \(.podCIDRs)"),
			(.podCIDRs | to_entries[] | . as $it | select(.value | endswith("/" + $masks[$it.key]) | not) |
				"\($name): \(.value) has another mask"),
			(.podCIDRs[] | select((startswith($v4) or startswith($v6)) | not) | "\($name): \(.) is not of the cluster")),
		([$nodes[].spec.podCIDRs[]] | group_by(.)[] | select(length > 1) | "\(.[0]) is given \(length) times")' "$@" 2>&1
}

# ---- the oracle

# oracle_start [OPTIONS...]: kube-controller-manager, with its nodeipam alone, and limits that don't slow it; pid in $oracle
oracle_start() {
	"$KUBE_BIN/kube-controller-manager" --kubeconfig "$KUBECONFIG" --controllers=nodeipam --allocate-node-cidrs \
		--cluster-cidr "$CIDR" --kube-api-qps 1000 --kube-api-burst 2000 --leader-elect=false --port 0 --secure-port 0 \
		--cert-dir "$KUBE/cert" "$@" </dev/null >>"$WORK/oracle.log" 2>&1 &
	oracle=$!
	pids+=("$oracle")
}
oracle_end() {
	kill -9 "$oracle" 2>/dev/null
	wait "$oracle" 2>/dev/null
}

# ---- ipamkube

# cluster_up [CIDRS]: a mount, whose state is its own, with a cluster prod
cluster_up() {
	mount_fs
	mkdir "$M/prod"
	put "$M/prod/.ipam/cidrs" "${1:-$CIDR 24}"
}
# controller_start [OPTIONS...]: with the same limits as the oracle, and a Lease that is soon free; pid in $controller
controller_start() {
	"$IPAMKUBE" controller --mount "$M" --cluster prod --release-delay 300ms --mass-release-delay 2s --qps 1000 --burst 2000 --lease-duration 4s --renew-deadline 3s \
		--retry-period 500ms "$@" </dev/null >>"$WORK/controller.log" 2>&1 &
	controller=$!
	pids+=("$controller")
}
# controller_end: as systemd ends it; the status is its own
controller_end() {
	kill "$controller"
	wait "$controller"
}
controller_kill() {
	kill -9 "$controller" 2>/dev/null
	wait "$controller" 2>/dev/null
}
# mount_says: the blocks of the mount, as pod_cidrs has them
mount_says() {
	local node blocks IFS=,
	for node in "$M"/prod/*/; do
		[ -e "$node" ] || continue
		mapfile -t blocks <"$node.ipam/cidrs"
		node=${node%/}
		echo "${node##*/} ${blocks[*]}"
	done | sort
}
# agreed: the mount and the API say the same
agreed() { [ "$(mount_says)" == "$(pod_cidrs)" ]; }

# ---- a stop-watch: when each Node appeared, and when it got its podCIDR, as a watch of the server tells it

# recording FILE: from now on a line 'SECONDS TYPE NODE PODCIDR' a change of a Node; '-' for no podCIDR; until recording_end
recording() {
	curl -sSN --cacert "$kube_ca" -H "Authorization: Bearer $admin_token" "https://127.0.0.1:$kube_port/api/v1/nodes?watch=1" \
		> >(exec jq --unbuffered -r '"\(now) \(.type) \(.object.metadata.name) \(.object.spec.podCIDR // "-")"' >"$1") 2>>"$WORK/watch.log" &
	recorder=$!
	pids+=("$recorder")
	recorded=$1
}
recording_end() {
	kill "$recorder" 2>/dev/null
	wait "$recorder" 2>/dev/null
}

# seen N: N nodes were seen in all;  seen_assigned N: so many with a podCIDR
seen() { [ "$(awk '!n[$3]++' "$recorded" | wc -l)" -eq "$1" ]; }
seen_assigned() { [ "$(awk '$4 != "-" && !n[$3]++' "$recorded" | wc -l)" -eq "$1" ]; }

# last_after SECONDS: milliseconds from then until the last node had its podCIDR
last_after() { awk -v from="$1" '$4 != "-" && !n[$3]++ { last = $1 } END { printf "%d\n", (last - from) * 1000 }' "$recorded"; }
# first_to_last: milliseconds from the first podCIDR to the last
first_to_last() { awk '$4 != "-" && !n[$3]++ { if (!first) first = $1; last = $1 } END { printf "%d\n", (last - first) * 1000 }' "$recorded"; }
# joining: milliseconds from the first node's appearance until the last one had its podCIDR
joining() { awk '!first { first = $1 } $4 != "-" && !n[$3]++ { last = $1 } END { printf "%d\n", (last - first) * 1000 }' "$recorded"; }
# lag: the median of the milliseconds that a node waited
lag() {
	awk '$4 == "-" && !($3 in came) { came[$3] = $1 } $4 != "-" && ($3 in came) && !n[$3]++ { printf "%.1f\n", ($1 - came[$3]) * 1000 }' \
		"$recorded" | median
}

# median: of the numbers on standard input
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
# ratio A B: A / B, with two decimals
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f\n", a / (b > 0 ? b : 1) }'; }
