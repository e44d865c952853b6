# The daemon dies under ADDs and DELs: what the plugin has answered holds, and what it hasn't left nothing half made.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cni_lib.sh"

mount_fs
make_cluster prod n1
node=$M/prod/n1
mkdir "$WORK/said"

# worker NUMBER: ADDs, and a DEL of every third, noting each answer, until the mount is gone
worker() {
	local i=0 id
	WORK=$WORK/w$1
	mkdir "$WORK"
	while plugin "$CNI" ADD "${id:=c$1-$i}" "$(conf 1.0.0 ',"cluster":"prod"')"; do
		addresses >"$WORK/../said/$id"
		if [ $((i % 3)) -eq 2 ]; then
			echo deleting >>"$WORK/../said/$id"
			plugin "$CNI" DEL "$id" "$(conf 1.0.0 ',"cluster":"prod"')" || return
			echo deleted >>"$WORK/../said/$id"
		fi
		i=$((i + 1)) id=
	done
}
for round in 1 2 3; do
	for w in 1 2 3 4; do
		worker "$round$w" 2>/dev/null &
		workers[w]=$!
		pids+=("$!")
	done
	enough() { [ "$(ls "$WORK/said" | wc -l)" -ge $((round * 40)) ]; }
	until_true 60 enough || fail "round $round: they get going"
	kill_fs
	for w in 1 2 3 4; do wait "${workers[w]}"; done
	mount_fs
	lost=0 back=0 half=0
	for said in "$WORK"/said/*; do
		lease=$node/${said##*/}.eth0
		case $(tail -1 "$said") in
		deleted) [ ! -e "$lease" ] || back=$((back + 1)) ;;
		*deleting) ;;
		*) [ "$(tr '\n' ' ' <"$lease" 2>/dev/null | sed 's/ $//')" == "$(cat "$said")" ] || lost=$((lost + 1)) ;;
		esac
	done
	for lease in "$node"/*; do
		getfattr --absolute-names -n user.netns "$lease" >/dev/null 2>&1 || half=$((half + 1))
	done
	same "round $round: of $(ls "$WORK/said" | wc -l) answers none is lost" 0 "$lost"
	same "round $round: no released lease is back" 0 "$back"
	same "round $round: no lease is half made" 0 "$half"
done
umount_fs
check_clean "after it all"
