# podman with its CNI backend: containers that get their addresses from the mount, eight at once, and one asked for.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

host=ipamfs-p$$
namespaces+=("$host")
mount_fs
make_cluster prod
node=$M/prod/n1
mkdir -p "$WORK/bin" "$WORK/net.d" "$WORK/rootfs/bin" "$WORK/cache" "$WORK/over"
ln -s "$CNI" "$WORK/bin/ipamfs"
cp /bin/busybox "$WORK/rootfs/bin/busybox"
for it in sh sleep ip; do ln -s busybox "$WORK/rootfs/bin/$it"; done
cat >"$WORK/net.d/pods.conflist" <<X
{"cniVersion":"0.4.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,
 "ipam":{"type":"ipamfs","mount":"$M","node":"n1","routes":[{"dst":"0.0.0.0/0"}]},"capabilities":{"ips":true}}]}
X
cat >"$WORK/containers.conf" <<X
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[engine.runtimes]
runc = ["/usr/sbin/runc"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["$WORK/bin", "/usr/lib/cni"]
network_config_dir = "$WORK/net.d"
X
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$WORK/run" "$WORK/root" >"$WORK/storage.conf"
# podman runs, and its bridge stands, in a network namespace of the test's; in a mount namespace, too, for what it keeps below
# /var/lib, /run and /dev/shm. What is written to /var/lib goes to a tmpfs: no overlay has another one's files above it.
ip netns add "$host" || exit 1
nsenter --net="/run/netns/$host" unshare -m --propagation slave bash -c '
	mount -t tmpfs tmpfs "$1/over" && mkdir "$1/over/upper" "$1/over/work" &&
	mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/over/upper,workdir=$1/over/work" overlay /var/lib &&
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm &&
	mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns && touch "$1/ready" && exec sleep 1000
' bash "$WORK" &
place=$!
pids+=("$place")
until_true 10 test -e "$WORK/ready" || exit 1
pod() {
	CONTAINERS_CONF=$WORK/containers.conf CONTAINERS_STORAGE_CONF=$WORK/storage.conf XDG_CACHE_HOME=$WORK/cache \
		nsenter -t "$place" -m -n -r -w podman --root "$WORK/root" --runroot "$WORK/run" --tmpdir "$WORK/tmp" "$@"
}
# run NAME [OPTIONS]: a container that sleeps
run() {
	local name=$1
	shift
	pod run -d --name "$name" --network pods --cgroup-parent "/$host" --ulimit nofile=1024:4096 --ulimit nproc=4096:4096 "$@" --rootfs "$WORK/rootfs" sleep 1000
}
stop_all() { pod rm -f -t 0 -a; }
# no_cgroups: they end once the last process has left them
no_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$host*" -exec rmdir {} +
	[ -z "$(find /sys/fs/cgroup -type d -name "$host")" ]
}
end() {
	local status=$?
	stop_all >/dev/null 2>&1
	until_true 10 no_cgroups
	(exit "$status")
	cleanup
}
trap end EXIT

ok "a container" run one
ok "has an address" test "$(ls "$node" | wc -l)" -eq 1
lease=$(ls "$node")
same "which is the one it sees" "$(head -1 "$node/$lease")" "$(pod exec one ip -4 addr show eth0 | sed -n 's,.*inet \([0-9./]*\) .*,\1,p')"
ok "and podman tells" sh -c "echo '$(pod inspect one | jq -r '.[0].NetworkSettings.Networks.pods.IPAddress')/24' | grep -qx '$(head -1 "$node/$lease")'"
ok "the one asked for" run two --ip 10.244.0.77
ok "is leased" test -e "$M/prod/.ipam/by-ip/10.244.0.77"
refused "not twice" "leased to another" run three --ip 10.244.0.77
ok "gone" stop_all
same "with their leases" "" "$(ls "$node")"
for i in $(seq 8); do
	run "many$i" >"$WORK/many$i" 2>&1 &
	waits[i]=$!
done
good=0
for i in $(seq 8); do wait "${waits[i]}" && good=$((good + 1)) || cat "$WORK/many$i"; done
same "eight at once" 8 "$good"
same "eight leases" 8 "$(ls "$node" | wc -l)"
same "eight addresses" 8 "$(for i in $(seq 8); do pod inspect "many$i" | jq -r '.[0].NetworkSettings.Networks.pods.IPAddress'; done | sort -u | wc -l)"
ok "gone" stop_all
same "with their leases, too" "" "$(ls "$node")"
ok "and their cgroups" until_true 10 no_cgroups
# The mount namespace holds the mount as well.
kill -9 "$place"
wait "$place" 2>/dev/null
umount_fs
check_clean "after it all"
