# What can't be read is never taken for what isn't there: attributes and names of any bytes, records that aren't understood, and what
# health says of them until they are put right.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 grep -q 10.244 "$B/prod/.ipam/cidrs"
mkdir "$A/prod/w1" "$A/prod/spare"
touch "$A/prod/w1/a" "$A/prod/w1/b"
until_true 20 test -e "$B/prod/w1/b"

# ---- bytes
setfattr -n user.bytes -v 0x00ff0a80 "$A/prod/w1/a"
setfattr -n user.ended -v 0x7800 "$A/prod/w1/b"
value() { getfattr --absolute-names -e hex --only-values -n "user.$2" "$1" | od -An -tx1 | tr -d ' '; }
has() { [ "$(value "$B/prod/w1/$1" "$2")" == "$3" ]; }
ok "an attribute of any bytes is another machine's, too" until_true 20 has a bytes 00ff0a80
ok "so is one that ends with a NUL" until_true 20 has b ended 7800
touch "$A/prod/w1/"$'\xff' "$A/prod/w1/"$'\xfe' "$A/prod/w1/"$'\xef\xbf\xbd'
names() { ls "$1/prod/w1" | od -An -tx1; }
same_names() { [ "$(names "$A")" == "$(names "$B")" ]; }
ok "names of any bytes are theirs, too" until_true 20 same_names
ok "the past of it can be read" "$IPAMCTL" history --mount "$A" "$(sed 's,/.*,,' "$A/prod/w1/a")"
ok "and what is here and there agrees" until_true 20 "$IPAMCTL" check "$B"

# ---- what an older version publishes, with an escaped NUL; and what nobody understands
cluster=$(ctl get --print-value-only "$PREFIX/state/cluster/prod" | jq -r .id)
key=$PREFIX/state/node/$cluster/w1
w1=$(ctl get --print-value-only "$key" | jq -r .id)
bucket=$(ctl get --prefix --keys-only "$PREFIX/leases/$w1/" | head -1)
was=$(ctl get --print-value-only "$bucket")
health() { head -1 "$WORK/$1/.ipam/health"; }
says() { [[ $(health "$1") == *"$2"* ]]; }
halt_fs "${machine[w1]}" # which would write it anew
ctl put "$bucket" "$(jq -c '(.[] | select(.name == "a")).attributes = {bytes: "x\u0000y"}' <<<"$was")" >/dev/null
ok "a NUL in JSON is read" until_true 20 has a bytes 780079
ok "and the leases are there" test -e "$B/prod/w1/b"
ctl put "$bucket" "hello" >/dev/null
ok "a publication that isn't understood is complained of" until_true 5 says w2 "isn't understood"
ok "and hides nothing" test -e "$B/prod/w1/a" -a -e "$B/prod/w1/b"
refused "which check says, too" "isn't understood" "$IPAMCTL" check "$B"
ctl put "$bucket" "$was" >/dev/null
ok "put right, health is well again by itself" until_true 30 says w2 ok
resume_fs "${machine[w1]}"

# ---- a record
record=$(ctl get --print-value-only "$key")
ctl put "$key" "hello" >/dev/null
ok "a record that isn't understood is complained of" until_true 5 says w2 "isn't understood"
etcd_compact >/dev/null
etcd_kill 0
etcd_begin 0
ok "etcd is back" until_true 30 etcd_healthy
machine_kill w2
machine w2
ready w2
ok "after a full read, too" until_true 20 says w2 "aren't understood"
ok "and what it is of stays, with its leases" test -e "$B/prod/w1/a"
ok "where it is at home, too" touch "$A/prod/w1/c"
ctl put "$key" "$record" >/dev/null
ok "put right, health is well again" until_true 30 says w2 ok
ok "here, too" until_true 30 says w1 ok

# A cluster's: what lies in it is no reason to see nothing at all.
mkdir "$A/other"
record=$(ctl get --print-value-only "$PREFIX/state/cluster/prod")
ctl put "$PREFIX/state/cluster/prod" "{}" >/dev/null
machine w3
ready w3
ok "a cluster that can't be read hides no other" until_true 20 test -d "$WORK/w3/other"
ctl put "$PREFIX/state/cluster/prod" "$record" >/dev/null
ok "put right, it is there" until_true 30 test -d "$WORK/w3/prod/w1"
ok "and health is well" until_true 30 says w3 ok

# ---- a prefix of something else: no flapping, whatever the heartbeat says
ctl put /foreign/key value >/dev/null
PREFIX=/foreign machine foreign
ok "a foreign prefix is complained of" until_true 20 says foreign "keys of something else"
flapped=0
for i in $(seq 60); do says foreign "keys of something else" || flapped=$((flapped + 1)); rest 100; done
same "for good" 0 "$flapped"
machine_end foreign

cd /
machine_end w1
machine_end w2
machine_end w3
