# containerd: 'ctr run --cni' gets addresses from the mount, and what it leaks is collected.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

host=ipamfs-c$$
namespaces+=("$host")
mount_fs
make_cluster prod
node=$M/prod/n1
mkdir -p "$WORK/opt/cni/bin" "$WORK/etc/cni/net.d" "$WORK/rootfs/bin" "$WORK/over"
ln -s "$CNI" "$WORK/opt/cni/bin/ipamfs"
ln -s /usr/lib/cni/bridge "$WORK/opt/cni/bin/bridge"
cp /bin/busybox "$WORK/rootfs/bin/busybox"
for it in sh sleep ip; do ln -s busybox "$WORK/rootfs/bin/$it"; done
cat >"$WORK/etc/cni/net.d/10-pods.conflist" <<X
{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,
 "ipam":{"type":"ipamfs","mount":"$M","node":"n1"}}]}
X
cat >"$WORK/config.toml" <<X
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
X

# ctr reads /etc/cni/net.d and runs /opt/cni/bin, and what it starts writes below /var/lib and /run: all of that in a mount
# namespace of the test's, with a network namespace of the test's, so that the host's stay as they are. What is written to
# /var/lib goes to a tmpfs: no overlay has another one's files above it.
ip netns add "$host" || exit 1
nsenter --net="/run/netns/$host" unshare -m --propagation slave bash -c '
	mount --bind "$1/opt" /opt &&
	mount -t overlay -o "lowerdir=$1/etc:/etc" overlay /etc &&
	mount -t tmpfs tmpfs "$1/over" && mkdir "$1/over/upper" "$1/over/work" &&
	mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/over/upper,workdir=$1/over/work" overlay /var/lib &&
	mount -t tmpfs -o mode=755 tmpfs /run &&
	exec containerd --config "$1/config.toml" --root "$1/root" --state "$1/state" --address "$1/sock" --log-level error
' bash "$WORK" >"$WORK/containerd.log" 2>&1 &
containerd=$!
pids+=("$containerd")
inside() { nsenter -t "$containerd" -m -n -r -w "$@"; }
ctl() { inside ctr -a "$WORK/sock" "$@"; }
# run NAME [OPTIONS]
run() {
	local name=$1
	shift
	ctl run -d --cni --cgroup "/$host/$name" "$@" --rootfs "$WORK/rootfs" "$name" /bin/sleep 1000
}
# no_cgroups: they end once the last process has left them
no_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$host*" -exec rmdir {} +
	[ -z "$(find /sys/fs/cgroup -type d -name "$host")" ]
}
end() {
	local status=$?
	for name in front one dead leaked another; do
		ctl task kill -s KILL "$name" >/dev/null 2>&1
		ctl task rm -f "$name" >/dev/null 2>&1
		ctl container rm "$name" >/dev/null 2>&1
	done
	until_true 10 no_cgroups
	(exit "$status")
	cleanup
}
trap end EXIT
until_true 30 ctl version || { fail "containerd starts" "$(tail -5 "$WORK/containerd.log")"; exit 1; }

# sees TITLE NAME LEASE: the container has the lease's address on its interface. An exec that comes at a bad moment is refused, and
# its id stays taken.
looks=0
look() {
	looks=$((looks + 1))
	ctl task exec --exec-id "look$looks" "$1" /bin/ip -4 addr show eth0 >"$WORK/seen" 2>&1
	grep -qF "inet $(head -1 "$2") " "$WORK/seen"
}
sees() {
	if until_true 20 look "$2" "$3"; then pass "$1"; else fail "$1" "wanted: $(head -1 "$3")" "$(cat "$WORK/seen")"; fi
}
leases() { ls "$node" | wc -l; }
none() { [ "$(leases)" -eq 0 ]; }
# ---- in the foreground ctr stays, and releases what it leased
ctl run --rm --cni --cgroup "/$host/front" --rootfs "$WORK/rootfs" front /bin/sleep 1000 >"$WORK/front" 2>&1 &
front=$!
pids+=("$front")
running() { ctl task ls | grep -q "$1.*RUNNING"; }
ok "a container in the foreground" until_true 20 running front
same "has a lease" 1 "$(leases)"
ok "it ends" ctl task kill -s KILL front
wait "$front"
same "and so does its lease" 0 "$(leases)"

# ---- detached nobody does
ok "a container" run one
same "has a lease" 1 "$(leases)"
lease=$(ls "$node")
sees "with the address that it sees" one "$node/$lease"
ok "it ends" ctl task kill -s KILL one
stopped() { ctl task ls | grep -q "$1.*STOPPED"; }
until_true 20 stopped one
ctl task rm one >/dev/null 2>&1
ctl container rm one
same "a detached one's lease is never released by ctr: the leak" 1 "$(leases)"
gc() { inside "$IPAMCTL" gc --mount "$M" --node n1 "$@"; }
same "which a grace period leaves alone" 1 "$(gc --quiet; leases)"
# Networks know a container of ctr as NAMESPACE-ID.
list() { ctl container ls -q | sed "s/^/default-/"; }
collected() { list | gc --grace 0 --valid-from - --allow-empty >/dev/null; none; }
ok "and ipamctl gc collects by the list of containers" until_true 10 collected

ok "another" run dead
same "has a lease, too" 1 "$(leases)"
same "which gc leaves alone while it lives" 1 "$(gc --grace 0 --quiet >/dev/null; leases)"
ok "it ends" ctl task kill -s KILL dead
until_true 20 stopped dead
ctl task rm dead >/dev/null 2>&1
ctl container rm dead
same "its lease stays" 1 "$(leases)"
ok "and ipamctl gc collects without a list: its network namespace is gone" gc --grace 0
same "nothing is left" 0 "$(leases)"

ok "another two" run leaked
ok "of which one" run another
same "two leases" 2 "$(leases)"
ok "ends" ctl task kill -s KILL leaked
until_true 20 stopped leaked
ctl task rm leaked >/dev/null 2>&1
ctl container rm leaked
one_left() { list | gc --grace 0 --valid-from - >/dev/null; [ "$(leases)" -eq 1 ]; }
ok "its lease is collected, the living one's stays" until_true 10 one_left
sees "the living one still has its address" another "$node/$(ls "$node")"
ctl task kill -s KILL another
until_true 20 stopped another
ctl task rm another >/dev/null 2>&1
ctl container rm another
ok "no cgroup is left" until_true 10 no_cgroups
# Its mount namespace holds the mount as well, and so does whatever it left there.
theirs=$(readlink "/proc/$containerd/ns/mnt")
kill "$containerd"
until_true 20 has_ended "$containerd" || kill -9 "$containerd"
wait "$containerd" 2>/dev/null
left=$(ls -l /proc/[0-9]*/ns/mnt 2>/dev/null | grep -F "$theirs" | sed 's,.* /proc/\([0-9]*\)/.*,\1,')
[ -z "$left" ] || kill -9 $left
umount_fs
check_clean "after it all"
