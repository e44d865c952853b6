# A bad network between a machine and etcd, one thing at a time (proxy.c does it): answers that are lost or aren't etcd's, requests that
# come twice, or when nobody waits for them any more, a watch that tells nothing, and nobody there at all.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 3
bad_network w1
endpoints=${bad_net[w1]} machine w1
machine w2
ready w1
ready w2
A=$WORK/w1/prod B=$WORK/w2/prod
mkdir "$A"
put "$A/.ipam/cidrs" "10.0.0.0/20 24"
until_true 20 grep -q 10.0 "$B/.ipam/cidrs"
mkdir "$A/w1" "$B/w2"
until_true 20 test -d "$A/w2" -a -d "$B/w1"
settled() { read -r health <"$WORK/w1/.ipam/health" && [ "$health" == ok ] && cmp -s "$A/.ipam/blocks" "$B/.ipam/blocks"; }

# ---- what was done is never told as failed, and no more often done than asked
step() { # KIND CALL...: the next transaction meets with it
	local kind=$1
	shift
	until_true 20 settled
	orders w1 "$kind 1000 /kv/txn 1 200"
	ok "$kind: ${*//$WORK\//}" "$@"
	orders w1
}
block() { cut -d' ' -f1 "$1/.ipam/cidrs"; }
# Not `second`, of removals: one that is told for the second time is told, rightly, that nobody is there.
for kind in slow late lost swallowed reset cut halved held twice second busy limited gateway page; do
	step "$kind" mkdir "$A/x"
	step "$kind" put "$A/x/.ipam/labels" "zone=$kind"
	step "$kind" put "$A/x/.ipam/settings" "ttl 100"
	step "$kind" chmod 700 "$A/x"
	step "$kind" put "$A/w1/.ipam/cidrs" "$([ "$(block "$A/w1")" == 10.0.8.0/24 ] && echo 10.0.9.0/24 || echo 10.0.8.0/24)"
	step "$kind" mv -T "$A/x" "$A/y"
	[ "$kind" == second ] || step "$kind" rmdir "$A/y"
	[ "$kind" != second ] || rmdir "$A/y"
	until_true 20 touch "$A/w1/$kind" || fail "$kind: a node whose blocks were exchanged leases again"
	rm "$A/w1/$kind"
done
until_true 20 settled
same "each was done once, and nothing else" "w1 w2" "$(ls "$A" | xargs)"
ok "the engine agrees" "$IPAMCTL" check --quiet "$WORK/w1"

# ---- a copy that comes when what was in its way is gone: nobody else gets what the machine gives addresses of
mkdir "$A/for-w2"
rmdir "$A/for-w2"
until_true 20 settled
mine=$(block "$A/w1")
orders w1 "silent 1000 /watch 0 1" # from the next watch on, it hears nothing
machine_kill w1
endpoints=${bad_net[w1]} machine w1
ready w1
put "$B/.ipam/delegate" "rival 10.0.3.0/24"
late() { grep -c '^late: /v3/kv/txn' "$WORK/w1.proxy"; }
came=$(late)
copy_came() { [ "$(late)" -gt "$came" ]; }
orders w1 "silent 1000 /watch 0 1" "twice 1000 /kv/txn 1 3000"
refused "a block that is another's by now" "in use" put "$A/w1/.ipam/cidrs" 10.0.3.0/24
rmdir "$B/rival"
ok "the copy comes" until_true 20 copy_came
touch "$A/w1/one" 2>/dev/null
refused "and takes nothing away from it" "in use" put "$B/w2/.ipam/cidrs" "$mine"
orders w1
ok "it leases on" until_true 20 touch "$A/w1/two"
same "in the block that it had" "$mine" "$(block "$A/w1")"
rm -f "$A/w1/one" "$A/w1/two"

# ---- what its memory has and etcd hasn't: it looks, and doesn't ask again and again
transactions() { awk '/^engine_transactions/ { print $2 }' "$WORK/w1/.ipam/stats"; }
mkdir "$B/there"
until_true 20 test -d "$A/there"
exec 7>"$A/there/.ipam/settings"
orders w1 "silent 1000 /watch 0 1"
machine_kill w1
exec 7>&-
endpoints=${bad_net[w1]} machine w1
ready w1
ls "$A/there/.ipam" >"$WORK/there"
before=$(transactions)
rmdir "$B/there"
refused "settings of a node that is gone" "" put "$A/there/.ipam/settings" "ttl 5"
ok "after a few transactions ($(($(transactions) - before)))" test $(($(transactions) - before)) -le 8
ok "and it knows" until_true 10 test ! -e "$A/there"
orders w1

# ---- endpoints that are something else
bad_network page
first=${bad_net[page]%%,*}
orders page "page 1000"
endpoints="$first,127.0.0.1:${client_ports[1]},127.0.0.1:${client_ports[2]}" machine w3
ok "a machine of which one endpoint answers with a page" ready w3
for kind in page busy limited gateway; do
	orders page "$kind 1000"
	for i in 1 2 3 4 5 6; do
		ok "$kind: mkdir" mkdir "$WORK/w3/prod/n$i"
		ok "$kind: rmdir" rmdir "$WORK/w3/prod/n$i"
	done
	ok "$kind: it is well" until_true 20 grep -qx ok "$WORK/w3/.ipam/health"
done
machine_end w3
orders page "page 1000"
endpoints=${bad_net[page]} machine w4
ok "where all of them do, it says so" until_true 20 grep -q "that is no etcd" "$WORK/w4/.ipam/health"
machine_end w4
end_network page

# ---- nobody there: ten at once wait as long as one
until_true 20 settled
for i in 0 1 2; do etcd_pause "$i"; done
start=${EPOCHREALTIME/[.,]/}
makers=()
for i in 1 2 3 4 5 6 7 8 9 10; do
	mkdir "$A/n$i" 2>/dev/null &
	makers+=("$!")
done
ok "own leases go on meanwhile" touch "$A/w1/alone"
wait "${makers[@]}"
took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
ok "ten mkdir at once are answered, and not one after the other ($took ms)" test "$took" -lt 30000
start=${EPOCHREALTIME/[.,]/}
refused "one more" "No route" mkdir "$A/more"
took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
ok "is refused without a wait ($took ms)" test "$took" -lt 3000
for i in 0 1 2; do etcd_resume "$i"; done
made() { mkdir "$1" 2>/dev/null || test -d "$1"; }
ok "it goes on when they are there again" until_true 20 made "$A/more"

end_network w1
ok "never more than a thousand requests in a second ($(seen w1 most))" test "$(seen w1 most)" -le 1000
