#!/bin/bash
# What each thing that machines share costs, per unit: bytes and revisions in etcd, bytes on the wire, memory and time of the daemon.
# NODES=1000 LEASES=4096 tools/bench/etcd_cost.sh   one etcd member on loopback, three mounts; a minute. docs/scale.md reckons with it.
# Lines 'KEY VALUE'. Needs etcd, etcdctl, curl, jq, setfattr.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=$PWD/${B:-build}/bin
nodes=${NODES:-1000} leases=${LEASES:-4096} idle=${IDLE:-16}
work=$(mktemp -d "${TMPDIR:-/tmp}/ipamfs-cost.XXXXXX")
prefix=/cost
declare -A pid supervisor # of each mount: who serves, and who was started
etcd=0 streaming=0

clean_up() {
	local name
	for name in "${!supervisor[@]}"; do umount -f -l "$work/$name" 2>/dev/null; kill "${supervisor[$name]}" 2>/dev/null; done
	[ "$streaming" -eq 0 ] || kill "$streaming" 2>/dev/null
	[ "$etcd" -eq 0 ] || kill "$etcd" 2>/dev/null
	wait
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

die() { echo "etcd_cost: $*" >&2; exit 1; }
# wait_for WHAT COMMAND...: at most two minutes
wait_for() {
	local what=$1 end=$((SECONDS + 120))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || die "waited too long: $what"
		sleep 0.05
	done
}
port() { local p; while p=$((20000 + RANDOM % 12000)); ss -Hltn "sport = :$p" | grep -q .; do :; done; echo "$p"; }
client=$(port) peer=$(port)
ctl() { ETCDCTL_API=3 etcdctl --endpoints="127.0.0.1:$client" "$@"; }
say() { printf '%-44s %s\n' "$1" "$2"; }
per() { awk -v a="$1" -v n="$2" 'BEGIN { printf "%.1f", n ? a / n : 0 }'; }

# mount NAME [OPTIONS]: until it has read all
mount_at() {
	mkdir -p "$work/$1"
	"$bin/ipamfs" "etcd://127.0.0.1:$client$prefix" "$work/$1" -f -o "sync=normal,node=$1,state=$work/$1.db${2:+,$2}" 2>>"$work/$1.log" &
	supervisor[$1]=$!
	wait_for "mount of $1" grep -q '^revision [1-9]' "$work/$1/.ipam/health"
	pid[$1]=$(pgrep -o -P "${supervisor[$1]}")
}
unmount() { umount "$work/$1"; wait "${supervisor[$1]}"; unset "pid[$1]" "supervisor[$1]"; }
rss() { awk '/^VmRSS/ { print $2 * 1024 }' "/proc/${pid[$1]}/status"; }
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/${pid[$1]}/stat"; }
stat_of() { awk -v key="$2" '$1 == key { print $2 }' "$work/$1/.ipam/stats"; }

revision() { ctl get x -w json | jq .header.revision; }
# The size of the database when nothing of the past is in it.
db_size() {
	ctl compact "$(revision)" >/dev/null 2>&1
	ctl defrag >/dev/null 2>&1
	ctl endpoint status -w json | jq '.[0].Status.dbSizeInUse // .[0].Status.dbSize'
}
# Bytes and microseconds of a read of all keys under a part of the prefix, through the gateway as the daemon asks.
read_all() {
	local key=$prefix/$1 end=$prefix/${1%/}0
	curl -s -o /dev/null -w '%{size_download} %{time_total}\n' "http://127.0.0.1:$client/v3/kv/range" \
		-d "{\"key\":\"$(printf %s "$key" | base64 -w0)\",\"range_end\":\"$(printf %s "$end" | base64 -w0)\"}"
}
# What a watcher of all gets, into a file.
stream() {
	curl -sN "http://127.0.0.1:$client/v3/watch" -d "{\"create_request\":{\"key\":\"$(printf %s "$prefix/" | base64 -w0)\",\
\"range_end\":\"$(printf %s "${prefix}0" | base64 -w0)\"}}" >"$work/stream" &
	streaming=$!
	wait_for "a watch" test -s "$work/stream"
}
stream_end() { sleep 1; kill "$streaming"; wait "$streaming" 2>/dev/null; streaming=0; }
calls() { curl -s "http://127.0.0.1:$client/metrics" | awk -v m="$1" 'index($0, "grpc_server_started_total") == 1 && index($0, "\"" m "\"") { n += $2 } END { print n + 0 }'; }

etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
	--listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
	--initial-cluster "default=http://127.0.0.1:$peer" >"$work/etcd.log" 2>&1 &
etcd=$!
wait_for etcd ctl get x
mount_at a
mount_at b
mount_at c leases=hide
mkdir "$work/a/prod"
printf '10.0.0.0/8 24\nfd00::/32 64\n' >"$work/a/prod/.ipam/cidrs"
printf 'max-blocks 64\n' >"$work/a/prod/.ipam/settings"
wait_for "b hears" grep -q '^max-blocks 64' "$work/b/prod/.ipam/settings"

# ---- nodes
size=$(db_size) before=$(revision) memory_b=$(rss b) memory_c=$(rss c)
asked=$(stat_of a engine_asked) sent=$(stat_of a engine_transactions) cpu_b=$(cpu_ms b)
stream
start=$(date +%s%N)
seq "$nodes" | sed "s#^#$work/a/prod/node-with-a-name-#" | xargs -P 8 -n 25 mkdir
took=$((($(date +%s%N) - start) / 1000))
count_b() { [ "$(stat_of b nodes)" -ge "$nodes" ] && [ "$(stat_of c nodes)" -ge "$nodes" ]; }
wait_for "b and c see them" count_b
stream_end
say node.microseconds "$(per "$took" "$nodes")"
say node.transactions "$(per $(($(stat_of a engine_transactions) - sent)) $(($(stat_of a engine_asked) - asked)))"
say node.revisions "$(per $(($(revision) - before)) "$nodes")"
say node.watch.bytes "$(per "$(stat -c %s "$work/stream")" "$nodes")"
say node.db.bytes "$(per $(($(db_size) - size)) "$nodes")"
say node.memory.bytes "$(per $(($(rss b) - memory_b)) "$nodes")"
say node.memory.hide.bytes "$(per $(($(rss c) - memory_c)) "$nodes")"
say node.follower.cpu.microseconds "$(per "$(awk -v a="$(cpu_ms b)" -v b="$cpu_b" 'BEGIN { print (a - b) * 1000 }')" "$nodes")"
for kind in node block; do
	ctl get --prefix "$prefix/state/$kind/" -w json | jq -r --arg kind "$kind" \
		'[.kvs[] | [(.key | @base64d | length), (.value | @base64d | length)]] | "\($kind).key.bytes \((map(.[0]) | add) / length)\n\($kind).value.bytes \((map(.[1]) | add) / length)"' |
		while read -r key value; do say "$key" "$value"; done
done

# ---- what a machine reads that starts
read -r bytes seconds <<<"$(read_all state/)"
say start.node.bytes "$(per "$bytes" "$nodes")"
say start.etcd.seconds "$seconds"
unmount b
rm -f "$work"/b.db*
start=$(date +%s%N)
mount_at b
say start.thousand.nodes.first.milliseconds "$(per $((($(date +%s%N) - start) / 1000)) "$nodes")"
unmount b
start=$(date +%s%N)
mount_at b
say start.thousand.nodes.again.milliseconds "$(per $((($(date +%s%N) - start) / 1000)) "$nodes")"

# ---- growth and publications
mkdir "$work/a/prod/a"
wait_for "a's own node" touch "$work/a/prod/a/first"
wait_for "it is seen" test -e "$work/b/prod/a/first"
sleep 2
size=$(db_size) before=$(revision) memory_b=$(rss b) cpu_b=$(cpu_ms b) cpu_c=$(cpu_ms c) asked=$(stat_of a engine_asked) sent=$(stat_of a engine_transactions)
blocks=$(wc -l <"$work/a/prod/a/.ipam/cidrs") txns=$(calls Txn)
stream
(cd "$work/a/prod/a" && seq "$leases" | sed s/^/web-7d4b9c6f5-x/ | xargs touch &&
	for x in pod=default/web-7d4b9c6f5-x2k4q ifname=eth0 netns=/var/run/netns/cni-0f7f2a6e-5c1b-8a2e-1d0c-6f0f6b1c2d3e \
		container-id=4f8b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b; do
		find . -name 'web-*' -print0 | xargs -0 setfattr -n "user.${x%%=*}" -v "${x#*=}"
	done)
all_there() { [ "$(stat_of b leases)" -gt "$leases" ] && [ "$(getfattr --absolute-names --only-values -n user.container-id "$work/b/prod/a/web-7d4b9c6f5-x$leases")" != "" ]; }
wait_for "b has them all" all_there
sleep 3
stream_end
grown=$(($(wc -l <"$work/a/prod/a/.ipam/cidrs") - blocks)) events=$(jq -r '.result.events[]?.kv.key' "$work/stream" | wc -l)
say grow.transactions "$(per $(($(stat_of a engine_transactions) - sent)) $(($(stat_of a engine_asked) - asked)))"
say grow.blocks "$grown"
say publish.revisions $(($(revision) - before))
say publish.txns $(($(calls Txn) - txns))
say publish.events "$events"
say publish.event.bytes "$(per "$(stat -c %s "$work/stream")" "$events")"
say publish.follower.cpu.microseconds.an.event "$(per "$(awk -v a="$(cpu_ms b)" -v b="$cpu_b" 'BEGIN { print (a - b) * 1000 }')" "$events")"
say publish.hide.cpu.milliseconds "$(awk -v a="$(cpu_ms c)" -v b="$cpu_c" 'BEGIN { print a - b }')"
say lease.db.bytes "$(per $(($(db_size) - size)) "$leases")"
say lease.memory.bytes "$(per $(($(rss b) - memory_b)) "$leases")"
ctl get --prefix "$prefix/leases/" -w json | jq -r '[.kvs[].value | @base64d | length] | "leases.value.bytes \(add / length)\nleases.keys \(length)"' |
	while read -r key value; do say "$key" "$value"; done
read -r bytes seconds <<<"$(read_all leases/)"
say start.lease.bytes "$(per "$bytes" "$leases")"

# ---- one pod more: what a single change writes
stream
txns=$(calls Txn) before=$(revision)
touch "$work/a/prod/a/one-more"
wait_for "it is seen" test -e "$work/b/prod/a/one-more"
sleep 1
stream_end
say pod.txns $(($(calls Txn) - txns))
say pod.revisions $(($(revision) - before))
say pod.watch.bytes "$(stat -c %s "$work/stream")"

# ---- nothing happens
before=$(revision) keep=$(calls LeaseKeepAlive) txns=$(calls Txn) ranges=$(calls Range) cpu_b=$(cpu_ms b)
sleep "$idle"
say idle.machine.seconds "$(per "$idle" 1)"
say idle.keepalives.a.machine.and.minute "$(per $((($(calls LeaseKeepAlive) - keep) * 60)) $((3 * idle)))"
say idle.transactions.a.machine.and.minute "$(per $((($(calls Txn) - txns) * 60)) $((3 * idle)))"
say idle.reads.a.machine.and.minute "$(per $((($(calls Range) - ranges - 1) * 60)) $((3 * idle)))"
say idle.revisions $(($(revision) - before))
say idle.cpu.microseconds.a.second "$(per "$(awk -v a="$(cpu_ms b)" -v b="$cpu_b" 'BEGIN { print (a - b) * 1000 }')" "$idle")"
