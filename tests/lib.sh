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
SAID=$WORK/.said
NEVER=$WORK/.never
mkfifo "$NEVER" # nobody writes to it
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

# Both let the command write into a file: it needs no process of its own then, where it is a function or known to the shell, and a process
# costs more than most of what is tried.

# ok NAME COMMAND...: it succeeds
ok() {
	local name=$1 said=$SAID.$BASHPID out=""
	shift
	if "$@" >"$said" 2>&1; then
		pass "$name"
	else
		IFS= read -r -d '' out <"$said"
		fail "$name" "$* failed: $out"
	fi
}

# refused NAME TEXT COMMAND...: it fails, and its message has the text (an errno's)
refused() {
	local name=$1 text=$2 said=$SAID.$BASHPID out=""
	shift 2
	if "$@" >"$said" 2>&1; then
		fail "$name" "$* succeeded"
		return
	fi
	IFS= read -r -d '' out <"$said"
	if [[ $out == *"$text"* ]]; then pass "$name"; else fail "$name" "wanted '$text', got: $out"; fi
}

# same NAME WANTED GOT
same() {
	if [ "$2" == "$3" ]; then pass "$1"; else fail "$1" "wanted: $2" "got:    $3"; fi
}

# rest MS: without a process, which `sleep` would be
rest() {
	local seconds
	printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
	read -r -t "$seconds" _ <>"$NEVER"
}

# until_true SECONDS COMMAND...: wait for a condition. The seconds are those of a machine that does nothing else; one that is busy has PATIENCE
# times as many: they end a test that hangs, and judge nothing.
PATIENCE=${PATIENCE:-6}
until_true() {
	local end=$((SECONDS + $1 * PATIENCE)) interval=15
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		rest $interval
		[ "$interval" -ge 150 ] || interval=$((interval * 3 / 2))
	done
}

# free_port VARIABLE...: a port each that nothing listens on, all different, below those that the kernel gives to clients. Each script has a
# hundred to itself as long as it or what it started lives: others look for ports at the same time.
next_port=0
free_port() {
	local variable
	for variable; do
		while [ $((next_port % 100)) -eq 0 ] || port_is_taken "$next_port"; do
			if [ $((next_port % 100)) -eq 0 ]; then take_ports; else next_port=$((next_port + 1)); fi
		done
		printf -v "$variable" %s "$next_port"
		next_port=$((next_port + 1))
	done
}
port_is_taken() { ss -Hltn "sport = :$1" | grep -q .; }
take_ports() {
	local first hold
	mkdir -p /run/ipamfs-test-ports
	while :; do
		first=$((20000 + RANDOM % 120 * 100))
		exec {hold}>"/run/ipamfs-test-ports/$first"
		flock -n "$hold" && break
		exec {hold}>&-
	done
	next_port=$((first + 1))
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
	local state threads
	{ read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null || return 0
	threads=("/proc/$1/task/"*)
	# The first thread is a zombie before the others are gone, and they have the locks still.
	[ "$state" = Z ] && [ "${#threads[@]}" -le 1 ]
}

# ends_unmounted PID DIR: once its mount has been taken off. Whoever made a namespace of mounts meanwhile has it there still, for as long as that
# lives; where it is one that no test made, the daemon is told to end.
ends_unmounted() {
	until_true 10 has_ended "$1" && return
	[ -z "$(grep -l " $2 fuse" /proc/[0-9]*/mounts 2>/dev/null)" ] || kill -TERM "$1"
	until_true 40 has_ended "$1"
}

# umount_fs [DIR]: the daemon ends by itself, and well
umount_fs() {
	cd / || exit 1
	umount "${1:-$M}" || take_off "${1:-$M}"
	ends_unmounted "$daemon" "${1:-$M}" || {
		fail "umount ends the daemon" "$(tail -5 "$WORK/log")" "where else it is mounted: $(grep -l " ${1:-$M} fuse" /proc/[0-9]*/mounts 2>/dev/null | xargs)"
		kill -9 "$daemon"
	}
	wait "$daemon"
	same "umount ends the daemon cleanly" 0 $?
}

# children_of PID: those that live, the oldest first
children_of() {
	local file child of_thread
	for file in /proc/"$1"/task/*/children; do
		read -r -a of_thread <"$file"
		for child in "${of_thread[@]}"; do has_ended "$child" || echo "$child"; done
	done 2>/dev/null
}
# worker_of PID: the process that serves; where one has just died, the next
worker_of() {
	local worker
	has_worker() { read -r worker < <(children_of "$1") || has_ended "$1"; }
	until_true 20 has_worker "$1" && [ -n "$worker" ] && echo "$worker"
}
# kill_worker [PID]: until it is dead, so that the worker of the daemon is another one from then on
kill_worker() {
	aim "$@"
	shoot
}
# aim [PID], shoot: the same in two steps, where looking for it would take too long
aim() { aimed=$(worker_of "${1:-$daemon}"); }
shoot() { kill -9 "$aimed" && until_true 20 has_ended "$aimed"; }
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
halt_fs() { kill -STOP "$1" $(children_of "$1"); }
resume_fs() { kill -CONT "$1" $(children_of "$1"); }

# take_off DIR: a mount whose daemon is dead or hangs; whoever waits there hears that it has ended. It is not asked anything before.
take_off() { umount -f -l "$1" 2>/dev/null; }

# kill_fs [DIR]: as a crash does
kill_fs() {
	cd / || exit 1
	kill_daemon
	take_off "${1:-$M}"
}
# kill_daemon: the mount stays, dead
kill_daemon() {
	local worker workers
	workers=$(children_of "$daemon")
	kill -9 "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	# They die of it, each in its time, and have the database until then.
	for worker in $workers; do until_true 60 has_ended "$worker"; done
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
