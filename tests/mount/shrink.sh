# Blocks that a node has grown to go back when they are empty: after block-idle, or soon where the cluster has none left.
. "$(dirname "$0")/../lib.sh"

mount_fs
mkdir "$M/c"
put "$M/c/.ipam/cidrs" "10.0.0.0/26 28"
put "$M/c/.ipam/settings" "max-blocks 3
gateway none"
mkdir "$M/c/n1" "$M/c/n2"
blocks() { wc -l <"$M/c/$1/.ipam/cidrs"; }
has() { [ "$(blocks "$1")" -eq "$2" ]; }
# leases NODE FIRST LAST
leases() { for ((i = $2; i <= $3; i++)); do echo "$M/c/$1/l$i"; done; }

# ---- when others have none
touch $(leases n1 1 30)
same "a node that is full grows" 3 "$(blocks n1)"
same "to the last block" 4 "$(wc -l <"$M/c/.ipam/blocks")"
refused "another gets none" "No space left" mkdir "$M/c/n3"
first=$(head -1 "$M/c/n1/.ipam/cidrs")
rm $(leases n1 15 30)
ok "what is empty goes to who wants it" until_true 30 mkdir "$M/c/n3"
ok "the rest of it, too" until_true 30 has n1 1
same "the oldest stays" "$first" "$(cat "$M/c/n1/.ipam/cidrs")"
ok "the history says why" grep -q '"withdraw".*"reason":"idle"' "$M/c/n1/.ipam/history"

# ---- after a while
put "$M/c/.ipam/settings" "block-idle 1"
rmdir "$M/c/n2" "$M/c/n3"
mkdir "$M/c/n4"
put "$M/c/n4/.ipam/cidrs" "$(head -1 "$M/c/n4/.ipam/cidrs")
$(comm -23 <(printf '10.0.0.%s/28\n' 0 16 32 48 | sort) <(cut -d' ' -f1 "$M/c/.ipam/blocks" | sort) | head -1)"
same "a node without leases has two" 2 "$(blocks n4)"
touch $(leases n1 15 20)
same "one grows again" 2 "$(blocks n1)"
rm $(leases n1 15 20)
ok "and gives back after block-idle" until_true 30 has n1 1
same "where nobody leases blocks stay: their leases may be kept elsewhere" 2 "$(blocks n4)"
put "$M/c/n1/.ipam/settings" "block-idle 0"
touch $(leases n1 15 20)
touch "$M/c/n4/x"
rm $(leases n1 15 20)
ok "one that leases gives back" until_true 30 has n4 1
same "with block-idle 0 none goes" 2 "$(blocks n1)"
umount_fs
check_clean "after blocks went back"
