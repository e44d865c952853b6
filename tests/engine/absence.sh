# A machine that was away from the engine for long asks whether its blocks are still its own before it leases; one that was away for a
# moment doesn't.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
ready w1
A=$WORK/w1
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 20 test -e "$A/prod/.ipam/cidrs"
mkdir "$A/prod/w1"
until_true 20 touch "$A/prod/w1/a"
noted() { [ -n "$(sqlite3 "$WORK/w1.db" "SELECT value FROM engine WHERE key = 'contact'")" ]; }
ok "that the engine was heard of is noted" until_true 20 noted

# ---- for a moment
etcd_pause 0
machine_kill w1
machine w1
ok "after a moment without the engine it leases on" touch "$A/prod/w1/b"
etcd_resume 0
ready w1

# ---- for long: a quarantine so short that half of it is over soon
put "$A/prod/.ipam/settings" "block-quarantine 4"
ok "the setting is there" until_true 20 grep -q '^block-quarantine 4' "$A/prod/.ipam/settings"
etcd_pause 0
machine_kill w1
gone=$SECONDS
over() { [ $((SECONDS - gone)) -gt 3 ]; }
until_true 60 over
machine w1
refused "after long it leases nothing" "No route to host" touch "$A/prod/w1/c"
ok "keeps what it has" test -e "$A/prod/w1/a"
ok "and releases" rm "$A/prod/w1/b"
ok "the log says why" grep -q "away from the engine for long" "$WORK/w1.log"
etcd_resume 0
ok "once the engine has answered it goes on" until_true 30 touch "$A/prod/w1/c"
machine_end w1
check_clean "its own part" "$WORK/w1.db"
