# The how-tos, typed from the pages as they stand: each indented block of commands is run, with the places that it names laid into this
# test's own directory. What can't be typed on one machine is listed below, with the reason.
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/engine/lib.sh
. "$(dirname "$0")/../engine/lib.sh"
. "$(dirname "$0")/../kube/lib.sh"
export PATH=$WORK/bin:$BUILD/bin:$PATH IPAMFS_MOUNT=$M LIBMOUNT_FSTAB=$WORK/fstab
HERE=$WORK/here
mkdir -p "$WORK"/{bin,var,backup,root,net.d,cni/pods} "$HERE"
host=$(hostname)

here() {
	sed -e "s|/var/lib/ipamfs|$WORK/var|g; s|/run/ipamfs|$M|g; s|/backup/|$WORK/backup/|g; s|/root/|$WORK/root/|g" \
		-e "s|/etc/cni/net.d|$WORK/net.d|g; s|/var/lib/cni/networks|$WORK/cni|g" \
		-e "s|10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379|${ENDPOINT-}|g" "$@"
}

# Of each page the blocks: PAGE.1, PAGE.2, ... Those of podman.md are tests/clients/podman.sh's.
for page in "$ROOT"/docs/howto/*.md; do
	awk -v out="$WORK/$(basename "$page" .md)." '
		/^    / { if (!inside) n++; inside = 1; print substr($0, 5) >(out n); next }
		{ inside = 0 }' "$page"
done
rm -f "$WORK"/podman.*

# block PAGE TEXT: $block is the file of the one that has the text; it counts as seen to
block() {
	block=$(grep -lF -- "$2" "$WORK/$1".[0-9]* | head -1)
	[ -n "$block" ] || fail "$1: there is a block with '$2'"
	echo "$block" >>"$WORK/seen"
}
# typed PAGE TEXT [FILTER...]: line for line, none of which fails
typed() {
	local name="$1: $2"
	block "$1" "$2"
	shift 2
	here "$block" | "${@:-cat}" >"$WORK/typed.sh"
	ok "$name" bash -c 'cd "$1" && set -e -o pipefail && . "$2"' typed "$HERE" "$WORK/typed.sh"
}
# untyped PAGE TEXT WHY
untyped() { block "$1" "$2"; }

# ---- what isn't typed
untyped containerd '"cniVersion"' "the text of a file"
untyped containerd "ln -s /usr/lib/cni/ipamfs" "it would change this machine's plugins; tests/clients/containerd.sh has them elsewhere"
untyped containerd "docker.io/library/nginx" "a registry's image; tests/clients/containerd.sh runs one of its own"
untyped containerd "crictl pods -q" "crictl isn't in Debian 12; tests/clients/gc.sh gives gc such lists"
untyped kubernetes "kubectl apply -f rbac.yaml -f controller.yaml" "a cluster; tests/kube-real applies the manifests"
untyped kubernetes "kubectl apply -f rbac.yaml -f agent.yaml" "the same"
untyped kubernetes "ipamkube agent" "the kubelet's credentials; tests/kube/agent.sh"
untyped kubernetes "selector=topology" "the text of a file"
untyped kubernetes '"cniVersion"' "the text of a file"
untyped many-machines "etcdctl role add" "it asks for a password; tests/engine/security.sh does the same"
untyped many-machines "[Service]" "the text of a file"
untyped many-machines "SOURCE=etcd" "the text of a file"
untyped many-machines "node remove --force" "a machine that is dead; tests/engine/shared.sh"
untyped many-machines ".ipam/accept" "an etcd that was put back; tests/engine/restored.sh"
untyped monitoring "prometheus-node-exporter" "it never ends; tests/docs/monitoring.sh"
untyped monitoring "events | jq" "it never ends; tests/mount/history.sh"
untyped monitoring "while read -r event" "the same"
untyped mount "systemctl enable" "no systemd runs here; tests/package/units.sh"
untyped mount "apt install" "a package; tests/package/deb.sh"

# ---- mount, back up, restore
typed mount "ipamfs /var/lib/ipamfs/prod.db /run/ipamfs -o"
mounts+=("$M")
block mount "fuse.ipamfs"
here "$block" | sed "s|^\\S*|$IPAMFS#&|; s|fuse\.ipamfs|fuse|" >"$WORK/fstab" # mount(8) finds installed programs alone
make_cluster prod worker-1 "$host"
touch "$M/prod/worker-1/web-0"
typed backup "ipamctl backup /backup/prod.db"
typed backup "backup --force --quiet"
ok "backup: a copy for today" test -s "$WORK/backup/prod-$(date +%a).db"
touch "$M/prod/worker-1/later"
typed backup "cp /backup/prod.db"
same "backup: what is there is what was there then" "web-0" "$(ls "$M/prod/worker-1")"
typed backup "ipamctl export --json"
same "backup: as JSON" "web-0" "$(jq -r '.. | .leases? // empty | .[]?.name' "$HERE/prod.json")"

# ---- look at it
touch "$M/prod/worker-1/10.244.0.7"
setfattr -n user.pod -v shop/cart-0 "$M/prod/worker-1/10.244.0.7"
until_true 20 grep -q shop/cart-0 "$M/prod/.ipam/history"
typed monitoring "ipamctl history 10.244.0.7" sed "s/--at '[^']*'/--at '$(date -u '+%F %T' -d '+1 second')'/" # somebody has it now
typed monitoring "ipamctl du --top 10" sed "s/10.244.3.17/10.244.0.17/"

# ---- host-local's
printf 'c9\r\neth0' >"$WORK/cni/pods/10.244.1.9"
printf 10.244.1.9 >"$WORK/cni/pods/last_reserved_ip.0"
touch "$WORK/cni/pods/lock"
typed host-local "ipamctl import --host-local"
same "host-local: it is leased" "10.244.1.9/24" "$(head -qn 1 "$M/prod/$host/"*)"
mv "$WORK/cni/pods" "$WORK/cni/moved"
typed host-local "ipamctl export --host-local"
same "host-local: and is written back" "10.244.1.9 last_reserved_ip.0" "$(ls "$WORK/cni/pods" | grep -v lock | xargs)"

# ---- a damaged one: here one that isn't
typed damage "ipamctl export --json"
typed damage "ipamctl check --repair"

# ---- a lost disk: from the namespaces of this machine, of which this test has its own
rm -f "$WORK"/var/*
typed lost-disk "keep_after_boot"
echo '{"kind": "List", "items": [
	{"kind": "Node", "metadata": {"name": "worker-2"}, "spec": {"podCIDRs": ["10.244.4.0/24"]}},
	{"kind": "Pod", "metadata": {"name": "db-0", "namespace": "shop", "uid": "u"}, "spec": {"nodeName": "worker-2"},
	 "status": {"phase": "Running", "podIP": "10.244.4.7", "podIPs": [{"ip": "10.244.4.7"}]}}]}' >"$HERE/nodes-and-pods.json"
printf '#!/bin/sh\n[ "$*" = "get nodes,pods -A -o json" ] && exec cat "%s/nodes-and-pods.json"\nexit 1\n' "$HERE" >"$WORK/bin/kubectl"
chmod +x "$WORK/bin/kubectl"
typed lost-disk "kubectl get nodes,pods"
same "lost-disk: a pod has its address" "10.244.4.7/24" "$(cat "$M/prod/worker-2/"*)"
block lost-disk "ip -o netns list"
here "$block" >"$WORK/netns.sh"
ok "lost-disk: ip -o netns list" unshare --mount --propagation slave bash -ec '
	mkdir -p /run/netns && mount -t tmpfs none /run/netns
	ip netns add pod-1
	ip netns exec pod-1 sh -c "ip link add eth0 type veth peer name eth1 && ip addr add 10.244.3.7/24 dev eth0 && ip link set eth0 up"
	set -e -o pipefail; . "$1"; ip netns del pod-1' netns "$WORK/netns.sh"
same "lost-disk: what runs is leased" "10.244.3.7/24" "$(cat "$M/prod/worker-1/10.244.3.7")"
touch "$WORK/root/10-pods.conflist"
typed lost-disk "mv /root/10-pods.conflist"
typed kubernetes "kubectl get nodes,pods" # again: all of it is there
umount "$M"
wait_end() { [ -z "$(pgrep -f "^ipamfs $WORK/var/prod.db")" ]; }
until_true 20 wait_end

# ---- with Kubernetes: but for the last line, which never ends
rm -f "$WORK"/var/*
apiserver_start
cp "$KUBECONFIG" "$HERE/admin.conf"
node_make new-1
typed kubernetes "ipamkube controller --cluster prod" sed '$d'
same "kubernetes: nothing was written" "" "$(podcidrs new-1)$(ls "$M/prod")"
apiserver_stop
umount "$M"

# ---- many machines
etcd_cluster 1
ENDPOINT=127.0.0.1:${client_ports[0]}
typed many-machines "ipamfs etcd://"
typed many-machines "mkdir /run/ipamfs/prod"
ok "many-machines: a lease" grep -q '^10\.244\..*\.2/24$' "$M/prod/$host/web-0"
typed many-machines "ipamctl check"
umount "$M"

same "each block of each page is typed, or is in the list" "" "$(ls "$WORK"/*.[0-9]* | grep -vxF -f "$WORK/seen" | xargs -r head -n 1)"
