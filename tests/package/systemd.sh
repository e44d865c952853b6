# A real systemd, the first process of namespaces of its own over this machine's files, runs the unit: the mount is seen by all, the daemon sees
# little, and however it ends, nothing dead is left in the way.
. "$(dirname "$0")/../lib.sh"

# ---- a machine of its own
S=$WORK/machine
mkdir "$S"
# boot: in namespaces of its own. Its files are this machine's, and what it writes goes with it.
boot() {
	local root=$S/root it
	mount --make-rslave / # of this machine: what it unmounts goes here, too
	mount -t tmpfs -o mode=755 tmpfs "$S" && mkdir "$S/upper" "$S/work" "$root"
	mount -t overlay -o "lowerdir=/,upperdir=$S/upper,workdir=$S/work" overlay "$root" || return
	mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" && mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || return
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for it in null zero full random urandom tty fuse; do touch "$root/dev/$it" && mount --bind "/dev/$it" "$root/dev/$it"; done
	mkdir "$root/dev/pts" "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=755 tmpfs "$root/run" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	# Nothing of what is installed is started but what every unit needs.
	rm -rf "$root"/etc/systemd/system/*.wants "$root/etc/fstab"
	for it in systemd-udevd systemd-networkd systemd-resolved systemd-timesyncd systemd-logind; do ln -sf /dev/null "$root/etc/systemd/system/$it.service"; done
	ln -sf /lib/systemd/system/basic.target "$root/etc/systemd/system/default.target"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	mkdir -p "$root/etc/ipamfs" "$root/var/lib/ipamfs" "$root/usr/bin"
	chmod 700 "$root/var/lib/ipamfs"
	cp "$BUILD/bin/ipamfs" "$BUILD/bin/ipamctl" "$root/usr/bin/"
	sed 's|@BINDIR@|/usr/bin|' "$ROOT/tools/package/systemd/ipamfs@.service" >"$root/etc/systemd/system/ipamfs@.service"
	sed 's|@BINDIR@|/usr/bin|' "$ROOT/tools/package/systemd/ipamfs-gc@.service" >"$root/etc/systemd/system/ipamfs-gc@.service"
	echo OPTIONS=allow_other,sync=normal >"$root/etc/ipamfs/prod.conf"
	mkdir "$root/old" && cd "$root" && pivot_root . old && umount -l /old
	mount --make-rshared /
	exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=no >/dev/null 2>&1
}
# Its control groups are below one of this machine's, wherever those of the second version are.
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -z "$groups" ] || [ ! -x /lib/systemd/systemd ]; then
	fail "systemd and control groups of the second version are there"
	exit 1
fi
group=$groups/ipamfs-test.$$
mkdir "$group"
export -f boot
export S ROOT BUILD
bash -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --propagation slave --pid --fork --kill-child --cgroup --uts --ipc --net bash -c boot' sh "$group" 2>"$WORK/boot" &
unshared=$!
pids+=("$unshared")
first() { pgrep -P "$unshared" -o; }
until_true 20 first
machine=$(first)
pids=("$machine" "${pids[@]}")
end_machine() {
	local status=$?
	kill -9 "$machine" 2>/dev/null
	wait "$unshared" 2>/dev/null
	until_true 10 rmdir_all
	(exit "$status")
	cleanup
}
trap end_machine EXIT
rmdir_all() { find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; [ ! -d "$group" ]; }
in_it() { nsenter -t "$machine" -m -p -C -n -u -i -- "$@"; }
started() { in_it systemctl is-system-running | grep -q 'running\|degraded'; }
ok "systemd starts" until_true 60 started || cat "$WORK/boot"

# ---- the service
U=ipamfs@prod D=/run/ipamfs
state() { in_it systemctl show -P "${1:-ActiveState}" $U; }
is() { [ "$(state)" = "$1" ]; }
logged() { in_it journalctl -b --no-pager -o cat -u $U | grep -q -- "$1"; }
main() { state MainPID; }
mounted() { in_it grep -q " $D fuse.ipamfs " /proc/mounts; }
unmounted() { ! mounted; }
answers() { in_it timeout 60 test -e $D/.ipam/version; }
made() { in_it timeout 60 touch "$D/prod/n/$1"; }

if ! in_it timeout 60 systemctl start $U; then
	fail "the service starts" "$(in_it journalctl -b --no-pager -o cat -u $U)"
	exit 1
fi
ok "the service has started: the mount is there for all" answers
in_it mkdir $D/prod
in_it sh -c "echo 10.244.0.0/16 24 >$D/prod/.ipam/cidrs"
ok "it delegates and leases" in_it sh -c "mkdir $D/prod/n && touch $D/prod/n/a"

# ---- what the daemon sees
of_it() { nsenter -t "$machine" -p -C -- nsenter -t "$(pgrep -P "$machine" -f "ipamfs -f" -o)" -m -- "$@"; }
refused "it can't write where the system is" "Read-only" of_it touch /usr/bin/x
refused "nor in /etc" "Read-only" of_it touch /etc/x
refused "nor to what the kernel is told" "Read-only" of_it sh -c 'echo 0 >/proc/sys/kernel/randomize_va_space'
same "devices are those that harm nothing" "" "$(of_it find /dev -type b; of_it find /dev -name 'mem' -o -name kmsg)"
in_it touch /tmp/seen
refused "another's /tmp" "No such file" of_it ls /tmp/seen
ok "the mount is seen by it, too" of_it grep -q " $D fuse.ipamfs " /proc/mounts

# ---- gc
in_it sh -c "echo GC_OPTIONS=--grace 0 --node n >>/etc/ipamfs/prod.conf"
in_it touch $D/prod/n/lives && in_it setfattr -n user.netns -v /proc/1/ns/net $D/prod/n/lives
in_it mkdir -p /run/netns
in_it touch $D/prod/n/gone && in_it setfattr -n user.netns -v /run/netns/none $D/prod/n/gone
in_it timeout 60 systemctl start ipamfs-gc@prod
same "gc runs" "success" "$(in_it systemctl show -P Result ipamfs-gc@prod)"
same "what is gone is released, what is there stays" "a lives" "$(in_it ls $D/prod/n | xargs)"
in_it rm $D/prod/n/lives

# ---- however it ends
before=$(main)
ok "it has a supervisor" test "$before" -gt 1 || exit
in_it pkill -9 -P "$before"
ok "its worker dies: it goes on" made b
same "with the same supervisor" "$before" "$(main)"
in_it cp --remove-destination /usr/bin/ipamfs /usr/bin/ipamfs.new && in_it mv /usr/bin/ipamfs.new /usr/bin/ipamfs
ok "reload: the program that is there now takes over" in_it systemctl reload $U
ok "and goes on" made c
ok "the log says so" until_true 10 logged "another program takes over"
in_it kill -9 "$before"
again() { is active && [ "$(main)" != "$before" ] && answers; }
ok "the supervisor is killed: it is mounted anew" until_true 30 again
same "once" 1 "$(in_it grep -c " $D fuse.ipamfs " /proc/mounts)"
same "with all that was there" "a b c" "$(in_it ls $D/prod/n | xargs)"
ok "restart" in_it timeout 60 systemctl restart $U
ok "and it goes on" made d
ok "stop" in_it timeout 60 systemctl stop $U
same "it has ended well" "inactive success" "$(state) $(state Result)"
ok "nothing is mounted" unmounted

in_it systemctl start $U
in_it sh -c "cd $D/prod && exec sleep 1000" &
pids+=("$!")
inside() { in_it sh -c "ls -l /proc/[0-9]*/cwd 2>/dev/null" | grep -q "$D/prod"; }
until_true 10 inside
ok "somebody is inside: stop" in_it timeout 60 systemctl stop $U
ok "nothing is mounted" unmounted
ok "and it starts again" in_it timeout 60 systemctl start $U
ok "with all that was there" in_it test -e $D/prod/n/d
in_it umount $D
ended() { is inactive; }
ok "unmounted by hand: it ends" until_true 20 ended
same "well" success "$(state Result)"

# ---- what is somebody else's
in_it sh -c 'mkdir -p /root/other && ipamfs /root/other/db /run/ipamfs' 2>/dev/null
in_it mkdir $D/theirs
in_it timeout 60 systemctl start $U
in_it timeout 60 systemctl stop $U
ok "a mount of somebody else's that was there is there still" in_it timeout 60 test -d $D/theirs
in_it timeout 60 systemctl start $U
in_it umount $D
ok "ours is unmounted by hand: it ends" until_true 20 ended
ok "and theirs is there still" in_it timeout 60 test -d $D/theirs
in_it umount $D

in_it sh -c 'mkdir -p /etc/ipamfs && echo SOURCE=/var/lib/ipamfs/none/x.db >/etc/ipamfs/bad.conf'
refused "a database that can't be had: the start fails" "" in_it timeout 60 systemctl start ipamfs@bad
ok "and says why" eval 'in_it journalctl -b --no-pager -o cat -u ipamfs@bad | grep -q "none"'
in_it systemctl stop ipamfs@bad
ok "nothing is mounted" unmounted
