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
same "as host-local's own files" "755 600 600" "$(stat -c %a "$new/all" "$new/all/10.244.0.60" "$new/all/lock" | tr '\n' ' ' | sed 's/ $//')"
refused "below a directory that isn't there" "No such file" ctl export --host-local "$WORK/none/all"
ctl export 2>/dev/null
same "export: usage" 2 $?
ctl import 2>/dev/null
same "import: usage" 2 $?

# ---- more addresses of a family than one, old forms, and a lock that somebody holds
odd=$WORK/odd
mkdir "$odd"
printf 'many\r\neth1' | tee "$odd/10.244.0.100" "$odd/10.244.0.101" "$odd/fd00:10:244::100" >/dev/null
printf 'old-form\n' >"$odd/10.244.0.102"
: >"$odd/lock"
exec {lock}<"$odd/lock"
flock "$lock"
before=$(leases)
"$IPAMCTL" import --host-local "$odd" --mount "$M" --node n1 >"$WORK/said" 2>&1 {lock}<&- &
importing=$!
pids+=("$importing")
waits() { grep -q -- "-> FLOCK .* $importing " /proc/locks; }
ok "it waits for who holds the lock" until_true 10 waits
same "and does nothing meanwhile" "$before" "$(leases)"
exec {lock}<&-
wait "$importing"
same "then it goes on" 0 $?
same "further addresses make further leases" "10.244.0.100/24 fd00:10:244::100/64 10.244.0.101/24" \
	"$(cat "$node/many.eth1" "$node/many.eth1+1" | tr '\n' ' ' | sed 's/ $//')"
same "an id alone" "10.244.0.102/24" "$(cat "$node/old-form.eth0")"
ok "all of that again" ctl import --host-local "$odd"
flock -w 10 "$odd/lock" true
same "the lock is free" 0 $?
mkdir "$WORK/nothing"
same "a directory that holds nothing" "0 0" "$(ctl import --host-local "$WORK/nothing" --json | jq -r '"\(.imported) \(.present)"')"
for name in "many.eth1" "many.eth1+1" old-form.eth0; do rm "$node/$name"; done

# ---- whole or not at all: the import file takes nothing before its fsync
before=$(leases)
lease='{"node": "n1", "name": "early", "addresses": ["10.244.0.120"]}'
exec {import}<>"$M/prod/.ipam/import"
printf '%s' "$lease" >&"$import"
same "not when it is written" "$before" "$(leases)"
exec {import}<&-
same "nor when it is closed" "$before" "$(leases)"
(exec {import}<>"$M/prod/.ipam/import"; printf '%s' "$lease" >&"$import"; exec sleep 1000) &
writer=$!
pids+=("$writer")
writes() { [ "$(readlink "/proc/$writer/exe")" == "$(readlink -f "$(command -v sleep)")" ]; }
ok "a writer with its half" until_true 10 writes
kill -9 "$writer"
wait "$writer" 2>/dev/null
same "nor when the writer is killed" "$before" "$(leases)"
ok "its address is free" claim "$node/10.244.0.120"
rm "$node/10.244.0.120"
umount_fs
check_clean "after it all"
