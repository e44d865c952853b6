#!/bin/bash
# Measure ipamfs against what bounds it; QUICK=1 takes about two minutes. Nothing here passes or fails by how long it took.
set -eu

cd "$(dirname "$0")/../.."
bin=${B:-build}/bin
bench=$bin/ipamfs-bench
quick=${QUICK:-}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ipamfs-bench.XXXXXX")
memory=$(mktemp -d /dev/shm/ipamfs-bench.XXXXXX)
record=$work/record
pids=

clean_up() {
	set +e
	for pid in $pids; do
		kill "$pid" 2>/dev/null
	done
	# shellcheck disable=SC2086 # a list of words is what it is
	[ -z "$pids" ] || wait $pids 2>/dev/null
	for dir in "$work"/*.mnt; do
		umount -f -l "$dir" 2>/dev/null
	done
	rm -rf --one-file-system "$work" "$memory"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# serve NAME COMMAND...: run it in the background until NAME.mnt is mounted; its pid is in $served.
serve() {
	local dir=$work/$1.mnt
	shift
	mkdir -p "$dir"
	"$@" >"$work/log" 2>&1 &
	served=$!
	pids="$pids $served"
	for _ in $(seq 600); do
		if mountpoint -q "$dir"; then
			return
		fi
		kill -0 "$served" 2>/dev/null || break
		sleep 0.1
	done
	echo "not mounted: $*" >&2
	cat "$work/log" >&2
	exit 1
}

stop() {
	kill "$1"
	wait "$1" || true
	pids=${pids/ $1/}
}

heading() {
	printf '%s\n\n' "$*"
}

# tables LABEL [OPTION...]: the operations on all targets in turn.
tables() {
	local label=$1
	shift
	"$bench" ops --label "$label" --record "$record" "${size[@]}" "$@" ipamfs="$work/ipamfs.mnt" \
		floor="$work/floor.mnt" disk="$work/disk" tmpfs="$memory" sqlite="$work/peer.db"
}

on_one_core() {
	local pid
	for pid in $floor $ipamfs; do
		taskset -a -c -p "$core" "$pid" >/dev/null
	done
	taskset -c -p "$core" $BASHPID >/dev/null
	"$@"
}

if [ -n "$quick" ]; then
	size=(--threads '1,16' --count 1000 --seconds 0.1 --rounds 3)
	nodes=2048 seconds=0.2 rounds=9
else
	size=(--threads '1,4,16,64' --count 4000 --seconds 0.15 --rounds 5)
	nodes=65536 seconds=1 rounds=51
fi
core=$(taskset -c -p $$ | sed 's/.*[ ,-]//')
mkdir "$work/disk"

disk=$(df --output=fstype "$work" | tail -1)
heading "$(uname -sr), $(nproc) cores, $work is $disk, SQLite $(sqlite3 --version | cut -d' ' -f1)
ops/s; p50 and p99 in microseconds; ratio: ipamfs' ops/s over those of the line.
ipamfs: the mount. floor: the smallest FUSE filesystem there can be, in memory. disk: a directory on the
database's disk. sqlite: one connection, one row a commit. Each thread has a node directory of its own."

for sync in full normal; do
	options=()
	[ $sync = normal ] || options+=(--durable)
	serve floor "$bench" floor "$work/floor.mnt"
	floor=$served
	serve ipamfs "$bin/ipamfs" -f "$work/$sync.db" "$work/ipamfs.mnt" -o sync=$sync
	ipamfs=$served

	if [ $sync = full ]; then
		heading "== sync=full; disk with fsync of file and directory, sqlite with synchronous=FULL"
	else
		heading "== sync=normal; disk without fsync, sqlite with synchronous=NORMAL"
	fi
	tables $sync "${options[@]}" --per-node
	heading "== sync=$sync, all threads in one node directory: the kernel lets one change it at a time"
	tables $sync-shared "${options[@]}" --threads 16 --only create,unlink
	heading "== sync=$sync, all of it on one core"
	(on_one_core tables $sync-core "${options[@]}" --per-node --threads 1)
	if [ $sync = normal ]; then
		heading "== requests to the daemon for each operation"
		"$bench" requests --record "$record" ipamfs="$work/ipamfs.mnt" floor="$work/floor.mnt"
		echo
	fi
	stop "$ipamfs"
	stop "$floor"
done

heading "== plain inserts into the table of leases"
"$bench" sqlite --seconds $seconds --record "$record" "$work/rows.db"
echo

heading "== the last free address of a /12"
"$bench" generate --cluster empty --cidr 10.16.0.0/12 --mask 12 --nodes 1 --leases 0 "$work/claim.db"
"$bench" generate --cluster full --cidr 10.32.0.0/12 --mask 12 --nodes 1 --leases 1048572 --skip 524288 "$work/claim.db"
serve claim "$bin/ipamfs" -f "$work/claim.db" "$work/claim.mnt" -o sync=normal
"$bench" claim-last --record "$record" "$work/claim.mnt"
stop "$served"
rm -f "$work"/claim.db*
echo

heading "== a large database"
"$bench" scale --nodes $nodes --record "$record" "$bin/ipamfs" "$work"
echo

heading "== long reports, streams that nobody reads, and those who allocate beside them"
"$bench" generate --cluster reports --nodes $((nodes / 8)) --leases 100 "$work/reports.db"
serve reports "$bin/ipamfs" -f "$work/reports.db" "$work/reports.mnt" -o sync=normal
until [ -e "$work/reports.mnt/reports" ]; do sleep 0.1; done
"$bench" reports --seconds "$(awk "BEGIN { print 5 * $seconds }")" --pid "$served" --record "$record" "$work/reports.mnt/reports"
stop "$served"
rm -f "$work"/reports.db*
echo

heading "== CNI plugins as whole processes, ipamfs-cni (durable) and host-local (not), at 0, 250 and 10,000 leases"
serve cni "$bin/ipamfs" -f "$work/cni.db" "$work/cni.mnt"
"$bench" cni -n "$rounds" -r "$record" "$bin/ipamfs-cni" /usr/lib/cni/host-local "$work/cni.mnt" "$work/cni.data"
stop "$served"
echo

heading "== many machines that share an etcd of three members"
bash tools/bench/many.sh "$record"
echo

heading "== aims and what was reached"
awk -f tools/bench/aims.awk "$record"
