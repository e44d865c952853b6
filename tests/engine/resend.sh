# The worker of a machine is killed again and again while it asks the engine: the next one is asked the same by the kernel, and each
# call has its effect once and is told the truth, though etcd had done it already. KILLS=200 does it more often.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-16} THREADS=${THREADS:-4}

etcd_cluster 1
machine w1
ready w1
A=$WORK/w1
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.0.0.0/12 24
fd00:10::/48 64"
mkdir "$A/prod/w1"

# Each names what it makes for itself, so that it knows what every call must answer.
wrong() { echo "wrong: $*"; }
does() { "$@" 2>"$WORK/said-$me" || wrong "$*: $(cat "$WORK/said-$me")"; }
fails() { # ERROR CALL...
	if "${@:2}" 2>"$WORK/said-$me"; then wrong "${*:2}: done twice"; elif ! grep -q "$1" "$WORK/said-$me"; then wrong "${*:2}: $(cat "$WORK/said-$me")"; fi
}
node_life() {
	local n=$A/prod/t$1
	does mkdir "$n"
	fails "File exists" mkdir "$n"
	[ "$(wc -l <"$n/.ipam/cidrs")" = 2 ] || wrong "$n has no block of each family"
	does put "$n/.ipam/labels" "zone=a"
	does put "$n/.ipam/settings" "ttl 100"
	does chmod 700 "$n"
	does mv -T "$n" "$n-b"
	does rmdir "$n-b"
	fails "No such file" rmdir "$n-b"
}
cluster_life() {
	local c=$A/c$1
	does mkdir "$c"
	fails "File exists" mkdir "$c"
	does append "$c/.ipam/cidrs" "10.100.0.0/16"
	does append "$c/.ipam/cidrs" "10.101.0.0/16 25 selector=zone=a"
	fails "File exists" append "$c/.ipam/cidrs" "10.101.0.0/16"
	does append "$c/.ipam/reserved" 10.100.1.1
	does append "$c/.ipam/reserved" 10.100.2.0/24
	[ "$(cat "$c/.ipam/cidrs" "$c/.ipam/reserved" | xargs)" = "10.100.0.0/16 24 10.101.0.0/16 25 selector=zone=a 10.100.1.1 10.100.2.0/24" ] ||
		wrong "$c has $(cat "$c/.ipam/cidrs" "$c/.ipam/reserved" | xargs)"
	does mv -T "$c" "$c-b"
	does rmdir "$c-b"
}
several_life() {
	local d=$A/prod/d$1
	does put "$A/prod/.ipam/delegate" "d$1-a
d$1-b zone=b"
	fails "File exists" put "$A/prod/.ipam/delegate" "d$1-b"
	does rmdir "$d-a" "$d-b"
}
client() {
	local lives=0 me=$1
	while [ ! -e "$WORK/stop" ] || [ "$lives" -lt 6 ]; do
		case $((RANDOM % 3)) in
		0) node_life "$1" ;;
		1) cluster_life "$1" ;;
		2) several_life "$1" ;;
		esac
		lives=$((lives + 1))
	done
	echo "lives $lives"
}

clients=()
for i in $(seq "$THREADS"); do
	client "$i" >"$WORK/client-$i" &
	clients+=("$!")
	pids+=("$!")
done
for i in $(seq "$KILLS"); do
	rest $((RANDOM % 300))
	kill_worker "${machine[w1]}"
	[ -e "$A/.ipam/version" ] # its successor serves: one request that is there at several deaths in a row would be refused
done
touch "$WORK/stop"
wait "${clients[@]}"
same "nobody noticed that $KILLS workers died" "" "$(grep -h ^wrong "$WORK"/client-* | head -20)"
lives=$(awk '/^lives/ { n += $2 } END { print n }' "$WORK"/client-*)
echo "$lives lives of nodes and clusters, $(grep -c 'takes over\|another worker' "$WORK/w1.log") lines of workers that followed"
ok "and much was done" test "$lives" -gt 20
same "what is left is what stayed" "prod w1" "$(ls "$A" "$A/prod" | grep -v -e : -e README | xargs)"
same "and its blocks" 2 "$(wc -l <"$A/prod/.ipam/blocks")"
ok "the mount and the engine agree" "$IPAMCTL" check --quiet "$A"
machine_end w1
