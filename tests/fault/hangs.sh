# However a mount ends, in full flow: each client has its answer, nobody is left in the kernel, and both umount and another mount work.
# KILLS=50 HOPELESS=20 does it more often; SECONDS_TO_ANSWER=5 judges the seconds that are promised, on a machine with nothing else to do.
. "$(dirname "$0")/../lib.sh"
KILLS=${KILLS:-4} HOPELESS=${HOPELESS:-1} CLIENTS=${CLIENTS:-8} SECONDS_TO_ANSWER=${SECONDS_TO_ANSWER:-30}
FALLS=expected

# ---- one round

# Of all processes that are ours, in uninterruptible sleep: none may stay there.
waiting() { ps -o stat=,comm= -p "$(pgrep -d, -f "$WORK|$HELPERS/fault/crowd $M" || echo 1)" | grep '^D'; }
nobody_waits() { [ -z "$(waiting)" ]; }
# As many as the daemon has processes.
everybody() { echo "$daemon $(children_of "$daemon" | xargs)"; }
unmounted() { ! grep -q " $M fuse.ipamfs" /proc/self/mounts; }

# end_by HOW: the mount ends so
end_by() {
	case $1 in
	kill) kill -9 "$daemon" ;;
	kill-all) kill -9 $(everybody) ;;
	term) kill -TERM "$daemon" ;;
	term-both) kill -TERM $(everybody) ;;
	term-group) kill -TERM -- "-$daemon" ;;
	umount) umount -l "$M" && kill -TERM "$daemon" ;;
	esac
}

# Nobody can open it: worker after worker fails, until the supervisor gives up.
hopeless() {
	mv "$DB" "$WORK/away.db"
	mkdir "$DB"
	kill -9 "$(worker_of "$daemon")"
	until_true 60 has_ended "$daemon"
}

# The daemon leads a process group of its own, as it does a control group where systemd starts it.
start() {
	set -m
	mount_fs sync=normal
	set +m
}

# gather: the clients come, and are busy
gather() {
	local line
	coproc CROWD { exec "$HELPERS/fault/crowd" "$M/prod/n" "$CLIENTS" "$SECONDS_TO_ANSWER"; }
	crowd=$CROWD_PID
	pids+=("$crowd")
	exec 7<&"${CROWD[0]}" 8>&"${CROWD[1]}"
	read -r -t 300 line <&7
}
# answers: what became of them from now on, in $line
answers() {
	echo end >&8
	read -r -t 300 line <&7
	exec 7<&- 8>&-
}

slowest=0 stuck=0 rounds=0
# round HOW
round() {
	local line
	start
	gather
	rest $((RANDOM % 600))
	if [ "$1" = hopeless ]; then hopeless; else end_by "$1"; fi
	answers
	rounds=$((rounds + 1))
	[[ $line == "ended $CLIENTS, stuck 0,"* ]] || {
		fail "$1, round $rounds: each client has its answer" "$line"
		stuck=$((stuck + 1))
	}
	slowest=$(sed 's/.*slowest \(-\?[0-9]*\) ms.*/\1/' <<<"$line" | sort -n - <(echo "$slowest") | tail -1)
	until_true 20 has_ended "$daemon" || fail "$1, round $rounds: the daemon ends"
	until_true 20 nobody_waits || fail "$1, round $rounds: nobody is left in the kernel" "$(waiting)"
	case $1 in term* | umount | hopeless) unmounted || fail "$1, round $rounds: it is unmounted" ;; esac
	unmounted || timeout 60 umount "$M" || fail "$1, round $rounds: umount works"
	if ! unmounted; then umount -f "$M"; umount -l "$M"; fi 2>/dev/null
	wait "$daemon" "$crowd" 2>/dev/null
	if [ "$1" = hopeless ]; then rmdir "$DB" && mv "$WORK/away.db" "$DB"; fi
}

# rounds_of HOW N
rounds_of() {
	local i
	slowest=0 stuck=0 rounds=0
	for i in $(seq "$2"); do round "$1"; done
	same "$1: $rounds times, $CLIENTS clients: all had an answer, $slowest ms after at most" 0 "$stuck"
}

# ---- the mount

start
make_cluster prod n
put "$M/prod/n/.ipam/settings" "ttl 1
reuse-delay 0"
kill -TERM "$daemon"
wait "$daemon"

for how in ${HOW:-kill kill-all term term-both term-group}; do rounds_of "$how" "$KILLS"; done
[ -n "${HOW:-}" ] || rounds_of hopeless "$HOPELESS"

# ---- a disk that hangs keeps nobody
if [ -z "${HOW:-}" ]; then
	(
		fake_disk
		start
		gather
		slow 60000
		kill -TERM "$daemon"
		answers
		same "a disk that hangs, and SIGTERM: all had an answer" "ended $CLIENTS, stuck 0" "${line%%, slowest*}"
		ok "it is unmounted" until_true 5 unmounted
		kill -TERM "$daemon" # asked twice
		ok "and the daemon ends when it is asked again" until_true 10 has_ended "$daemon"
		slow 0
		wait "$daemon" "$crowd" 2>/dev/null
	)
fi

# ---- our own tools on a mount that dies meanwhile
"$BUILD/bin/ipamfs-bench" generate --cluster big --cidr 10.0.0.0/8 --mask 16 --nodes 4 --leases 10000 "$WORK/big.db" >/dev/null
asked() { awk '/^requests_/ { n += $2 } END { print n }' "$M/.ipam/stats"; }
at_work() { [ "$(asked)" -gt "$1" ]; }
# dies_under NAME TEXT COMMAND...: it has asked for much when the daemon is killed; it ends soon, and says why
dies_under() {
	local name=$1 text=$2 tool before
	shift 2
	mount_fs sync=normal "$WORK/big.db"
	before=$(asked)
	"$@" >"$WORK/said" 2>&1 &
	tool=$!
	pids+=("$tool")
	until_true 20 at_work $((before + 500))
	kill -9 "$daemon"
	ok "$name ends with the mount that it looks at" until_true 5 has_ended "$tool"
	wait "$tool"
	ok "$name says why: $(tail -n 1 "$WORK/said" | cut -c -150)" grep -Eq "$text" "$WORK/said"
	same "$name says it once" 1 "$(grep -Ec 'not connected|connection abort' "$WORK/said")"
	take_off "$M"
	wait "$daemon" 2>/dev/null
}
if [ -z "${HOW:-}" ]; then
	dies_under "ipamctl check" "has ended meanwhile" "$IPAMCTL" check --quiet "$M"
	dies_under "ipamctl export" "not connected|connection abort" "$IPAMCTL" export --quiet --json --mount "$M"
	dies_under "ipamctl gc" "not connected|connection abort" "$IPAMCTL" gc --quiet --dry-run --node node-00000 --mount "$M"
fi

mount_fs sync=normal
ok "and it is mounted again" touch "$M/prod/n/after"
ok "the mount and the database agree" "$IPAMCTL" check --quiet "$M"
umount_fs
check_clean "in the end"

# ---- an unmount by force, in the middle of what a worker reads
: >"$WORK/log"
fake_disk
echo "abort fuse" >"$FAULTS"
mount_fs sync=normal
take_off "$M"
ok "a mount taken off by force ends the daemon" until_true 20 has_ended "$daemon"
has_ended "$daemon" || kill -9 "$daemon"
wait "$daemon"
same "as a clean end" 0 $?
same "and nobody takes over" "" "$(grep -E 'ended with|takes over' "$WORK/log")"

# ---- workers that open the database, and then can't serve
: >"$WORK/log"
echo "broken fuse" >"$FAULTS"
begun=${EPOCHREALTIME/./}
"$IPAMFS" "$DB" "$M" -f 2>>"$WORK/log" &
daemon=$!
pids+=("$daemon")
mounts+=("$M")
ok "it is mounted at first" until_true 20 grep -q " $M fuse.ipamfs" /proc/self/mounts
ok "a client of a mount that nobody can serve has an answer" timeout 60 sh -c '! cat "$1" 2>/dev/null' sh "$M/.ipam/version"
ok "and the mount ends" until_true 60 has_ended "$daemon"
has_ended "$daemon" || kill -9 "$daemon"
wait "$daemon"
same "as a failure" 1 $?
ok "and says why" grep -q "worker after worker can't serve" "$WORK/log"
ok "ten of them had waited longer and longer" test "$((${EPOCHREALTIME/./} - begun))" -gt 2500000

# ---- workers that take their time to find that they can't open it
: >"$WORK/log"
: >"$FAULTS"
mount_fs sync=normal
echo "slow-read 1200 ipam.db" >"$FAULTS"
head -c 8192 /dev/zero >"$DB"
rm -f "$DB-wal" "$DB-shm"
kill -9 "$(worker_of "$daemon")"
ok "the mount ends, however long each takes" until_true 60 has_ended "$daemon"
has_ended "$daemon" || kill -9 "$daemon"
wait "$daemon"
same "as a failure, too" 1 $?
