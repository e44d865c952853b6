# Members of the engine that don't answer, hang, are replaced, or are cut off: from the machines, from each other, or with some of
# the machines from the rest.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

# An answer that came too late is the refusal of what was done: then it is there.
made() { mkdir "$1" 2>/dev/null || test -d "$1"; }
gone() { rmdir "$1" 2>/dev/null || test ! -e "$1"; }
well() { until_true "${2:-60}" grep -qx ok "$WORK/$1/.ipam/health"; }
# round NAME FROM TO: what one machine does, the other sees
round() {
	ok "$1: it goes on" until_true 60 made "$WORK/$2/prod/$3-sees"
	ok "$1: $3 sees it" until_true 60 test -d "$WORK/$3/prod/$3-sees"
	ok "$1: and the other way round" until_true 60 gone "$WORK/$3/prod/$3-sees"
	ok "$1: which $2 sees" until_true 60 test ! -e "$WORK/$2/prod/$3-sees"
}
listens_elsewhere() { [ -n "$(member_of "$1")" ] && [ "$(member_of "$1")" != "$2" ]; }

# ---- endpoints that are none
free_port nobody
etcd_cluster 3
endpoints="127.0.0.1:$nobody,127.0.0.1:${client_ports[0]},127.0.0.1:1,127.0.0.1:${client_ports[1]},127.0.0.1:${client_ports[2]}" machine w1
ok "a machine whose first endpoint is dead from the beginning" ready w1
machine w2
ready w2
mkdir "$WORK/w1/prod"
put "$WORK/w1/prod/.ipam/cidrs" "10.244.0.0/16 24
fd00:10:244::/48 64"
until_true 20 grep -q fd00 "$WORK/w2/prod/.ipam/cidrs"
round "dead endpoints" w1 w2

# ---- members that hang
for who in w2 leader; do
	if [ "$who" == leader ]; then m=$(etcd_leader); else m=$(member_of "$who"); fi
	etcd_pause "$m"
	round "the member of $who hangs" w1 w2
	round "the member of $who hangs" w2 w1
	ok "w1 doesn't listen to it" until_true 60 listens_elsewhere w1 "$m"
	ok "nor does w2" until_true 60 listens_elsewhere w2 "$m"
	ok "and both are well" eval "well w1 && well w2"
	etcd_resume "$m"
	until_true 60 etcd_healthy
done

# ---- members that die, one after the other
for m in 0 1 2; do
	etcd_kill "$m"
	round "member $m is dead" w1 w2
	etcd_begin "$m"
	until_true 60 etcd_healthy
done

# ---- a member that is replaced, by one that the machines don't know
id=$(ctl member list | awk -F', ' '$3 == "m0" { print $1 }')
etcd_kill 0
ok "a member is removed" until_true 60 ctl member remove "$id"
round "one member less" w1 w2
rm -rf "$ETCD_DIR/m0"
unset 'client_ports[0]'
free_port fresh "peer_ports[0]"
ok "a new one is added" until_true 60 ctl member add m0 --peer-urls "http://127.0.0.1:${peer_ports[0]}"
client_ports[0]=$fresh etcd_state=existing
initial="m0=http://127.0.0.1:${peer_ports[0]},m1=http://127.0.0.1:${peer_ports[1]},m2=http://127.0.0.1:${peer_ports[2]}"
etcd_begin 0
until_true 60 etcd_healthy
round "it is elsewhere" w1 w2
etcd_kill 2
round "one of the old ones is enough" w1 w2
etcd_begin 2

# ---- none at all, and then some
for m in 0 1 2; do etcd_kill "$m"; done
ok "leases go on without any" eval "made '$WORK/w1/prod/w1' || true"
machine w3
refused "who starts without any has nothing yet" "No route" mkdir "$WORK/w3/prod"
ok "and says so" until_true 20 grep -q '^unreachable since' "$WORK/w3/.ipam/health"
for m in 0 1 2; do etcd_begin "$m"; done
ok "it reads all when they come" until_true 60 test -d "$WORK/w3/prod"
round "all came back" w1 w3
for who in w1 w2 w3; do
	ok "$who is well" well "$who"
	machine_end "$who"
done
etcd_end

# ---- members that are really cut off
net_members 3
etcd_cluster 3
net_machine far 1
machine near
machine far
ready near
ready far
mkdir "$WORK/near/prod"
put "$WORK/near/prod/.ipam/cidrs" "10.244.0.0/16 24"
until_true 60 test -d "$WORK/far/prod"
until_true 60 made "$WORK/near/prod/near"
until_true 60 made "$WORK/far/prod/far"
touch "$WORK/near/prod/near/a" "$WORK/far/prod/far/a"
round "in namespaces" near far

# Clients reach it, its peers don't.
for who in far leader; do
	if [ "$who" == leader ]; then m=$(etcd_leader); else m=$(member_of "$who"); fi
	net_cut "p$m"
	round "the member of $who is cut off from its peers" near far
	round "the member of $who is cut off from its peers" far near
	ok "far doesn't listen to it" until_true 60 listens_elsewhere far "$m"
	ok "and is well" well far
	net_mend "p$m"
	until_true 60 etcd_healthy
done

# Its peers reach it, clients don't; nobody tells them so.
m=$(member_of far)
net_cut "c$m"
round "the member of far is cut off from clients" near far
ok "far doesn't listen to it" until_true 60 listens_elsewhere far "$m"
net_mend "c$m"

# The machine itself.
net_cut x1
ok "a machine that is cut off leases on" touch "$WORK/far/prod/far/b"
rm "$WORK/far/prod/far/a"
start=$SECONDS
refused "and delegates nothing" "No route" mkdir "$WORK/far/prod/nope"
ok "which it says after a while, and doesn't wait for the engine ($((SECONDS - start)) s)" test $((SECONDS - start)) -lt 30
ok "and what is wrong" until_true 60 grep -q '^unreachable since' "$WORK/far/.ipam/health"
until_true 60 made "$WORK/near/prod/news"
net_mend x1
ok "it catches up" until_true 60 test -d "$WORK/far/prod/news"
ok "and publishes" until_true 60 test -e "$WORK/near/prod/far/b" -a ! -e "$WORK/near/prod/far/a"

# With one of the members, from all the others.
for link in x1 c2; do net_move "$link" aside; done
net_cut p2
ok "in the smaller part leases go on" touch "$WORK/far/prod/far/c"
refused "delegation doesn't" "No route" mkdir "$WORK/far/prod/neither"
ok "it knows" until_true 60 grep -q '^unreachable since' "$WORK/far/.ipam/health"
ok "in the greater part all goes on" until_true 60 made "$WORK/near/prod/more"
ok "and is well" well near
for link in x1 c2; do net_move "$link" clients; done
net_mend p2
ok "together again, far sees it" until_true 60 test -d "$WORK/far/prod/more"
ok "near sees far's" until_true 60 test -e "$WORK/near/prod/far/c"
round "together again" far near
same "no block is delegated twice" "" "$(cut -d' ' -f1 "$WORK/near/prod/.ipam/blocks" | sort | uniq -d)"
agree() { cmp -s <(cut -d' ' -f1,2 "$WORK/near/prod/.ipam/blocks") <(cut -d' ' -f1,2 "$WORK/far/prod/.ipam/blocks"); }
ok "both see the same" until_true 60 agree

cd /
machine_end near
machine_end far
check_clean "near" "$WORK/near.db"
check_clean "far" "$WORK/far.db"
