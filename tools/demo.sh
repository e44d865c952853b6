#!/bin/sh
# What `make run` and `make stop` do: mount a demo cluster, and show the main job on it.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
bin=$here/build/bin
db=${IPAMFS_DEMO_DB:-/var/lib/ipamfs/demo.db}
mount=${IPAMFS_MOUNT:-/run/ipamfs}

die() {
	echo "$*" >&2
	exit 1
}

mounted() { grep -q " $mount fuse.ipamfs " /proc/mounts; }

# Show a command as one would type it, and run it.
try() {
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\033[1m$ %s\033[0m\n' "$1"; else printf '$ %s\n' "$1"; fi
	(cd "$mount" && eval "$1") || true
}

fuse_device() {
	[ -e /dev/fuse ] || mknod /dev/fuse c 10 229 2>/dev/null || true
	[ -r /dev/fuse ] || die "/dev/fuse is missing: 'modprobe fuse', or in a container give it the device"
}

start() {
	[ "$(id -u)" -eq 0 ] || die "the demo mounts on $mount: run it as root"
	fuse_device
	mkdir -p "$(dirname "$db")" "$mount"
	if ! mounted; then
		[ -s "$db" ] || "$bin/ipamctl" init "$db" --cluster prod \
			--cluster-cidr 10.244.0.0/16,fd00:10:244::/48 --service-cluster-ip-range 10.96.0.0/12
		"$bin/ipamfs" "$db" "$mount" -o allow_other
		echo "mounted $db on $mount"
	fi
	echo
	echo "Nodes are directories: mkdir delegates a block of each family."
	[ -d "$mount/prod/worker-1" ] || try "mkdir prod/worker-1"
	[ -d "$mount/prod/worker-2" ] || try "mkdir prod/worker-2"
	try "cat prod/worker-1/.ipam/cidrs"
	echo "Leases are files: creating one allocates an address of each family."
	try "touch prod/worker-1/web-0 prod/worker-1/web-1 prod/worker-2/db"
	try "cat prod/worker-1/web-0"
	try "touch prod/worker-1/10.244.0.77   # or this one"
	echo "Look at them as at any files."
	try "ls -l prod/worker-1"
	try "df -i prod/worker-1"
	try "readlink prod/.ipam/by-ip/10.244.0.77   # who holds it?"
	try "cat prod/.ipam/leases"
	try "head -8 prod/worker-1/.ipam/map.txt"
	echo "Removing a file releases its addresses."
	try "rm prod/worker-1/web-0 prod/worker-1/web-1 prod/worker-1/10.244.0.77 prod/worker-2/db"
	try "ls prod/worker-1 | wc -l"
	echo
	echo "Go on by yourself:   cd $mount && cat README"
	echo "Prove it sound:      $bin/ipamctl check $mount"
	echo "Give a pod a network: $here/docs/examples/pod-net.sh"
	echo "End it:              make stop      (the database stays: $db)"
}

stop() {
	if mounted; then
		umount "$mount"
		echo "unmounted $mount; the database stays: $db"
	else
		echo "nothing is mounted on $mount"
	fi
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) die "usage: demo.sh start|stop" ;;
esac
