# ipamkube controller while its API server does what a real one seldom does.
. "$(dirname "$0")/../kube_lib.sh"

mount_fs sync=normal
mkdir "$M/prod"
afresh "10.244.0.0/16 24"
seq -f old-%g 3 | make_nodes
controller --no-leader-election --metrics "$PROM"
until_true 20 all_have || fail "it begins" "$(tail -3 "$WORK/kube.log")"

# new NAME: a Node made now gets its podCIDR, in spite of all
new() {
	echo "$1" | make_nodes
	ok "$1" until_true 30 has "$1"
	agreed "$1"
}
lists() { counted LIST; }

before=$(lists)
fault "bookmark=1" && fault "drop=1"
new "a-watch-that-is-dropped"
same "is taken up where it was" "$before" "$(lists)"

fault "gone=1&drop=1"
new "a-watch-answered-410"
same "is a list anew" $((before + 1)) "$(lists)"

fault "error=1"
new "an-event-that-says-410"
same "is a list anew, too" $((before + 2)) "$(lists)"

fault "broken=1"
new "an-event-that-says-500"
same "isn't" $((before + 2)) "$(lists)"

# The history is too short for where the watch was, and a Node went and one came meanwhile.
kill -STOP "$controller"
fault "window=1&drop=1"
remove old-1
seq -f unseen-%g 3 | make_nodes
kill -CONT "$controller"
new "history-forgotten"
ok "what went meanwhile is freed" until_true 20 gone old-1
fault "window=10000"

fault "half=1"
new "half-an-event"
fault "half=2"
new "half-an-answer"

fault "conflict=3"
new "patches-that-come-second"
fault "conflict=8"
new "eight-of-them"
ok "which is counted" until_true 10 awk '$1 == "ipamkube_patch_conflicts_total" { found = $2 >= 11 } END { exit !found }' "$PROM"

fault "lost=2"
new "a-patch-done-without-an-answer"
fault "fail=3"
new "500s"
patches=$(counted PATCH)
fault "throttle=2"
new "429s"
same "and Retry-After is waited for" "few" "$([ $(($(counted PATCH) - patches)) -le 4 ] && echo few)"
fault "reject=2"
new "401s"
fault "slow=300"
seq -f slow-%g 40 | make_nodes
ok "slow answers" until_true 30 all_have
agreed "slow answers"
fault "slow=0"

# Pages: of a list that is longer than one, the second is answered 410 until it is asked for all at once.
seq -f page-%g 1200 | make_nodes
ok "1,200 more" until_true 50 all_have
agreed "1,200 more"
for n in 1 2 9; do
	before=$(lists)
	fault "expire=$n&error=1"
	ok "pages that expire, $n" until_true 30 eval '[ "$(lists)" -gt $((before + n)) ] || [ "$(lists)" -gt $((before + 4)) ]'
	fault "expire=0"
	new "after-pages-$n"
done
same "nothing was freed by that" "$(get $NODES | jq '.items | length')" "$(ls "$M/prod" | wc -l)"

# Somebody else gives a Node a podCIDR at the same time.
kill -STOP "$controller"
echo raced | make_nodes
merge raced '{"spec": {"podCIDR": "10.244.255.0/24", "podCIDRs": ["10.244.255.0/24"]}}'
kill -CONT "$controller"
ok "another's podCIDR is adopted" until_true 20 there raced
ok "exactly" until_true 20 eval '[ "$(block_of raced)" == 10.244.255.0/24 ]'
fault "slow=400"
echo raced2 | make_nodes
sleep 0.2
curl -sS -X PATCH -H "Content-Type: application/merge-patch+json" "$API$NODES/raced2" -d '{"spec": {"podCIDR": "10.244.254.0/24", "podCIDRs": ["10.244.254.0/24"]}}' >/dev/null &
fault "slow=0"
wait $!
ok "whoever comes first" until_true 20 has raced2
ok "the mount has it so" until_true 20 eval '[ "$(block_of raced2)" == "$(cidr_of raced2)" ]'
agreed "raced"

# The server is away for a while; so is the mount.
end "$api" STOP
echo away >"$WORK/later"
kill -CONT "$api"
make_nodes <"$WORK/later"
ok "a server that was away" until_true 30 has away
kill_fs
echo unmounted | make_nodes
ok "a mount that is away is said" until_true 20 grep -q "unmounted: " "$WORK/kube.log"
mount_fs sync=normal
ok "and waited for" until_true 70 has unmounted
agreed "the mount is back"
end "$controller"
same "it ends well" 0 $?

# A directory that was taken away under a Node that lives, and its block given to another: not to be told to the server.
rmdir "$M/prod/old-2"
lost=$(cidr_of old-2)
mkdir "$M/prod/thief" && put "$M/prod/thief/.ipam/cidrs" "$lost"
echo thief | make_nodes
once --no-leader-election >/dev/null
same "a block that a Node has isn't given to another" "" "$(pod_cidrs | cut -d' ' -f2 | sort | uniq -d)"
once --no-leader-election >/dev/null
agreed "put right"
umount_fs
