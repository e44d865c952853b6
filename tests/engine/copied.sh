# A state file that was copied: the machine that has the copy leases nothing while the other is there, on this boot or another, and its
# health says so. The same file goes on at once, and after a reboot.
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
until_true 20 test -e "$A/prod/.ipam/cidrs"
mkdir "$A/prod/w1"
until_true 20 touch "$A/prod/w1/a"
until_true 20 test -e "$B/prod/w1/a"
noted() { [ -n "$(sqlite3 "$WORK/w1.db" "SELECT value FROM engine WHERE key = 'contact'")" ]; }
until_true 20 noted

# as_w1 NAME: a mount under that name, of the state file of that name, which goes by the node's name w1
as_w1() { machine "$1" "node=w1"; }
health() { head -1 "$1/.ipam/health"; }
says() { [[ $(health "$1") == *"$2"* ]]; }
copy_state() {
	rm -f "$WORK/$2.db"*
	sqlite3 "$WORK/$1.db" ".backup $WORK/$2.db"
}

# ---- on the same boot, at another path
copy_state w1 copy
as_w1 copy
C=$WORK/copy
refused "a copy leases nothing" "Read-only file system" touch "$C/prod/w1/b"
ok "its health says why" until_true 5 says "$C" "copy of this state file"
ok "the other goes on" touch "$A/prod/w1/b"
ok "and is well" says "$A" ok
refused "nor is its node removed" "Device or resource busy" rmdir "$C/prod/w1"
refused "nor are its blocks exchanged" "Read-only file system" put "$C/prod/w1/.ipam/cidrs" 10.244.77.0/24
machine_kill copy
as_w1 copy
refused "started again, it is the same" "Read-only file system" touch "$C/prod/w1/c"
rm "$A/prod/w1/a"
ok "what the other publishes stays as it is" until_true 20 test ! -e "$B/prod/w1/a" -a -e "$B/prod/w1/b"
machine_kill w1
machine w1
ok "the first one starts again and leases" touch "$A/prod/w1/d"
machine_end w1
ok "when that has ended the copy takes its place" until_true 20 touch "$C/prod/w1/e"
machine w1
refused "and that one leases nothing" "Read-only file system" touch "$A/prod/w1/f"
ok "which its health says" until_true 5 says "$A" "copy of this state file"
machine_end w1
machine_end copy
machine w1
ok "alone, it leases" until_true 20 touch "$A/prod/w1/f"

# ---- on another boot: of a kernel, which a namespace with another boot_id stands for
cat /proc/sys/kernel/random/uuid >"$WORK/boot"
elsewhere() {
	local name=$1
	mkdir -p "$WORK/$name"
	unshare -m --propagation slave bash -c "mount --bind $WORK/boot /proc/sys/kernel/random/boot_id && exec \"\$@\"" - \
		"$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/$name" -f -o "node=w1,state=$WORK/$name.db" 2>>"$WORK/$name.log" &
	machine[$name]=$!
	pids+=("$!")
	at=/proc/$!/root$WORK/$name
	until_true 30 test -e "$at/.ipam/version"
}
copy_state w1 other
elsewhere other
refused "a copy on another boot leases nothing" "Read-only file system" touch "$at/prod/w1/g"
ok "its health says why, too" until_true 5 says "$at" "copy of this state file"
ok "the first one goes on" touch "$A/prod/w1/g"
kill "${machine[other]}"
wait "${machine[other]}"

# ---- while etcd is away
copy_state w1 copy
etcd_pause 0
as_w1 copy
refused "a copy that can't ask leases nothing" "No route to host" timeout 60 touch "$C/prod/w1/h"
ok "and says so" grep -q "copied or moved" "$WORK/copy.log"
ok "the first one leases" touch "$A/prod/w1/h"
machine_kill w1
elsewhere w1
ok "so it does after a reboot" timeout 60 touch "$at/prod/w1/i"
etcd_resume 0
kill "${machine[w1]}"
wait "${machine[w1]}"
machine_kill copy

cd /
machine_end w2
