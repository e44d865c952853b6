#!/usr/bin/env bash
# A living Node keeps its block, whatever the server says or leaves out; and one object that can't be read is that object's trouble.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kube/lib.sh
. "$(dirname "$0")/lib.sh"
kube_up
cluster "10.244.0.0/21 24"
ctl() { controller --qps 0 --timeout 3 --release-delay 1s "$@"; }
watching() { [ "$(admin GET state | jq .watches)" -gt 0 ]; }
asked() { [ "$(requests "method=GET&path=$nodes/$1")" -gt "${2:-0}" ]; }
# tell TYPE FILTER NODE: an event of the Node as jq's filter makes it, which isn't so
tell() { admin POST tell "$(jq -nc --arg type "$1" --argjson node "$3" '{type: $type, object: ($node | '"$2"')}')" >/dev/null; }
get() { kube GET "$nodes/$1"; }
# what it said after the line that was its last
said() { tail -n "+$((seen_lines + 1))" "$WORK/controller.log" | grep -Eq "$1"; }
mark() { seen_lines=$(wc -l <"$WORK/controller.log"); }
# full: all eight blocks are taken, and wait-1 waits for one
full() {
	local i
	for i in 1 2 3 4 5 6 7 8; do get "n-$i" >/dev/null 2>&1 || node_make "n-$i"; done
	until_true 30 all_served 8
	node_make wait-1
	until_true 20 has_event CIDRNotAvailable wait-1
}
all_as_it_was() { [ "$(for i in 1 2 3 4 5 6 7 8; do mounted "n-$i"; done)" = "$blocks" ]; }

# ---- what can't be read
kube POST $nodes '{"metadata":{"name":"odd-1","annotations":{"a":"\u0000","b":"x\u0000y"}}}' >/dev/null
node_make n-1
ctl
ok "a Node with a NUL in an annotation is served" until_true 20 has_podcidrs odd-1
ok "as are the others" until_true 20 has_podcidrs n-1
kube PATCH $nodes/odd-1 '{"metadata":{"annotations":{"c":"\u0000"}}}' >/dev/null
node_make n-2
ok "the watch goes on past it" until_true 20 has_podcidrs n-2
same "without a list" 1 "$(admin GET "requests?method=GET&path=$nodes" | jq '[.[] | select((.agent | startswith("curl") | not) and (.uri | contains("watch=") | not))] | length')"
node_delete odd-1
ok "and it goes" until_true 20 eval '[ ! -d "$M/prod/odd-1" ]'
controller_end
# In a list, strings that are none: of one Node what nobody wants, of one its name, of one its podCIDRs. Two of them have podCIDRs.
next=$(($(admin GET state | jq .version) + 1))
items='{"metadata":{"name":"bad-1","uid":"1","annotations":{"a":"\ud800"}},"spec":{"podCIDRs":["10.244.4.0/24"]}},{"metadata":{"name":"\ud800","uid":"2"},"spec":{"podCIDRs":["10.244.3.0/24"]}},
{"metadata":{"name":"bad-3","uid":"3"},"spec":{"podCIDRs":["\ud800"]}},null,7,{"metadata":{"name":"new-1","uid":"4"}}'
was="$(mounted n-1) $(mounted n-2)"
rule "$(jq -nc --arg text "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"$next\"},\"items\":[$items,$(get n-1),$(get n-2)]}" \
	'{method: "GET", path: "/api/v1/nodes", code: 200, text: $text}')"
mark
controller_once --release-delay 1s
same "once, past what can't be read: 1" 1 $?
same "the one that can be is adopted" 10.244.4.0/24 "$(mounted bad-1)"
ok "the one without a name is told of" grep -q "?2.*left alone" "$WORK/once"
ok "as is that without a podCIDR that is one" grep -q "bad-3.*left alone" "$WORK/once"
same "the next one was given a block that is none of theirs" 10.244.5.0/24 "$(mounted new-1)"
same "who was there keeps his" "$was" "$(mounted n-1) $(mounted n-2)"
rm -f "$WORK/once"
rmdir "$M/prod/bad-1" "$M/prod/new-1"

# 300 MiB in one page
for i in $(seq 300); do echo "next"; echo "url=$API$nodes"; echo "output=/dev/null"; echo 'header="Content-Type: application/json"'
	echo "data=\"{\\\"metadata\\\":{\\\"name\\\":\\\"big-$i\\\"},\\\"spec\\\":{\\\"podCIDRs\\\":[\\\"10.9.$((i / 256)).$((i % 256))/32\\\"]}}\""; done | sed 1d | curl -sS --parallel --parallel-max 4 -K - >/dev/null 2>&1
admin POST settings "{\"ballast\":$((1 << 20))}" >/dev/null
ctl --timeout 60
node_make n-3
ok "a list of 300 MiB is read" until_true 60 has_podcidrs n-3
ok "in bounded room" test "$(awk '/^VmHWM/ { print $2 }' "/proc/$controller/status")" -lt $((64 << 10))
controller_end
admin POST settings '{"ballast":0}' >/dev/null
for i in $(seq 300); do echo "next"; echo "url=$API$nodes/big-$i"; echo "request=DELETE"; echo "output=/dev/null"; done | sed 1d | curl -sS --parallel --parallel-max 4 -K - >/dev/null 2>&1

# ---- what isn't so
ctl
full
blocks=$(for i in 1 2 3 4 5 6 7 8; do mounted "n-$i"; done)
others=$(mounted n-2)
until_true 20 watching
for what in 'MODIFIED|.metadata.uid = "older" | .metadata.resourceVersion = "1" | del(.spec.podCIDRs, .spec.podCIDR)' \
	"MODIFIED|.metadata.resourceVersion = \"1\" | .spec = {podCIDRs: [\"$others\"]}" \
	'DELETED|.metadata.resourceVersion = "1"' \
	'MODIFIED|.metadata.uid = "older" | del(.metadata.resourceVersion) | .spec = {}' \
	"MODIFIED|.metadata.resourceVersion = \"999999\" | .spec = {podCIDRs: [\"$others\"]}" \
	'DELETED|.metadata.resourceVersion = "999999"'; do
	admin DELETE requests >/dev/null
	tell "${what%%|*}" "${what#*|}" "$(get n-1)"
	until_true 20 eval '[ "$(admin GET requests | jq "[.[] | select(.agent | startswith(\"curl\") | not) | select(.method == \"GET\")] | length")" -gt 0 ]'
	sleep 1.2 # it would be gone after a second
	ok "an event that isn't so takes no block: ${what:0:70}" all_as_it_was
done
same "nobody was given any of them" "" "$(podcidrs wait-1)"
no_overlap "after events that aren't so"
controller_end

# ---- made again by `kubectl replace --force`, while another waits
ctl --release-delay 10s
until_true 20 watching
for gap in 0.002 0.01 0.05 0.1 0.3; do
	it=$(get n-4 | jq -c 'del(.metadata.uid, .metadata.resourceVersion)')
	node_delete n-4
	sleep "$gap"
	kube POST $nodes "$it" >/dev/null
done
same "nobody else was given its block" "" "$(podcidrs wait-1)"
ok "it has it" until_true 20 all_as_it_was
no_overlap "made again by force"
controller_end
ctl
node_delete n-4
ok "one that is gone for good gives it to who waits" until_true 30 has_podcidrs wait-1
no_overlap "gone for good"
node_delete wait-1
until_true 20 eval '[ ! -d "$M/prod/wait-1" ]'
full
blocks=$(for i in 1 2 3 4 5 6 7 8; do mounted "n-$i"; done)

# ---- podCIDRs edited to another's, where the API can't refuse it
mark
admin POST store "$(get n-5 | jq -c --arg other "$(mounted n-6)" '.spec = {podCIDR: $other, podCIDRs: [$other]} | del(.kind, .apiVersion)')" >/dev/null
ok "podCIDRs edited to another's are told" until_true 20 has_event CIDRAssignmentFailed n-5
ok "and both keep what they have in the mount" all_as_it_was
same "which nobody else was given" "" "$(podcidrs wait-1)"
admin POST store "$(get n-5 | jq -c --arg mine "$(mounted n-5)" '.spec = {podCIDR: $mine, podCIDRs: [$mine]} | del(.kind, .apiVersion)')" >/dev/null
# Exchanged, of which neither can be had without the other.
five=$(mounted n-5) six=$(mounted n-6)
admin POST store "$(get n-5 | jq -c --arg c "$six" '.spec = {podCIDR: $c, podCIDRs: [$c]} | del(.kind, .apiVersion)')" >/dev/null
admin POST store "$(get n-6 | jq -c --arg c "$five" '.spec = {podCIDR: $c, podCIDRs: [$c]} | del(.kind, .apiVersion)')" >/dev/null
ok "two that were exchanged are exchanged" until_true 60 eval '[ "$(mounted n-5) $(mounted n-6)" = "$six $five" ]'
same "while nobody else was given them" "" "$(podcidrs wait-1)"
blocks=$(for i in 1 2 3 4 5 6 7 8; do mounted "n-$i"; done)

# ---- an empty list, and lists of another cluster's server: all that is asked says so
relist() {
	rule '{"method":"GET","path":"/api/v1/nodes","query":"*watch*","times":1,"code":410}'
	rule "$(jq -nc --arg text "$1" '{method: "GET", path: "/api/v1/nodes", query: "*limit=*", times: 1, code: 200, text: $text}')"
	rule '{"method":"GET","path":"/api/v1/nodes/*","times":-1,"user":"*","code":404}'
	rule '{"method":"GET","path":"/api/v1/nodes","times":-1,"query":"*watch*","hold":"before"}'
	mark
	admin POST "drop?how=end" >/dev/null
}
version=$(($(admin GET state | jq .version) + 1000))
theirs=$(jq -nc '[range(40) | {metadata: {name: "their-\(.)", uid: "their-\(.)"}, spec: {podCIDRs: ["10.245.\(.).0/24"]}}]')
for list in "[]" "$theirs"; do
	relist "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"$version\"},\"items\":$list}"
	ok "a list that names none of the Nodes (${#list} bytes): it is told" until_true 20 said "many Nodes are gone"
	ok "and no block goes" all_as_it_was
	admin DELETE rules >/dev/null
	admin POST "drop?how=end" >/dev/null
	controller_end
	ctl
	until_true 20 watching
	ok "nor later" all_as_it_was
done
same "nobody was given any" "" "$(podcidrs wait-1)"
# One that was restored: of the state before the last Nodes came.
admin POST settings '{"version":5}' >/dev/null
relist "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[$(for i in 1 2 3 4 5 6 7; do get "n-$i"; echo ,; done) $(get wait-1)]}"
ok "a server that went back is told of" until_true 20 said "gone back to an older state"
ok "and what it doesn't know is kept" until_true 20 said "many Nodes are gone"
ok "the block is there" all_as_it_was
controller_end
admin DELETE rules >/dev/null
# All of them are gone indeed: it takes time, or the word.
for i in 1 2 3 4 5 6 7 8; do node_delete "n-$i"; done
ctl --mass-release-delay 2s
ok "many that are gone for good are freed when their time has come" until_true 30 has_podcidrs wait-1
ok "all of them" until_true 30 eval '[ "$(ls "$M/prod")" = wait-1 ]' || tail -20 "$WORK/controller.log"
agree "at the end"
controller_end
same "it ends cleanly" 0 "$status"
check_clean "at the end"
apiserver_stop
