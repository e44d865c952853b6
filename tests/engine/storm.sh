# Machines behind networks that lose, delay, double, cut and replace what goes between them and three etcd members, each in its own way
# (proxy.c), while they lease, and make, change and remove nodes: no address is in two hands at any time, nothing is lost, what was
# done is not told as failed, no call takes longer than stated, and no machine asks too often. SEED=N does the same again, as far as
# time allows; SECONDS_OF=900 MACHINES=8 does more.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
MACHINES=${MACHINES:-4} DURATION=${SECONDS_OF:-30} SEED=${SEED:-$RANDOM}
echo "seed $SEED"

etcd_cluster 3
for i in $(seq "$MACHINES"); do
	bad_network "w$i" $((SEED * 100 + i))
	endpoints=${bad_net[w$i]} machine "w$i" sync=normal
done
for i in $(seq "$MACHINES"); do ready "w$i"; done
mkdir "$WORK/w1/prod"
put "$WORK/w1/prod/.ipam/cidrs" "10.244.0.0/18 26
fd00:10:244::/54 64"
put "$WORK/w1/prod/.ipam/settings" "max-blocks 2"
for i in $(seq "$MACHINES"); do until_true 20 grep -q '^max-blocks 2' "$WORK/w$i/prod/.ipam/settings" || fail "w$i hears of the cluster"; done

drivers=()
for i in $(seq "$MACHINES"); do
	"$HELPERS/engine/drive" "$WORK/w$i/prod" "w$i" "$((SEED + i))" "$WORK/stop" >"$WORK/drive-$i" 2>&1 &
	drivers+=("$!")
	"$HELPERS/engine/nodes" "$WORK/w$i/prod" "of-w$i" "$((SEED + 50 + i))" "$WORK/stop-nodes" >"$WORK/nodes-$i" 2>&1 &
	drivers+=("$!")
done
pids+=("${drivers[@]}")

# ---- weather: most of the time a tenth of the requests meets with something, now and then one machine has it worse
RANDOM=$SEED
for i in $(seq "$MACHINES"); do orders "w$i" "any 100"; done
end=$((SECONDS + DURATION)) changes=0
while [ "$SECONDS" -lt "$end" ]; do
	i=$((RANDOM % MACHINES + 1))
	case $((RANDOM % 8)) in
	0) orders "w$i" ;;
	1) orders "w$i" "any 500" ;;
	2) orders "w$i" "silent 1000" ;;
	3) orders "w$i" "late 500 /kv/txn" "twice 1000 /kv/txn" ;;
	4) orders "w$i" "silent 1000 /watch 0 100" "any 100" ;;
	5) orders "w$i" "swallowed 400 /kv/txn" "reset 400 /kv/txn" "any 50" ;;
	6) orders "w$i" "page 300" "busy 300" "cut 200 /watch" "slow 300 /watch 0 300" ;;
	7) orders "w$i" "lost 1000" ;;
	esac
	changes=$((changes + 1))
	rest $((RANDOM % 3000))
	orders "w$i" "any 100"
done

# ---- then the sun comes out
for i in $(seq "$MACHINES"); do orders "w$i"; done
for i in $(seq "$MACHINES"); do until_true 60 grep -qx ok "$WORK/w$i/.ipam/health" || fail "w$i is well again" "$(cat "$WORK/w$i/.ipam/health")" "$(tail -3 "$WORK/w$i.log")"; done
agree() { for k in $(seq 2 "$MACHINES"); do cmp -s <(cut -d' ' -f1,2 "$WORK/w1/prod/.ipam/blocks") <(cut -d' ' -f1,2 "$WORK/w$k/prod/.ipam/blocks") || return 1; done; }
touch "$WORK/stop" "$WORK/stop-nodes"
for pid in "${drivers[@]}"; do wait "$pid"; done
wrong=$(grep -hv '^ops\|^nodes' "$WORK"/drive-* "$WORK"/nodes-*)
same "every machine has what it was promised" "" "$wrong"
read -r ops joins leaves < <(awk '/^ops/ { n += $2; j += $4; l += $6 } END { print n, j, l }' "$WORK"/drive-*)
read -r nodes unknown refused repeated back slowest < <(awk '/^nodes/ { n += $2; u += $4; r += $6; d += $8; b += $10; if ($12 > s) s = $12 }
	END { print n, u, r, d, b, s }' "$WORK"/nodes-*)
echo "$ops leases made, read and released, $joins joins, $leaves leaves; $nodes changes of nodes, of which $unknown unknown, $refused refused," \
	"$back undone by what came late; the longest took $slowest ms; the weather changed $changes times"
ok "much was done ($((ops + nodes)))" test $((ops + nodes)) -ge $((MACHINES * 100))
ok "most of it is known ($unknown of $nodes aren't)" test $((unknown * 2)) -le "$nodes"

ok "all mounts agree on who has which block" until_true 60 agree
same "none is delegated twice" "" "$(cut -d' ' -f1 "$WORK/w1/prod/.ipam/blocks" | sort | uniq -d)"
lay_over "$MACHINES"
same "no address was in two hands at any time" "" "$(head -5 "$WORK/twice")"
ok "the mount and the engine agree" "$IPAMCTL" check --quiet "$WORK/w1"

for i in $(seq "$MACHINES"); do umount "$WORK/w$i" || umount -l "$WORK/w$i"; done
for i in $(seq "$MACHINES"); do wait "${machine[w$i]}"; done
for i in $(seq "$MACHINES"); do end_network "w$i"; done
cat "$WORK"/w*.net | awk '{ n[$1] += $2; if ($1 == "most" && $2 > most) most = $2 } END { delete n["most"]; for (k in n) printf "%s %d ", k, n[k]; print "" }'
same "all networks were bad" "" "$(for i in $(seq "$MACHINES"); do [ "$(seen "w$i" twice)" -gt 0 ] || echo "w$i"; done)"
most=$(cat "$WORK"/w*.net | awk '$1 == "most" && $2 > most { most = $2 } END { print most }')
ok "no machine asked more than 1000 times in a second ($most)" test "$most" -le 1000
second=$(cat "$WORK"/w*.net | awk '$1 == "second" { n += $2 } END { print n + 0 }')
came=$(cat "$WORK"/w*.net | awk '$1 == "late" || $1 == "twice" { n += $2 } END { print n + 0 }')
ok "no more was undone than came late ($back of $came)" test "$back" -le "$came"
ok "a removal was told as done by nobody no more often than it was answered twice ($repeated of $second)" test "$repeated" -le "$second"
for i in $(seq "$MACHINES"); do check_clean "w$i" "$WORK/w$i.db"; done
