# Small blocks on etcd: a machine holds one in reserve at most, and gives it back when others have none, or after a while.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
mkdir "$A/flat"
put "$A/flat/.ipam/cidrs" "192.168.50.0/24 28"
put "$A/flat/.ipam/settings" "max-blocks 16
gateway none"
until_true 20 grep -q '^max-blocks 16' "$B/flat/.ipam/settings"
mkdir "$A/flat/w1" "$B/flat/w2"
blocks() { wc -l <"$1/flat/$2/.ipam/cidrs"; }
has() { [ "$(blocks "$1" "$2")" -eq "$3" ]; }
leases() { for ((i = $2; i <= $3; i++)); do echo "$1/l$i"; done; }
until_true 20 touch "$A/flat/w1/l1"
until_true 20 touch "$B/flat/w2/l1"
touch $(leases "$A/flat/w1" 2 6) $(leases "$B/flat/w2" 2 6)
published() { [ "$(ls "$B/flat/w1" | wc -l)" -eq "$1" ]; }
ok "six leases are published" until_true 20 published 6
same "a machine with six of fourteen addresses has one block" 1 "$(blocks "$A" w1)"
same "so has the other" 1 "$(blocks "$B" w2)"
touch $(leases "$A/flat/w1" 7 10)
ok "with ten it has another in reserve" until_true 20 has "$A" w1 2
touch $(leases "$A/flat/w1" 11 13)
ok "thirteen are published" until_true 20 published 13
same "and no more than that" 2 "$(blocks "$A" w1)"
touch $(leases "$A/flat/w1" 14 40)
ok "a burst is served" test "$(ls "$A/flat/w1" | wc -l)" -eq 40

# ---- others have none
taken=$(cut -d' ' -f1 "$A/flat/.ipam/blocks" | wc -l)
for ((i = taken; i < 16; i++)); do mkdir "$B/flat/n$i"; done
refused "the last block is taken" "No space left" mkdir "$B/flat/more"
rm $(leases "$A/flat/w1" 7 40)
more=0
another() { mkdir "$B/flat/more$((++more))"; }
ok "what is empty goes back, and another gets it" until_true 40 another
wants() { another; has "$A" w1 1; }
ok "the reserve, too, as long as somebody wants it" until_true 60 wants
ok "leases go on" touch "$A/flat/w1/again"
rm "$A/flat/w1/again"

# ---- after a while
has_grown() { [ "$(blocks "$A" w1)" -ge 3 ]; }
put "$B/flat/.ipam/settings" "block-idle 1"
until_true 20 grep -q '^block-idle 1' "$A/flat/.ipam/settings"
rmdir "$B"/flat/n* "$B"/flat/more*
touch $(leases "$A/flat/w1" 7 34)
ok "it has grown" until_true 20 has_grown
rm $(leases "$A/flat/w1" 3 34)
ok "and gives all back that it doesn't need" until_true 40 has "$A" w1 1
ok "all agrees" until_true 20 "$IPAMCTL" check "$A"
cd /
machine_end w1
machine_end w2
