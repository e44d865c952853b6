#!/usr/bin/env bash
# ipamkube controller: blocks for the Nodes that have none, given back when a Node is gone, and once through for --once.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up

# ---- once
refused "no cluster" "prod" timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --once
cluster "10.244.0.0/16 24
fd00:10:244::/48 64"
node_make n-1
ok "once" controller_once
same "a Node gets a block of each family" "10.244.0.0/24 fd00:10:244::/64" "$(podcidrs n-1)"
same "podCIDR is the first" 10.244.0.0/24 "$(kube GET $nodes/n-1 | jq -r .spec.podCIDR)"
same "both by one patch" 1 "$(requests "method=PATCH&path=$nodes/n-1")"
ok "once again, nothing to do" controller_once
same "nothing is patched" 1 "$(requests method=PATCH)"
same "no Lease is asked for" 0 "$(requests "path=*leases*")"
node_make n-2
mkdir "$M/prod/n-2" # as if a controller had ended after it
was=$(mounted n-2)
ok "once, with a Node whose block was given but not told" controller_once
same "it gets that one" "$was" "$(podcidrs n-2)"
agree "once"
ok "the only cluster needn't be named" timeout 60 "$IPAMKUBE" controller --mount "$M" --once
mkdir "$M/other"
refused "of several, it is" "several clusters" timeout 60 "$IPAMKUBE" controller --mount "$M" --once
rmdir "$M/other" "$M/prod/n-2" 2>/dev/null
mkdir "$WORK/empty"
prod=$daemon
mount_fs "" "$WORK/empty.db" "$WORK/empty"
refused "a mount without a cluster has none" "no cluster yet" timeout 60 "$IPAMKUBE" controller --mount "$WORK/empty" --once
umount_fs "$WORK/empty"
daemon=$prod
rule '{"method":"PATCH","times":-1,"code":500}'
node_make n-3
controller_once --timeout 2
same "once, where the API refuses all: 1" 1 $?
admin DELETE rules >/dev/null
ok "once, when it doesn't any more" controller_once
agree "once, after refusals"

# ---- for long
controller --metrics "$WORK/metrics.prom"
node_make n-4
ok "a Node that comes gets its block" until_true 20 has_podcidrs n-4
node_make n-5 zone=a disk=ssd
ok "and the next" until_true 20 has_podcidrs n-5
same "the mount says the same" "$(mounted n-5)" "$(podcidrs n-5)"
agree "while it runs"

kube POST $nodes '{"metadata":{"name":"n-6","finalizers":["test.example/a","test.example/b"]}}' >/dev/null
until_true 20 has_podcidrs n-6
was=$(podcidrs n-6)
node_delete n-6
kube PATCH $nodes/n-6 '{"metadata":{"labels":{"seen":"1"}}}' >/dev/null
node_make n-7
until_true 20 has_podcidrs n-7
same "a Node that is being deleted keeps its block" "$was" "$(mounted n-6)"
kube PATCH $nodes/n-6 '{"metadata":{"finalizers":["test.example/b"]}}' >/dev/null
node_make n-8
until_true 20 has_podcidrs n-8
same "and with one finalizer left" "$was" "$(mounted n-6)"
kube PATCH $nodes/n-6 '{"metadata":{"finalizers":null}}' >/dev/null
ok "until the last is gone" until_true 20 eval '[ ! -d "$M/prod/n-6" ]'
kube POST $nodes '{"metadata":{"name":"n-9","finalizers":["test.example/a"]}}' >/dev/null
until_true 20 has_podcidrs n-9
node_delete n-9
node_make n-10
until_true 20 has_podcidrs n-10

# ---- one name, another Node
first=$(kube GET $nodes/n-4 | jq -r .metadata.uid)
for i in 1 2 3 4 5; do
	node_delete n-4
	node_make n-4
done
ok "deleted and made again, five times: it has a block" until_true 20 has_podcidrs n-4
same "it is another" true "$(kube GET $nodes/n-4 | jq --arg uid "$first" '.metadata.uid != $uid')"
until_true 20 eval '[ "$(mounted n-4)" = "$(podcidrs n-4)" ]'
agree "after a Node was made again"

# A lease in the mount keeps the block that its node has, whatever the API says.
node_make n-11
until_true 20 has_podcidrs n-11
touch "$M/prod/n-11/pod"
was=$(mounted n-11)
node_delete n-11
node_make n-12
until_true 20 has_podcidrs n-12
same "a node with leases keeps its block" "$was" "$(mounted n-11)"
ok "and the lease is there" test -e "$M/prod/n-11/pod"
rm "$M/prod/n-11/pod"
ok "it goes when the last lease does" until_true 40 eval '[ ! -d "$M/prod/n-11" ]'

# ---- the end, and what happened meanwhile
controller_end
same "it ends cleanly at SIGTERM" 0 "$status"
ok "what is reported is valid" promtool check metrics <"$WORK/metrics.prom"
node_delete n-5
node_delete n-12
node_make n-12
node_make n-13
mkdir "$M/prod/stray"
was=$(mounted n-1)
controller
ok "a node of the mount without its Node goes" until_true 20 eval '[ ! -d "$M/prod/stray" ]'
ok "deleted while it was down: given back" until_true 20 eval '[ ! -d "$M/prod/n-5" ]'
ok "made meanwhile: given one" until_true 20 all_served
same "the others keep theirs" "$was" "$(podcidrs n-1)"
until_true 20 eval '[ "$(mounted n-12)" = "$(podcidrs n-12)" ]'
agree "after it was down"

# ---- the mount goes and comes
umount_fs
node_make n-14
mount_fs
ok "a mount that comes back is used again" until_true 40 has_podcidrs n-14
agree "after the mount was away"
controller_end INT
same "it ends cleanly at SIGINT" 0 "$status"

# ---- one family
umount_fs
rm -f "${DB:?}"*
apiserver_stop
kube_up
cluster "fd00:10:244::/48 64"
# Nobody there: it tries for some seconds, beside what follows.
sed 's|server: .*}|server: "http://127.0.0.1:1"}|' "$KUBECONFIG" >"$WORK/nobody"
timeout 60 "$IPAMKUBE" controller --mount "$M" --cluster prod --once --kubeconfig "$WORK/nobody" --timeout 1 2>"$WORK/nobody.log" &
nobody=$!
node_make n-1
ok "IPv6 alone" controller_once
same "has one podCIDR" "fd00:10:244::/64 fd00:10:244::/64" "$(podcidrs n-1) $(kube GET $nodes/n-1 | jq -r .spec.podCIDR)"
append "$M/prod/.ipam/cidrs" "10.244.0.0/16 24"
node_make n-2
ok "another family later" controller_once
same "is for those that come, in the order of the list" "fd00:10:244:1::/64 10.244.0.0/24" "$(podcidrs n-2)"
same "and not for those that are there" "fd00:10:244::/64" "$(podcidrs n-1)"
check_clean "at the end"
apiserver_stop
wait $nobody
same "nobody there: 1" 1 $?
ok "which is said" grep -q 127.0.0.1 "$WORK/nobody.log"

timeout 60 "$IPAMKUBE" controller --no-such-option >/dev/null 2>&1
same "a wrong option: 2" 2 $?
timeout 60 "$IPAMKUBE" controler >/dev/null 2>&1
same "a wrong command: 2" 2 $?
"$IPAMKUBE" controller --lease-duration 5 --renew-deadline 10 >/dev/null 2>&1
same "a deadline after the lease's end: 2" 2 $?
