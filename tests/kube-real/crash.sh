#!/usr/bin/env bash
# Whatever dies in the midst: the controller, the mount, the server. What was given stays, and the rest gets distinct blocks.
source "$(dirname "$0")/../lib.sh"
source "$ROOT/tests/engine/lib.sh"
source "$ROOT/tests/kube-real/lib.sh"

# at_least N: so many nodes have podCIDRs
at_least() { [ "$(pod_cidrs | grep -vc ' -$')" -ge "$1" ]; }
# changed GIVEN: the lines of it that aren't so any more
changed() { comm -23 <(echo "$1") <(pod_cidrs); }
given() { pod_cidrs | grep -v ' -$'; }

kube_up
cluster_up

# ---- the controller is killed in the midst of 200 nodes, again and again; each time the nodes before have gone while nobody looked

for round in 1 2 3; do
	nodes_delete_all
	nodes_rush "k$round-" 1 200
	controller_start --qps 60 --burst 10
	ok "round $round: some have their podCIDRs" until_true 60 at_least $((20 * round))
	controller_kill
	had=$(given)
	ok "round $round: killed in the midst" test "$(wc -l <<<"$had")" -lt 200
	if [ "$round" -eq 2 ]; then
		kill_fs
		mount_fs
	fi
	controller_start
	ok "round $round: started again, it serves all" until_true 60 assigned 200
	same "round $round: nobody's podCIDR has changed" "" "$(changed "$had")"
	same "round $round: all distinct" "" "$(assignment_faults 24)"
	ok "round $round: the mount has what the API has, and nothing of those before" until_true 30 agreed
	controller_end
	same "round $round: it ends cleanly" 0 $?
done

# ---- the mount dies under it

controller_start
nodes_create m- 1 5
ok "it runs" until_true 30 assigned 205
had=$(given | grep -v '^k3-[12] ')
kill_fs
nodes_create m- 6 10
kubectl delete node k3-1 k3-2 >/dev/null
ok "without a mount it stays" kill -0 "$controller"
same "and takes nothing back" "" "$(changed "$had")"
same "nor gives any" 5 "$(pod_cidrs | grep -c ' -$')"
mount_fs
ok "mounted again, it goes on" until_true 60 assigned 208
ok "and the mount has what the API has" until_true 30 agreed
same "all distinct" "" "$(assignment_faults 24)"

# ---- the server dies, and comes back

had=$(given)
kube_server_end
nodes=$(ls "$M/prod" | wc -l)
sleep 1
same "without a server no node is taken from the mount" "$nodes" "$(ls "$M/prod" | wc -l)"
kube_server_start
nodes_create s- 1 5
ok "with the server again it goes on" until_true 60 assigned 213
same "nobody's podCIDR has changed" "" "$(changed "$had")"
ok "the mount has what the API has" until_true 30 agreed

# The watch breaks, and what it missed can't be told any more: the server forgot it (410 Gone).
kill -STOP "$controller"
kubectl delete node s-1 s-2 >/dev/null
nodes_create g- 1 10
kube_server_end
etcd_compact >/dev/null
kube_server_start
kill -CONT "$controller"
ok "after a history that is gone it lists anew, and goes on" until_true 60 assigned 221
ok "the mount has what the API has" until_true 30 agreed
same "all distinct" "" "$(assignment_faults 24)"

# Its etcd is away: the server is there, and can't.
etcd_pause 0
sleep 2
etcd_resume 0
nodes_create e- 1 5
ok "after a time without etcd it goes on" until_true 60 assigned 226
ok "the mount has what the API has" until_true 30 agreed
same "all distinct" "" "$(assignment_faults 24)"

controller_end
same "it ends cleanly" 0 $?
umount_fs
check_clean "at the end"
