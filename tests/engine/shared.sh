# Machines that share three etcd members: what each sees of the others, races, growth, partition, forced removal, and what is wrong
# under the prefix.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 3
machine w1
machine w2
A=$WORK/w1 B=$WORK/w2
ok "both reach the engine" ready w1
ready w2

# ---- one tree
has_mode() { [ "$(stat -c %a "$2")" = "$1" ]; }
mkdir "$A/prod"
put "$A/prod/.ipam/cidrs" "10.244.0.0/16 24
fd00:10:244::/48 64"
ok "a cluster made here is there" until_true 20 test -d "$B/prod"
ok "with its CIDRs" until_true 20 grep -q fd00 "$B/prod/.ipam/cidrs"
refused "mkdir of it again" "File exists" mkdir "$B/prod"
refused "an overlapping CIDR" "File exists" append "$B/prod/.ipam/cidrs" 10.244.128.0/17
refused "a malformed one" "Invalid argument" append "$B/prod/.ipam/cidrs" 10.244.0.1/17
mkdir "$A/prod/w1" && mkdir "$B/prod/w2"
same "a block of each family" 2 "$(wc -l <"$A/prod/w1/.ipam/cidrs")"
ok "both see both" until_true 20 test -d "$A/prod/w2" -a -d "$B/prod/w1"
ok "and the same blocks" until_true 20 cmp "$A/prod/.ipam/blocks" "$B/prod/.ipam/blocks"
same "which differ" 4 "$(cut -d' ' -f1 "$A/prod/.ipam/blocks" | sort -u | wc -l)"
put "$A/prod/.ipam/reserved" 10.244.255.0/24
ok "what is reserved is so everywhere" until_true 20 grep -q 10.244.255.0/24 "$B/prod/.ipam/reserved"
put "$B/prod/.ipam/settings" "max-leases 3"
ok "settings are" until_true 20 grep -q '^max-leases 3' "$A/prod/.ipam/settings"
touch "$A/prod/w1/a" "$A/prod/w1/b" "$A/prod/w1/c"
refused "and hold" "quota" touch "$A/prod/w1/d"
put "$B/prod/.ipam/settings" "max-leases 0"
until_true 20 grep -q '^max-leases 0' "$A/prod/.ipam/settings"
chmod 700 "$A/prod/w1"
ok "modes are" until_true 20 has_mode 700 "$B/prod/w1"
chmod 755 "$A/prod/w1"
refused "a CIDR with blocks doesn't leave" "busy" put "$B/prod/.ipam/cidrs" "10.245.0.0/16"

# ---- leases
same "a lease reads here" "$(cat "$A/prod/w1/a")" "$(cat "$A/prod/w1/a")"
ok "it is published" until_true 20 test -e "$B/prod/w1/a"
same "as it is" "$(cat "$A/prod/w1/a")" "$(cat "$B/prod/w1/a")"
setfattr -n user.pod -v default/a "$A/prod/w1/a"
published() { [ "$(getfattr --absolute-names --only-values -n user.pod "$B/prod/w1/a" 2>/dev/null)" = default/a ]; }
ok "with its attributes" until_true 20 published
ok "and found by its address" test -L "$B/prod/.ipam/by-ip/$(sed -n '1s,/.*,,p' "$A/prod/w1/a")"
ok "another machine's are in the reports" grep -q ' a  *.*default/a' "$B/prod/.ipam/leases"
ok "what happened here can be read" grep -q '"allocate".*"name":"a"' "$A/prod/.ipam/history"
ok "stats say how old that is" grep -q '^published_age_seconds [0-9]' "$B/prod/w1/.ipam/stats"
refused "writing there" "Read-only file system" touch "$B/prod/w1/x"
refused "releasing there" "Read-only file system" rm "$B/prod/w1/a"
refused "its attributes" "Read-only file system" setfattr -n user.x -v y "$B/prod/w1/a"
refused "rmdir of another machine's node" "busy" rmdir "$B/prod/w1"
refused "its settings" "Read-only file system" put "$B/prod/w1/.ipam/settings" "ttl 5"
rm "$A/prod/w1/c"
ok "a release is published" until_true 20 test ! -e "$B/prod/w1/c"
mv "$A/prod/w1/b" "$A/prod/w1/bb"
ok "a rename" until_true 20 test -e "$B/prod/w1/bb" -a ! -e "$B/prod/w1/b"

# ---- a node of nobody's yet, and one that moves names
mkdir "$A/prod/w9"
ok "a node for a machine that isn't there yet" until_true 20 test -d "$B/prod/w9"
refused "nobody leases in it" "Read-only file system" touch "$A/prod/w9/x"
machine w9
ready w9
ok "its machine takes it" until_true 20 touch "$WORK/w9/prod/w9/x"
machine_end w9
mkdir "$A/prod/spare"
mv "$A/prod/spare" "$A/prod/other"
ok "a rename is seen" until_true 20 test -d "$B/prod/other" -a ! -e "$B/prod/spare"
rmdir "$B/prod/other"
ok "whose nobody's is, anybody removes" until_true 20 test ! -e "$A/prod/other"

# ---- races
for i in $(seq 20); do (mkdir "$A/prod/race-$i" 2>/dev/null && echo "a $i") & (mkdir "$B/prod/race-$i" 2>/dev/null && echo "b $i") & done >"$WORK/won"
wait $(jobs -p | grep -vxF -f <(printf '%s\n' "${pids[@]}"))
same "of two that make one node, one does" 20 "$(wc -l <"$WORK/won")"
same "no block is delegated twice" "" "$(cut -d' ' -f1 "$A/prod/.ipam/blocks" | sort | uniq -d)"
ok "both see the same in the end" until_true 20 cmp "$A/prod/.ipam/blocks" "$B/prod/.ipam/blocks"
rmdir "$A"/prod/race-*
same "and are removed" 0 "$(ls "$A/prod" | grep -c race)"

# ---- a machine that is killed while it asks, and while it hears of others: its users are let go
halt_fs "${machine[w1]}"
for i in 1 2 3; do mkdir "$B/prod/heard-$i"; done
for i in 0 1 2; do etcd_pause "$i"; done
mkdir "$A/prod/asked" 2>/dev/null &
maker=$!
resume_fs "${machine[w1]}"
sleep 1
disown "${machine[w1]}"
kill -9 "${machine[w1]}"
let_go() { ! kill -0 "$maker"; }
ok "a mkdir of a machine that is killed ends" until_true 20 let_go
machine_kill w1
wait "$maker"
for i in 0 1 2; do etcd_resume "$i"; done
machine w1
ready w1
ok "it has heard of the others when it is back" until_true 20 test -d "$A/prod/heard-3"
rmdir "$A"/prod/heard-* && rmdir "$A/prod/asked" 2>/dev/null

# ---- growth, before the node is full
put "$A/prod/w1/.ipam/settings" "max-blocks 3"
(cd "$A/prod/w1" && seq 1 500 | xargs touch)
same "it grew while it was filled" 3 "$(grep -c '^10' "$A/prod/w1/.ipam/cidrs")"
same "and gave all" 502 "$(ls "$A/prod/w1" | wc -l)"
(cd "$A/prod/w1" && seq 501 800 | xargs touch) 2>"$WORK/full"
ok "full is full" grep -q "No space left" "$WORK/full"
same "at three blocks" 759 "$(ls "$A/prod/w1" | wc -l)"
(cd "$A/prod/w1" && seq 1 740 | xargs rm -f)

# ---- partition
for i in 0 1 2; do etcd_pause "$i"; done
ok "own leases go on without the engine" touch "$A/prod/w1/alone"
rm "$A/prod/w1/bb"
start=$SECONDS
refused "mkdir does not" "No route to host" mkdir "$A/prod/nope"
ok "and says so, without waiting for the engine ($((SECONDS - start)) s)" test $((SECONDS - start)) -lt 30
ok "health says since when" until_true 20 grep -q '^unreachable since 20' "$A/.ipam/health"
ok "in its first line, too" grep -q '^degraded' "$A/.ipam/health"
machine_kill w1
machine w1
ok "a machine that starts alone leases on" touch "$A/prod/w1/alone-2"
ok "and has what it had" test -e "$A/prod/w1/alone" -a ! -e "$A/prod/w1/bb"
for i in 0 1 2; do etcd_resume "$i"; done
ok "it comes back by itself" until_true 20 grep -qx ok "$A/.ipam/health"
ok "and publishes what was missed" until_true 15 test -e "$B/prod/w1/alone" -a -e "$B/prod/w1/alone-2" -a ! -e "$B/prod/w1/bb"
mkdir -p "$A/prod/after"
ok "and delegates again" until_true 20 test -d "$B/prod/after"
rmdir "$B/prod/after"
[ ! -d "$A/prod/nope" ] || rmdir "$A/prod/nope"

# ---- members die
etcd_kill 0
# An answer that came too late is the refusal of what was done: then it is there.
made() { mkdir "$1" 2>/dev/null || test -d "$1"; }
ok "one member less: mkdir goes on" until_true 30 made "$B/prod/two-left"
ok "and is seen" until_true 20 test -d "$A/prod/two-left"
etcd_begin 0
until_true 20 etcd_healthy
rmdir "$A/prod/two-left"

# ---- a compaction while nobody watches
halt_fs "${machine[w2]}"
for i in 1 2 3 4 5 6; do mkdir "$A/prod/c$i" && rmdir "$A/prod/c$i"; done
mkdir "$A/prod/kept"
etcd_compact >/dev/null 2>&1
for i in 0 1 2; do etcd_kill "$i"; done # so that its watch has to begin anew
for i in 0 1 2; do etcd_begin "$i"; done
until_true 30 etcd_healthy
resume_fs "${machine[w2]}"
ok "after a compaction all is read anew" until_true 30 test -d "$B/prod/kept"
same "and nothing else is there" "" "$(ls "$B/prod" | grep '^c[0-9]')"
rmdir "$A/prod/kept"

# ---- a dead machine
touch "$B/prod/w2/lives"
until_true 20 test -e "$A/prod/w2/lives"
blocks=$(cat "$B/prod/w2/.ipam/cidrs")
refused "a living machine's node isn't taken by force" "busy" put "$A/prod/w2/.ipam/remove" force
refused "nor by another word" "Invalid argument" put "$A/prod/w2/.ipam/remove" please
put "$A/prod/.ipam/settings" "block-quarantine 3600"
machine_kill w2
refused "nor by ipamctl" "its machine is there" "$IPAMCTL" node remove --force w2 --cluster prod --mount "$A"
refused "which wants the word" "force" "$IPAMCTL" node remove w2 --cluster prod --mount "$A"
ok "once it isn't heard of any more" until_true 60 "$IPAMCTL" node remove --force w2 --cluster prod --mount "$A"
ok "its directory is gone" until_true 20 test ! -e "$A/prod/w2"
mkdir "$A/prod/heir"
refused "its blocks rest" "in use" put "$A/prod/heir/.ipam/cidrs" "$blocks"
rmdir "$A/prod/heir"
machine w2
ok "should it come back, it says what happened" until_true 15 grep -q 'removed elsewhere' "$B/.ipam/health"
ok "keeps what runs" test -e "$B/prod/w2/lives"
refused "gives nothing" "Read-only file system" touch "$B/prod/w2/new"
ok "releases" rm "$B/prod/w2/lives"
ok "and then the node goes" until_true 15 test ! -e "$B/prod/w2"
ok "it begins anew" mkdir "$B/prod/w2"
ok "with other blocks" test "$(cat "$B/prod/w2/.ipam/cidrs")" != "$blocks"
touch "$B/prod/w2/x"

# ---- what is wrong
refused "a state file under another prefix" "under the prefix" timeout 60 "$IPAMFS" "etcd://$(etcd_endpoints)/elsewhere" "$WORK/mnt" -f -o "node=w2,state=$WORK/w9.db"
refused "a state file by itself" "shares" timeout 60 "$IPAMFS" "$WORK/w9.db" "$WORK/mnt" -f
"$IPAMCTL" init "$WORK/own.db" --cluster c --cluster-cidr 10.0.0.0/16 >/dev/null
refused "a database with clusters of its own" "clusters of its own" timeout 60 "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/own.db"
refused "no state file" "state=FILE" "$IPAMFS" "etcd://$(etcd_endpoints)/x" "$WORK/mnt" -f
refused "no prefix" "prefix" "$IPAMFS" "etcd://$(etcd_endpoints)" "$WORK/mnt" -f -o state=x
ctl put /foreign/key value >/dev/null
ctl put /newer/schema 99 >/dev/null
PREFIX=/foreign machine foreign
ok "a prefix of something else's: health says it" until_true 20 grep -q "keys of something else" "$WORK/foreign/.ipam/health"
refused "and nothing is done there" "No route" mkdir "$WORK/foreign/x"
machine_end foreign
PREFIX=/newer machine newer
ok "a newer version's state" until_true 20 grep -q "newer version" "$WORK/newer/.ipam/health"
machine_end newer
same "neither is touched" "/foreign/key
value
/newer/schema
99" "$(ctl get --prefix /foreign; ctl get --prefix /newer)"

cd /
machine_end w1
machine_end w2
check_clean "a machine's own part" "$WORK/w1.db"
