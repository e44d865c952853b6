# For the tests with many machines: real etcd members on loopback, and machines, which are mounts with a state file each.
# Sourced after tests/lib.sh.
# shellcheck shell=bash

# Their data lies in memory where there is room: what is tried here is not the disk.
ETCD_DIR=$WORK/etcd
if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -1)" -gt 524288 ]; then ETCD_DIR=$(mktemp -d /dev/shm/ipamfs-etcd.XXXXXX); fi
trap 'rm -rf "$ETCD_DIR"; cleanup' EXIT
members=() # pids, by number
PREFIX=/ipamfs-test

# A port that nothing listens on, from a range of this process's own.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		ss -Hltn "sport = :$port" | grep -q . || break
	done
	echo "$port"
}

# etcd_cluster N [OPTIONS...]: choose ports, and start N members
etcd_cluster() {
	local n=$1 i cluster=""
	shift
	etcd_options=("$@")
	client_ports=() peer_ports=()
	for ((i = 0; i < n; i++)); do
		client_ports+=("$(free_port)") peer_ports+=("$(free_port)")
		cluster+="${cluster:+,}m$i=http://127.0.0.1:${peer_ports[i]}"
	done
	initial=$cluster
	for ((i = 0; i < n; i++)); do etcd_begin "$i"; done
	until_true 30 etcd_healthy || {
		fail "etcd starts" "$(tail -5 "$WORK"/etcd-*.log)"
		exit 1
	}
}

# etcd_begin I: start a member, or start it again
etcd_begin() {
	local i=$1 scheme=${SCHEME:-http}
	etcd --name "m$i" --data-dir "$ETCD_DIR/m$i" --listen-client-urls "$scheme://127.0.0.1:${client_ports[i]}" \
		--advertise-client-urls "$scheme://127.0.0.1:${client_ports[i]}" --listen-peer-urls "http://127.0.0.1:${peer_ports[i]}" \
		--initial-advertise-peer-urls "http://127.0.0.1:${peer_ports[i]}" --initial-cluster "$initial" \
		"${etcd_options[@]}" </dev/null >>"$WORK/etcd-$i.log" 2>&1 &
	members[i]=$!
	pids+=("$!")
}

etcd_kill() {
	kill -9 "${members[$1]}" 2>/dev/null
	wait "${members[$1]}" 2>/dev/null
}
etcd_pause() { kill -STOP "${members[$1]}"; }
etcd_resume() { kill -CONT "${members[$1]}"; }

# HOST:PORT[,HOST:PORT...]
etcd_endpoints() {
	local i list=""
	for i in "${!client_ports[@]}"; do list+="${list:+,}127.0.0.1:${client_ports[i]}"; done
	echo "$list"
}

ctl() { ETCDCTL_API=3 etcdctl --command-timeout=3s --endpoints="$(etcd_endpoints)" "${ctl_options[@]}" "$@"; }
ctl_options=()
etcd_healthy() { ctl get --consistency=l x; }
etcd_compact() { ctl compact "$(ctl get x -w json | jq .header.revision)"; }

# machine NAME [OPTIONS [STATE]]: mounts at $WORK/NAME, with its pid in machine[NAME]
declare -A machine
machine() {
	local name=$1 options=${2:-} dir=$WORK/$1 state=${3:-$WORK/$1.db}
	mkdir -p "$dir"
	"$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$dir" -f -o "node=$name,state=$state${options:+,$options}" 2>>"$WORK/$name.log" &
	daemon=$!
	machine[$name]=$daemon
	pids+=("$daemon")
	mounts+=("$dir")
	until_true 30 is_up "$dir" || {
		fail "mount of $name" "$(tail -5 "$WORK/$name.log")"
		exit 1
	}
}
# It has read what the engine has.
ready() { until_true 20 grep -q '^reached' "$WORK/$1/.ipam/health" && until_true 20 grep -q '^revision [1-9]' "$WORK/$1/.ipam/health"; }
machine_kill() {
	kill -9 "${machine[$1]}" 2>/dev/null
	wait "${machine[$1]}" 2>/dev/null
	umount -l "$WORK/$1" 2>/dev/null
}
machine_end() {
	umount "$WORK/$1" || umount -l "$WORK/$1"
	wait "${machine[$1]}"
	same "$1 ends cleanly" 0 $?
}
