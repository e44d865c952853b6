#!/usr/bin/env bash
# ipamkube controller, and a server that loses answers, refuses, forgets, is slow: nothing is delegated twice, and all is well
# afterwards.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/16 24
fd00:10:244::/48 64"
admin POST settings '{"bookmarkMs":200}' >/dev/null
n=0
# more NAME [COUNT]: so many more Nodes get their blocks, and all is as it should be; within half a minute
more() {
	local i name=$1
	for ((i = 0; i < ${2:-1}; i++)); do node_make "n-$((++n))"; done
	ok "$name: the Nodes have blocks" until_true 30 all_served "$n"
	agree "$name"
	admin DELETE rules >/dev/null
	admin DELETE requests >/dev/null
}
# of ipamkube, not of these tests
lists() { admin GET "requests?method=GET&path=$nodes" | jq '[.[] | select((.agent | startswith("curl") | not) and (.uri | contains("watch=") | not))] | length'; }
watching() { [ "$(admin GET state | jq .watches)" -gt 0 ]; }

controller --qps 0 --timeout 3
more "as it should be"

# ---- patches: each rule meets other Nodes
rule '{"method":"PATCH","times":2,"lose":"answer"}'
rule '{"method":"PATCH","times":2,"lose":"request"}'
rule '{"method":"PATCH","times":2,"cut":40}'
more "lost on the way" 6
for code in 500 502 503 504 409 409 403; do rule "{\"method\":\"PATCH\",\"code\":$code}"; done
rule '{"method":"PATCH","code":500,"text":"<html>oops</html>"}'
rule '{"method":"PATCH","code":429,"retryAfter":1}'
more "refused" 9
rule '{"method":"PATCH","times":2,"delay":400}'
rule '{"method":"PATCH","times":2,"delayAnswer":400}'
rule '{"method":"PATCH","times":1,"delayAnswer":5000}'
more "slow" 5
rule '{"method":"PATCH","times":1,"hold":"after"}'
node_make "n-$((++n))"
ok "a patch is held, done but not answered" until_true 20 held
more "another's patch is held"
admin POST release >/dev/null

# A connection that was used before and ends without an answer: libcurl would send the patch once more by itself, and nobody would know
# that the first is under way still. It is asked first what became of it.
controller_end
controller --qps 0 --timeout 3 --workers 1
until_true 20 watching
for how in request answer; do
	node_make "n-$((++n))"
	until_true 20 has_podcidrs "n-$n"
	admin DELETE requests >/dev/null
	rule "{\"method\":\"PATCH\",\"times\":1,\"lose\":\"$how\"}"
	node_make "n-$((++n))"
	ok "$how lost on a connection that was used before: it has a block" until_true 20 has_podcidrs "n-$n"
	same "no patch was sent twice unseen" false "$(admin GET "requests?path=$nodes/n-$n" |
		jq '[.[] | select(.agent | startswith("curl") | not) | .method] | . as $m | any(range(1; length); $m[.] == "PATCH" and $m[. - 1] == "PATCH")')"
	admin DELETE rules >/dev/null
done
controller_end
controller --qps 0 --timeout 3
more "lost on a connection that was used before"

# The Node changes between the look and the patch, again and again.
beat() { while [ -e "$WORK/beats" ]; do kube PATCH "$nodes/n-99" "{\"metadata\":{\"labels\":{\"beat\":\"$RANDOM\"}}}" >/dev/null; done; }
rule '{"method":"PATCH","times":2,"delay":200,"path":"/api/v1/nodes/n-99","query":"*ipamkube*"}'
: >"$WORK/beats"
node_make n-99
beat &
ok "a Node that changes all the time has its block" until_true 20 has_podcidrs n-99
rm "$WORK/beats"
wait $!
node_delete n-99
until_true 20 eval '[ ! -d "$M/prod/n-99" ]'
admin DELETE rules >/dev/null

# Somebody else gives it podCIDRs first.
rule '{"method":"PATCH","path":"/api/v1/nodes/n-98","times":1,"hold":"before"}'
node_make n-98
until_true 20 held
kube PUT $nodes/n-98 '{"metadata":{"name":"n-98"},"spec":{"podCIDRs":["10.244.200.0/24","fd00:10:244:200::/64"]}}' >/dev/null
admin POST release >/dev/null
ok "another was faster: the Node's podCIDRs are taken over" until_true 30 eval '[ "$(mounted n-98)" = "10.244.200.0/24 fd00:10:244:200::/64" ]'
agree "another was faster"
node_delete n-98
# It goes, and another comes of its name, while the patch is on its way: the patch was for the first.
rule '{"method":"PATCH","path":"/api/v1/nodes/n-97","times":1,"hold":"before"}'
node_make n-97
until_true 20 held
node_delete n-97
node_make n-97
admin POST release >/dev/null
ok "made again during the patch: it has a block" until_true 30 has_podcidrs n-97
until_true 20 eval '[ "$(mounted n-97)" = "$(podcidrs n-97)" ]'
agree "made again during the patch"
node_delete n-97
until_true 20 eval '[ ! -d "$M/prod/n-97" ]'
admin DELETE rules >/dev/null

# ---- watches and lists
until_true 20 watching
admin POST "drop?how=end" >/dev/null
node_make "n-$((++n))"
ok "watches ended: it watches on" until_true 20 has_podcidrs "n-$n"
same "without a list" 0 "$(lists)"
more "watches ended"
admin POST "drop?how=reset" >/dev/null
until_true 20 watching
for how in event code; do
	admin POST settings "{\"gone\":\"$how\",\"bookmarks\":false}" >/dev/null
	until_true 20 watching
	rule '{"method":"GET","path":"/api/v1/nodes","query":"*watch=*","hold":"before"}'
	admin POST "drop?how=reset" >/dev/null
	until_true 20 held
	gone=n-$n # which no watch will tell
	node_delete "$gone"
	admin POST forget >/dev/null
	admin POST release >/dev/null
	ok "410 by $how: what was deleted meanwhile is given back" until_true 30 eval "[ ! -d '$M/prod/$gone' ]"
	ok "by a list" test "$(lists)" -gt 0
	node_make "$gone"
	more "410 by $how"
done
admin POST settings '{"bookmarks":true}' >/dev/null
# With bookmarks it goes on from where they were, though the last change it saw is long forgotten.
until_true 20 watching
kube POST /api/v1/namespaces/default/events '{"metadata":{"name":"e"},"involvedObject":{"kind":"Node","name":"n-1"}}' >/dev/null
told=$(admin GET state | jq .version)
until_true 10 eval 'admin POST "drop?how=end" >/dev/null; sleep 0.5; admin GET "requests?path='$nodes'" | jq -e "any(.[]; .uri | contains(\"watch=\") and contains(\"resourceVersion=$told&\"))"'
admin POST forget >/dev/null
admin POST "drop?how=end" >/dev/null
node_make "n-$((++n))"
ok "it watches on" until_true 20 has_podcidrs "n-$n"
same "after a bookmark no list is needed" 0 "$(lists)"
more "after a bookmark"
rule '{"method":"GET","path":"/api/v1/nodes","code":500}'
rule '{"method":"GET","path":"/api/v1/nodes","code":429,"retryAfter":1}'
rule '{"method":"GET","path":"/api/v1/nodes","code":200,"text":"<html>maintenance</html>"}'
admin POST "drop?how=reset" >/dev/null
more "watches refused"
rule '{"method":"GET","path":"/api/v1/nodes","query":"*watch*","times":1,"code":410}'
rule '{"method":"GET","path":"/api/v1/nodes","times":1,"code":200,"text":"{}"}'
admin POST "drop?how=end" >/dev/null
more "an empty answer for a list"
same "no block is lost by it" "$n" "$(ls "$M/prod" | wc -l)"
rule '{"method":"GET","path":"/api/v1/nodes","query":"*watch*","times":1,"code":410}'
rule '{"method":"GET","path":"/api/v1/nodes","times":1,"cut":500}'
admin POST "drop?how=end" >/dev/null
more "a list broken off"
same "no block is lost by that" "$n" "$(ls "$M/prod" | wc -l)"
rule '{"method":"POST","path":"*events*","times":-1,"code":403}'
node_make foreign 192.168.0.0/24
node_make "n-$((++n))"
ok "Events refused: the others go on" until_true 20 has_podcidrs "n-$n"
node_delete foreign
more "Events refused"

# ---- the server is away for a while
kill -STOP "$apiserver"
sleep 3.5 # longer than it waits for an answer
kill -CONT "$apiserver"
more "the server stood still" 40
controller_end
same "it ends cleanly" 0 "$status"
check_clean "at the end"
apiserver_stop
