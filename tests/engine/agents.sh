# Machines on three etcd members: leases, joins and leaves without pause, while machines and members are killed, paused, cut off from
# each other, and the engine's past is compacted. MACHINES=20 SECONDS_OF=600 EACH=50 runs more of them, for longer. Then: no address was in two
# hands at any time, nothing was lost, and all mounts agree.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
MACHINES=${MACHINES:-6} DURATION=${SECONDS_OF:-25} EACH=${EACH:-20}

net_members 3
etcd_cluster 3
for i in $(seq "$MACHINES"); do machine "w$i" sync=normal; done
for i in $(seq "$MACHINES"); do ready "w$i"; done
mkdir "$WORK/w1/prod"
put "$WORK/w1/prod/.ipam/cidrs" "10.244.0.0/15 26
fd00:10:244::/52 64"
put "$WORK/w1/prod/.ipam/settings" "max-blocks 2
block-quarantine 3600"
for i in $(seq "$MACHINES"); do until_true 20 grep -q '^max-blocks 2' "$WORK/w$i/prod/.ipam/settings" || fail "w$i hears of the cluster"; done

# ---- many nodes at once: each machine makes EACH for machines to come, one after the other, while the others do
gone() { rmdir "$1" 2>/dev/null || test ! -e "$1"; }
made() { mkdir "$1" 2>/dev/null || test -d "$1"; }
makers=()
for i in $(seq "$MACHINES"); do
	(for k in $(seq "$EACH"); do until_true 60 made "$WORK/w$i/prod/m$i-$k" || echo "m$i-$k is not made"; done) >"$WORK/made-$i" 2>&1 &
	makers+=("$!")
done
wait "${makers[@]}"
same "many machines make many nodes at once" "" "$(cat "$WORK"/made-*)"
tries() { for i in $(seq "$MACHINES"); do cat "$WORK/w$i/.ipam/stats"; done | awk '/^engine_asked/ { a += $2 } /^engine_transactions/ { t += $2 } END { printf "%.2f", a ? t / a : 0 }'; }
echo "$((MACHINES * EACH)) nodes at once: $(tries) transactions each"
all_there() { for i in $(seq "$MACHINES"); do [ "$(find "$WORK/w$i/prod" -mindepth 1 -maxdepth 1 -name 'm*' | wc -l)" -eq "$1" ] || return 1; done; }
ok "all machines see all of them" until_true 120 all_there $((MACHINES * EACH))
same "none has another's block" "" "$(cut -d' ' -f1 "$WORK/w1/prod/.ipam/blocks" | sort | uniq -d)"
makers=()
for i in $(seq "$MACHINES"); do
	(for k in $(seq "$EACH"); do until_true 60 gone "$WORK/w$i/prod/m$i-$k"; done) &
	makers+=("$!")
done
wait "${makers[@]}"
ok "and that they are gone" until_true 120 all_there 0

drivers=()
for i in $(seq "$MACHINES"); do
	"$HELPERS/engine/drive" "$WORK/w$i/prod" "w$i" "$((RANDOM + i))" "$WORK/stop" >"$WORK/drive-$i" 2>&1 &
	drivers+=("$!")
	pids+=("$!")
done

# ---- trouble: one at a time, so that two of three members are there most of the time
trouble=0
end=$((SECONDS + DURATION))
while [ "$SECONDS" -lt "$end" ]; do
	i=$((RANDOM % MACHINES + 1)) m=$((RANDOM % 3))
	case $((trouble++ % 9)) in
	0 | 1 | 4)
		machine_kill "w$i"
		machine "w$i" sync=normal
		;;
	2)
		etcd_kill "$m"
		sleep 1.5
		etcd_begin "$m"
		;;
	3)
		etcd_pause "$m"
		sleep 3
		etcd_resume "$m"
		;;
	5) etcd_compact >/dev/null 2>&1 ;;
	7)
		net_cut "p$m"
		sleep 3
		net_mend "p$m"
		;;
	8)
		net_cut "c$m"
		sleep 3
		net_mend "c$m"
		;;
	6)
		# Nobody reaches the engine at all.
		for m in 0 1 2; do etcd_pause "$m"; done
		sleep 2
		for m in 0 1 2; do etcd_resume "$m"; done
		;;
	esac
	sleep 0.3
done
until_true 60 etcd_healthy
for i in $(seq "$MACHINES"); do until_true 60 grep -qx ok "$WORK/w$i/.ipam/health" || fail "w$i is well again" "$(cat "$WORK/w$i/.ipam/health")" "$(tail -3 "$WORK/w$i.log")"; done
touch "$WORK/stop"
for pid in "${drivers[@]}"; do wait "$pid"; done

# ---- what was promised
wrong=$(grep -v '^ops' "$WORK"/drive-*)
same "every machine has what it was promised" "" "$wrong"
ops=$(cat "$WORK"/drive-* | awk '/^ops/ { n += $2; j += $4; l += $6 } END { print n, j, l }')
read -r n joins leaves <<<"$ops"
echo "$n operations, $joins joins, $leaves leaves, $trouble troubles"
ok "much was done ($n)" test "$n" -ge $((MACHINES * 100))

# ---- all agree
agree() { for k in $(seq 2 "$MACHINES"); do cmp -s <(cut -d' ' -f1,2 "$WORK/w1/prod/.ipam/blocks") <(cut -d' ' -f1,2 "$WORK/w$k/prod/.ipam/blocks") || return 1; done; }
ok "all mounts agree on who has which block" until_true 30 agree
same "none is delegated twice" "" "$(cut -d' ' -f1 "$WORK/w1/prod/.ipam/blocks" | sort | uniq -d)"
everything() { contents "$WORK/$1/prod" | grep '^w'; }
for i in $(seq "$MACHINES"); do [ ! -d "$WORK/w$i/prod/w$i" ] || contents "$WORK/w$i/prod/w$i" | sed "s|^|w$i/|"; done | sort >"$WORK/own"
shown() { cmp -s <(everything "$1" | sort) "$WORK/own"; }
for i in 1 "$MACHINES"; do
	until_true 30 shown "w$i"
	wrong=$(diff <(everything "w$i" | sort) "$WORK/own" | head -6)
	# Who is wrong: the machine, the kernel, or what was published?
	[ -z "$wrong" ] || for it in $(sed -n 's,^[<>] [^/]*/\([^ ]*\) .*,\1,p' <<<"$wrong" | sort -u); do
		wrong+=$'\n'"$it here: $(grep -w "$it" "$WORK/w$i/prod/.ipam/leases" | tr '\n' ';')"
		wrong+=$'\n'"$it published: $(ctl get --prefix "$PREFIX/leases/" | grep -o "\"name\":\"$it\",\"addresses\":[^]]*" | tr '\n' ';')"
	done
	same "w$i shows everybody's leases as they are" "" "$wrong"
done

# ---- at no time
lay_over "$MACHINES"
same "no address was in two hands at any time" "" "$(head -5 "$WORK/twice")"

echo "transactions a change, in trouble: $(tries)"
for i in $(seq "$MACHINES"); do umount "$WORK/w$i" || take_off "$WORK/w$i"; done
for i in $(seq "$MACHINES"); do wait "${machine[w$i]}"; done
for i in 1 "$MACHINES"; do check_clean "w$i" "$WORK/w$i.db"; done
