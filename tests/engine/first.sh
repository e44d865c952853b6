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
	sleep 1
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
umount "$WORK/w3"
machine_end w1
