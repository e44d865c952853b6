# Two controllers and one Lease: one works, whatever happens to it.
. "$(dirname "$0")/../kube_lib.sh"

mount_fs sync=normal
mkdir "$M/prod"
afresh "10.0.0.0/12 24"
holder() { get $LEASE | jq -r '.spec.holderIdentity // ""'; }
holds() { [ "$(holder)" == "$1" ]; }
# two NAME: one of that name; short Leases, for this can't wait for long ones
two() {
	start "$WORK/$1.log" "$KUBE" controller --cluster prod --mount "$M" --kubeconfig "$KC" "${FAST[@]}" --lease-duration 3 --identity "$1" \
		--metrics "$WORK/$1.prom"
}
new() {
	echo "$1" | make_nodes
	ok "$1" until_true "${2:-20}" has "$1"
}

two one && one=$started
ok "the first one leads" until_true 10 holds one
two two && two=$started
ok "the second one waits" until_true 10 grep -q "one leads; waiting" "$WORK/two.log"
new "a-Node"
same "the Lease" "3 0" "$(get $LEASE | jq -r '.spec | "\(.leaseDurationSeconds) \(.leaseTransitions)"')"
renewed=$(get $LEASE | jq -r .spec.renewTime)
ok "is renewed" until_true 5 eval '[ "$(get $LEASE | jq -r .spec.renewTime)" != "$renewed" ]'
same "--once leaves it to the leader" 1 "$("$KUBE" controller --cluster prod --mount "$M" --kubeconfig "$KC" --once --lease-duration 3 >"$WORK/once.log" 2>&1; echo $?)"
ok "and says so" grep -q "another controller leads" "$WORK/once.log"

# It dies: in the middle of its work.
seq -f crash-%g 300 | make_nodes
until_true 10 test "$(without)" -lt 250
end "$one" KILL
begun=$SECONDS
ok "the other takes over" until_true 15 holds two
same "not before the Lease has run out" "late" "$([ $((SECONDS - begun)) -ge 1 ] && echo late)"
ok "and does the rest" until_true 20 all_have
agreed "a leader that died"

# It is paused past its Lease, and goes on: another leads then.
two one && one=$started
until_true 10 grep -q "two leads; waiting" "$WORK/one.log"
for round in 1 2; do
	seq -f "pause-$round-%g" 200 | make_nodes
	kill -STOP "$two"
	ok "pause $round: the other takes over" until_true 15 holds one
	seq -f "paused-$round-%g" 200 | make_nodes
	remove "crash-$round"
	kill -CONT "$two"
	ok "pause $round: it knows that it leads no more" until_true 10 eval '[ $(grep -c "two doesn.t lead any more" "$WORK/two.log") -ge 1 ]'
	ok "pause $round: all Nodes get theirs" until_true 20 all_have
	ok "pause $round: one that is gone is" until_true 20 gone "crash-$round"
	agreed "pause $round"
	same "pause $round: one leads" "one" "$(holder)"
	until_true 15 eval '! grep -q "ipamkube_leader 1" "$WORK/two.prom"'
	same "pause $round: and the other says that it doesn't" "0" "$(awk '$1 == "ipamkube_leader" { print $2 }' "$WORK/two.prom")"
	if [ $round == 1 ]; then # and back
		end "$one"
		same "the leader ends" 0 $?
		ok "the other needn't wait for its Lease to run out" until_true 2 holds two
		two one && one=$started
		until_true 10 eval '[ $(grep -c "two leads; waiting" "$WORK/one.log") -ge 2 ]'
	fi
done

# The server doesn't answer: nobody leads for long who can't renew.
kill -STOP "$api"
ok "without the server nobody leads" until_true 20 grep -q "one doesn't lead any more" "$WORK/one.log"
kill -CONT "$api"
new "and then one does" 20
ok "just one of them" holds "$(holder)"

# The Lease is taken away.
request DELETE $LEASE >/dev/null
ok "a Lease that is deleted is made anew" until_true 15 eval '[ -n "$(holder)" ]'
new "and-work-goes-on" 20
end "$one"
end "$two"
agreed "at last"
check_clean "at last"
umount_fs
