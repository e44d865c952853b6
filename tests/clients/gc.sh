# ipamctl gc: what is gone goes, what might be alive stays.
. "$(dirname "$0")/../lib.sh"

mount_fs
make_cluster prod n1 n2
node=$M/prod/n1
leases() { ls "$node" | tr '\n' ' ' | sed 's/ $//'; }
gc() { "$IPAMCTL" gc --mount "$M" --node n1 "$@"; }
# lease NAME CONTAINER NETNS [NETWORK]
lease() {
	touch "$node/$1"
	[ -z "$2" ] || setfattr -n user.container-id -v "$2" "$node/$1"
	[ -z "$3" ] || setfattr -n user.netns -v "$3" "$node/$1"
	setfattr -n user.network -v "${4-net}" "$node/$1"
}
sleep 1000 &
living=$!
pids+=("$living")
sleep 1000 &
dead=$!
kill -9 "$dead"
wait "$dead" 2>/dev/null
: >"$WORK/ns"
long=0123456789abcdef0123456789abcdef
lease alive "$long" "$WORK/ns"
lease alive-process c2 "/proc/$living/ns/net"
lease gone c3 "$WORK/nowhere"
lease gone-process c4 "/proc/$dead/ns/net"
lease other-network c5 "$WORK/nowhere" other
lease unseen c7 "$WORK/no/directory"
lease by-hand "" ""
lease no-netns c6 ""
all="alive alive-process by-hand gone gone-process no-netns other-network unseen"

same "all are too young" "$all" "$(gc --quiet; leases)"
same "a dry run says what it would do" "would release gone (10.244.0.4 fd00:10:244::4): its network namespace is gone" "$(gc --grace 0 --dry-run | grep 'release gone ')"
same "and does nothing" "$all" "$(leases)"
same "of one network" "alive alive-process by-hand gone gone-process no-netns unseen" "$(gc --grace 0 --network other >/dev/null; leases)"
same "by namespace" "alive alive-process by-hand no-netns unseen" "$(gc --grace 0 >/dev/null; leases)"
printf '' >"$WORK/list"
refused "an empty list" "lists no container" gc --grace 0 --valid-from "$WORK/list"
refused "a list that isn't there" "No such file" gc --grace 0 --valid-from "$WORK/none"
same "released nothing" "alive alive-process by-hand no-netns unseen" "$(leases)"
printf '# of the runtime\n%s\n\nc2\n' "${long:0:13}" >"$WORK/list"
echo another-runtime >"$WORK/other"
refused "a list that names nobody here" "is it the right one" gc --grace 0 --valid-from "$WORK/other"
touch -d '1 hour ago' "$WORK/list"
same "a list older than the leases judges none" "alive alive-process by-hand no-netns unseen" "$(gc --grace 0 --valid-from "$WORK/list" >/dev/null; leases)"
touch -d '1 hour' "$WORK/list"
# What was made in the same second as the list isn't judged by it, so it may take a second one.
leaves() { gc --grace 0 --valid-from - --allow-empty <"$WORK/list" >/dev/null && [ "$(leases)" == "$1" ]; }
ok "by a list" until_true 10 leaves "alive alive-process by-hand"
: >"$WORK/list"
ok "what has neither stays, whatever the list" until_true 10 leaves "by-hand"
lease j c9 "$WORK/nowhere"
same "as JSON" '[1,1,0,"j","c9 is listed nowhere"]' "$(gc --grace 0 --json | jq -c '[.scanned - 1, .netnsGone, .failed, .released[0].name, "c9 is listed nowhere"]')"
same "quiet with nothing to say" "" "$(gc --quiet)"
refused "no such node" "no node 'n9'" gc --node n9
refused "no such cluster" "no cluster 'x'" gc --cluster x
refused "no mount" "not where an ipamfs is mounted" "$IPAMCTL" gc --mount "$WORK"
gc --grace x 2>/dev/null
same "usage" 2 $?
gc surplus 2>/dev/null
same "usage, too" 2 $?

# ---- a lease that changes between the judgement and the release stays: the mount compares
lease renewed c10 "$WORK/nowhere"
old=$(lease_mark "$node/renewed")
setfattr -n user.netns -v "$WORK/ns" "$node/renewed"
refused "compare and release" "Stale" put "$node/.ipam/release" "$old"
same "it stays" "by-hand renewed" "$(leases)"

setfattr -n user.netns -v "$WORK/nowhere" "$node/renewed"
old=$(lease_mark "$node/renewed")
touch "$node/renewed"
refused "a touch counts as a change" "Stale" put "$node/.ipam/release" "$old"
same "nothing went" "by-hand renewed" "$(leases)"
rm "$node/renewed"

# ---- what can't be known to be gone is alive, what looks old but is new is young
lease unseen c11 "/$(printf 'x%.0s' {1..300})/net"
lease relative c12 "nowhere"
same "a path that can't be looked at" "by-hand relative unseen" "$(gc --grace 0 >/dev/null; leases)"
lease old c13 "$WORK/nowhere"
touch -d '1 day ago' "$node/old"
same "an old time given to a new lease" "by-hand old relative unseen" "$(gc --quiet; leases)"
setfattr -n user.pod -v default/web "$node/old"
old=$(head -1 "$node/old")
same "verbose" "released old (${old%/*} $(sed -n '2s,/.*,,p' "$node/old"), default/web): its network namespace is gone" \
	"$(gc --grace 0 --verbose | head -1)"
rm "$node/unseen" "$node/relative"

# ---- a list's lines
printf '  %s\r\n%s # a comment\n' "$long" c2 >"$WORK/list"
lease full "$long" ""
lease commented c2 ""
ok "ends of lines, blanks and comments" until_true 10 leaves "by-hand commented full"
lease marker gone ""
printf '%s\nc2\n' "${long:0:11}" >"$WORK/list"
ok "11 characters aren't enough of an id" until_true 10 leaves "by-hand commented"
rm "$node/commented"
refused "a directory as a list" "Is a directory" gc --valid-from "$WORK"

# ---- where
lease there c14 "$WORK/nowhere"
same "the mount of the environment" "by-hand" "$(IPAMFS_MOUNT=$M "$IPAMCTL" gc --node n1 --grace 0 >/dev/null; leases)"
mkdir "$M/test"
refused "several clusters are named" "'prod'" gc
gc 2>/dev/null
same "which is usage" 2 $?
ok "one of them" gc --cluster prod
rmdir "$M/test"
lease other c15 "$WORK/nowhere"
mv "$node/other" "$node/moved"
ok "the other node's are its own" "$IPAMCTL" gc --mount "$M" --node n2 --grace 0
same "so they stay" "by-hand moved" "$(leases)"
rm "$node/moved"

# ---- many
python3 -c '
import os, sys
for i in range(200):
    lease = f"{sys.argv[1]}/m{i}"
    os.close(os.open(lease, os.O_CREAT | os.O_EXCL))
    for name, value in ("container-id", f"m{i}"), ("netns", sys.argv[2]), ("network", "net"):
        os.setxattr(lease, "user." + name, value.encode())' "$node" "$WORK/nowhere"
same "200 at once" "by-hand" "$(gc --grace 0 --quiet >/dev/null; leases)"
umount_fs
check_clean "after it all"

# ---- a daemon that is dead
mount_fs
lease last c16 "$WORK/nowhere"
kill_daemon
# The kernel may take a moment more; who asks in between hears of the abort.
is_dead() { [[ $(LC_ALL=C stat "$M" 2>&1) == *"not connected"* ]]; }
until_true 60 is_dead
refused "a dead daemon" "not connected" gc --grace 0
