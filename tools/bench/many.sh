#!/bin/bash
# Many machines on a real etcd of three members: how soon nodes that join at once have their blocks, beside bare transactions; and how
# fast leases are made while etcd is up, slow and down, beside a mount of an SQLite file, in rounds, so that what else goes on hits all.
# tools/bench/many.sh [RECORD]; QUICK=1 as in run.sh; ONLY=joins or ONLY=leases does a part.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=$PWD/${B:-build}/bin
bench=$bin/ipamfs-bench
record=${1:-/dev/null}
if [ -n "${QUICK:-}" ]; then
	mounts=8 counts="200 1000" rounds=2 seconds=0.5
else
	mounts=20 counts="1000 5000" rounds=6 seconds=1
fi
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ipamfs-many.XXXXXX")
memory=$(mktemp -d /dev/shm/ipamfs-many.XXXXXX)
member=() served=() proxy=() ports=() peers=() slow_ports=()

clean_up() {
	local dir pid
	for pid in "${member[@]}"; do kill -CONT "$pid" 2>/dev/null; done
	for dir in "$work"/*.mnt; do umount -f -l "$dir" 2>/dev/null; done
	for pid in "${served[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in "${proxy[@]}" "${member[@]}"; do kill -9 "$pid" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf --one-file-system "$work" "$memory"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

die() { echo "many.sh: $*" >&2; exit 1; }
wait_for() {
	local what=$1 end=$((SECONDS + 120))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || die "waited too long: $what"
		sleep 0.05
	done
}
port() {
	local p
	while p=$((20000 + RANDOM % 12000)); ss -Hltn "sport = :$p" | grep -q .; do :; done
	echo "$p"
}
list() { local p text=""; for p; do text+="${text:+,}127.0.0.1:$p"; done; echo "$text"; }

begin_member() {
	etcd --name "m$1" --data-dir "$memory/m$1" --listen-client-urls "http://127.0.0.1:${ports[$1]}" \
		--advertise-client-urls "http://127.0.0.1:${ports[$1]}" --listen-peer-urls "http://127.0.0.1:${peers[$1]}" \
		--initial-advertise-peer-urls "http://127.0.0.1:${peers[$1]}" --initial-cluster "$cluster" >>"$work/etcd-$1.log" 2>&1 &
	member[$1]=$!
	disown
}
etcd_answers() { ETCDCTL_API=3 etcdctl --endpoints="$(list "${ports[@]}")" get x; }

# serve NAME SOURCE OPTIONS
serve() {
	mkdir -p "$work/$1.mnt"
	"$bin/ipamfs" "$2" "$work/$1.mnt" -f -o "$3" 2>>"$work/$1.log" &
	served+=("$!")
	disown
	wait_for "mount of $1" test -e "$work/$1.mnt/.ipam/version"
}
ready() { wait_for "$1 has read what there is" grep -q '^revision [1-9]' "$work/$1.mnt/.ipam/health"; }
leave_all() {
	local dir pid
	for dir in "$work"/*.mnt; do umount "$dir" || umount -f -l "$dir"; done
	for pid in "${served[@]}"; do wait_for "an end" [ ! -e "/proc/$pid" ]; done
	served=()
}

cluster=
for i in 0 1 2; do
	ports[i]=$(port) peers[i]=$(port) slow_ports[i]=$(port)
	cluster+="${cluster:+,}m$i=http://127.0.0.1:${peers[i]}"
done
for i in 0 1 2; do begin_member "$i"; done
wait_for etcd etcd_answers

# ---- joins
joins() {
	for ((i = 0; i < mounts; i++)); do serve "j$i" "etcd://$(list "${ports[@]}")/join" "node=j$i,state=$work/j$i.db,sync=normal"; done
	for ((i = 0; i < mounts; i++)); do ready "j$i"; done
	mkdir "$work/j0.mnt/prod"
	printf '10.0.0.0/8 24\nfd00::/32 64\n' >"$work/j0.mnt/prod/.ipam/cidrs"
	dirs=()
	for ((i = 0; i < mounts; i++)); do
		wait_for "j$i hears of the cluster" grep -q fd00 "$work/j$i.mnt/prod/.ipam/cidrs"
		dirs+=("$work/j$i.mnt/prod")
	done
	asks() { cat "$work"/j*.mnt/.ipam/stats | awk '/^engine_asked/ { a += $2 } /^engine_transactions/ { t += $2 } END { print a + 0, t + 0 }'; }
	for count in $counts; do
		read -r asked sent <<<"$(asks)"
		timeout 600 "$bench" join -n "$count" -r "$record" "$(list "${ports[@]}")" /join-bare "${dirs[@]}" || die "the join"
		read -r asked_then sent_then <<<"$(asks)"
		awk -v a="$((asked_then - asked))" -v t="$((sent_then - sent))" -v n="$count" -v record="$record" 'BEGIN {
			printf "       %.2f transactions a change (joins, and leaving again)\n", t / a
			printf "join.%d.tries %.3f\n", n, t / a >>record }'
	done
	leave_all
	echo
}

# ---- leases, whatever etcd does
leases() {
	for i in 0 1 2; do
		"$bench" delay "${slow_ports[i]}" "${ports[i]}" 200 &
		proxy[i]=$!
		disown
	done
	serve shared "etcd://$(list "${slow_ports[@]}")/alloc" "node=own,state=$work/shared.db,sync=normal"
	serve alone "$work/alone.db" sync=normal
	ready shared
	shared=() alone=()
	for c in 1 2 3 4; do
		for m in shared alone; do
			mkdir "$work/$m.mnt/c$c" && printf '10.%d.0.0/16 20\n' "$c" >"$work/$m.mnt/c$c/.ipam/cidrs" && mkdir "$work/$m.mnt/c$c/own" || die "$m"
		done
		shared+=("$work/shared.mnt/c$c/own") alone+=("$work/alone.mnt/c$c/own")
		wait_for "the node is its machine's" touch "$work/shared.mnt/c$c/own/first"
	done
	declare -A sum
	wait_for "it is well" healthy
	take warm "${shared[@]}"
	take warm "${alone[@]}"
	for ((round = 0; round < rounds; round++)); do
		one_round
	done
	report
}
healthy() { [ "$(head -1 "$work/shared.mnt/.ipam/health")" = ok ]; }
down() { grep -q '^unreachable' "$work/shared.mnt/.ipam/health"; }
# take WHAT DIRECTORY...
take() {
	local what=$1 rate
	shift
	rate=$("$bench" alloc -s "$seconds" "$@") || die "alloc, $what"
	sum[$what]=$(awk -v a="${sum[$what]:-0}" -v b="$rate" 'BEGIN { print a + b }')
}
one_round() {
	take up "${shared[@]}"
	take sqlite "${alone[@]}"
	for i in 0 1 2; do kill -USR1 "${proxy[i]}"; done
	sleep 0.3
	take slow "${shared[@]}"
	take sqlite "${alone[@]}"
	for i in 0 1 2; do kill -USR2 "${proxy[i]}"; done
	for i in 0 1 2; do kill -STOP "${member[i]}"; done
	wait_for "it notices that nobody answers" down
	take stopped "${shared[@]}"
	take sqlite "${alone[@]}"
	for i in 0 1 2; do kill -CONT "${member[i]}"; done
	wait_for "it is well again" healthy
	take up "${shared[@]}"
	for i in 0 1 2; do kill -9 "${member[i]}"; done
	wait_for "it notices that nobody is there" down
	take killed "${shared[@]}"
	take sqlite "${alone[@]}"
	for i in 0 1 2; do begin_member "$i"; done
	wait_for "it is well again" healthy
}
report() {
	awk -v up="$(awk -v a="${sum[up]}" 'BEGIN { print a / 2 }')" -v sqlite="$(awk -v a="${sum[sqlite]}" 'BEGIN { print a / 4 }')" \
		-v slow="${sum[slow]}" -v stopped="${sum[stopped]}" -v killed="${sum[killed]}" -v n="$rounds" -v record="$record" '
		function line(what, key, sum) {
			printf "%-34s %8.0f/s %8.2f %8.2f\n", what, sum / n, sum / up, sum / sqlite
			printf "many.%s.up %.4f\nmany.%s.sqlite %.4f\n", key, sum / up, key, sum / sqlite >>record
		}
		BEGIN {
			printf "%-34s %10s %8s %8s\n", "leases made and released, 4 threads", "", "over up", "SQLite"
			line("etcd up", "up", up)
			line("each way 200 ms slower", "slow", slow)
			line("its members stopped", "stopped", stopped)
			line("its members killed", "killed", killed)
			line("a mount of an SQLite file", "sqlite", sqlite)
		}'
}

[ "${ONLY:-joins}" != joins ] || joins
[ "${ONLY:-leases}" != leases ] || leases
