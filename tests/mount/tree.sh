# Clusters, nodes and leases, line by line of the reference.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys

mount_fs allow_other
cd "$M" || exit 1

# ---- clusters
ok "mkdir makes a cluster" mkdir prod
refused "a name is given once" "File exists" mkdir prod
refused "no node without a CIDR" "No space left" mkdir prod/n1
ok "cidrs" put prod/.ipam/cidrs "10.244.0.0/16
fd00:10:244::/48"
same "masks default to /24 and /64" "10.244.0.0/16 24
fd00:10:244::/48 64" "$(cat prod/.ipam/cidrs)"
refused "no files beside clusters" "Operation not permitted" touch stray
refused "no files beside nodes" "Operation not permitted" touch prod/stray
ok "rename a cluster" mv prod test
ok "and back" mv test prod
same "README is there" 0 "$(cat README >/dev/null; echo $?)"

# ---- nodes
ok "mkdir delegates" mkdir prod/worker-1 prod/worker-2
same "a block of each family" "10.244.0.0/24
fd00:10:244::/64" "$(cat prod/worker-1/.ipam/cidrs)"
same "the next one to the next" "10.244.1.0/24
fd00:10:244:1::/64" "$(cat prod/worker-2/.ipam/cidrs)"
same "gateways" "10.244.0.1
fd00:10:244::1" "$(cat prod/worker-1/.ipam/gateway)"
refused "a cluster with nodes stays" "not empty" rmdir prod
long=$(printf 'n%.0s' $(seq 253))
ok "253 bytes of a node's name" mkdir "prod/$long"
ok "rmdir gives the block back" rmdir "prod/$long"
refused "254 are too many" "File name too long" mkdir "prod/n$long"
refused "no leading dot" "Invalid argument" mkdir prod/.hidden
ok "rename keeps" mv prod/worker-2 prod/worker-3
same "the blocks" "10.244.1.0/24
fd00:10:244:1::/64" "$(cat prod/worker-3/.ipam/cidrs)"
refused "not over another" "File exists" "$sys" rename prod/worker-3 prod/worker-1

# ---- leases: create
W=prod/worker-1
ok "touch allocates" touch $W/web-0
same "one of each family, with the block's length" "10.244.0.2/24
fd00:10:244::2/64" "$(cat $W/web-0)"
same "st_size is right" "$(cat $W/web-0 | wc -c)" "$(stat -c %s $W/web-0)"
refused "O_EXCL sees who holds it" "File exists" claim $W/web-0
ok "without it an existing one opens" "$sys" creat $W/web-0
ok "mknod of a regular file allocates" "$sys" mknod $W/web-1
same "in order" "10.244.0.3/24" "$(head -1 $W/web-1)"
ok "release" rm $W/web-1
ok "the next one" touch $W/web-2
same "isn't the one just released" "10.244.0.4/24" "$(head -1 $W/web-2)"
refused "no directories in a node" "Operation not permitted" mkdir $W/d
refused "no symbolic links" "Operation not permitted" "$sys" symlink x $W/s
refused "no hard links" "Operation not permitted" "$sys" link $W/web-0 $W/web-9
refused "no fifos" "Operation not permitted" "$sys" mkfifo $W/f
refused "no devices" "Operation not permitted" "$sys" mkchar $W/c
refused "no leading dot in a lease" "Invalid argument" touch $W/.x
refused "no control bytes" "Invalid argument" "$sys" creat "$W/a"$'\n'
name=$(printf 'l%.0s' $(seq 255))
ok "255 bytes of a lease's name" touch "$W/$name"
refused "256 are too many" "File name too long" touch "$W/l$name"
rm "$W/$name"
ok "UTF-8 and blanks" touch "$W/grüße an alle"
same "in the directory as written" "grüße an alle" "$(ls $W | grep alle)"
rm "$W/grüße an alle"

# ---- leases: by address
ok "a name that is an address" touch $W/10.244.0.77
same "gets it" "10.244.0.77/24" "$(head -1 $W/10.244.0.77)"
ok "IPv6 as well" touch $W/fd00:10:244::99
same "gets that" "fd00:10:244::99/64" "$(tail -1 $W/fd00:10:244::99)"
refused "held by another" "Address already in use" put $W/db 10.244.0.77
refused "no lease is left behind" "No such file" cat $W/db
same "not in the listing either" "" "$(ls $W | grep '^db$')"
for address in 10.244.0.0 10.244.0.1 10.244.0.255 10.244.1.9 fd00:10:244:: fd00:10:244::1 192.0.2.1; do
	refused "$address can't be leased" "Cannot assign requested address" touch $W/$address
done
rm $W/10.244.0.77
touch $W/holder
put $W/holder 10.244.0.77
refused "an address as name, held under another" "Address already in use" touch $W/10.244.0.77

# ---- leases: write
ok "write takes what is written" put $W/db 10.244.0.80
same "exactly that one" "10.244.0.80/24" "$(head -1 $W/db)"
six=$(tail -1 $W/db)
ok "with a length" put $W/db 10.244.0.81/24
same "replaces it, and leaves the other family" "10.244.0.81/24
$six" "$(cat $W/db)"
ok "both families" put $W/db "10.244.0.82
fd00:10:244::82"
same "both" "10.244.0.82/24
fd00:10:244::82/64" "$(cat $W/db)"
refused "nonsense" "Invalid argument" put $W/db hello
refused "two of a family" "Invalid argument" put $W/db "10.244.0.90
10.244.0.91"
refused "the wrong length" "Invalid argument" put $W/db 10.244.0.90/16
refused "held" "Address already in use" put $W/db 10.244.0.77
same "an existing lease keeps what it had" "10.244.0.82/24
fd00:10:244::82/64" "$(cat $W/db)"
: >$W/db
same "an empty truncating open changes nothing" "10.244.0.82/24
fd00:10:244::82/64" "$(cat $W/db)"
same "nor the size" "$(cat $W/db | wc -c)" "$(stat -c %s $W/db)"
ok "the address given up is free" touch $W/10.244.0.81

# ---- leases: rename, unlink
before=$(cat $W/db)
ok "rename" "$sys" rename $W/db $W/db2
same "keeps the addresses" "$before" "$(cat $W/db2)"
refused "never over another" "File exists" "$sys" rename $W/db2 $W/web-0
refused "never to another node" "Invalid cross-device link" "$sys" rename $W/db2 prod/worker-3/db2
refused "a node with leases stays" "not empty" rmdir $W
refused "what isn't there" "No such file" "$sys" unlink $W/nothing

# ---- attributes
ok "set" setfattr -n user.pod -v default/web $W/db2
same "get" "default/web" "$(getfattr --only-values -n user.pod $W/db2)"
same "address" "${before//$'\n'/ }" "$(getfattr --only-values -n user.ipam.address $W/db2)"
same "gateway" "10.244.0.1 fd00:10:244::1" "$(getfattr --only-values -n user.ipam.gateway $W/db2)"
same "node" "worker-1" "$(getfattr --only-values -n user.ipam.node $W/db2)"
same "boot id" "$(cat /proc/sys/kernel/random/boot_id)" "$(getfattr --only-values -n user.ipam.boot-id $W/db2)"
generation=$(getfattr --only-values -n user.ipam.generation $W/db2)
touch $W/db2
ok "touch renews: the generation grows" test "$(getfattr --only-values -n user.ipam.generation $W/db2)" -gt "$generation"
refused "those can't be set" "Operation not permitted" setfattr -n user.ipam.node -v x $W/db2
refused "4 KiB a lease" "No space left" setfattr -n user.big -v "$(printf 'x%.0s' $(seq 4096))" $W/db2
ok "fsync waits for them" "$sys" fsync $W/db2

# ---- owner, mode, times
(umask 027 && touch $W/masked)
same "mode is 0666 less umask" 640 "$(stat -c %a $W/masked)"
ok "chmod" chmod 600 $W/masked
ok "chown" chown 1001:1002 $W/masked
ok "times" touch -d '2020-01-02 03:04:05Z' $W/masked
chown 1001 prod/worker-3
as() { setpriv --reuid 1001 --regid 1001 --clear-groups "$@"; }
ok "the owner of a node allocates" as touch prod/worker-3/mine
refused "and not elsewhere" "Permission denied" as touch $W/theirs
refused "nor releases elsewhere" "Permission denied" as rm -f $W/web-0
same "the lease is theirs" 1001 "$(stat -c %u prod/worker-3/mine)"
refused "nor makes nodes" "Permission denied" as mkdir prod/mine

# ---- all that lasts
listing() { (cd "$M/prod" && find . | sort | xargs -d '\n' stat -c '%n %i %a %u %g %s' && cat */* && stat -c %y $1); }
before=$(listing worker-1/masked)
highest=$(stat -c %i $W/* | sort -n | tail -1)
umount_fs
check_clean "after it"
mount_fs allow_other
same "the same after a remount, inode numbers included" "$before" "$(listing worker-1/masked)"
touch "$M/$W/later"
ok "a new inode number is a higher one" test "$(stat -c %i "$M/$W/later")" -gt "$highest"
same "attributes too" "default/web" "$(getfattr --only-values -n user.pod "$M/$W/db2" 2>/dev/null)"

# ---- the last address
mkdir "$M/small"
put "$M/small/.ipam/cidrs" "10.9.0.0/28 30"
mkdir "$M/small/n1"
touch "$M/small/n1/only"
refused "no address left" "No space left" touch "$M/small/n1/more"
same "nothing changed" "only" "$(ls "$M/small/n1")"
rm "$M/small/n1/only"
ok "released, it is there again" touch "$M/small/n1/more"
ok "rm -r takes a whole cluster's leases and nodes" rm -r "$M/prod"
same "and nothing is left" "README
small" "$(ls "$M")"
