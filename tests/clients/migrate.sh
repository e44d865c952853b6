# From host-local and back: a directory that the real plugin made is imported, exported, and used by it again.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

mount_fs
make_cluster prod n1
node=$M/prod/n1
old=$WORK/old
hl() {
	plugin "$HOST_LOCAL" "$2" "$3" '{"cniVersion":"1.0.0","name":"net","type":"bridge","ipam":{"type":"host-local","dataDir":"'"$1"'","ranges":[[{"subnet":"10.244.0.0/24"}],[{"subnet":"fd00:10:244::/64"}]]}}'
}
ctl() { "$IPAMCTL" "$@" --mount "$M" --node n1; }
leases() { ls "$node" | tr '\n' ' ' | sed 's/ $//'; }

for i in 1 2 3; do hl "$old" ADD "c$i"; done
: >"$old/net/10.244.0.99"
printf 'ancient' >"$old/net/10.244.0.98"
echo x >"$old/net/README"
mkdir "$old/net/sub"
cp -r "$old" "$WORK/copy"

ctl import --host-local "$old/net" --dry-run >"$WORK/said"
same "a dry run does nothing" "" "$(leases)"
ok "import" ctl import --host-local "$old/net"
same "a lease a container, both families in one" "10.244.0.3/24 fd00:10:244::3/64" "$(tr '\n' ' ' <"$node/c2.eth0" | sed 's/ $//')"
same "all of them" "ancient.eth0 c1.eth0 c2.eth0 c3.eth0" "$(leases)"
same "one without an interface has none" "" "$(getfattr --absolute-names --only-values -n user.ifname "$node/ancient.eth0" 2>/dev/null)"
same "their network" "net" "$(getfattr --absolute-names --only-values -n user.network "$node/c1.eth0")"
same "the directory is as it was" "" "$(diff -r "$old" "$WORK/copy")"
same "what was skipped" "skipped 10.244.0.99: empty
skipped README: its name
skipped last_reserved_ip.0: host-local's
skipped last_reserved_ip.1: host-local's
skipped lock: host-local's
skipped sub: no" "$(grep ^skipped "$WORK/said" | sort | sed -E 's/(: [^ ]+ name|: [^ ]+).*/\1/; s/:$//; s/empty:/empty/')"
ok "again: all are there" ctl import --host-local "$old/net"
same "and counted so" "0 4" "$(ctl import --host-local "$old/net" --json | jq -r '"\(.imported) \(.present)"')"
ok "the plugin answers for what was imported" plugin "$CNI" ADD c2 "$(conf 1.1.0)"
same "with the same addresses" "10.244.0.3/24 fd00:10:244::3/64" "$(addresses)"

# ---- conflicts: all are told, nothing is done
printf 'c7\r\neth0' >"$old/net/10.244.0.50"
printf 'c8\r\neth0' >"$old/net/10.99.0.50"
printf 'c9\r\neth0' >"$old/net/10.244.0.1"
printf 'c10\r\neth0' >"$old/net/10.244.0.60"
touch "$node/10.244.0.60"
before=$(leases)
refused "conflicts" "10.99.0.50 c8.eth0: in none of the node's blocks" ctl import --host-local "$old/net"
refused "all of them" "10.244.0.60 c10.eth0: held by n1/10.244.0.60" ctl import --host-local "$old/net"
same "nothing was done" "$before" "$(leases)"
rm "$old/net/10.99.0.50" "$old/net/10.244.0.60"
refused "what only the mount knows" "10.244.0.1 c9.eth0: can't be leased" ctl import --host-local "$old/net"
same "nothing, either" "$before" "$(leases)"
rm "$old/net/10.244.0.1"
ok "without them" ctl import --host-local "$old/net"
ok "the lease is there" test -e "$node/c7.eth0"
refused "no directory" "No such file" ctl import --host-local "$WORK/none"

# ---- and back
new=$WORK/new
mkdir "$new"
ok "export" ctl export --host-local "$new/net" --network net
rm "$old/net/README" "$old/net/10.244.0.99" "$old/net"/last*
rmdir "$old/net/sub"
printf 'ancient\r\neth0' >"$old/net/10.244.0.98"
same "is what was imported" "" "$(diff -r -x 'last_reserved*' "$old" "$new")"
same "with where it went on" "10.244.0.50 fd00:10:244::4" "$(cat "$new/net/last_reserved_ip.0") $(cat "$new/net/last_reserved_ip.1")"
refused "over a directory that holds something" "not empty" ctl export --host-local "$new/net"
same "which leaves no trace" "net" "$(ls "$new")"
ok "all networks, what is nobody's by its name" ctl export --host-local "$new/all"
same "so" $'10.244.0.60\r\neth0' "$(cat "$new/all/10.244.0.60")"
ok "host-local goes on with it: CHECK" plugin "$HOST_LOCAL" CHECK c1 '{"cniVersion":"1.0.0","name":"net","type":"bridge","ipam":{"type":"host-local","dataDir":"'"$new"'","ranges":[[{"subnet":"10.244.0.0/24"}],[{"subnet":"fd00:10:244::/64"}]]},"prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.244.0.2/24"}]}}'
ok "ADD" hl "$new" ADD c11
same "a free address" "10.244.0.51/24 fd00:10:244::5/64" "$(addresses)"
ok "DEL" hl "$new" DEL c1
same "releases" "" "$(grep -l '^c1.$' "$new"/net/*)"
umount_fs
check_clean "after it all"
