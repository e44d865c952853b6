# Several users: who may change what, who sees what, and callers in other namespaces.
. "$(dirname "$0")/../lib.sh"

as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
# A user and groups: as_group UID GID COMMAND...
as_group() { setpriv --reuid "$1" --regid "$1" --groups "$2" "${@:3}"; }
# Writing as somebody: the shell's own redirection would be root's.
as_put() { as "$1" sh -c 'env printf "%s\n" "$2" >"$1"' sh "$2" "$3"; }
chmod 755 "$WORK"

mount_fs allow_other,sync=normal
make_cluster prod open theirs shut
chown 1001:1001 "$M/prod/theirs" "$M/prod/shut"
chmod 700 "$M/prod/shut"
touch "$M/prod/open/root-lease"
ok "the owner allocates in his node" as 1001 touch "$M/prod/theirs/web" "$M/prod/shut/secret"
as 1001 setfattr -n user.pod -v hidden-pod "$M/prod/shut/secret"
secret=$(head -1 "$M/prod/shut/secret")
secret=${secret%/*}

# ---- changing
refused "another user can't allocate" "Permission denied" as 1002 touch "$M/prod/theirs/x"
refused "nor in root's" "Permission denied" as 1002 touch "$M/prod/open/x"
refused "nor by address" "Permission denied" as 1002 touch "$M/prod/theirs/10.244.1.99"
refused "nor release" "Permission denied" as 1002 rm -f "$M/prod/theirs/web"
refused "nor rename" "Permission denied" as 1002 mv "$M/prod/theirs/web" "$M/prod/theirs/other"
refused "nor write addresses" "Permission denied" as_put 1002 "$M/prod/theirs/web" 10.244.1.50
refused "nor chmod" "Operation not permitted" as 1002 chmod 777 "$M/prod/theirs/web"
refused "nor chown" "Operation not permitted" as 1002 chown 1002 "$M/prod/theirs/web"
refused "nor renew" "Permission denied" as 1002 touch "$M/prod/theirs/web"
refused "nor set attributes" "Permission denied" as 1002 setfattr -n user.pod -v x "$M/prod/theirs/web"
refused "nor several" "Permission denied" as 1002 setfattr -n user.ipam.attributes -v 0x613d6200 "$M/prod/theirs/web"
refused "nor remove them" "Permission denied" as 1002 setfattr -x user.pod "$M/prod/theirs/web"
refused "nor make a cluster" "Permission denied" as 1002 mkdir "$M/other"
refused "nor a node" "Permission denied" as 1002 mkdir "$M/prod/other"
refused "nor remove one" "Permission denied" as 1002 rmdir "$M/prod/theirs"
refused "nor rename a cluster" "Permission denied" as 1002 mv "$M/prod" "$M/gone"
refused "the owner can't give it away" "Operation not permitted" as 1001 chown 1002 "$M/prod/theirs"
for file in cidrs reserved settings import; do
	refused "nor write prod/.ipam/$file" "Permission denied" as_put 1002 "$M/prod/.ipam/$file" ""
done
for file in cidrs settings release remove; do
	refused "nor write prod/theirs/.ipam/$file" "Permission denied" as_put 1002 "$M/prod/theirs/.ipam/$file" ""
done
refused "nor make ephemeral ones" "Permission denied" as 1002 touch "$M/prod/theirs/.ipam/ephemeral/x"
refused "nor networks of host-local" "Permission denied" as 1002 mkdir "$M/prod/theirs/.ipam/host-local/net"
ok "the owner does" as 1001 mkdir "$M/prod/theirs/.ipam/host-local/net"
refused "nor files in one" "Permission denied" as 1002 touch "$M/prod/theirs/.ipam/host-local/net/10.244.1.77"
refused "the owner of a node can't write the cluster's files" "Permission denied" as_put 1001 "$M/prod/.ipam/settings" "ttl 1"
ok "but his node's" as_put 1001 "$M/prod/theirs/.ipam/settings" "max-leases 5"
ok "by his group he may, where the mode says so" chmod 775 "$M/prod/theirs"
ok "a member of it allocates" as_group 1003 1001 touch "$M/prod/theirs/by-group"
refused "who isn't doesn't" "Permission denied" as_group 1003 1004 touch "$M/prod/theirs/x"
same "all is as it was" "by-group web" "$(ls "$M/prod/theirs" | xargs)"

# ---- seeing
refused "a 0700 node can't be listed" "Permission denied" as 1002 ls "$M/prod/shut"
refused "nor looked into" "Permission denied" as 1002 cat "$M/prod/shut/secret"
refused "nor its reports read" "Permission denied" as 1002 cat "$M/prod/shut/.ipam/leases"
for file in events history map.svg stats cidrs; do
	refused "nor its $file" "Permission denied" as 1002 timeout 60 cat "$M/prod/shut/.ipam/$file"
done
told() { as "$1" cat "$M/prod/.ipam/leases" "$M/prod/.ipam/leases.json" "$M/prod/.ipam/history" "$M/.ipam/history" \
	"$M/prod/.ipam/map.svg" "$M/prod/.ipam/map.txt" "$M/prod/.ipam/blocks" "$M/.ipam/metrics/ipamfs.prom"; }
tells() { told "$1" | grep -qE "$2"; }
silent() { ! tells "$@"; }
ok "the cluster's reports tell others nothing of its leases" silent 1002 "secret|hidden-pod|$secret\b"
ok "but of what they may see" tells 1002 root-lease
ok "and its owner all of it" tells 1001 secret
ok "root, too" tells 0 secret
same "their rows" "by-group root-lease web" "$(as 1002 awk 'NR > 1 { print $4 }' "$M/prod/.ipam/leases" | sort | xargs)"
ok "still JSON" as 1002 sh -c "jq -e 'length == 3' '$M/prod/.ipam/leases.json'"
ok "no link by its address is listed" test -z "$(as 1002 ls "$M/prod/.ipam/by-ip" | grep -x "$secret")"
refused "nor read" "" as 1002 readlink "$M/prod/.ipam/by-ip/$secret"
same "not even when another has just looked" ../../shut/secret "$(as 1001 readlink "$M/prod/.ipam/by-ip/$secret")"
refused "..." "" as 1002 readlink "$M/prod/.ipam/by-ip/$secret"
chmod 750 "$M/prod/shut"
ok "a member of its group sees it" as_group 1003 1001 grep -q secret "$M/prod/.ipam/leases"
ok "who isn't doesn't" test -z "$(as_group 1003 1004 grep secret "$M/prod/.ipam/leases")"
chmod 744 "$M/prod/shut"
ok "to list isn't to look into" silent 1002 secret
chmod 700 "$M/prod/shut"

chmod 711 "$M/prod/shut"
for file in leases leases.json events history map.txt map.svg; do
	refused "to look into isn't to list: a 0711 node's $file" "Permission denied" as 1002 timeout 60 cat "$M/prod/shut/.ipam/$file"
	[ "$file" = events ] || ok "its owner reads $file" as 1001 grep -q . "$M/prod/shut/.ipam/$file"
done
refused "its by-ip" "Permission denied" as 1002 ls "$M/prod/shut/.ipam/by-ip"
refused "nor is a link in it found by trying" "" as 1002 readlink "$M/prod/shut/.ipam/by-ip/$secret"
refused "nor host-local's files" "Permission denied" as 1002 ls "$M/prod/shut/.ipam/host-local"
ok "what counts is told" as 1002 grep -q '^leases 1$' "$M/prod/shut/.ipam/stats"
same "as their modes say" "400 500 444" "$(stat -c %a "$M/prod/shut/.ipam/leases" "$M/prod/shut/.ipam/by-ip" "$M/prod/shut/.ipam/stats" | xargs)"
chmod 751 "$M/prod/shut"
ok "its group may, where it has both" as_group 1003 1001 grep -q secret "$M/prod/shut/.ipam/leases"
chmod 700 "$M/prod/shut"

# ---- a cluster's owner, and others' nodes in it
mkdir "$M/own"
put "$M/own/.ipam/cidrs" "10.50.0.0/16 24"
mkdir "$M/own/alien" "$M/own/mine"
touch "$M/own/alien/theirs" "$M/own/alien/10.50.0.9"
chown 1005 "$M/own" "$M/own/mine"
chown 1006 "$M/own/alien"
chmod 700 "$M/own/alien"
import_as() { as "$1" sh -c 'printf "%s" "$2" | dd of="$1" conv=fsync,notrunc status=none' sh "$M/own/.ipam/import" "$2"; }
one() { printf '{"node":"%s","name":"%s","addresses":["%s"]}' "$@"; }
ok "he imports into his own" import_as 1005 "$(one mine a 10.50.1.20)"
refused "not into another's" "Permission denied" import_as 1005 "$(one alien new 10.50.0.20)"
refused "nor learns a name there" "Permission denied" import_as 1005 "$(one alien theirs 10.50.0.20)"
refused "nor an address" "Permission denied" import_as 1005 "$(one alien new 10.50.0.9)"
refused "nor with one of his" "Permission denied" import_as 1005 "$(one mine b 10.50.1.21) $(one alien new 10.50.0.20)"
same "of which nothing is left" "10.50.0.9 theirs a" "$(ls "$M/own/alien" "$M/own/mine" | grep -v : | xargs)"
chmod 777 "$M/own/alien"
ok "but where its mode lets him" import_as 1005 "$(one alien new 10.50.0.20)"
rm "$M/own/alien/new"
chmod 700 "$M/own/alien"
for address in 10.50.0.9 10.50.0.99; do
	refused "reserving $address, leased or not, says nothing" "Permission denied" as_put 1005 "$M/own/.ipam/reserved" "$address"
done
refused "a block does, as all see it" "Device or resource busy" as_put 1005 "$M/own/.ipam/reserved" 10.50.0.0/24
ok "his own nodes' he reserves" as_put 1005 "$M/own/.ipam/reserved" 10.50.1.99
ok "root all" put "$M/own/.ipam/reserved" 10.50.0.99
ok "what is reserved stays so" as_put 1005 "$M/own/.ipam/reserved" 10.50.0.99
refused "no ttl of his ends another's leases" "Permission denied" as_put 1005 "$M/own/.ipam/settings" "ttl 1"
refused "nor does a gateway tell of one" "Permission denied" as_put 1005 "$M/own/.ipam/settings" "gateway none"
ok "what ends nothing he sets" as_put 1005 "$M/own/.ipam/settings" "reuse-delay 1
max-leases 100"
ok "who has a ttl of his own" as_put 1006 "$M/own/alien/.ipam/settings" "ttl 0"
ok "isn't touched by it" as_put 1005 "$M/own/.ipam/settings" "ttl 3000"

# Events, as they happen.
setpriv --reuid 1002 --regid 1002 --clear-groups timeout 60 cat "$M/prod/.ipam/events" >"$WORK/theirs" &
pids+=("$!")
timeout 60 cat "$M/prod/.ipam/events" >"$WORK/ours" &
pids+=("$!")
listening() { [ "$(find /proc/[0-9]*/fd -lname "$M/prod/.ipam/events" 2>/dev/null | wc -l)" -ge 2 ]; }
until_true 20 listening
touch "$M/prod/shut/another-secret" "$M/prod/open/last"
ok "events come" until_true 20 grep -q '"last"' "$WORK/theirs"
ok "root is told of the 0700 node" grep -q another-secret "$WORK/ours"
refused "others are not" "" grep -q another-secret "$WORK/theirs"
rm "$M/prod/shut/another-secret"
for pid in "${pids[@]: -2}"; do kill "$pid" && wait "$pid"; done 2>/dev/null
deaf() { [ -z "$(find /proc/[0-9]*/fd -lname "$M/*" 2>/dev/null)" ]; }
until_true 20 deaf

# ---- the budget of attributes
f=$M/prod/theirs/web
as 1001 setfattr -n user.big -v "$(head -c 4000 /dev/zero | tr '\0' x)" "$f"
refused "attributes can't exceed it" "No space left" as 1001 setfattr -n user.more -v "$(head -c 200 /dev/zero | tr '\0' x)" "$f"
refused "nor in one go" "No space left" as 1001 setfattr -n user.ipam.attributes -v "0x613d$(head -c 300 /dev/zero | tr '\0' x | od -An -v -tx1 | tr -d ' \n')00" "$f"
ok "replacing is counted as it should" as 1001 setfattr -n user.big -v "$(head -c 4093 /dev/zero | tr '\0' x)" "$f"
refused "a name counts, too" "No space left" as 1001 setfattr -n user.a -v "" "$f"
as 1001 setfattr -x user.big "$f"
i=$(python3 -c '
import os, sys
os.setgroups([]), os.setgid(1001), os.setuid(1001)
i = 0
try:
    while i < 5000:
        os.setxattr(sys.argv[1], f"user.{i}", b"")
        i += 1
except OSError:
    pass
print(i)' "$f")
ok "and many small ones end, too ($i)" test "$i" -gt 500 -a "$i" -lt 4096
ok "which are listed" test "$(as 1001 getfattr -m user.[0-9] "$f" 2>/dev/null | grep -c '^user\.[0-9]')" -eq "$i"
refused "names of the daemon's own can't be set" "Operation not permitted" as 1001 setfattr -n user.ipam.node -v x "$f"
refused "other classes neither" "not supported" setfattr -n trusted.x -v x "$f"

# ---- a file that is mounted elsewhere, or comes as a descriptor: nobody looks it up for himself
touch "$WORK/bound"
mount --bind "$M/prod/.ipam/leases" "$WORK/bound"
mounts=("$WORK/bound" "${mounts[@]}")
ok "leases, mounted elsewhere: root reads all" grep -q secret "$WORK/bound"
as 1002 cat "$WORK/bound" >"$WORK/seen"
ok "who may not know of a node isn't told of it by what root was" grep -q root-lease "$WORK/seen"
ok "but all that he may" test -z "$(grep secret "$WORK/seen")"
touch "$M/prod/open/root-later"
told_later() { grep -q root-later "$WORK/bound"; }
ok "what is read there is soon what is now" until_true 20 told_later
rm "$M/prod/open/root-later"
umount "$WORK/bound"
mkdir "$M/prod/brief"
exec 5<"$M/prod/brief/.ipam/stats"
rmdir "$M/prod/brief"
sleep 1.1 # until the kernel asks again what it knew
ok "who has a file open reads it when its node is gone" grep -q . <&5
exec 5<&-

# ---- other namespaces
in_userns() { as 1002 unshare --user --map-root-user "$@"; }
if in_userns true 2>/dev/null; then
	refused "root of another user namespace is who he is outside" "Permission denied" in_userns touch "$M/prod/open/x"
	refused "he can't chown" "Operation not permitted" in_userns chown 0 "$M/prod/theirs/web"
	refused "nor look into a 0700 node" "Permission denied" in_userns ls "$M/prod/shut"
	ok "nor is he told of it" test -z "$(in_userns cat "$M/prod/.ipam/leases" | grep secret)"
	ok "he reads what all may" in_userns cat "$M/prod/open/root-lease"
	ok "in it the owner allocates still" as 1001 unshare --user --map-root-user touch "$M/prod/theirs/from-userns"
	same "and it is his" 1001 "$(stat -c %u "$M/prod/theirs/from-userns")"
else
	ok "user namespaces are not to be had here" true
fi
ok "from another mount namespace" unshare --mount sh -c "touch '$M/prod/open/from-mountns' && mount --bind '$M/prod/open' /mnt && cat /mnt/from-mountns"
same "it is the same" 1 "$(ls "$M/prod/open" | grep -c from-mountns)"
refused "ids count there as here" "Permission denied" unshare --mount setpriv --reuid 1002 --regid 1002 --clear-groups touch "$M/prod/open/x"
ok "from another namespace of processes" unshare --pid --fork touch "$M/prod/open/from-pidns"
umount_fs
check_clean "after it all"

# Without allow_other nobody but who mounted it gets in.
mount_fs sync=normal
refused "without allow_other" "Permission denied" as 1001 ls "$M/prod"
umount_fs
# What stat shows by options is what counts.
mount_fs allow_other,umask=077,uid=1002
ok "umask and uid: he sees" as 1002 grep -q secret "$M/prod/.ipam/leases"
refused "others don't get in" "Permission denied" as 1001 cat "$M/prod/.ipam/leases"
umount_fs
