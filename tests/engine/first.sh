# The first mount of a machine: it is answered when what is under the prefix has been read, or says that it hasn't been.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

etcd_cluster 1
machine w1
ready w1
mkdir "$WORK/w1/prod"
ok "a cluster is there" until_true 20 test -d "$WORK/w1/prod"

# mount_first NAME: as users do, in the background once it is mounted
mount_first() {
	mkdir -p "$WORK/$1"
	mounts+=("$WORK/$1")
	"$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/$1" -o "node=$1,state=$WORK/$1.db" 2>"$WORK/$1.log"
}
# An etcd that takes its time: it goes on when the daemon has begun to ask.
etcd_pause 0
(
	until_true 20 test -s "$WORK/w2.db"
	rest 500
	etcd_resume 0
) &
pids+=("$!")
mount_first w2
ok "it is there when the mount is" test -d "$WORK/w2/prod"
same "and nothing is to be said" 0 "$(grep -c "nothing of it" "$WORK/w2.log")"
umount "$WORK/w2"

etcd_pause 0
ok "an etcd that can't be reached ends no mount" mount_first w3
ok "which says that nothing has been read" grep -q "nothing of it has been read yet" "$WORK/w3.log"
etcd_resume 0
ok "and has it later" until_true 20 test -d "$WORK/w3/prod"

# ---- set-group-ID: what is made in such a directory is of its group, on whatever machine, and for all
mkdir "$WORK/w1/team"
put "$WORK/w1/team/.ipam/cidrs" "10.99.0.0/16 24"
chown :1234 "$WORK/w1/team"
chmod g+s "$WORK/w1/team"
mkdir "$WORK/w1/team/w1"
put "$WORK/w1/team/.ipam/delegate" more
touch "$WORK/w1/team/w1/a"
made_there() { [ -e "$WORK/w3/team/more" ] && mkdir -p "$WORK/w3/team/w3" && touch "$WORK/w3/team/w3/b"; }
ok "another machine makes a node and a lease in it" until_true 20 made_there
hear() { [ -e "$WORK/w1/team/w3/b" ] && [ -e "$WORK/w3/team/w1/a" ]; }
ok "each hears of the other's" until_true 20 hear
groups_of() { (cd "$WORK/$1/team" && stat -c '%n %g %a' w1 w3 more w1/a w3/b | xargs); }
groups="w1 1234 2755 w3 1234 2755 more 1234 2755 w1/a 1234 644 w3/b 1234 644"
same "nodes and leases are of the group of where they were made" "$groups" "$(groups_of w1)"
same "so the other machine has it" "$groups" "$(groups_of w3)"
umount "$WORK/w3"
machine_end w1
machine w1
mount_first w3
until_true 20 hear
same "and both do after a mount" "$groups; $groups" "$(groups_of w1); $(groups_of w3)"
umount "$WORK/w3"
machine_end w1
