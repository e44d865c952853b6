# stress-ng's filesystem stressors at the mount, bounded by operations: nothing hangs, nothing dies, and what is left is sound.
#
# A stressor works in a directory of its own that it makes below --temp-path. In a cluster's directory that is a node, with
# a block of its own, and the files in it are leases; in the mount it is a cluster, in which no files can be made, and in a
# node there are no directories (EPERM). So the cluster is where they are pointed at. What each does there:
#
#   dentry filename touch utime mknod getdent open access chmod rename fstat xattr   create, look up, change, remove leases
#   flock lockofd handle inotify                       one lease, which is locked, opened by handle, watched
#
# Refused where it begins, since a lease is no place for data or a file of any length: what a stressor writes (EINVAL) and
# longer names than 255 bytes (ENAMETOOLONG); subdirectories, links, fifos (EPERM). A stressor which gives up because of that
# says so and ends with a status of its own: that is no failure of the mount, whose state alone is judged.
. "$(dirname "$0")/../lib.sh"

mount_fs sync=normal,history=1
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16
fd00::/48 64"
mkdir "$M/prod/n"
touch "$M/prod/n/kept"
kept=$(cat "$M/prod/n/kept")

answers() { [ "$(timeout 100 cat "$M/prod/n/kept")" == "$kept" ] && kill -0 "$daemon"; }
leases() { timeout 100 sed -n 's/^leases //p' "$M/.ipam/stats"; }
requests() { timeout 100 awk '/^requests_/ { n += $2 } END { print n }' "$M/.ipam/stats"; }

limited() { timeout -k 10 200 stress-ng "$@"; }
# stress NAME OPS [OPTION...]
stress() {
	local name=$1 ops=$2 before status
	shift 2
	before=$(requests)
	limited --temp-path "$M/prod" "--$name" 2 "--$name-ops" "$ops" --timeout 8 "$@" >"$WORK/stress" 2>&1
	status=$?
	# 124, 137: it was still there after its time and more.
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		fail "$name ended" "$(tail -5 "$WORK/stress")"
	else
		pass "$name ended (status $status, $(($(requests) - before)) requests)"
	fi
	ok "$name: the daemon answers" answers
	ok "$name: check" "$IPAMCTL" check --quiet "$M"
}

stress dentry 400 --dentries 50
# This one reads /, /tmp, /run and the like: these are the mount for it, and no other mount is in its way.
limited() {
	timeout -k 10 200 unshare --mount --propagation slave bash -c 'mount --bind "$1/prod" /run && mount --bind "$1" /tmp && shift && exec stress-ng "$@"' \
		bash "$M" "${@/#"$M"//tmp}"
}
stress getdent 1000
limited() { timeout -k 10 200 stress-ng "$@"; }
stress open 2000
stress touch 500
stress rename 1000
stress flock 20000
stress lockofd 20000
stress fstat 5000 --fstat-dir "$M/prod/n"
stress handle 2000
stress access 300
stress chmod 200
stress inotify 40
stress utime 3000
stress filename 200 --filename-opts posix
stress mknod 400
stress xattr 60
# In the mount itself, and in a node: refused at once.
for place in "$M" "$M/prod/n"; do
	timeout -k 10 200 stress-ng --temp-path "$place" --touch 1 --touch-ops 50 --timeout 10 >"$WORK/stress" 2>&1
	ok "at ${place#"$M"/}: the daemon answers" answers
done
# What a stressor left when it gave up is removed as anything is.
find "$M" -mindepth 3 -name .ipam -prune -o -type f ! -name kept -delete 2>/dev/null
find "$M" -mindepth 1 -maxdepth 2 -type d -name '*stress*' -exec rmdir {} + 2>/dev/null
same "one lease is left" 1 "$(leases)"
umount_fs
check_clean "after it all"
mount_fs
same "the lease has kept its address" "$kept" "$(cat "$M/prod/n/kept")"
umount_fs
