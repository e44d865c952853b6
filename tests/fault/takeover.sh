# A worker dies on a slow disk, in the middle of what takes two steps: the next one goes on with the second, or says what is lost.
. "$(dirname "$0")/../lib.sh"

fake_disk
mount_fs sync=normal
make_cluster prod n
node=$M/prod/n
layout=$node/.ipam/host-local/net
mkdir "$layout"
gone() { [ ! -e "$1" ]; }
worker() { worker_of "$daemon"; }
pod_of() { getfattr --absolute-names --only-values -n user.pod "$1" 2>/dev/null; }

# ---- what is written behind
touch "$node/web"
setfattr -n user.pod -v kept "$node/web"
sync "$node/web"
kill_worker
ok "what was synced is, after a death" sync "$node/web"
same "and is there" kept "$(pod_of "$node/web")"
aim
slow 5000
setfattr -n user.pod -v lost "$node/web"
shoot
slow 0
refused "what was not is told by the next sync" "Input/output error" sync "$node/web"
same "and is as it was" kept "$(pod_of "$node/web")"
ok "it is told once" sync "$node/web"
setfattr -n user.pod -v again "$node/web"
ok "set again, it can be synced" sync "$node/web"
kill_worker
same "and stays" again "$(pod_of "$node/web")"

# ---- an ephemeral lease that has ended
exec 5<>"$node/.ipam/ephemeral/ended"
slow 400
exec 5>&-
ok "it has ended, though the disk doesn't know yet" until_true 10 gone "$node/ended"
kill_worker
ok "and doesn't come back" gone "$node/ended"
slow 0
ok "its name is free" claim "$node/ended"

# ---- a text that a program cuts at its buffer's end
awk 'BEGIN { for (i = 0; i < 160; i++) printf "d%03d k=%020d\n", i, i }' >"$WORK/text"
before=$(worker)
slow 20
dd if="$WORK/text" of="$M/prod/.ipam/delegate" bs=4096 conv=notrunc status=none 2>"$WORK/dd" &
writer=$!
pids+=("$writer")
sleep 0.1
kill_worker
until_true 60 test -e "$M/prod/d000"
kill_worker
wait "$writer"
same "a cut text is taken whole over two deaths" "0 " "$? $(cat "$WORK/dd")"
same "each line of it" 160 "$(ls "$M/prod" | grep -c '^d')"
ok "by other workers" test "$before" != "$(worker)"

{
	head -c 4000 /dev/zero | tr '\0' '#'
	echo
	for i in {0..59}; do echo "10.9.$i.0/24"; done
	printf 10.8.0.0/24
} >"$WORK/text"
slow 200
cat "$WORK/text" >"$M/prod/.ipam/reserved"
kill_worker
slow 0
last_is() { [ "$(tail -n 1 "$M/prod/.ipam/reserved")" == "$1" ]; }
ok "a last line without an end, which the close stores" until_true 20 last_is 10.8.0.0/24
same "beside the others" 61 "$(wc -l <"$M/prod/.ipam/reserved")"

awk 'BEGIN { for (i = 0; i < 61; i++) printf "e%03d k=%060d\n", i, i; printf "last" }' >"$WORK/text"
exec 5>"$M/prod/.ipam/delegate"
cat "$WORK/text" >&5
slow 200
exec 5>&-
kill_worker
slow 0
ok "the last line of 'delegate'" until_true 20 test -d "$M/prod/last"

# ---- between the two commits of a file in host-local's layout its lease is removed by its other name
failed=()
is_stored() { [ -n "$(sqlite3 "$DB" "SELECT 1 FROM lease WHERE name = '$1'")" ]; }
for i in {80..83}; do
	aim
	slow 700
	claim "$layout/10.244.0.$i" >"$WORK/made" 2>&1 &
	maker=$!
	until_true 20 is_stored "10.244.0.$i"
	rm "$node/10.244.0.$i" &
	remover=$!
	pids+=("$maker" "$remover")
	rest 40
	shoot
	slow 0
	wait "$maker" || failed+=("$i: $(cat "$WORK/made")")
	wait "$remover" || failed+=("$i: rm")
done
same "its creator hears nothing of that" "" "${failed[*]}"
umount_fs
check_clean "after it"

# ---- a release that was stored, and that the next worker answers: whoever looks then finds nothing, though somebody is at work in the
# directory, so that the kernel can't be made to forget a name there
mount_fs sync=full
touch "$node/released"
stat "$node/released" >/dev/null
mark=$(lease_mark "$node/released")
written() { stat -c '%s %y' "$DB-wal"; }
wrote() { [ "$(written)" != "$1" ]; }
before=$(written)
echo "slow-sync 1500 ipam.db-wal" >"$FAULTS"
put "$node/.ipam/release" "$mark" &
writer=$!
until_true 20 wrote "$before"
claim "$node/beside" &
maker=$!
pids+=("$writer" "$maker")
kill_worker
wait "$writer"
same "a release is answered by the next worker" "0 gone" "$? $(gone "$node/released" && echo gone)"
slow 0
wait "$maker"
same "so is what somebody did beside it" 0 $?
umount_fs
check_clean "after that"
