# ipamkube controller against a stand-in API server: adoption, delegation, deletion, restarts, podCIDRs that can't be.
. "$(dirname "$0")/../kube_lib.sh"

mount_fs sync=normal
mkdir "$M/prod"

# ---- the command line

refused "no cluster said" "--cluster says" "$KUBE" controller
refused "an option mistyped" "did you mean '--kubeconfig'" "$KUBE" controller --kubeconfg x
refused "a command mistyped" "did you mean 'controller'" "$KUBE" controler
refused "an option of the other command" "no option" "$KUBE" controller --cluster prod --node x
refused "a number that is none" "wants a number" "$KUBE" controller --cluster prod --qps many
refused "too many words" "is too much" "$KUBE" controller --cluster prod more
ok "help" "$KUBE" controller --help
same "usage is 2" 2 "$("$KUBE" controller 2>/dev/null; echo $?)"
same "no kubeconfig is 1" 1 "$("$KUBE" controller --cluster prod 2>/dev/null; echo $?)"

# ---- new Nodes, and --once

afresh "10.244.0.0/16 24
fd00:10:244::/48 64"
same "once, with nothing to do" 0 "$(once >/dev/null; echo $?)"
seq -f node-%g 20 | make_nodes
same "once" 0 "$(once --metrics "$PROM" >/dev/null; echo $?)"
same "each has a podCIDR of each family" 40 "$(pod_cidrs | wc -l)"
agreed "once"
same "IPv4 first, and podCIDR is the first" "true" "$(get $NODES | jq 'all(.items[].spec; .podCIDR == .podCIDRs[0] and (.podCIDRs[0] | test("[.]")) and (.podCIDRs[1] | test(":")))')"
ok "promtool check metrics" promtool check metrics <"$PROM"
same "and it says nothing" "" "$(promtool check metrics <"$PROM" 2>&1)"
same "metrics" "20 20" "$(awk '$1 == "ipamkube_nodes{state=\"held\"}" || $1 == "ipamkube_delegations_total" { print $2 }' "$PROM" | xargs)"
before=$(pod_cidrs)
same "once more" 0 "$(once >/dev/null; echo $?)"
same "changes nothing" "$before" "$(pod_cidrs)"

# ---- watching

controller
until_true 20 said "Nodes with their podCIDRs" || fail "it begins"
seq -f more-%g 30 | make_nodes
until_true 20 all_have || fail "new Nodes get theirs" "$(tail -3 "$WORK/kube.log")"
agreed "watching"
first=$(block_of more-1)
remove more-1
ok "a Node is gone: so is its directory" until_true 20 gone more-1
request POST $NODES '{"metadata": {"name": "more-1"}}' >/dev/null
ok "one made anew gets a block" until_true 20 has more-1
agreed "made anew"
same "another one, as late as possible the same" "different" "$([ "$first" == "$(block_of more-1)" ] || echo different)"

# Deleted, but not gone: the finalizers haven't run.
request POST $NODES '{"metadata": {"name": "final", "finalizers": ["example.com/wait"]}}' >/dev/null
until_true 20 has final
remove final
echo marker | make_nodes
until_true 20 has marker # what came later has been seen
ok "a Node that is being deleted keeps its block" there final
same "and its podCIDR" "$(block_of final)" "$(cidr_of final)"
merge final '{"metadata": {"finalizers": null}}'
ok "until its finalizers have run" until_true 20 gone final

# Leases in a central mount.
touch "$M/prod/more-2/pod"
remove more-2
ok "a Node with leases is gone: that is said" until_true 20 said "more-2: its Node is gone, but there are leases"
ok "its directory stays" there more-2
rm "$M/prod/more-2/pod"
ok "until they are released" until_true 20 gone more-2

# Deleted and made again while nobody looked.
kill -STOP "$controller"
old=$(node more-3 | jq -r .metadata.uid)
remove more-3
echo more-3 | make_nodes
kill -CONT "$controller"
ok "a Node made anew under its name" until_true 20 has more-3
same "another uid" "different" "$([ "$old" == "$(node more-3 | jq -r .metadata.uid)" ] || echo different)"
agreed "same name, other Node"

# A name that no directory can have.
request POST $NODES '{"metadata": {"name": "../evil"}}' >/dev/null
request POST $NODES '{"metadata": {"name": ".hidden"}}' >/dev/null
echo after | make_nodes
ok "a name that isn't one is passed over" until_true 20 has after
same "nothing was made for it" "" "$(ls -d "$M/evil" "$M/prod/.hidden" 2>/dev/null)"
end "$controller"
same "SIGTERM ends it well" 0 $?
same "and it gave the Lease back" "" "$(get $LEASE | jq -r .spec.holderIdentity)"

# ---- what was done while it was away

mkdir "$M/prod/by-hand"
remove more-4
remove more-5
touch "$M/prod/more-5/pod"
same "leases of a Node that is gone: once says so" 1 "$(once >/dev/null; echo $?)"
ok "the directory of a Node that went meanwhile is removed" gone more-4
ok "one with leases isn't" there more-5
ok "nor is one made by hand" there by-hand
rm "$M/prod/more-5/pod"
same "--prune" 0 "$(once --prune >/dev/null; echo $?)"
ok "takes every one without a Node" gone by-hand

# ---- 1,000 Nodes at once, kill -9 in the middle

afresh "10.0.0.0/8 24"
seq -f n%g 1000 | make_nodes
for round in 1 2 3 4 5; do
	controller --no-leader-election --qps 400 --burst 20
	until_true 20 test "$(without)" -lt $((1000 - round * 150 + RANDOM % 100))
	end "$controller" KILL
	same "killed, $round: no podCIDR twice" "" "$(pod_cidrs | cut -d' ' -f2 | sort | uniq -d)"
	same "killed, $round: each one is the mount's" "" "$(comm -23 <(pod_cidrs) <(blocks))"
done
same "then the rest" 0 "$(once >/dev/null; echo $?)"
agreed "1,000 Nodes"
same "all of them" 1000 "$(pod_cidrs | wc -l)"
begun=$(date +%s%N)
seq -f m%g 1000 | make_nodes
same "another 1,000" 0 "$(once >/dev/null; echo $?)"
echo "    1,000 Nodes in $((($(date +%s%N) - begun) / 1000000)) ms"
agreed "2,000 Nodes"

# ---- adoption: 1,000 podCIDRs, the last first, and the mount knows nothing, or knows it wrong

afresh "10.0.0.0/12 24"
seq 0 999 | awk '{ i = 4095 - $1; printf "a%04d 10.%d.%d.0/24\n", $1, int(i / 256), i % 256 }' >"$WORK/reverse"
make_nodes <"$WORK/reverse"
seq -f new-%g 50 | make_nodes
for i in 0001 0000 0500; do mkdir "$M/prod/a$i"; done
put "$M/prod/a0001/.ipam/cidrs" "$(cut -d' ' -f2 "$WORK/reverse" | sed -n 1p)"
put "$M/prod/a0000/.ipam/cidrs" "$(cut -d' ' -f2 "$WORK/reverse" | sed -n 2p)" # these two the other way round
mkdir "$M/prod/a0998"
put "$M/prod/a0998/.ipam/cidrs" "$(cut -d' ' -f2 "$WORK/reverse" | sed -n 501p)"
same "1,000 adopted, 50 new" 0 "$(once >"$WORK/kube.log"; echo $?)"
agreed "adoption"
same "as they were" "$(cat "$WORK/reverse")" "$(pod_cidrs | grep ^a)"

# A cluster in which every block is somebody's.
afresh "10.1.0.0/24 28"
seq 0 15 | awk '{ printf "f%02d 10.1.0.%d/28\n", $1, (15 - $1) * 16 }' | make_nodes
same "a full cluster, the last first" 0 "$(once >"$WORK/kube.log"; echo $?)"
agreed "full"
controller
echo one-more | make_nodes
ok "no block for one more: an Event" until_true 20 has_event one-more CIDRNotAvailable
remove f03
ok "it gets the next that is free" until_true 30 has one-more
same "that very one" "10.1.0.192/28" "$(cidr_of one-more)"
end "$controller"
agreed "one in, one out"

# ---- podCIDRs that can't be

afresh "10.2.0.0/16 24
fd00:2::/48 64"
make_nodes <<-END
	good 10.2.0.0/24,fd00:2::/64
	v4-only 10.2.7.0/24
	foreign 192.168.7.0/24
	wide 10.2.128.0/20
	half 10.2.9.0/24,2001:db8::/64
	twin-a 10.2.5.0/24
	twin-b 10.2.5.0/24
END
{ seq -f new-%g 5 && echo ghost; } | make_nodes
mkdir "$M/prod/foreign"
same "foreign and overlapping podCIDRs are findings" 1 "$(once --metrics "$PROM" >"$WORK/kube.log"; echo $?)"
for it in foreign wide half; do
	ok "$it: said" said "$it: its podCIDR .* is no block of cluster prod"
	ok "$it: an Event" has_event $it CIDRAssignmentFailed
	ok "$it: left alone" gone $it
done
same "one of two twins has it" 1 "$(ls -d "$M"/prod/twin-* | wc -l)"
same "the other is told of" 1 "$( (events_of twin-a && events_of twin-b) | grep -c CIDRAssignmentFailed)"
ok "by whose it is" said "twin-[ab]: its podCIDR 10.2.5.0/24 overlaps one of twin-[ab]"
same "metrics" "9 4" "$(awk '$1 ~ /state="(held|refused)"/ { print $2 }' "$PROM" | xargs)"
same "the rest has theirs" 0 "$(without)"
same "no new one lies in the wide one's" "" "$(comm -12 <(seq -f '10.2.%g.0/24' 128 143 | sort) <(blocks | cut -d' ' -f2 | sort))"
same "what a Node has is what the mount has, if it is there" "" "$(comm -13 <(pod_cidrs) <(blocks))"

# A wide foreign podCIDR over all but one block.
afresh "10.3.0.0/21 24"
make_nodes <<<"wide 10.3.0.0/22
wide2 10.3.4.0/23
wide3 10.3.6.0/24
"
{ echo lucky && echo late; } | make_nodes
once >"$WORK/kube.log"
same "one block is left, one Node gets it" "10.3.7.0/24" "$( (cidr_of lucky && cidr_of late) | xargs)"
same "a Node whose podCIDR is right has it" "10.3.6.0/24" "$(block_of wide3)"

# ---- selectors

afresh "10.4.0.0/16 24"
if put "$M/prod/.ipam/cidrs" "10.4.0.0/16 24 selector=zone=a
10.5.0.0/16 24 selector=zone=b,disk!=ssd
10.6.0.0/16 24
fd00:4::/48 64" 2>/dev/null; then
	make_nodes <<-END
		a1 - zone=a
		a2 - zone=a,disk=ssd
		b1 - zone=b
		b2 - zone=b,disk=ssd
		c1
	END
	same "selectors" 0 "$(once >"$WORK/kube.log"; echo $?)"
	same "by labels" "a1 10.4. a2 10.4. b1 10.5. b2 10.6. c1 10.6." "$(pod_cidrs | grep -v : | sed -E 's/([0-9]+\.[0-9]+\.).*/\1/' | xargs)"
	agreed "selectors"
	put "$M/prod/.ipam/cidrs" "10.4.0.0/16 24 selector=zone=a
10.5.0.0/16 24 selector=zone=b,disk!=ssd
10.6.0.0/16 24
fd00:4::/48 64
fd00:5::/48 64 selector=zone=a"
	rmdir "$M"/prod/*
	afresh "10.4.0.0/24 26 selector=zone=a"
	make_nodes <<-END
		a1 - zone=a
		x1 - zone=x
	END
	controller
	ok "none for it: an Event" until_true 20 has_event x1 CIDRNotAvailable
	ok "the other has its own" until_true 20 has a1
	merge x1 '{"metadata": {"labels": {"zone": "a"}}}'
	ok "a label later it has" until_true 20 has x1
	seq 3 5 | sed 's/.*/a& - zone=a/' | make_nodes
	ok "until that CIDR is full" until_true 20 has_event a5 CIDRNotAvailable
	append "$M/prod/.ipam/cidrs" "10.9.0.0/24 26 selector=zone in (a,b)" 2>/dev/null || append "$M/prod/.ipam/cidrs" "10.9.0.0/24 26 selector=zone"
	end "$controller"
	agreed "selectors, watching"
else
	echo "    (this mount knows no selectors)"
fi

check_clean "at last"
umount_fs
