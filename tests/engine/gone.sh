# What is made here and removed elsewhere before its maker has etcd's answer: who made it is told so, and no worker falls.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
bad_network w1
endpoints=${bad_net[w1]} machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ready w1
ready w2
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 grep -q 10.244 "$B/prod/.ipam/cidrs"

# The answer is held back, and the watch isn't: w1 learns that x is there, and gone again, before it knows that it made it.
orders w1 "held 1000 /kv/txn 0 2500"
mkdir "$A/prod/x" 2>"$WORK/said" &
making=$!
ok "what is being made there is seen and removed here" until_true 20 rmdir "$B/prod/x"
wait "$making"
same "who made it is told that it failed" 1 $?
ok "since it is gone" grep -q "No such file" "$WORK/said"
orders w1
ok "nobody fell" test "$(cat "$WORK"/w?.log | grep -c 'worker [0-9]* was killed')" -eq 0
ok "and it goes on" until_true 20 mkdir "$A/prod/y"
machine_end w1
machine_end w2
