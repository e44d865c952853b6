# The .ipam directories: what they show and what they take.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys

mount_fs
make_cluster prod n1 n2
cd "$M" || exit 1
touch prod/n1/a prod/n1/b prod/n2/c

same "hidden" "n1 n2" "$(ls -A prod | xargs)"
same "find sees state alone" "3" "$(find prod -type f | wc -l)"
same "but reachable" "blocks by-ip cidrs delegate events history import leases leases.json map.svg map.txt reserved settings stats" "$(ls prod/.ipam | xargs)"
same "of a node" "by-ip cidrs ephemeral events gateway history host-local labels leases leases.json map.svg map.txt release remove settings stats" "$(ls prod/n1/.ipam | xargs)"
same "of the mount" "accept audit events health history metrics stats version" "$(ls .ipam | xargs)"
refused "no creating" "Operation not permitted" "$sys" creat prod/.ipam/new
refused "no removing" "Operation not permitted" "$sys" unlink prod/.ipam/cidrs
refused "no renaming" "Operation not permitted" "$sys" rename prod/.ipam/cidrs prod/.ipam/c
refused "no removing the directory" "Operation not permitted" "$sys" rmdir prod/.ipam

# ---- cidrs of a cluster
refused "overlap" "File exists" append prod/.ipam/cidrs "10.244.128.0/17"
refused "host bits" "Invalid argument" append prod/.ipam/cidrs "10.1.0.1/16"
refused "a mask shorter than the CIDR" "Invalid argument" append prod/.ipam/cidrs "10.1.0.0/24 16"
refused "a mask too long" "Invalid argument" append prod/.ipam/cidrs "10.1.0.0/24 31"
refused "nonsense" "Invalid argument" append prod/.ipam/cidrs "hello"
refused "all lines or none" "Invalid argument" append prod/.ipam/cidrs "10.1.0.0/16
nonsense"
same "nothing taken of it" 2 "$(wc -l <prod/.ipam/cidrs)"
ok "append" append prod/.ipam/cidrs "10.1.0.0/16 25"
same "is added" "10.1.0.0/16 25" "$(tail -1 prod/.ipam/cidrs)"
refused "one in use stays" "Device or resource busy" put prod/.ipam/cidrs "10.1.0.0/16 25"
ok "replace, without the unused one" put prod/.ipam/cidrs "10.244.0.0/16 24
fd00:10:244::/48 64"
same "gone" 2 "$(wc -l <prod/.ipam/cidrs)"

# ---- reserved
refused "leased" "Device or resource busy" put prod/.ipam/reserved 10.244.0.2
ok "addresses, ranges, CIDRs" put prod/.ipam/reserved "10.244.0.10
10.244.0.20-10.244.0.29
10.244.2.0/24"
refused "never leased" "Cannot assign requested address" touch prod/n1/10.244.0.25
mkdir prod/n3
same "never delegated" "10.244.3.0/24" "$(head -1 prod/n3/.ipam/cidrs)"
refused "nonsense is refused" "Invalid argument" append prod/.ipam/reserved "10.0.0.9-10.0.0.1"
same "as written" "10.244.0.10
10.244.0.20-10.244.0.29
10.244.2.0/24" "$(cat prod/.ipam/reserved)"

# ---- cidrs of a node
ok "adopt" put prod/n3/.ipam/cidrs "10.244.100.0/24
fd00:10:244:64::/64"
same "exactly these" "10.244.100.0/24 fd00:10:244:64::/64" "$(xargs <prod/n3/.ipam/cidrs)"
refused "another's" "Address already in use" put prod/n3/.ipam/cidrs "10.244.0.0/24"
refused "none of the cluster's" "Cannot assign requested address" put prod/n3/.ipam/cidrs "10.9.0.0/24"
touch prod/n3/x
refused "with leases outside" "Device or resource busy" put prod/n3/.ipam/cidrs "10.244.101.0/24"

# ---- reports
same "blocks" "10.244.0.0/24 n1 2 242
10.244.1.0/24 n2 1 253
10.244.100.0/24 n3 1 253" "$(head -3 prod/.ipam/blocks)"
same "by-ip points at the lease" "../../n1/a" "$(readlink prod/.ipam/by-ip/10.244.0.2)"
same "and leads there" "10.244.0.2/24" "$(head -1 prod/.ipam/by-ip/10.244.0.2)"
same "IPv6 too, in the node's" "../../b" "$(readlink prod/n1/.ipam/by-ip/fd00:10:244::3)"
refused "what nobody holds" "No such file" readlink -v prod/.ipam/by-ip/10.244.0.99
same "one a leased address" 8 "$(ls prod/.ipam/by-ip | wc -l)"
rm prod/n1/b
refused "gone with the lease" "No such file" readlink -v prod/.ipam/by-ip/10.244.0.3
setfattr -n user.pod -v default/web-0 prod/n1/a
same "leases: grep finds a pod" "10.244.0.2" "$(grep default/web-0 prod/.ipam/leases | cut -d' ' -f1)"
same "leases has a heading and a line each" 4 "$(wc -l <prod/.ipam/leases)"
same "leases.json" "n1/a n2/c n3/x" "$(jq -r '.[] | .node + "/" + .name' prod/.ipam/leases.json | xargs)"
same "with addresses" "10.244.1.2/24" "$(jq -r '.[0].addresses[0]' prod/n2/.ipam/leases.json)"
for key in nodes blocks blocks_used addresses leases leases_free; do
	ok "stats has $key" grep -qE "^$key [0-9]+$" prod/.ipam/stats
done
same "stats count" "leases 3" "$(grep '^leases ' .ipam/stats)"
ok "map.txt of a cluster" grep -q "10.244.0.0/16" prod/.ipam/map.txt
ok "map.txt of a node" grep -q "^10.244.0.0 .*x+#" prod/n1/.ipam/map.txt
same "at most 100 columns" "" "$(cat prod/.ipam/map.txt prod/n1/.ipam/map.txt | awk 'length > 100')"
same "health" ok "$(head -1 .ipam/health)"
ok "version" grep -qE '^[0-9]+\.[0-9]+' .ipam/version
exec 7<prod/.ipam/leases
touch prod/n1/later
same "a descriptor keeps its picture" 4 "$(wc -l <&7)"
exec 7<&-

# ---- df
iused() { df --output=itotal,iused,iavail "$1" | tail -1 | xargs; }
same "df -i of a node: its addresses" "242 2 240" "$(iused prod/n1)"
same "of a cluster: its blocks" "255 3 252" "$(iused prod)"
same "of the mount: all leases" "4" "$(iused . | cut -d' ' -f2)"

# ---- settings
refused "an unknown key" "Invalid argument" put prod/.ipam/settings "colour blue"
refused "a bad value" "Invalid argument" put prod/.ipam/settings "ttl soon"
ok "set on the cluster" put prod/.ipam/settings "max-leases 2"
refused "inherited by its nodes" "Disk quota exceeded" touch prod/n1/third
ok "a node's own" put prod/n1/.ipam/settings "max-leases 3"
ok "counts first" touch prod/n1/third
refused "all or none" "Invalid argument" put prod/n1/.ipam/settings "max-leases 9
ttl never"
ok "as it was" grep -qx "max-leases 3" prod/n1/.ipam/settings
refused "the gateway is kept" "Cannot assign requested address" touch prod/n2/10.244.1.1
ok "until it isn't" put prod/n2/.ipam/settings "gateway none"
ok "leased like any other" touch prod/n2/10.244.1.1
same "254 of a /24" 254 "$(iused prod/n2 | cut -d' ' -f1)"
refused "and not taken back from under it" "Device or resource busy" put prod/n2/.ipam/settings "gateway first"

# ---- growth, rest, expiry
mkdir tiny
put tiny/.ipam/cidrs "10.9.0.0/28 30"
mkdir tiny/n
touch tiny/n/a
refused "full" "No space left" touch tiny/n/b
put tiny/.ipam/settings "max-blocks 3"
ok "grows" touch tiny/n/b
same "by a block" 2 "$(wc -l <tiny/n/.ipam/cidrs)"
put tiny/n/.ipam/settings "max-blocks 1"
put tiny/n/.ipam/settings "reuse-delay 1000"
rm tiny/n/a
refused "a released address rests" "No space left" touch tiny/n/c
put tiny/n/.ipam/settings "reuse-delay 1"
ok "and comes back" until_true 20 touch tiny/n/c
mkdir unused
put unused/.ipam/cidrs "10.7.0.0/28 28"
put unused/.ipam/settings "reuse-delay 3600"
mkdir unused/n
touch unused/n/10.7.0.5
for i in $(seq 13); do echo 10.7.0.5 >unused/n/w; echo nonsense >unused/n/w; done 2>/dev/null
ok "what a refused claim had doesn't rest" touch unused/n/pod
exec 5>unused/n/told
echo 10.7.0.9 >&5
echo nonsense >&5 2>/dev/null
exec 5>&-
refused "what it was given before does" "Address already in use" touch unused/n/10.7.0.9
put unused/.ipam/settings "reuse-delay 0"
ok "and no longer than reuse-delay says now" touch unused/n/10.7.0.9
touch unused/n/10.7.0.12 unused/n/next
same "the next address is after the one that was asked for" 10.7.0.13/28 "$(cat unused/n/next)"
inode=$(stat -c %i unused/n/next)
generation=$(getfattr --only-values -n user.ipam.generation unused/n/next 2>/dev/null)
refused "release: a word that means nothing" "Invalid argument" put unused/n/.ipam/release "$inode $generation used"
put unused/.ipam/settings "reuse-delay 3600"
ok "release of what nobody was told of" put unused/n/.ipam/release "$inode $generation unused"
ok "doesn't rest either" touch unused/n/10.7.0.13
mkdir brief
put brief/.ipam/cidrs "10.8.0.0/24 26"
put brief/.ipam/settings "ttl 6"
mkdir brief/n
touch brief/n/dies brief/n/lives
touch -d 3000-01-01 brief/n/far
gone() { touch brief/n/lives && [ ! -e brief/n/dies ]; }
ok "a lease expires" until_true 20 gone
ok "one that is renewed doesn't" test -e brief/n/lives
ok "nor one whose time is further than nanoseconds go" test -e brief/n/far
same "it is counted" "leases_expired 1" "$(grep leases_expired .ipam/stats)"

before=$(cat prod/.ipam/cidrs prod/.ipam/reserved prod/.ipam/settings prod/n1/.ipam/settings prod/n3/.ipam/cidrs)
put brief/.ipam/settings "ttl 0"
umount_fs
check_clean "after it"
mount_fs show_control
same "all that was set lasts" "$before" "$(cd "$M" && cat prod/.ipam/cidrs prod/.ipam/reserved prod/.ipam/settings prod/n1/.ipam/settings prod/n3/.ipam/cidrs)"
same "show_control lists it" ".ipam" "$(ls -A "$M/prod" | head -1)"
ok "check of a mount" "$IPAMCTL" check --quiet "$M"
