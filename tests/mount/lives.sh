# Leases that live by other things than their name: ephemeral ones, those of host-local's layout, imported ones, those of an
# earlier boot, and releases that are compared first.
. "$(dirname "$0")/../lib.sh"

mount_fs
make_cluster prod n1 n2
node=$M/prod/n1
layout=$node/.ipam/host-local
count() { find "$1" -mindepth 1 -maxdepth 1 | wc -l; }
gone() { [ ! -e "$1" ]; }
# take_in CLUSTER JSON: write it and fsync; the refusals on stdout
take_in() { "$HELPERS/mount/sys" import "$M/$1/.ipam/import" "$2"; }

# ---- ephemeral
exec 5<>"$node/.ipam/ephemeral/e1"
same "an ephemeral lease has its addresses" "10.244.0.2/24 fd00:10:244::2/64" "$(tr '\n' ' ' <"$node/e1" | sed 's/ $//')"
same "it is seen among all" "e1" "$(ls "$node")"
same "and among the ephemeral ones" "e1" "$(ls "$node/.ipam/ephemeral")"
touch "$node/last"
same "those hold no other" "e1" "$(ls "$node/.ipam/ephemeral")"
refused "a name that a lasting lease holds" "exists" claim "$node/.ipam/ephemeral/last"
exec 6<"$node/e1"
exec 5>&-
touch "$node/.ipam/ephemeral/e2"
ok "one that ends after it" until_true 20 gone "$node/e2"
ok "another holder keeps the first" test -e "$node/e1"
exec 6<&-
ok "with the last one it goes" until_true 20 gone "$node/e1"
same "its link too" "2" "$(count "$node/.ipam/by-ip")"
"$HELPERS/mount/sys" hold "$node/.ipam/ephemeral/killed" >"$WORK/held" &
holder=$!
pids+=("$holder")
until_true 20 test -s "$WORK/held"
ok "held by another process" test -e "$node/killed"
kill -9 "$holder"
wait "$holder" 2>/dev/null
ok "kill -9 releases it" until_true 20 gone "$node/killed"
touch "$node/.ipam/ephemeral/short"
ok "touch alone leaves nothing" until_true 20 gone "$node/short"
refused "mknod has nobody who holds it" "not permitted" mknod "$node/.ipam/ephemeral/node" p
refused "no directory there" "not permitted" mkdir "$node/.ipam/ephemeral/d"
exec 5<>"$node/.ipam/ephemeral/kept"
ok "attributes at once make it last" setfattr -n user.ipam.attributes -v "0s$(printf 'pod=a/b\0ifname=eth0\0' | base64)" "$node/kept"
exec 5>&-
same "they are there" 'a/b eth0' "$(getfattr --absolute-names --only-values -n user.pod "$node/kept") $(getfattr --absolute-names --only-values -n user.ifname "$node/kept")"
exec 5<>"$node/.ipam/ephemeral/removed"
ok "it can be removed while it is held" rm "$node/.ipam/ephemeral/removed"
ok "and is gone from the node too" gone "$node/removed"
exec 5>&-
ok "the kept one stays" test -e "$node/kept"

# ---- host-local's layout by hand
same "no network at first" "" "$(ls "$layout")"
ok "a network" mkdir "$layout/net"
refused "once" "exists" mkdir "$layout/net"
same "it has a lock" "lock" "$(ls "$layout/net")"
printf 'c1\r\neth0' >"$layout/net/10.244.0.50"
same "a file an address" $'c1\r\neth0' "$(cat "$layout/net/10.244.0.50")"
same "which is a lease of that address alone" "10.244.0.50/24" "$(cat "$node/10.244.0.50")"
same "with its container" "c1" "$(getfattr --absolute-names --only-values -n user.container-id "$node/10.244.0.50")"
refused "held once" "exists" claim "$layout/net/10.244.0.50"
refused "held by another lease" "exists" claim "$layout/net/$(sed -n '1s,/.*,,p' "$node/last")"
refused "a gateway is passed over" "exists" claim "$layout/net/10.244.0.1"
refused "outside the blocks" "assign requested" claim "$layout/net/10.99.0.1"
refused "no other names" "not permitted" claim "$layout/net/note"
refused "no file beside the networks" "not permitted" claim "$layout/note"
: >"$layout/net/10.244.0.51"
ok "created and never written: gone" until_true 20 gone "$node/10.244.0.51"
refused "content that is none" "Invalid" put "$layout/net/10.244.0.52" ""
ok "and gone, too" until_true 20 gone "$node/10.244.0.52"
printf 10.244.0.50 >"$layout/net/last_reserved_ip.0"
same "what was given last" "10.244.0.50" "$(cat "$layout/net/last_reserved_ip.0")"
refused "a network with leases stays" "not empty" rmdir "$layout/net"
touch "$node/other"
ok "a lease made otherwise joins" setfattr -n user.network -v net "$node/other"
setfattr -n user.container-id -v c2 "$node/other"
same "with a file for each family" 2 "$(grep -l c2 "$layout"/net/* | wc -l)"
rm "$layout/net/10.244.0.50"
ok "removing the file releases the lease" gone "$node/10.244.0.50"
printf 'c3\r\neth0' >"$layout/net/fd00:10:244::99"
same "IPv6" "fd00:10:244::99/64" "$(cat "$node/fd00:10:244::99")"

# ---- import
same "two leases at once" "" "$(take_in prod '[{"node":"n2","name":"a","addresses":["10.244.1.9","fd00:10:244:1::9/64"],"attributes":{"pod":"p"}},
	{"node":"n2","name":"b","addresses":["10.244.1.10"]}]')"
same "are there" "a b" "$(ls "$M/prod/n2" | tr '\n' ' ' | sed 's/ $//')"
same "refusals are told, each" "n2/a - File exists
n2/c 10.244.1.10 Address already in use
n2/d 10.244.1.255 Cannot assign requested address
n9/e - No such file or directory" "$(take_in prod '{"node":"n2","name":"a","addresses":["10.244.1.11"]}
	{"node":"n2","name":"c","addresses":["10.244.1.10"]}{"node":"n2","name":"d","addresses":["10.244.1.255"]}
	{"node":"n9","name":"e","addresses":["10.244.1.12"]}{"node":"n2","name":"f","addresses":["10.244.1.13"]}' | tr '\t' ' ')"
same "and nothing was imported" "a b" "$(ls "$M/prod/n2" | tr '\n' ' ' | sed 's/ $//')"
same "no JSON" "- - not" "$(take_in prod '{"node":' | tr '\t' ' ' | cut -c1-7)"
ok "a node with its blocks, and a lease in it" take_in prod '{"node":"n9","cidrs":["10.244.9.0/24","fd00:10:244:9::/64"]}{"node":"n9","name":"a","addresses":["10.244.9.7"]}'
same "are there" "10.244.9.0/24 fd00:10:244:9::/64 10.244.9.7/24" "$(cat "$M/prod/n9/.ipam/cidrs" "$M/prod/n9/a" | xargs)"
same "another's block" "n10	10.244.9.0/24	Address already in use" "$(take_in prod '{"node":"n10","cidrs":["10.244.9.0/24"]}')"
ok "no node of that" test ! -e "$M/prod/n10"
one() { printf '{"node":"n2","name":"%s","addresses":["10.244.1.%s"]}\n' "$1" "$2"; }
exec 5<>"$M/prod/.ipam/import"
one g 14 >&5
exec 5>&-
same "read and written, it takes nothing without fsync" "a b" "$(ls "$M/prod/n2" | xargs)"
one g 14 >"$WORK/one"
ok "cat into it" sh -c 'cat "$1" >"$2"' sh "$WORK/one" "$M/prod/.ipam/import"
same "imports" "10.244.1.14/24" "$(cat "$M/prod/n2/g")"
refused "again it is refused, and cat says so" "File exists" sh -c 'cat "$1" >"$2"' sh "$WORK/one" "$M/prod/.ipam/import"
refused "and cp" "File exists" cp "$WORK/one" "$M/prod/.ipam/import"
rm "$M/prod/n2/g"
ok "cp into it" cp "$WORK/one" "$M/prod/.ipam/import"
same "imports, too" "10.244.1.14/24" "$(cat "$M/prod/n2/g")"
refused "half a text is refused" "Invalid argument" sh -c 'head -c 20 "$1" | cat >"$2"' sh "$WORK/one" "$M/prod/.ipam/import"
exec 5>"$M/prod/.ipam/import"
echo '[' >&5
one h 15 >&5
(exec true)
kill_worker
same "a list isn't taken before its end" "a b g" "$(ls "$M/prod/n2" | xargs)"
echo ']' >&5
same "and then it is, whoever serves" "a b g h" "$(ls "$M/prod/n2" | xargs)"
exec 5>&-
rm "$M"/prod/n2/[gh]
same "what leases.json shows can be written" "" "$(rm "$M/prod/n2/a" "$M/prod/n2/b"; take_in prod "$(cat "$M/prod/.ipam/leases.json" | jq -c '[.[]|select(.node=="n2")]')")"

# What is no entry isn't read on, nor kept: memory stays bounded, and the worker stays.
head -c 12000000 /dev/zero | tr '\0' '\n' | sed 's/^/{},/' >"$WORK/many" # 4 characters each
served=$(worker_of "$daemon")
refused "a lot of nothing" "Invalid argument" dd if="$WORK/many" of="$M/prod/.ipam/import" bs=128k conv=notrunc,fsync status=none
yes '{"node":"n2","name":"x","addresses":[]},' | head -n 900000 >"$WORK/many"
refused "more than is taken at once" "File too large" dd if="$WORK/many" of="$M/prod/.ipam/import" bs=128k conv=notrunc,fsync status=none
same "by the same worker" "$served" "$(worker_of "$daemon")"
rm "$WORK/many"
refused "a list without an end" "Invalid argument" dd of="$M/prod/.ipam/import" conv=notrunc,fsync status=none <<<'[{"node":"n9","name":"z","addresses":["10.244.9.9"]}'

# ---- release
touch "$node/web"
old=$(lease_mark "$node/web")
touch "$node/web"
refused "of a lease that was renewed since" "Stale" put "$node/.ipam/release" "$old"
ok "it stays" test -e "$node/web"
mark=$(lease_mark "$node/web")
rm "$node/web"
touch "$node/web"
touch "$node/web"
refused "of one whose name is another's now" "No such" put "$node/.ipam/release" "$mark"
ok "that stays" test -e "$node/web"
refused "of another node's" "No such" put "$M/prod/n2/.ipam/release" "$(lease_mark "$node/web")"
refused "of what is no lease" "No such" put "$node/.ipam/release" "1 1"
for bad in "web" "1" "0 1" "1 0" "1 1 1" "-1 1" "99999999999999999999999 1" "1 4294967296" "1 1
1 1"; do refused "of '$bad'" "Invalid" put "$node/.ipam/release" "$bad"; done
ok "of one that is as it was" put "$node/.ipam/release" "$(lease_mark "$node/web")"
ok "it is gone" gone "$node/web"

# ---- ranges
put "$node/ranged" "10.244.0.200-10.244.0.201"
same "one of a range" "10.244.0.200/24" "$(head -1 "$node/ranged")"
put "$node/ranged2" "10.244.0.200-10.244.0.201"
same "the next" "10.244.0.201/24" "$(head -1 "$node/ranged2")"
refused "none left" "No space" put "$node/ranged3" "10.244.0.200-10.244.0.201"
ok "which leaves nothing" gone "$node/ranged3"
put "$node/ranged3" "10.244.0.200-10.244.0.201
10.244.0.210-10.244.0.220"
same "or of the next alternative" "10.244.0.210/24" "$(head -1 "$node/ranged3")"

# ---- rests: an address that was held for the moment between create and write alone was nobody's
put "$M/prod/.ipam/settings" "reuse-delay 1000"
resting() { sed -n 's/^addresses_resting //p' "$node/.ipam/stats"; }
same "nothing rests" 0 "$(resting)"
put "$node/first" "10.244.0.240"
same "nor what the write replaced" 0 "$(resting)"
put "$node/first" "10.244.0.241"
same "but what a later one did" 1 "$(resting)"
put "$M/prod/.ipam/settings" "reuse-delay 0"

# ---- restarts
exec 5<>"$node/.ipam/ephemeral/crash"
exec 6>"$layout/net/10.244.0.70"
ok "held when the daemon dies" test -e "$node/crash"
before=$(ls "$node" | grep -v -e crash -e 10.244.0.70)
kill_fs
exec 5>&- 6>&-
mount_fs
same "what lasts is there; no ephemeral lease, and no file that was never written" "$before" "$(ls "$node")"
same "the network too" "10.244.0.50" "$(cat "$layout/net/last_reserved_ip.0")"
setfattr -n user.netns -v /run/netns/gone "$node/kept"
umount_fs
sqlite3 "$DB" "UPDATE boot SET boot_id = '11111111-2222-3333-4444-555555555555'"
mount_fs keep_after_boot
ok "keep_after_boot keeps what had a network namespace" test -e "$node/kept"
umount_fs
: >"$WORK/log"
mount_fs
ok "otherwise it is released at mount" gone "$node/kept"
same "and nothing else" "$(echo "$before" | grep -v '^kept$')" "$(ls "$node")"
same "which is counted" "1" "$(sed -n 's/^leases_released_after_boot //p' "$M/.ipam/stats")"
ok "and logged" grep -q "released 1 leases whose network namespaces ended" "$WORK/log"
umount_fs
check_clean "after it all"
