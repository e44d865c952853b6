#!/bin/sh
# What `make run` and `make stop` do: mount a demo cluster, and show the main job on it.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
bin=$here/build/bin
# Places of its own: what others keep in /var/lib/ipamfs and mount on /run/ipamfs is none of its business.
db=${IPAMFS_DEMO_DB:-/var/lib/ipamfs-demo/demo.db}
mount=${IPAMFS_DEMO_MOUNT:-/run/ipamfs-demo}

die() {
	echo "$*" >&2
	exit 1
}

# Whether the demo's own database is mounted there, or anything at all.
mounted() { grep -q "^$db $mount fuse.ipamfs " /proc/mounts; }
occupied() { grep -q "^[^ ]* $mount " /proc/mounts; }

# Show a command as one would type it, and run it.
try() {
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\033[1m$ %s\033[0m\n' "$1"; else printf '$ %s\n' "$1"; fi
	(cd "$mount" && eval "$1") || true
}

fuse_device() {
	[ -e /dev/fuse ] || mknod /dev/fuse c 10 229 2>/dev/null || true
	[ -r /dev/fuse ] || die "/dev/fuse is missing: 'modprobe fuse', or in a container give it the device"
}

mount_it() {
	! occupied || die "something else is mounted on $mount: 'make run' leaves it alone"
	mkdir -p "$(dirname "$db")" "$mount"
	# An empty cluster, for whoever reads on in the README.
	[ -s "$db" ] || "$bin/ipamctl" init "$db" --cluster prod \
		--cluster-cidr 10.244.0.0/16,fd00:10:244::/48 --service-cluster-ip-range 10.96.0.0/12
	"$bin/ipamfs" "$db" "$mount" -o allow_other
	echo "mounted $db on $mount"
}

# A cluster that wasn't there before; its name is in $c.
new_cluster() {
	c=demo
	n=1
	until mkdir "$mount/$c" 2>/dev/null; do
		[ -e "$mount/$c" ] || die "no cluster can be made in $mount: see $mount/.ipam/health"
		n=$((n + 1)) c=demo-$n
	done
	rmdir "$mount/$c"
}

start() {
	[ "$(id -u)" -eq 0 ] || die "the demo mounts on $mount: run it as root"
	fuse_device
	mounted || mount_it
	new_cluster
	echo
	echo "A cluster is a directory, with a range of addresses of each family."
	try "mkdir $c"
	try "printf '10.60.0.0/16 24\nfd00:10:60::/48 64\n' >$c/.ipam/cidrs"
	echo "Nodes are directories in it: mkdir delegates a block of each family."
	try "mkdir $c/worker-1 $c/worker-2"
	try "cat $c/worker-1/.ipam/cidrs"
	echo "Leases are files: creating one allocates an address of each family."
	try "touch $c/worker-1/web-0 $c/worker-1/web-1 $c/worker-2/db"
	try "cat $c/worker-1/web-0"
	try "touch $c/worker-1/10.60.0.77   # or this one"
	echo "Look at them as at any files."
	try "ls -l $c/worker-1"
	try "df -i $c/worker-1"
	try "readlink $c/.ipam/by-ip/10.60.0.77   # who holds it?"
	try "cat $c/.ipam/leases"
	try "head -8 $c/worker-1/.ipam/map.txt"
	echo "Removing a file releases its addresses, removing a node takes its blocks back."
	try "rm $c/worker-1/web-0 $c/worker-1/web-1 $c/worker-1/10.60.0.77 $c/worker-2/db"
	try "rmdir $c/worker-1 $c/worker-2 $c"
	echo
	echo "Go on by yourself, in this shell or another:"
	echo "  export PATH=$bin:\$PATH IPAMFS_MOUNT=$mount"
	echo "  cd $mount && cat README"
	echo "Prove it sound:       ipamctl check"
	echo "Give a pod a network: $here/docs/examples/pod-net.sh"
	echo "End it:               make stop      (the database stays: $db)"
}

# Who keeps it from being unmounted, a line each: a shell in it, mostly.
users() {
	for link in /proc/[0-9]*/cwd /proc/[0-9]*/fd/*; do
		case $(readlink "$link" 2>/dev/null) in
		"$mount" | "$mount"/*) echo "$link" | cut -d/ -f3 ;;
		esac
	done | sort -un | while read -r pid; do
		echo "process $pid ($(cat "/proc/$pid/comm")) uses it: leave $mount there, or end it" >&2
	done
}

stop() {
	if mounted; then
		if ! umount "$mount"; then
			users
			exit 1
		fi
		rmdir "$mount"
		echo "unmounted $mount; the database stays: $db"
	else
		echo "the demo isn't mounted on $mount"
	fi
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) die "usage: demo.sh start|stop" ;;
esac
