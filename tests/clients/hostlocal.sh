# The plugin host-local as Debian ships it, unmodified, with its dataDir in the mount.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

mount_fs
make_cluster prod n1
node=$M/prod/n1
data=$node/.ipam/host-local
disk=$WORK/disk
count() { find "$1" -mindepth 1 -maxdepth 1 -name "${2-*}" | wc -l; }

# hl DATA-DIR COMMAND CONTAINER [IPAM-MEMBERS [TOP-MEMBERS]]
hl() {
	plugin "$HOST_LOCAL" "$2" "$3" '{"cniVersion":"1.0.0","name":"net","type":"bridge","ipam":{"type":"host-local","dataDir":"'"$1"'"'"${4-,\"subnet\":\"10.244.0.0/24\"}"'}'"${5-}"'}'
}

# ---- one by one
touch "$node/10.244.0.4"
ok "ADD" hl "$data" ADD c2
same "the first address" "10.244.0.2/24" "$(addresses)"
same "its gateway" "10.244.0.1" "$(jq -r '.ips[0].gateway' "$WORK/out")"
same "the layout" "10.244.0.2 last_reserved_ip.0 lock" "$(ls "$data/net" | tr '\n' ' ' | sed 's/ $//')"
same "a file's content" $'c2\r\neth0' "$(cat "$data/net/10.244.0.2")"
same "a lease like all others" "10.244.0.2/24" "$(cat "$node/10.244.0.2")"
ok "in the table" grep -q "10.244.0.2 .* c2 " "$M/prod/.ipam/leases"
same "by its address" "../../n1/10.244.0.2" "$(readlink "$M/prod/.ipam/by-ip/10.244.0.2")"
hl "$data" ADD c2 && fail "ADD again succeeded" || pass "ADD again fails, as it does on a disk"
ok "CHECK" hl "$data" CHECK c2 ',"subnet":"10.244.0.0/24"' ',"prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.244.0.2/24"}]}'
hl "$data" ADD c3
hl "$data" ADD c5
same "what is leased otherwise is passed over" "10.244.0.5/24" "$(addresses)"
refused "and what it holds is never given otherwise" "in use" put "$node/wanted" 10.244.0.5
hl "$data" CHECK nobody && fail "CHECK of nobody succeeded" || pass "CHECK of who has none fails"
ok "DEL" hl "$data" DEL c3
same "releases" "10.244.0.2 10.244.0.4 10.244.0.5" "$(ls "$node" | tr '\n' ' ' | sed 's/ $//')"
ok "DEL again" hl "$data" DEL c3
ok "a lease by the other plugin, of the same network" plugin "$CNI" ADD other "$(conf 1.1.0)"
ok "is released by this one" hl "$data" DEL other
same "with all its addresses" "" "$(ls "$node" | grep other)"
for id in c2 c5; do hl "$data" DEL $id; done
rm "$node/10.244.0.4"

# ---- both families
dual=',"ranges":[[{"subnet":"10.244.0.0/24"}],[{"subnet":"fd00:10:244::/64"}]]'
ok "ADD of both families" hl "$data" ADD d1 "$dual"
same "an address each" "2" "$(addresses | wc -w)"
same "last addresses of both" 2 "$(count "$data/net" 'last_reserved_ip.*')"
ok "DEL of both" hl "$data" DEL d1 "$dual"
same "nothing is left" "" "$(ls "$node")"

# ---- all of a /24
failures=0
for i in $(seq 253); do hl "$data" ADD "f$i" || failures=$((failures + 1)); done
same "253 ADDs fill a /24" "0 253" "$failures $(count "$node")"
same "all different" 253 "$(count "$M/prod/.ipam/by-ip" '10.*')"
hl "$data" ADD full
same "the 254th fails" "1" "$?"
mkdir -p "$disk/net"
for i in $(seq 2 254); do printf 'f%s\r\neth0' "$i" >"$disk/net/10.244.0.$i"; done
mine=$(jq -c . "$WORK/out")
hl "$disk" ADD full
same "just as on a disk" "$(jq -c . "$WORK/out")" "$mine"
same "and takes nothing" "253" "$(count "$node")"
ok "DEL of one" hl "$data" DEL f100
ok "makes room for another" hl "$data" ADD again
last=$(addresses)
first_free=$(cat "$node/$(basename "$(grep -l $'^f1\r' "$data"/net/10.*)")")
for i in 1 2 3; do
	hl "$data" DEL "f$i"
	hl "$disk" DEL "f$((i + 1))"
done
held=$(cat "$M/prod/.ipam/leases")
same "the last one given" "${last%/*}" "$(cat "$data/net/last_reserved_ip.0")"
umount_fs
mount_fs
same "after a restart 250 are there" 250 "$(count "$node")"
same "each as it was" "$held" "$(cat "$M/prod/.ipam/leases")"
same "and the last one given" "${last%/*}" "$(cat "$data/net/last_reserved_ip.0")"
ok "ADD goes on" hl "$data" ADD next
same "after it, where there is one" "$first_free" "$(addresses)"

# ---- many at once
for i in $(seq 20 60); do rm "$data/net/10.244.0.$i" 2>/dev/null; done
for i in $(seq 16); do
	(WORK=$WORK/many$i && mkdir "$WORK" && hl "$data" ADD "m$i" && echo "$(addresses)" >"$WORK/a") &
	waits+=($!)
	touch "$node/by-hand$i" &
	waits+=($!)
done
good=0
for it in "${waits[@]}"; do wait "$it" && good=$((good + 1)); done
same "16 at once, among 16 by hand" 32 "$good"
same "no address twice" 32 "$(cat "$WORK"/many*/a <(head -qn 1 "$node"/by-hand*) | sort -u | wc -l)"
umount_fs
check_clean "after it all"
