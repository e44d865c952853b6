# The units of systemd: what they leave open to who takes a service over, and that the daemon works within what they allow. No systemd runs
# here: the unit's system calls and capabilities are given to the daemon by hand.
. "$(dirname "$0")/../lib.sh"
mkdir "$WORK/units"
for unit in ipamfs ipamfs-gc; do
	sed "s|@BINDIR@|$BUILD/bin|" "$ROOT/tools/package/systemd/$unit@.service" >"$WORK/units/$unit@prod.service"
done
cd "$WORK/units" || exit 1

# exposure UNIT: ten times what systemd says
exposure() { systemd-analyze security --offline=true --no-pager "./$1@prod.service" | sed -n 's/.*Overall exposure level.*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'; }
for it in "ipamfs 16" "ipamfs-gc 18"; do
	read -r unit most <<<"$it"
	got=$(exposure "$unit")
	ok "$unit@: exposure ${got%?}.${got: -1}, at most ${most%?}.${most: -1}" test "$got" -le "$most"
done

# all_of UNIT KEY: its values
all_of() { sed -n "s/^$2=//p" "$WORK/units/$1@prod.service"; }
# allowed UNIT: the calls that its filter leaves, a line each, in the order that systemd reads them
members() {
	local word
	for word; do
		if [ "${word#@}" = "$word" ]; then
			echo "$word"
		else
			members $(systemd-analyze syscall-filter "$word" | sed '1d; /^ *#/d')
		fi
	done
}
allowed() {
	local line
	# What systemd itself needs to start a service, and a kernel's own.
	members @default | sort -u >"$WORK/calls"
	while read -r line; do
		case $line in
		'~'*) members ${line#\~} | sort -u | comm -23 "$WORK/calls" - >"$WORK/left" ;;
		*) members $line | sort -u "$WORK/calls" - >"$WORK/left" ;;
		esac
		mv "$WORK/left" "$WORK/calls"
	done < <(all_of "$1" SystemCallFilter)
}
allowed ipamfs
capabilities=$(all_of ipamfs CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')

# ---- the daemon within it
chmod 700 "$WORK"
cat >"$WORK/ipamfs" <<E2
#!/bin/sh
umask 0077
exec setpriv --bounding-set=-all,$capabilities --no-new-privs $HELPERS/fault/calls $WORK/calls $BUILD/bin/ipamfs "\$@"
E2
chmod +x "$WORK/ipamfs"
IPAMFS=$WORK/ipamfs
mount_fs sync=normal,allow_other
make_cluster prod n1
ok "a lease" touch "$M/prod/n1/a"
ok "its history" grep -q '"name":"a"' "$M/.ipam/history"
quiet() { ! grep -E "warning|error" "$WORK/log"; }
ok "nothing that it wants is refused" quiet
confined() { [ "$(awk '/^Seccomp_filters/ { print $2 }' "/proc/$(worker_of "$daemon")/status")" -ge 3 ]; }
ok "its worker confines itself further" confined
same "and has no capability" 0000000000000000 "$(awk '/^CapPrm/ { print $2 }' "/proc/$(worker_of "$daemon")/status")"
before=$(worker_of "$daemon")
kill -9 "$before"
ok "another worker" touch "$M/prod/n1/b"
ok "another program" "$IPAMCTL" upgrade --mount "$M"
ok "which serves" touch "$M/prod/n1/c"
ok "the mount is seen outside" grep -q " $M fuse.ipamfs " /proc/1/mounts
umount_fs
check_clean "after it"

# ---- gc within its own
allowed ipamfs-gc
IPAMFS=$BUILD/bin/ipamfs
mount_fs sync=normal
capabilities=$(all_of ipamfs-gc CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')
gc() {
	unshare --mount --propagation slave --net setpriv --bounding-set="-all,$capabilities" --no-new-privs \
		"$HELPERS/fault/calls" "$WORK/calls" "$IPAMCTL" gc --grace 0 --mount "$M" "$@"
}
setfattr -n user.netns -v /proc/$$/ns/net "$M/prod/n1/a"
setfattr -n user.netns -v "$WORK/gone" "$M/prod/n1/b"
gc --node n1 --cluster prod >"$WORK/gc.log" 2>&1 || cat "$WORK/gc.log"
same "gc releases what is gone, and what is there stays" "a c" "$(ls "$M/prod/n1" | xargs)"
umount_fs
