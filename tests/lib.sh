# What the tests through the kernel share; each is a bash script that sources this. A script makes one mount or more,
# in a directory of its own; whatever it made or started goes when it ends, however it ends.
# shellcheck shell=bash

set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$ROOT/build}
IPAMFS=$BUILD/bin/ipamfs
IPAMCTL=$BUILD/bin/ipamctl
HELPERS=$BUILD/tests
WORK=$(mktemp -d "${TMPDIR:-/tmp}/ipamfs-test.XXXXXX")
M=$WORK/mnt
DB=$WORK/ipam.db
export LC_ALL=C.UTF-8
mkdir "$M"
mounts=() pids=() namespaces=()

cleanup() {
	local status=$? it
	cd / || exit 1
	for it in "${pids[@]}"; do kill -9 "$it" 2>/dev/null && wait "$it" 2>/dev/null; done
	for it in "${mounts[@]}"; do take_off "$it"; done
	for it in "${namespaces[@]}"; do ip netns del "$it" 2>/dev/null; done
	# A worker that falls is replaced, and nobody would hear of it.
	if [ -z "${FALLS:-}" ] && cat "$WORK"/log "$WORK"/*.log 2>/dev/null | grep -E 'worker [0-9]+ (was killed by|ended with)|Sanitizer'; then
		echo "not ok - a worker fell"
	fi
	rm -rf "$WORK"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# ---- results: a line each, which run.sh counts

pass() { echo "ok - $1"; }
fail() {
	echo "not ok - $1"
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@"
}

# ok NAME COMMAND...: it succeeds
ok() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "$* failed: $out"; fi
}

# refused NAME TEXT COMMAND...: it fails, and its message has the text (an errno's)
refused() {
	local name=$1 text=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		fail "$name" "$* succeeded"
	elif [[ $out == *"$text"* ]]; then
		pass "$name"
	else
		fail "$name" "wanted '$text', got: $out"
	fi
}

# same NAME WANTED GOT
same() {
	if [ "$2" == "$3" ]; then pass "$1"; else fail "$1" "wanted: $2" "got:    $3"; fi
}

# until_true SECONDS COMMAND...: wait for a condition
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# put FILE TEXT, append FILE TEXT: one write, whose errno is the message (bash's own printf writes line by line)
put() { env printf '%s\n' "$2" >"$1"; }
append() { env printf '%s\n' "$2" >>"$1"; }
# claim FILE: O_CREAT | O_EXCL
claim() { "$HELPERS/mount/sys" excl "$1"; }

# ---- mounts

# mount_fs [OPTIONS [DB [DIR]]]: in the foreground of a process of its own, whose pid is $daemon; log in $WORK/log
mount_fs() {
	local options=${1:-} db=${2:-$DB} dir=${3:-$M}
	mkdir -p "$dir"
	"$IPAMFS" "$db" "$dir" -f ${options:+-o "$options"} 2>>"$WORK/log" &
	daemon=$!
	pids+=("$daemon")
	mounts+=("$dir")
	until_true 60 is_up "$dir" && [ -e "$dir/.ipam/version" ] || {
		fail "mount $options" "$(tail -5 "$WORK/log")"
		exit 1
	}
}
is_up() { [ -e "$1/.ipam/version" ] || ! kill -0 "$daemon"; }

# has_ended PID: of any process, waited for or not
has_ended() {
	local state
	{ read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null || return 0
	[ "$state" = Z ]
}

# umount_fs [DIR]: the daemon ends by itself, and well
umount_fs() {
	cd / || exit 1
	umount "${1:-$M}" || take_off "${1:-$M}"
	until_true 120 has_ended "$daemon" || {
		fail "umount ends the daemon" "$(tail -5 "$WORK/log")" "where else it is mounted: $(grep -l " ${1:-$M} fuse" /proc/[0-9]*/mounts 2>/dev/null | xargs)"
		kill -9 "$daemon"
	}
	wait "$daemon"
	same "umount ends the daemon cleanly" 0 $?
}

# worker_of PID: the process that serves
worker_of() { pgrep -o -P "$1"; }
# memory_of PID: of both, in KiB
memory_of() { cat "/proc/$1/status" "/proc/$(worker_of "$1")/status" | awk '/^VmRSS/ { n += $2 } END { print n }'; }

# fake_disk: the daemon alone has a disk that does what the file $FAULTS says (fault/preload/disk.c)
fake_disk() {
	export FAULTS=$WORK/faults
	: >"$FAULTS"
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$HELPERS/fault/disk.so" "$IPAMFS" >"$WORK/ipamfs"
	chmod +x "$WORK/ipamfs"
	IPAMFS=$WORK/ipamfs
}
# slow MS: for each write to that disk
slow() { echo "slow $1 ipam.db-wal" >"$FAULTS"; }

# halt_fs PID, resume_fs PID: as one that hangs, both processes of it
halt_fs() { kill -STOP "$1" $(pgrep -P "$1"); }
resume_fs() { kill -CONT "$1" $(pgrep -P "$1"); }

# take_off DIR: a mount whose daemon is dead or hangs; whoever waits there hears that it has ended. It is not asked anything before.
take_off() { umount -f -l "$1" 2>/dev/null; }

# kill_fs [DIR]: as a crash does
kill_fs() {
	local worker workers
	cd / || exit 1
	workers=$(pgrep -P "$daemon")
	kill -9 "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	# They die of it, each in its time, and have the database until then.
	for worker in $workers; do until_true 60 has_ended "$worker"; done
	take_off "${1:-$M}"
}

# contents DIR: a line for each lease below it, "NAME ADDRESSES", sorted. One program reads them all: starting one for each costs more than all else.
contents() {
	(cd "$1" && find . -name .ipam -prune -o -type f -print0 | xargs -0 -r awk '{ lines[FILENAME] = lines[FILENAME] " " $0 }
		END { for (name in lines) print substr(name, 3) lines[name] }') | sort
}

# fill PREFIX MOST: claim PREFIX0 and on until one is refused; how many there are now, and the errno in $WORK/error
fill() { "$HELPERS/mount/sys" fill "$1" "$2" 2>"$WORK/error"; }

# A cluster with both families, and nodes.
make_cluster() {
	local cluster=$1 node
	shift
	mkdir "$M/$cluster"
	put "$M/$cluster/.ipam/cidrs" "10.244.0.0/16 24
fd00:10:244::/48 64"
	for node; do mkdir "$M/$cluster/$node"; done
}

check_clean() { ok "$1: ipamctl check finds nothing" "$IPAMCTL" check --quiet "${2:-$DB}"; }

# lease_mark FILE: what .ipam/release takes
lease_mark() { echo "$(stat -c %i "$1") $(getfattr --absolute-names --only-values -n user.ipam.generation "$1")"; }
