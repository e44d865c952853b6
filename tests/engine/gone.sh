# What is made here and removed elsewhere before this machine has seen it: who made it is told so, and no worker falls.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 grep -q 10.244 "$B/prod/.ipam/cidrs"

# Until it has happened: what was made is gone before it could be answered.
(while [ ! -e "$WORK/stop" ]; do rmdir "$B/prod/x"; done) 2>/dev/null &
pids+=("$!")
happened() {
	mkdir "$A/prod/x" 2>"$WORK/said" || grep -q "No such file" "$WORK/said"
	grep -q "No such file" "$WORK/said"
}
ok "a node that was removed elsewhere at once is told as gone" until_true 120 happened
touch "$WORK/stop"
wait "${pids[-1]}"
ok "nobody fell" test "$(cat "$WORK"/w?.log | grep -c 'worker [0-9]* was killed')" -eq 0
ok "and it goes on" mkdir "$A/prod/y"
machine_end w1
machine_end w2
