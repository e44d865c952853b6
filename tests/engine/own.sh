# One machine with 200 nodes of its own, a cluster each: the last is present, attached, protected and published as the first is.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

COUNT=200
etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2

# As other machines would have made them, in transactions as large as etcd takes: clusters c1, c2, ..., each with a node w1 of nobody's.
puts() {
	jq -cn --arg prefix "$PREFIX/state" --argjson first "$1" --argjson last "$2" '
		def hex(n): [range(n) as $i | "0"] | join("");
		def id($n): (hex(16) + ($n | tostring))[-16:];
		def put($key; $value): {request_put: {key: ($prefix + $key | @base64), value: ($value | tojson | @base64)}};
		def common: {settings: [], uid: 0, gid: 0, mode: 493, made: 1};
		def byte($n): ["0123456789abcdef" | split("")[($n / 16 | floor), $n % 16]] | add;
		{success: [range($first; $last + 1) | id(.) as $cluster | id(. + 1000) as $node |
			put("/cluster/c\(.)"; common + {id: $cluster, cidrs: ["10.\(.).0.0/24 28"], reserved: []}),
			put("/node/\($cluster)/w1"; common + {id: $node, cidrs: ["10.\(.).0.0/28"], machine: ""}),
			put("/block/\($cluster)/40a\(byte(.))0000-28"; {node: $node})]}' |
		curl -sf "http://$(etcd_endpoints)/v3/kv/txn" -d @- | jq -e .succeeded >/dev/null
}
for ((i = 1; i <= COUNT; i += 40)); do puts "$i" $((i + 39)) || fail "the nodes are there"; done

count() { ctl get --prefix --keys-only "$PREFIX/$1/" | grep -c .; }
all_present() { [ "$(count alive)" -eq "$COUNT" ]; }
ok "each of $COUNT nodes is said to be there" until_true 60 all_present
held() { [ "$(ctl get --prefix --print-value-only "$PREFIX/state/node/" | jq -s --arg m "$(sed -n 's/^machine //p' "$A/.ipam/health")" \
	'map(select(.machine == $m)) | length')" -eq "$COUNT" ]; }
ok "and is its machine's" until_true 60 held
leased() { touch "$A/c$COUNT/w1/x"; }
ok "the last of them leases" until_true 60 leased
# A lease of that name in each.
lease_in_each() {
	local node
	for node in "$A"/c*/w1; do touch "$node/$1" || return; done
}
ok "each of them leases" lease_in_each all
published() { [ "$(count published)" -eq "$COUNT" ]; }
ok "each is published" until_true 60 published
ok "for others to see" until_true 20 test -e "$B/c$COUNT/w1/all"
for i in 1 64 65 128 $COUNT; do
	refused "nobody takes the ${i}th by force" "its machine is there" "$IPAMCTL" node remove --mount "$B" --force --cluster "c$i" w1
done

# ---- after a crash, with what could not be published before
halt_fs "${machine[w1]}"
etcd_pause 0
resume_fs "${machine[w1]}"
ok "etcd away, each leases on" lease_in_each late
machine_kill w1
etcd_resume 0
machine w1
all_late() { [ "$(ls -d "$B"/c*/w1/late | wc -l)" -eq "$COUNT" ]; }
ok "after a crash all is compared, and published" until_true 60 all_late
refused "and protected" "its machine is there" "$IPAMCTL" node remove --mount "$B" --force --cluster "c$COUNT" w1
ok "what is here and there agrees" "$IPAMCTL" check "$A"

machine_end w1
same "one that ends well is there no longer" 0 "$(count alive)"
machine_end w2
