#!/usr/bin/env bash
# The stand-in for a Kubernetes API server keeps the real one's rules, and does on request what a real one seldom does. The first
# part can be asked of a real one: API=https://HOST:PORT TOKEN=... tests/kube/standin.sh (it makes and deletes nodes named t-...;
# of before 1.21 it wants --feature-gates=IPv6DualStack=true).
real=${API-}
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$real" ]; then
	API=$real
	CURL+=(-k ${TOKEN:+-H "Authorization: Bearer $TOKEN"})
else
	apiserver_start
fi

reason() { jq -r '"\(.kind) \(.status) \(.reason) \(.code)"' "$WORK/answer"; }
answer() { jq -r "$1" "$WORK/answer"; }
meta() { kube GET "$nodes/$1" | jq -r ".metadata.$2"; }
# watch FILE PATH [SECONDS]: in the background, its lines into FILE; ends by itself
watch() {
	"${CURL[@]}" --max-time 60 -N "$API$2&watch=true&timeoutSeconds=${3:-30}" >"$1" 2>/dev/null &
	watcher=$!
	pids+=("$watcher")
}
# told FILE: 'TYPE NAME' of each line
told() { jq -r '"\(.type) \(.object.metadata.name // .object.code)"' "$1" | paste -sd, ; }

# ---- one object
code "a Node is made" 201 POST $nodes '{"kind":"Node","apiVersion":"v1","metadata":{"name":"t-1","uid":"mine","creationTimestamp":"2001-01-01T00:00:00Z","labels":{"zone":"a"}}}'
same "it has what the server gives" "true true true" "$(answer '"\(.metadata.uid | test("^[0-9a-f-]{36}$")) \(.metadata.resourceVersion | test("^[0-9]+$")) \(.metadata.creationTimestamp > "2002")"')"
code "a second of the name" 409 POST $nodes '{"metadata":{"name":"t-1"}}'
same "is refused" "Status Failure AlreadyExists 409" "$(reason)"
code "a name that is none" 422 POST $nodes '{"metadata":{"name":"Not_A_Name"}}'
code "what isn't JSON" 400 POST $nodes '{"metadata":'
code "another kind" 400 POST $nodes '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"t-x"}}'
code "what isn't there" 404 GET $nodes/t-none
same "is NotFound" "Status Failure NotFound 404 t-none nodes" "$(reason) $(answer '.details | "\(.name) \(.kind)"')"
code "patching what isn't there" 404 PATCH $nodes/t-none '{"metadata":{"labels":{"a":"b"}}}'
code "deleting what isn't there" 404 DELETE $nodes/t-none
code "a path that isn't there" 404 GET /api/v1/nodez
code "a patch of a type that isn't known" 415 PATCH $nodes/t-1 '{}' text/plain

# ---- podCIDRs
code "podCIDRs that are none" 422 PATCH $nodes/t-1 '{"spec":{"podCIDRs":["10.0.0.0"]}}'
code "two of one family" 422 PATCH $nodes/t-1 '{"spec":{"podCIDRs":["10.0.0.0/24","10.0.1.0/24"]}}'
code "three" 422 PATCH $nodes/t-1 '{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64","fd01::/64"]}}'
same "refused, nothing is set" "" "$(podcidrs t-1)"
code "podCIDRs alone" 200 PATCH $nodes/t-1 '{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"]}}'
same "give podCIDR" 10.0.0.0/24 "$(answer .spec.podCIDR)"
version=$(meta t-1 resourceVersion)
code "the same again" 200 PATCH $nodes/t-1 '{"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24","fd00::/64"]}}'
same "changes nothing" "$version" "$(meta t-1 resourceVersion)"
code "others" 422 PATCH $nodes/t-1 '{"spec":{"podCIDR":"10.0.1.0/24","podCIDRs":["10.0.1.0/24","fd00:1::/64"]}}'
same "are forbidden once there are some" "Status Failure Invalid 422 spec.podCIDRs FieldValueForbidden" \
	"$(reason) $(answer '.details.causes[0] | "\(.field) \(.reason)"')"
code "none" 422 PATCH $nodes/t-1 '{"spec":{"podCIDR":null,"podCIDRs":null}}'
same "neither" "10.0.0.0/24 fd00::/64" "$(podcidrs t-1)"
node_make t-2
code "podCIDR alone" 200 PATCH $nodes/t-2 '{"spec":{"podCIDR":"10.0.2.0/24"}}'
same "gives podCIDRs" 10.0.2.0/24 "$(podcidrs t-2)"
node_make t-3
code "a strategic patch" 200 PATCH $nodes/t-3 '{"spec":{"podCIDR":"10.0.3.0/24","podCIDRs":["10.0.3.0/24"]},"metadata":{"finalizers":["a.b/c"]}}' application/strategic-merge-patch+json
code "and another" 200 PATCH $nodes/t-3 '{"metadata":{"finalizers":["a.b/d"]}}' application/strategic-merge-patch+json
same "adds to a set" '["a.b/c","a.b/d"]' "$(answer '.metadata.finalizers | sort | tojson')"
code "and one" 200 PATCH $nodes/t-3 '{"metadata":{"$deleteFromPrimitiveList/finalizers":["a.b/c"]}}' application/strategic-merge-patch+json
same "takes from it" '["a.b/d"]' "$(answer '.metadata.finalizers | tojson')"
code "a JSON patch" 200 PATCH $nodes/t-2 '[{"op":"test","path":"/metadata/name","value":"t-2"},{"op":"add","path":"/metadata/labels","value":{"a.b/c":"x"}},{"op":"replace","path":"/metadata/labels/a.b~1c","value":"y"}]' application/json-patch+json
same "sets" y "$(answer '.metadata.labels["a.b/c"]')"
code "one whose test fails" 422 PATCH $nodes/t-2 '[{"op":"test","path":"/metadata/name","value":"t-9"}]' application/json-patch+json

# ---- conflicts
version=$(meta t-1 resourceVersion)
code "a patch with the version" 200 PATCH $nodes/t-1 "{\"metadata\":{\"resourceVersion\":\"$version\",\"labels\":{\"zone\":\"b\"}}}"
code "with one that is old" 409 PATCH $nodes/t-1 "{\"metadata\":{\"resourceVersion\":\"$version\",\"labels\":{\"zone\":\"c\"}}}"
same "conflicts" "Status Failure Conflict 409 b" "$(reason) $(meta t-1 labels.zone)"
code "a patch with another uid" 422 PATCH $nodes/t-1 '{"metadata":{"uid":"00000000-0000-0000-0000-000000000000","labels":{"zone":"c"}}}'
same "is refused" b "$(meta t-1 labels.zone)"
kube GET $nodes/t-1 >"$WORK/whole"
code "a whole one" 200 PUT $nodes/t-1 "$(jq '.metadata.labels.zone = "d"' "$WORK/whole")"
code "the same once more" 409 PUT $nodes/t-1 "$(jq '.metadata.labels.zone = "e"' "$WORK/whole")"
code "one without a version" 200 PUT $nodes/t-1 "$(jq 'del(.metadata.resourceVersion) | .metadata.labels.zone = "f"' "$WORK/whole")"
code "one with another's uid" 409 PUT $nodes/t-1 "$(jq 'del(.metadata.resourceVersion) | .metadata.uid = "00000000-0000-0000-0000-000000000000"' "$WORK/whole")"
code "one of another name" 400 PUT $nodes/t-1 "$(jq '.metadata.name = "t-2"' "$WORK/whole")"
code "one that isn't there" 404 PUT $nodes/t-none '{"metadata":{"name":"t-none"}}'
code "deleting another's uid" 409 DELETE $nodes/t-1 '{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}'

# ---- deletion, and what a watch tells
start=$(kube GET $nodes | jq -r .metadata.resourceVersion)
watch "$WORK/w1" "$nodes?resourceVersion=$start"
watch "$WORK/w2" "$nodes?resourceVersion=$start&fieldSelector=metadata.name%3Dt-4"
watch "$WORK/w3" "$nodes?resourceVersion=0&fieldSelector=metadata.name%3Dt-1" 1
code "deleting one with a finalizer" 200 DELETE $nodes/t-3
same "leaves it, with a time" true "$(answer '.metadata.deletionTimestamp > "2002"')"
code "deleting it again" 200 DELETE $nodes/t-3
code "a new finalizer" 422 PATCH $nodes/t-3 '{"metadata":{"finalizers":["a.b/d","a.b/e"]}}'
node_make t-4
code "no finalizer any more" 200 PATCH $nodes/t-3 '{"metadata":{"finalizers":null}}'
code "ends it" 404 GET $nodes/t-3
code "deleting one without" 200 DELETE $nodes/t-4
same "says so" "Status Success t-4" "$(answer '"\(.kind) \(.status) \(.details.name)"')"
node_make t-4
until_true 10 grep -q '"ADDED".*t-4.*' "$WORK/w2"
lines() { [ "$(wc -l <"$WORK/$1")" -ge "$2" ]; }
until_true 10 lines w2 3
same "a watch of one" "ADDED t-4,DELETED t-4,ADDED t-4" "$(told "$WORK/w2")"
until_true 10 lines w1 5
same "a watch of all" "MODIFIED t-3,ADDED t-4,DELETED t-3,DELETED t-4,ADDED t-4" "$(told "$WORK/w1")"
same "versions grow, of deletions too" true "$(jq -s 'map(.object.metadata.resourceVersion | tonumber) | . == (sort | unique)' "$WORK/w1")"
same "the second t-4 is another" 2 "$(jq -s 'map(.object | select(.metadata.name == "t-4").metadata.uid) | unique | length' "$WORK/w1")"
until_true 15 eval '! kill -0 $watcher'
same "a watch from 0 begins with what is there, and ends in time" "ADDED t-1" "$(told "$WORK/w3")"
code "a field that can't be selected" 400 GET "$nodes?fieldSelector=spec.color%3Dred"

# ---- lists in pages
for i in 5 6 7 8 9; do node_make t-$i; done
kube GET "$nodes?limit=3" >"$WORK/page"
same "a page" "3 true true" "$(answer '"\(.items | length) \(.metadata.continue != null) \(.metadata.remainingItemCount > 0)"')"
node_make t-0
node_delete t-9
kube GET "$nodes?limit=100&continue=$(jq -r .metadata.continue "$WORK/page")" >"$WORK/page2"
same "the next is of the same time" "t-1,t-2,t-4,t-5,t-6,t-7,t-8,t-9" "$(jq -rs '[.[].items[].metadata.name | select(startswith("t-"))] | join(",")' "$WORK/page" "$WORK/page2")"
same "and has its version" "$(jq -r .metadata.resourceVersion "$WORK/page")" "$(answer .metadata.resourceVersion)"
same "without more" null "$(answer .metadata.continue)"
code "a token that is none" 400 GET "$nodes?limit=3&continue=nonsense"

# ---- leases and events
leases=/apis/coordination.k8s.io/v1/namespaces/kube-system/leases
lease='{"metadata":{"name":"t-lease"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:00.000000Z"}}'
code "a Lease" 201 POST $leases "$lease"
code "without a version" 422 PUT $leases/t-lease "$lease"
version=$(kube GET $leases/t-lease | jq -r .metadata.resourceVersion)
code "with it" 200 PUT $leases/t-lease "$(jq --arg v "$version" '.metadata.resourceVersion = $v | .spec.holderIdentity = "b"' <<<"$lease")"
code "with it again" 409 PUT $leases/t-lease "$(jq --arg v "$version" '.metadata.resourceVersion = $v | .spec.holderIdentity = "c"' <<<"$lease")"
code "of no time" 422 PATCH $leases/t-lease '{"spec":{"leaseDurationSeconds":0}}'
code "a namespace that isn't there" 404 POST ${leases/kube-system/nowhere} "$lease"
code "one less" 200 DELETE $leases/t-lease
event='{"metadata":{"name":"t-event"},"involvedObject":{"kind":"Node","name":"t-1","apiVersion":"v1"},"reason":"Test","type":"Normal","message":"m"}'
code "an Event about a Node" 201 POST /api/v1/namespaces/default/events "$event"
code "lies in default" 422 POST /api/v1/namespaces/kube-system/events "$event"
same "is found by its field" 1 "$(kube GET "/api/v1/events?fieldSelector=involvedObject.name%3Dt-1,reason%3DTest" | jq '.items | length')"
kube DELETE /api/v1/namespaces/default/events/t-event >/dev/null
for i in 0 1 2 4 5 6 7 8; do node_delete t-$i; done

if [ "$real" ]; then exit; fi

# ---- what a real one seldom does
kill "$watcher" 2>/dev/null
for i in 1 2 3 4 5; do node_make t-$i; done
kube GET "$nodes?limit=2" >"$WORK/page"
version=$(jq -r .metadata.resourceVersion "$WORK/page")
node_make t-6
admin POST forget >/dev/null
code "a page of the past" 410 GET "$nodes?limit=2&continue=$(jq -r .metadata.continue "$WORK/page")"
same "is expired, with a way to go on" "Status Failure Expired 410 true" "$(reason) $(answer '.metadata.continue != null')"
kube GET "$nodes?limit=9&continue=$(answer .metadata.continue)" >/dev/null
same "from where it was" "t-3 t-6" "$(answer '[.items[].metadata.name] | "\(.[0]) \(.[-1])"')"
watch "$WORK/w4" "$nodes?resourceVersion=$version" 5
wait "$watcher"
same "a watch of the past says so in its stream, and ends" "ERROR 410" "$(told "$WORK/w4")"
admin POST settings '{"gone":"code"}' >/dev/null
code "or answers" 410 GET "$nodes?watch=true&resourceVersion=$version"
code "too new a version" 504 GET "$nodes?resourceVersion=99999"
admin POST settings '{"bookmarkMs":50}' >/dev/null
watch "$WORK/w5" "$nodes?resourceVersion=$(kube GET $nodes | jq -r .metadata.resourceVersion)&allowWatchBookmarks=true"
until_true 10 grep -q BOOKMARK "$WORK/w5"
same "a bookmark has the version" "$(admin GET state | jq .version)" "$(jq -rs '.[0].object | select(.kind == "Node").metadata.resourceVersion' "$WORK/w5")"
admin POST "drop?how=end" >/dev/null
wait "$watcher"
same "a watch that is ended ends well" 0 $?
watch "$WORK/w5" "$nodes?resourceVersion=0"
until_true 10 grep -q t-6 "$WORK/w5"
admin POST "drop?how=reset" >/dev/null
wait "$watcher"
same "one that is broken off doesn't" 18 $?
until_true 10 eval '[ "$(admin GET state | jq .watches)" = 0 ]'
same "none is left" 0 "$(admin GET state | jq .watches)"

rule '{"method":"PATCH","path":"/api/v1/nodes/*","times":2,"skip":1,"code":503}'
for wanted in 200 503 503 200; do code "one, then two refused, then on" $wanted PATCH $nodes/t-1 '{"metadata":{"labels":{"a":"b"}}}'; done
rule '{"method":"PATCH","code":429,"retryAfter":7}'
same "later" 7 "$("${CURL[@]}" -X PATCH -o /dev/null -w '%header{retry-after}' "$API$nodes/t-1")"
rule '{"method":"POST","code":403}'
code "forbidden" 403 POST $nodes '{"metadata":{"name":"t-7"}}'
same "with its reason" "Status Failure Forbidden 403" "$(reason)"
rule '{"method":"POST","lose":"request"}'
code "lost before it is done" 000 POST $nodes '{"metadata":{"name":"t-7"}}'
code "isn't done" 404 GET $nodes/t-7
rule '{"method":"POST","lose":"answer"}'
code "lost after it is done" 000 POST $nodes '{"metadata":{"name":"t-7"}}'
code "is done" 200 GET $nodes/t-7
rule '{"method":"GET","path":"/api/v1/nodes","cut":100}'
same "broken off" "18 100" "$("${CURL[@]}" -o "$WORK/cut" "$API$nodes" 2>/dev/null; echo $? "$(stat -c %s "$WORK/cut")")"
rule '{"method":"POST","hold":"after"}'
kube POST $nodes '{"metadata":{"name":"t-8"}}' >/dev/null &
until_true 10 held
code "held after it was done" 200 GET $nodes/t-8
same "isn't answered" running "$(kill -0 $! && echo running)"
admin POST release >/dev/null
wait $!
same "until it is let go" 0 $?
refused "a rule that isn't one" "no 'kode'" admin POST rules '{"kode":1}'
same "the log has all" "5 2" "$(requests "method=PATCH&path=/api/v1/nodes/t-1&code=200") $(requests "method=PATCH&code=503")"

node_make o-1 10.9.0.0/24 fd09::/64
node_make o-2 10.9.1.0/24 fd09:0:0:1::/64
same "no overlap" "[]" "$(admin GET overlaps)"
node_make o-3 10.9.0.0/16
same "overlaps are found" '["10.9.0.0/24","10.9.1.0/24"]' "$(admin GET overlaps | jq -c '[.[].otherCidr] | sort')"
node_delete o-1
node_make o-4 fd09::/64
same "a block may have another after it" 2 "$(admin GET overlaps | jq length)"
apiserver_stop

# ---- TLS and who asks
certificates
echo "secret alice" >"$WORK/tokens"
apiserver_start --tls-cert "$WORK/tls/server.crt" --tls-key "$WORK/tls/server.key" --client-ca "$WORK/tls/ca.crt" --token-file "$WORK/tokens"
# as NAME WANTED CURL-OPTIONS...: the code that GET answers
as() { same "$1" "$2" "$(curl -s -o "$WORK/answer" -w '%{http_code}' --max-time 20 --cacert "$WORK/tls/ca.crt" "${@:3}" "$API$nodes")"; }
as "nobody" 401
same "is told so" "Status Failure Unauthorized 401" "$(reason)"
as "a token" 200 -H "Authorization: Bearer secret"
as "a wrong one" 401 -H "Authorization: Bearer secrets"
as "a certificate" 200 --cert "$WORK/tls/client.crt" --key "$WORK/tls/client.key"
as "another CA's" 401 --cert "$WORK/tls/stranger.crt" --key "$WORK/tls/stranger.key"
as "one that is over" 401 --cert "$WORK/tls/expired.crt" --key "$WORK/tls/expired.key"
echo "renewed alice" >"$WORK/tokens"
as "a token that is no more" 401 -H "Authorization: Bearer secret"
as "its follower" 200 -H "Authorization: Bearer renewed"
same "a server that another CA signed is refused" 60 "$(curl -s --cacert "$WORK/tls/other.crt" "$API$nodes" >/dev/null; echo $?)"
CURL+=(--cacert "$WORK/tls/ca.crt")
same "the log has their names" "alice client" "$(admin GET "requests?code=200" | jq -r '[.[].user] | unique | join(" ")')"
apiserver_stop
