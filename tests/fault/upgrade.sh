# Another program takes over a mount: by ipamctl, by a signal; one that can't is refused. And a worker that hangs, or falls again and
# again by itself.
. "$(dirname "$0")/../lib.sh"
FALLS=expected

worker() { awk '$1 == "worker_pid" { print $2 }' "$M/.ipam/stats"; }
started() { awk '$1 == "workers_started" { print $2 }' "$M/.ipam/stats"; }
# A copy, to be replaced as a package's is: by another file of that name.
mkdir "$WORK/bin"
cp "$IPAMFS" "$WORK/bin/ipamfs"
replace() { cp "$1" "$WORK/bin/new" && mv "$WORK/bin/new" "$WORK/bin/ipamfs"; }
IPAMFS=$WORK/bin/ipamfs

# Relative names, as a person gives them: the next program has to find the same.
cd "$WORK" || exit 1
"$IPAMFS" ipam.db mnt -f -o sync=normal,watchdog=3 2>>"$WORK/log" &
daemon=$!
pids+=("$daemon")
mounts+=("$M")
until_true 20 is_up "$M"
make_cluster prod n1
touch "$M/prod/n1/a"
mkdir "$M/prod/n1/.ipam/host-local/net1" "$M/prod/n1/.ipam/host-local/net2"
mkdir "$M/prod/n2" && rmdir "$M/prod/n2"
same "networks outlive another node" "net1 net2" "$(ls "$M/prod/n1/.ipam/host-local" | xargs)"
exec 5<"$M/prod/n1/a" 6<"$M/.ipam/stats" 7<"$M/prod/.ipam/leases.json"
exec 8>"$M/prod/n1/.ipam/ephemeral/held" 9<"$M/.ipam/events"

# ---- what each process may
status_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
same "the worker has no capabilities" 0000000000000000 "$(status_of "$(worker)" CapEff)"
same "nor could it get any" "0000000000000000 1" "$(status_of "$(worker)" CapBnd) $(status_of "$(worker)" NoNewPrivs)"
same "and its system calls are filtered" 2 "$(status_of "$(worker)" Seccomp)"
ok "the supervisor has few" test "$(status_of "$daemon" CapBnd)" != "$(status_of $$ CapBnd)"

# ---- in its place
first=$(worker)
replace "$BUILD/bin/ipamfs"
ok "ipamctl upgrade" "$IPAMCTL" upgrade --mount "$M"
ok "another worker serves" test "$(worker)" != "$first"
same "of the same process, for its service manager" "$daemon" "$(awk '$1 == "supervisor_pid" { print $2 }' "$M/.ipam/stats")"
ok "what is open stays open: a lease" grep -q 10.244.0.2 <&5
ok "a report, as it was" grep -qx "worker_pid $first" <&6
ok "another, that is long" jq -e . <&7
ok "an ephemeral lease" test -e "$M/prod/n1/held"
touch "$M/prod/n1/b"
ok "a stream of events" grep -qm1 '"name":"b"' <&9
exec 8>&-
ok "which ends when it is closed" until_true 10 test ! -e "$M/prod/n1/held"
ok "as JSON" jq -e '.longest_call_ms >= 0 and .from == .to' < <("$IPAMCTL" upgrade --json --mount "$M")

for i in 1 2 3 4; do kill -HUP "$daemon"; done # what comes at the wrong moment waits, or is refused
ok "signals in a row do no harm" until_true 20 touch "$M/prod/n1/.ipam/host-local/net1/10.244.0.99"
same "networks are there still" "net1 net2" "$(ls "$M/prod/n1/.ipam/host-local" | xargs)"
settled() { [ "$(started)" -gt 3 ] && rest 300 && [ "$(children_of "$daemon" | wc -l)" = 1 ]; }
until_true 20 settled

# ---- what can't take over
before=$(worker)
replace /bin/true
refused "a program of another kind" "goes on" "$IPAMCTL" upgrade --timeout 2 --mount "$M"
same "is not run" "$before" "$(worker)"
ok "and the log says it" grep -q "can't take over" "$WORK/log"
rm "$WORK/bin/ipamfs"
refused "none at all" "goes on" "$IPAMCTL" upgrade --timeout 2 --mount "$M"
replace "$BUILD/bin/ipamfs"
refused "where nothing is mounted" "no ipamfs" "$IPAMCTL" upgrade --mount "$WORK"

# ---- one that hangs
hung=$(worker)
kill -STOP "$hung"
ok "a worker that hangs is replaced, and a client waits" touch "$M/prod/n1/c"
ok "the log says why" grep -q "the worker hangs" "$WORK/log"
ok "it is gone" until_true 10 test ! -e "/proc/$hung"

# ---- one that falls by itself, again and again: with whatever it was asked for
from=$(started)
for i in 1 2 3; do
	old=$(worker)
	kill -XCPU "$old" # which no sanitizer catches
	until_true 20 test ! -e "/proc/$old"
done
ok "one that falls is replaced each time" test "$(started)" -ge $((from + 3))
ok "the log says by what" grep -q "killed by signal 24" "$WORK/log"
touch "$M/prod/n1/d"
exec 5<&- 6<&- 7<&- 9<&-

# ---- the end
check_clean_mount() { ok "the mount and the database agree" "$IPAMCTL" check --quiet "$M"; }
check_clean_mount
last=$(worker)
cd / || exit 1
umount_fs
ok "no worker is left" test ! -e "/proc/$last"
check_clean "after all"
same "with all leases" 4 "$(sqlite3 "$DB" 'SELECT count(*) FROM lease')"

# A supervisor that is killed takes its worker with it, and lets the database go.
IPAMFS=$BUILD/bin/ipamfs
mount_fs sync=normal
last=$(worker)
kill_fs
ok "without its supervisor no worker stays" until_true 10 test ! -e "/proc/$last"
mount_fs sync=normal,resend=no
same "the next mount has it all" 4 "$(ls "$M/prod/n1" | wc -l)"
cat "$M/.ipam/events" >"$WORK/out" 2>&1 &
reader=$!
pids+=("$reader")
listens() { grep -q '^ipamfs_event_readers [1-9]' "$M/.ipam/metrics/ipamfs.prom"; }
until_true 10 listens
kill -9 "$(worker)"
wait "$reader"
ok "where requests can't be asked for again they fail" grep -q "Input/output error" "$WORK/out"
ok "and all else goes on" touch "$M/prod/n1/e"
umount_fs
