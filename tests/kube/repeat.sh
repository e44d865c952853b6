#!/usr/bin/env bash
# ipamkube controller, and something in between that ends connections without an answer: no patch is sent a second time by a library
# that tells nobody. It would be refused then, for what it has done itself, and taken for one that wasn't done.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/16 24
fd00:10:244::/48 64"
: >"$WORK/orders"
free_port port
"$HELPERS/engine/proxy" 1 "$WORK/orders" "$port=127.0.0.1:${API##*:}" >"$WORK/net" 2>&1 &
proxy=$!
pids+=("$proxy")
answers() { (: >"/dev/tcp/127.0.0.1/$port"); }
until_true 10 answers
direct=$API
API=http://127.0.0.1:$port kubeconfig
API=$direct
controller --qps 0 --timeout 3 --workers 1

more() { # FROM TO
	local i
	for ((i = $1; i <= $2; i++)); do node_make "n-$i"; done
	until_true 30 all_served "$2"
}
ok "as it should be: the Nodes have blocks" more 1 16 # and its connections are open
echo "swallowed 1000 ?fieldManager 6" >"$WORK/orders.new" && mv "$WORK/orders.new" "$WORK/orders"
admin DELETE requests >/dev/null
ok "answers to patches are lost: the Nodes have blocks" more 17 22
same "each was patched once" 6 "$(requests method=PATCH)"
kill "$proxy"
wait "$proxy"
same "and six answers were lost" 6 "$(sed -n 's/^swallowed //p' "$WORK/net")"
agree "afterwards"
