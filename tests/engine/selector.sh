# Selectors and labels where machines share an engine: seen by both, delegation by a line, races, and growth from the right CIDR.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ok "both reach the engine" ready w1
ready w2
blocks() { grep " $2 " "$1/prod/.ipam/blocks" | cut -d' ' -f1 | xargs; }
within() { # CIDR TEXT: all lines of it begin with that
	[ -n "$2" ] && ! xargs -n1 <<<"$2" | grep -vqF "$1"
}

# ---- the version of what is there goes up with the first selector
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.0.0.0/16 24"
same "without any, older programs may be among them" 1 "$(ctl get --print-value-only $PREFIX/schema)"
ok "a list with selectors" put "$A/prod/.ipam/cidrs" "10.0.0.0/24 28
10.1.0.0/24 28 selector=zone==a,!old
10.2.0.0/26 28 selector=zone=a,arch,!old"
same "then not" 2 "$(ctl get --print-value-only $PREFIX/schema)"
ok "it is seen" until_true 20 cmp "$A/prod/.ipam/cidrs" "$B/prod/.ipam/cidrs"
same "in canonical form" "10.1.0.0/24 28 selector=!old,zone=a" "$(sed -n 2p "$B/prod/.ipam/cidrs")"

ok "a range of services" put "$A/prod/.ipam/reserved" "10.1.0.20 services
10.9.0.0/16"
same "raises it again" 3 "$(ctl get --print-value-only $PREFIX/schema)"
ok "the other machine has it" until_true 20 cmp "$A/prod/.ipam/reserved" "$B/prod/.ipam/reserved"
same "as it was written" "10.1.0.20 services 10.9.0.0/16" "$(xargs <"$B/prod/.ipam/reserved")"
refused "and gives no block that it meets" "Cannot assign requested address" put "$B/prod/.ipam/delegate" "no 10.1.0.16/28"
put "$A/prod/.ipam/reserved" ""
ok "until it is taken back" until_true 20 cmp "$A/prod/.ipam/reserved" "$B/prod/.ipam/reserved"

# ---- a line a node
ok "a node with labels" put "$B/prod/.ipam/delegate" "n1 zone=a"
ok "is there on both" until_true 20 grep -qx zone=a "$A/prod/n1/.ipam/labels"
ok "with a block where they lead" within 10.1.0. "$(blocks "$A" n1)"
ok "the most that is asked for first" put "$A/prod/.ipam/delegate" "m1 zone=a arch=
m2 zone=a arch=x
m3 zone=a arch=y
m4 zone=a arch=z
m5 zone=a arch=z"
ok "until that is full" within 10.2.0. "$(blocks "$A" m1) $(blocks "$A" m2) $(blocks "$A" m3) $(blocks "$A" m4)"
ok "then the next" within 10.1.0. "$(blocks "$A" m5)"
mkdir "$A/prod/plain"
ok "mkdir without labels" within 10.0.0. "$(blocks "$A" plain)"
until_true 20 test -d "$B/prod/plain"
exact=$(comm -23 <(for i in 0 1 2 3; do echo "10.1.0.$((i * 16))/28"; done | sort) <(cut -d' ' -f1 "$B/prod/.ipam/blocks" | sort) | head -1)
ok "exact blocks, whoever they are for" put "$B/prod/.ipam/delegate" "e1 $exact
e2"
same "are delegated" "$exact" "$(xargs <"$B/prod/e1/.ipam/cidrs")"
until_true 20 test -d "$A/prod/e2"
refused "EEXIST" "File exists" put "$A/prod/.ipam/delegate" "e1 zone=a"
refused "EADDRINUSE" "Address already in use" put "$A/prod/.ipam/delegate" "e3 $exact"
refused "of another line" "Address already in use" put "$A/prod/.ipam/delegate" "e3 10.0.0.240/28
e4 10.0.0.240/28"
refused "EADDRNOTAVAIL" "Cannot assign requested address" put "$A/prod/.ipam/delegate" "e3 10.9.0.0/28"
refused "EINVAL" "Invalid argument" put "$A/prod/.ipam/delegate" "e3 zone"
refused "all or none" "File exists" put "$A/prod/.ipam/delegate" "e3 zone=a
e1"
refused "ENOSPC" "No space left" put "$A/prod/.ipam/delegate" "$(seq -f 'full-%.0f' 16)"
same "none of those is there" 0 "$(ls "$A/prod" | grep -cE '^(e3|e4|full)')"
mkdir "$A/wide"
put "$A/wide/.ipam/cidrs" "10.32.0.0/11 24"
refused "more than a transaction holds" "Message too long" put "$A/wide/.ipam/delegate" "$(seq -f 'n%.0f zone=a' 64)"
ok "as many as it does" put "$A/wide/.ipam/delegate" "$(seq -f 'n%.0f zone=a' 63)"
same "are there at once" 63 "$(wc -l <"$A/wide/.ipam/blocks")"
ok "and there soon" until_true 20 cmp "$A/wide/.ipam/blocks" "$B/wide/.ipam/blocks"

# ---- races: names, and blocks
mkdir "$A/race"
put "$A/race/.ipam/cidrs" "10.16.0.0/20 24"
until_true 20 grep -q 10.16 "$B/race/.ipam/cidrs"
for i in $(seq 15); do
	(put "$A/race/.ipam/delegate" "r$i side=a" 2>/dev/null && echo "a $i") &
	(put "$B/race/.ipam/delegate" "r$i side=b" 2>/dev/null && echo "b $i") &
done >"$WORK/won"
wait $(jobs -p | grep -vxF -f <(printf '%s\n' "${pids[@]}"))
same "of two that delegate one name, one does" 15 "$(wc -l <"$WORK/won")"
ok "both see the same in the end" until_true 20 cmp "$A/race/.ipam/blocks" "$B/race/.ipam/blocks"
same "whose labels are the winner's" "$(sort -k2n "$WORK/won" | cut -d' ' -f1)" \
	"$(for i in $(seq 15); do sed s/side=// "$B/race/r$i/.ipam/labels"; done)"
rmdir "$A"/race/r*
nobody_there() { [ -z "$(ls "$B/race")" ]; }
until_true 20 nobody_there
for i in $(seq 15); do
	(put "$A/race/.ipam/delegate" "a$i 10.16.$i.0/24" 2>/dev/null && echo "a $i") &
	(put "$B/race/.ipam/delegate" "b$i 10.16.$i.0/24" 2>"$WORK/race-$i" && echo "b $i") &
done >"$WORK/won"
wait $(jobs -p | grep -vxF -f <(printf '%s\n' "${pids[@]}"))
same "of two that want one block, one gets it" 15 "$(wc -l <"$WORK/won")"
same "the other hears so" "" "$(cat "$WORK"/race-* | grep -v "Address already in use")"
ok "and both know" until_true 20 cmp "$A/race/.ipam/blocks" "$B/race/.ipam/blocks"
same "no block twice" "" "$(cut -d' ' -f1 "$A/race/.ipam/blocks" | sort | uniq -d)"

# ---- labels of nodes
ok "of nobody's node" put "$B/prod/n1/.ipam/labels" "zone=b"
ok "anybody sets them" until_true 20 grep -qx zone=b "$A/prod/n1/.ipam/labels"
ok "a machine's own node" put "$A/prod/.ipam/delegate" "w1 zone=b"
until_true 20 test -d "$B/prod/w1"
refused "whose labels are its own affair" "Read-only file system" append "$B/prod/w1/.ipam/labels" "zone=a"
put "$A/prod/w1/.ipam/settings" "max-blocks 2"
ok "changes them" append "$A/prod/w1/.ipam/labels" "zone=a
arch=none"
ok "which is seen" until_true 20 grep -qx zone=a "$B/prod/w1/.ipam/labels"
(cd "$A/prod/w1" && seq 20 | xargs touch) # of 13
same "it grew" 2 "$(wc -l <"$A/prod/w1/.ipam/cidrs")"
ok "where its labels lead now" within 10.1.0. "$(tail -1 "$A/prod/w1/.ipam/cidrs")"
same "as its event tells" '{"arch":"none","zone":"a"}' "$(jq -c 'select(.event == "delegate" and .node == "w1").labels' "$A/prod/.ipam/history" | tail -1)"
same "labels are an event there, too" zone=a "$(jq -r 'select(.event == "labels" and .node == "w1").labels | "zone=" + .zone' "$B/prod/.ipam/history")"

# ---- another selector, and blocks stay
before=$(cat "$A/prod/.ipam/blocks")
ok "another selector" put "$B/prod/.ipam/cidrs" "10.2.0.0/26 28
10.1.0.0/24 28 selector=never
10.0.0.0/24 28"
ok "is seen" until_true 20 grep -q never "$A/prod/.ipam/cidrs"
same "and the blocks are as they were" "$(cut -d' ' -f1,2 <<<"$before")" "$(cut -d' ' -f1,2 "$A/prod/.ipam/blocks")"
refused "another mask is not" "busy" put "$B/prod/.ipam/cidrs" "10.2.0.0/26 28
10.1.0.0/24 27
10.0.0.0/24 28"

# ---- a node made for a machine has its labels when that takes it
ok "for a machine to come" put "$B/prod/.ipam/delegate" "w3 zone=c arch=z"
machine w3
ok "which takes it" until_true 20 touch "$WORK/w3/prod/w3/x"
same "with its labels" "arch=z zone=c" "$(xargs <"$WORK/w3/prod/w3/.ipam/labels")"

# ---- after a crash, and from nothing
machine_kill w1
machine w1
ready w1
same "a machine that crashed has them" "arch=none zone=a" "$(xargs <"$A/prod/w1/.ipam/labels")"
machine_end w2
rm -f "$WORK"/w2.db*
machine w2
ready w2
ok "one that begins anew reads them" until_true 20 grep -qx zone=c "$B/prod/w3/.ipam/labels"
same "and the selectors" "$(cat "$A/prod/.ipam/cidrs")" "$(cat "$B/prod/.ipam/cidrs")"

# ---- a record of before there were labels
id=$(ctl get --prefix --print-value-only $PREFIX/state/node | jq -r 'select(.labels == ["arch=z", "zone=c"]) | .id')
ok "they lie in the record" test -n "$id"
same "which has none where there are none" null "$(ctl get --prefix --print-value-only $PREFIX/state/node | jq -c 'select(.cidrs == ["'"$(blocks "$A" plain)"'"]).labels')"

# ---- no engine
etcd_pause 0
refused "EHOSTUNREACH" "No route to host" put "$A/prod/.ipam/delegate" "late zone=a"
refused "of labels, too" "No route to host" append "$A/prod/w1/.ipam/labels" "late=x"
etcd_resume 0
ok "it goes on" until_true 20 grep -qx ok "$A/.ipam/health"
for m in w1 w2 w3; do machine_end $m; done
for m in w1 w2 w3; do check_clean "$m" "$WORK/$m.db"; done
