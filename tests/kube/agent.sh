# ipamkube agent: a worker's mount follows its Node; and a kubeconfig in all its forms.
. "$(dirname "$0")/../kube_lib.sh"

mount_fs sync=normal
api_start
api=$started
agent() {
	start "$WORK/kube.log" "$KUBE" agent --cluster prod --mount "$M" --kubeconfig "$KC" "$@"
	agent=$started
}
agent_once() { "$KUBE" agent --cluster prod --mount "$M" --kubeconfig "$KC" --once "$@" 2>&1; }
has_block() { [ "$(block_of "$1")" == "$2" ]; }
forget() { for it in "$M"/prod/*; do rm -f "$it"/*; rmdir "$it"; done; rmdir "$M/prod"; } 2>/dev/null

# ---- once

refused "no Node" "there is no Node w1" agent_once --node w1
same "nothing was made" "" "$(ls "$M")"
make_nodes <<-END
	w1
	w2 10.244.7.0/24,fd00:10:244:7::/64
END
refused "no podCIDR yet" "Node w1 has no podCIDR yet" agent_once --node w1
ok "podCIDRs" agent_once --node w2
same "are its blocks" "10.244.7.0/24 fd00:10:244:7::/64" "$(block_of w2)"
same "each a CIDR of its own" "10.244.7.0/24 24 fd00:10:244:7::/64 64" "$(xargs <"$M/prod/.ipam/cidrs")"
ok "again" agent_once --node w2
same "by NODE_NAME" 0 "$(NODE_NAME=w2 agent_once >/dev/null; echo $?)"
ok "a pod gets an address of them" touch "$M/prod/w2/pod"
same "the first" "10.244.7.2/24" "$(head -1 "$M/prod/w2/pod")"
forget
ok "with --cluster-cidr" agent_once --node w2 --cluster-cidr 10.244.0.0/16,fd00:10:244::/48
same "the cluster has these" "10.244.0.0/16 24 fd00:10:244::/48 64" "$(xargs <"$M/prod/.ipam/cidrs")"
same "and the node its own" "10.244.7.0/24 fd00:10:244:7::/64" "$(block_of w2)"
forget
refused "a podCIDR from elsewhere" "isn't in --cluster-cidr" agent_once --node w2 --cluster-cidr 10.1.0.0/16
refused "a CIDR that is none" "not 'x'" agent_once --node w2 --cluster-cidr 10.1.0.0/16,x
rmdir "$M/prod" 2>/dev/null
mkdir "$M/prod" && put "$M/prod/.ipam/cidrs" "10.0.0.0/8 20"
refused "a cluster that is cut otherwise" "cut otherwise" agent_once --node w2
put "$M/prod/.ipam/cidrs" "10.0.0.0/8 24
fd00:10:244::/48 64"
ok "a cluster that was there" agent_once --node w2
same "stays as it was" "10.0.0.0/8 24 fd00:10:244::/48 64" "$(xargs <"$M/prod/.ipam/cidrs")"
mkdir "$M/prod/other" && put "$M/prod/other/.ipam/cidrs" "10.9.9.0/24"
echo "w3 10.9.9.0/24" | make_nodes
refused "another node of the mount has it" "another node of the mount has them" agent_once --node w3
refused "nothing mounted" "nothing is mounted" "$KUBE" agent --cluster prod --mount "$WORK" --kubeconfig "$KC" --once --node w2
forget

# ---- following

agent --node w1 --metrics "$PROM"
ok "it waits for the podCIDR" until_true 20 said "Node w1 has no podCIDR yet"
merge w1 '{"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}}'
ok "which comes" until_true 20 has_block w1 10.244.1.0/24
ok "metrics" until_true 20 grep -q "^ipamkube_agent_synced 1" "$PROM"
same "promtool says nothing" "" "$(promtool check metrics <"$PROM" 2>&1)"
touch "$M/prod/w1/pod"
remove w1
ok "the Node is deleted" until_true 20 said "there is no Node w1; what runs keeps"
same "what runs keeps its address" "10.244.1.2/24" "$(cat "$M/prod/w1/pod")"
echo "w1 10.244.2.0/24" | make_nodes
ok "another podCIDR while there are leases: said" until_true 20 said "w1 can't have 10.244.2.0/24: there are leases outside"
same "and nothing changes" "10.244.1.0/24" "$(block_of w1)"
rm "$M/prod/w1/pod"
ok "until they are released" until_true 40 has_block w1 10.244.2.0/24
same "the old CIDR leaves no trace" "10.244.2.0/24 24" "$(xargs <"$M/prod/.ipam/cidrs")"
for it in "gone=1&drop=1" "error=1" "half=1&drop=1" "fail=2&drop=1" "throttle=1&drop=1" "broken=1"; do
	fault "$it"
	old=$(block_of w1) next=10.244.$((RANDOM % 100 + 100)).0/24
	[ "$old" != "$next" ] || next=10.244.201.0/24
	remove w1
	echo "w1 $next" | make_nodes
	ok "in spite of $it" until_true 30 has_block w1 "$next"
done
echo "w10 10.250.1.0/24" | make_nodes
ok "other Nodes are none of its business" gone w10
kill_fs
mount_fs sync=normal
merge w1 '{"metadata": {"labels": {"a": "b"}}}'
ok "a mount that was away" has_block w1 "$(cidr_of w1)"
rmdir "$M/prod/w1"
end "$agent"
same "SIGTERM ends it well" 0 $?
umount "$M" 2>/dev/null
agent --node w1
ok "before there is a mount" until_true 20 said "nothing is mounted on"
mount_fs sync=normal
ok "it waits for that" until_true 40 has_block w1 "$(cidr_of w1)"
end "$agent"

# ---- who we are

end "$api" KILL
echo secret >"$WORK/token"
api_start "$WORK/token"
echo "w1 10.244.3.0/24" | make_nodes
asks() { "$KUBE" agent --cluster prod --mount "$M" --node w1 --once --kubeconfig "$WORK/k" "$@" 2>&1; }
refused "without a token" "401" asks --kubeconfig "$KC"
kubeconfig "token: secret" >"$WORK/k"
ok "with one" asks
kubeconfig "token: wrong" >"$WORK/k"
refused "with a wrong one" "takes us for nobody" asks
kubeconfig "tokenFile: token" >"$WORK/k"
ok "a token's file, beside the kubeconfig" asks
ok "KUBECONFIG" env KUBECONFIG="$WORK/none:$WORK/k" "$KUBE" agent --cluster prod --mount "$M" --node w1 --once
mkdir "$WORK/.kube" && sed 's/tokenFile: token/token: secret/' "$WORK/k" >"$WORK/.kube/config"
ok "the one in the home" "$KUBE" agent --cluster prod --mount "$M" --node w1 --once
rm -r "$WORK/.kube"
refused "none" "no API server is known" "$KUBE" agent --cluster prod --mount "$M" --node w1 --once
start "$WORK/kube.log" "$KUBE" agent --cluster prod --mount "$M" --node w1 --kubeconfig "$WORK/k" -v
agent=$started
echo exchanged >"$WORK/token"
fault "drop=1"
remove_with() { curl -sS -X DELETE -H "Authorization: Bearer exchanged" "$API$NODES/w1" >/dev/null; }
remove_with
echo "w1 10.244.4.0/24" | make_nodes
ok "a token that is exchanged is read again" until_true 30 has_block w1 10.244.4.0/24
end "$agent"

kubeconfig "exec: {command: aws}" >"$WORK/k"
refused "exec" "logs in by a program (exec)" asks
kubeconfig "auth-provider: {name: gcp}" >"$WORK/k"
refused "auth-provider" "auth-provider" asks
kubeconfig "client-certificate: cert.pem" >"$WORK/k"
refused "a certificate without its key" "without its key" asks
kubeconfig "client-key-data: '*'" >"$WORK/k"
refused "not base64" "isn't base64" asks
kubeconfig "token: exchanged" | sed 's/current-context: it/current-context: its/' >"$WORK/k"
refused "a context that isn't there" "no context 'its'" asks
ok "--context" asks --context it
kubeconfig "token: exchanged" | sed 's/cluster: it,/cluster: itt,/' >"$WORK/k"
refused "a cluster that isn't there" "no cluster 'itt'" asks
kubeconfig "" "ftp://x" >"$WORK/k"
refused "a server that is none" "no address of an API server" asks
printf 'a: [b\n' >"$WORK/k"
refused "not YAML" "no kubeconfig: line" asks
printf -- '- a\n' >"$WORK/k"
refused "not a mapping" "isn't a mapping" asks
{ printf 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n' && for i in 1 2 3 4 5 6 7 8 9; do printf 'a%d: &a%d [%s]\n' $i $i "$(printf "*a$((i - 1)),%.0s" 1 2 3 4 5 6 7 8 9 10)"; done; } >"$WORK/k"
refused "aliases of aliases" "no kubeconfig" asks
refused "no such file" "No such file" asks --kubeconfig "$WORK/nowhere"
kubeconfig "token: exchanged" | jq -R . | jq -s 'join("\n")' -r >"$WORK/k"
ok "as it was" asks

# ---- TLS: the stand-in behind openssl, one connection at a time

mkdir "$WORK/tls" && cd "$WORK/tls" || exit 1
for it in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $it.key -out $it.pem -days 2 -subj "/CN=$it" 2>/dev/null; done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=server" 2>/dev/null
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 2 -out server.pem -extfile <(echo "subjectAltName=IP:127.0.0.1") 2>/dev/null
cat >answer.sh <<-END
	item='{"kind":"Node","metadata":{"name":"w1","uid":"u","resourceVersion":"1"},"spec":{"podCIDR":"10.244.4.0/24","podCIDRs":["10.244.4.0/24"]}}'
	body='{"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":['\$item']}'
	printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \${#body} "\$body"
END
bash answer.sh >answer
# tls OPTIONS...: answers one client; its port is $port
tls() {
	port=$((RANDOM % 20000 + 20000))
	start "$WORK/tls.log" bash -c 'openssl s_server -accept 127.0.0.1:$0 -cert server.pem -key server.key -naccept 1 -quiet -no_ign_eof "${@}" < <(sleep 0.3; cat answer; sleep 3)' "$port" "$@"
	until_true 10 eval 'ss -ltn | grep -q ":$port "'
}
# over TLS: kubeconfig's cluster and user; what is said
over() {
	kubeconfig "$2" "https://127.0.0.1:$port" | sed "s|    server:|    $1\n    server:|" >"$WORK/k"
	asks
}
tls && ok "TLS: its CA" over "certificate-authority: tls/ca.pem" ""
tls && ok "TLS: as data" over "certificate-authority-data: $(base64 -w0 ca.pem)" ""
tls && ok "TLS: any" over "insecure-skip-tls-verify: true" ""
tls && refused "TLS: another CA" "certificate" over "certificate-authority: tls/other.pem" ""
tls -Verify 1 -CAfile ca.pem -verify_return_error && ok "TLS: a client's certificate" over "certificate-authority: tls/ca.pem" "client-certificate: tls/ca.pem, client-key: tls/ca.key"
tls -Verify 1 -CAfile ca.pem -verify_return_error && ok "TLS: as data, too" over "certificate-authority: tls/ca.pem" "client-certificate-data: $(base64 -w0 ca.pem), client-key-data: $(base64 -w0 ca.key)"
tls -Verify 1 -CAfile ca.pem -verify_return_error && refused "TLS: none" "" over "certificate-authority: tls/ca.pem" ""
cd / || exit 1
umount_fs
