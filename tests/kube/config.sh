#!/usr/bin/env bash
# Where the API server is and who asks: kubeconfig files, tokens, certificates; and what is said where they are wrong.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
mount_fs
certificates
echo "secret alice" >"$WORK/tokens"
apiserver_start --tls-cert "$WORK/tls/server.crt" --tls-key "$WORK/tls/server.key" --client-ca "$WORK/tls/ca.crt" --token-file "$WORK/tokens"
CURL+=(--cacert "$WORK/tls/ca.crt" --cert "$WORK/tls/client.crt" --key "$WORK/tls/client.key")
cluster "10.244.0.0/16 24"
node_make n-1
# conf CLUSTER USER: a kubeconfig with these members (YAML flow)
conf() {
	cat >"$WORK/conf" <<-END
		apiVersion: v1
		kind: Config
		current-context: here
		contexts:
		- {name: there, context: {cluster: there, user: me}}
		- {name: here, context: {cluster: here, user: me}}
		clusters:
		- name: there
		  cluster: {server: "https://127.0.0.1:1"}
		- name: here
		  cluster: {server: "$API"${1:+, $1}}
		users:
		- name: me
		  user: {$2}
	END
}
try() { timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --once --timeout 3 --kubeconfig "$WORK/conf" "$@"; }
base64_of() { base64 -w0 "$1"; }
ca="certificate-authority: $WORK/tls/ca.crt"
me="client-certificate: $WORK/tls/client.crt, client-key: $WORK/tls/client.key"

# ---- what is right
conf "$ca" "token: secret"
ok "a token" try
same "it was alice" true "$(admin GET requests?user=alice | jq 'length > 0')"
conf "$ca" "$me"
ok "a client certificate" try
conf "certificate-authority-data: $(base64_of "$WORK/tls/ca.crt")" \
	"client-certificate-data: $(base64_of "$WORK/tls/client.crt"), client-key-data: $(base64_of "$WORK/tls/client.key")"
ok "all of it in the file" try
conf "insecure-skip-tls-verify: true" "token: secret"
ok "a server that isn't looked at" try
echo secret >"$WORK/token"
conf "$ca" "tokenFile: $WORK/token"
ok "a token's file" try
cp "$WORK/tls/ca.crt" "$WORK/conf-ca.crt"
conf "certificate-authority: conf-ca.crt" "token: secret"
(cd / && ok "a path beside the file" try)
KUBECONFIG=$WORK/none:$WORK/conf ok 'through $KUBECONFIG, of several' timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --once
conf "$ca" "token: secret"
cp "$WORK/conf" "$WORK/conf-there"
try --kubeconfig "$WORK/conf-there" --context there 2>"$WORK/there.log" & # it tries for some seconds, beside what follows
there=$!
refused "a context that isn't there" "nowhere" try --context nowhere
mkdir -p "$WORK/home/.kube"
cp "$WORK/conf" "$WORK/home/.kube/config"
ok "the kubeconfig below HOME" env -u KUBECONFIG HOME="$WORK/home" timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --once

# ---- what isn't
status_of() { "$@" >"$WORK/out" 2>&1; echo $?; }
# wrong NAME TEXT: refused at once, with status 1 and the text
wrong() {
	local name=$1 text=$2 status
	status=$(status_of try)
	same "$name: status 1" 1 "$status"
	ok "$name: it is said" grep -Eqi -- "$text" "$WORK/out"
}
conf "certificate-authority: $WORK/tls/other.crt" "token: secret"
wrong "another CA" "certificate|TLS|SSL"
conf "" "token: secret"
wrong "no CA" "certificate|TLS|SSL"
conf "$ca" "token: guess"
wrong "a wrong token" "unauthorized|401"
conf "$ca" ""
wrong "nobody" "unauthorized|401"
conf "$ca" "client-certificate: $WORK/tls/stranger.crt, client-key: $WORK/tls/stranger.key"
wrong "another CA's client" "unauthorized|401"
conf "$ca" "client-certificate: $WORK/tls/expired.crt, client-key: $WORK/tls/expired.key"
wrong "a certificate that is over" "unauthorized|401"
conf "$ca" "client-certificate: $WORK/tls/client.crt, client-key: $WORK/tls/stranger.key"
wrong "a key that doesn't fit" "key|certificate"
conf "$ca" "client-certificate: $WORK/tls/none.crt, client-key: $WORK/tls/none.key"
wrong "no such certificate" "none.crt"
conf "certificate-authority: $WORK/tls/none.crt" "token: secret"
wrong "no such CA" "none.crt"
conf "certificate-authority-data: '!!!'" "token: secret"
wrong "base64 that is none" "certificate-authority-data|base64"
conf "$ca" "tokenFile: $WORK/none"
wrong "no such token's file" "$WORK/none"
conf "$ca" "exec: {command: /bin/true, apiVersion: client.authentication.k8s.io/v1}"
wrong "a program for the credentials" "exec"
printf '{{{' >"$WORK/conf"
wrong "what isn't YAML" "$WORK/conf|yaml"
: >"$WORK/conf"
wrong "an empty file" "$WORK/conf|context"
rm "$WORK/conf"
wrong "no file" "$WORK/conf"
conf "$ca" "token: secret"
sed -i 's/^current-context.*//' "$WORK/conf"
wrong "no context" "context"
kubeconfig "$WORK/conf-http"
sed -i "s|https://|http://|" "$WORK/conf-http"
try --kubeconfig "$WORK/conf-http" 2>"$WORK/http.log" &
http=$!
conf "$ca" "token: secret"
rule '{"user":"alice","times":-1,"code":403}'
wrong "forbidden" "forbidden|403"
admin DELETE rules >/dev/null

# ---- tokens that rotate, while it runs
conf "$ca" "tokenFile: $WORK/token"
echo secret >"$WORK/token"
controller --kubeconfig "$WORK/conf" --timeout 3
node_make n-2
ok "a token's file" until_true 20 has_podcidrs n-2
printf '%s\n' "secret alice" "renewed alice" >"$WORK/tokens"
echo renewed >"$WORK/token.new" && mv "$WORK/token.new" "$WORK/token"
echo "renewed alice" >"$WORK/tokens"
admin POST "drop?how=end" >/dev/null
node_make n-3
ok "rotated: it goes on with the new one" until_true 40 has_podcidrs n-3
echo "later alice" >"$WORK/tokens"
admin POST "drop?how=end" >/dev/null
node_make n-4
until_true 20 eval '[ "$(requests code=401)" -gt 0 ]'
echo later >"$WORK/token"
ok "late: it waited for the new one" until_true 60 has_podcidrs n-4
agree "with rotated tokens"
controller_end
same "it ends cleanly" 0 "$status"

wait $there
same "another context, where nobody is: 1" 1 $?
ok "which is said" grep -q '127.0.0.1:1' "$WORK/there.log"
wait $http
same "HTTP to an HTTPS server: 1" 1 $?
ok "that is said, too" test -s "$WORK/http.log"

# ---- in a pod
sa=/var/run/secrets/kubernetes.io/serviceaccount
if [ ! -e $sa ] && unshare --mount true 2>/dev/null; then
	node_make n-5
	mkdir -p "$WORK/sa"
	cp "$WORK/tls/ca.crt" "$WORK/sa/ca.crt"
	printf later >"$WORK/sa/token"
	ok "in a pod" unshare --mount --propagation slave bash -c 'mount -t tmpfs none /var/run 2>/dev/null || mount -t tmpfs none /run
		mkdir -p '"$sa"' && cp "$0"/sa/* '"$sa"' && exec env -u KUBECONFIG HOME=/nonexistent KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT="${1##*:}" \
		timeout 60 "$2" controller --mount "$3" --cluster prod --once' "$WORK" "$API" "$IPAMKUBE" "$M"
	same "it gave" true "$(has_podcidrs n-5 && echo true)"
fi
apiserver_stop
