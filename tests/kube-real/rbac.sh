#!/usr/bin/env bash
# The manifests of docs/kubernetes: the server takes them, their rules suffice for all that ipamkube does, and nothing is allowed that it
# doesn't do. Under RBAC, with tokens of their service accounts; an audit log tells what was asked and what was refused.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

MANIFESTS=$ROOT/docs/kubernetes
AUDIT=$WORK/audit.log

# token ACCOUNT: for an hour
token() {
	kubectl create --raw "/api/v1/namespaces/kube-system/serviceaccounts/$1/token" -f - <<<'{"apiVersion":"authentication.k8s.io/v1",
		"kind":"TokenRequest","spec":{"expirationSeconds":3600}}' | jq -r .status.token
}
# asked ACCOUNT: 'VERB RESOURCE NAMESPACE' of all that it asked and that was allowed, once each;  refusals ACCOUNT: what was not
asked() {
	tail -n "+$((skip + 1))" "$AUDIT" | jq -r --arg user "system:serviceaccount:kube-system:$1" 'select(.user.username == $user and .responseStatus.code != 403) |
		"\(.verb) \(.objectRef.resource) \(.objectRef.namespace // "-")"' 2>&1 | sort -u
}
refusals() {
	tail -n "+$((skip + 1))" "$AUDIT" | jq -r --arg user "system:serviceaccount:kube-system:$1" 'select(.user.username == $user and .responseStatus.code == 403) |
		"\(.verb) \(.requestURI)"' 2>&1 | sort -u
}
# allowed ACCOUNT: the same of what its rules allow it, of the manifests as the server has them
allowed() {
	{
		kubectl get clusterrolebindings -o json
		kubectl get rolebindings -A -o json
	} | jq -r --arg account "$1" '.items[] | select(any(.subjects[]?; .kind == "ServiceAccount" and .name == $account)) |
		"\(.roleRef.kind) \(.roleRef.name) \(.metadata.namespace // "-")"' | while read -r kind role namespace; do
		kubectl get "$kind" "$role" ${namespace:+$([ "$namespace" = - ] || echo "-n $namespace")} -o json |
			jq -r --arg namespace "$namespace" '.rules[] | .verbs[] as $verb | .resources[] | "\($verb) \(.) \($namespace)"'
	done | sort -u
}

cat >"$WORK/policy" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
END
KUBE_AUTHORIZATION=RBAC
kube_up --allow-privileged --audit-policy-file "$WORK/policy" --audit-log-path "$AUDIT"
until_true 30 kubectl get namespace kube-system default
until_true 30 kubectl get priorityclass system-node-critical
for manifest in rbac controller agent; do
	ok "kubectl apply takes $manifest.yaml" kubectl apply -f "$MANIFESTS/$manifest.yaml"
done
for account in controller agent; do
	kube_token=$(token ipamkube-$account)
	kubeconfig "$KUBE/$account.kubeconfig" "$kube_token"
	ok "a token for ipamkube-$account" test -n "$kube_token" -a "$kube_token" != null
done
refused "the controller may not make nodes" "forbidden" kubectl --kubeconfig "$KUBE/controller.kubeconfig" create namespace x
refused "the agent may not patch them" "forbidden" kubectl --kubeconfig "$KUBE/agent.kubeconfig" patch node x -p '{}'
# These were kubectl's, not ipamkube's.
skip=$(wc -l <"$AUDIT")

# ---- all that they do

cluster_up "$(kubectl get configmap -n kube-system ipamkube -o jsonpath='{.data.cidrs}' | grep -v :)"
nodes_create r- 1 10
controller_start --kubeconfig "$KUBE/controller.kubeconfig"
first=$controller
ok "the controller gives podCIDRs" until_true 60 assigned 10
same "all distinct" "" "$(assignment_faults 24)"
node_create foreign 192.168.7.0/24
warned() { kubectl get events -A --field-selector "involvedObject.name=$1,type=Warning" -o name | grep -q .; }
ok "it writes events" until_true 30 warned foreign
kubectl delete node foreign r-3 >/dev/null
ok "it gives blocks back" until_true 30 test ! -e "$M/prod/r-3"
mkdir -p "$WORK/second"
controller_start --kubeconfig "$KUBE/controller.kubeconfig" --identity second
kill "$first"
wait "$first"
led_by_second() { [ "$(kubectl get lease -n kube-system ipamkube -o jsonpath='{.spec.holderIdentity}')" == second ]; }
ok "it hands over the Lease" until_true 30 led_by_second
# A Node whose absence isn't fresh is asked for before its block is freed: it went while none looked.
mkdir "$M/prod/never"
ok "a directory without a Node is removed" until_true 300 test ! -e "$M/prod/never"

mount_fs "" "$WORK/agent.db" "$WORK/agent"
"$IPAMKUBE" agent --mount "$WORK/agent" --cluster pods --node r-1 --kubeconfig "$KUBE/agent.kubeconfig" </dev/null >>"$WORK/agent.log" 2>&1 &
agent=$!
pids+=("$agent")
follows() { [ "$(cat "$WORK/agent/pods/r-1/.ipam/cidrs")" == "$(pod_cidr r-1)" ]; }
ok "the agent follows its Node" until_true 30 follows
: >"$WORK/agent/pods/r-1/pod-0"
kubectl delete node r-1 >/dev/null
until_true 30 test ! -e "$M/prod/r-1"
node_create r-1 10.244.250.0/24
ok "it writes events" until_true 30 warned r-1
kill "$agent" "$controller"
wait "$agent" "$controller"

# ---- what they asked, and what they may

for account in controller agent; do
	ok "the $account asked for something" test -n "$(asked ipamkube-$account)"
	same "nothing was refused to the $account" "" "$(refusals ipamkube-$account)"
	same "the $account is allowed what it asked, and no more" "$(asked ipamkube-$account)" "$(allowed ipamkube-$account)"
done
