# What `make run` and `make stop` do, and the README's ten lines, typed right after it and compared word for word.
. "$(dirname "$0")/../lib.sh"
DEMO=$ROOT/tools/demo.sh
export IPAMFS_DEMO_DB=$WORK/demo/demo.db IPAMFS_DEMO_MOUNT=$WORK/demo-mnt
mounts+=("$IPAMFS_DEMO_MOUNT")
demo() { sh "$DEMO" "$1" >"$WORK/out" 2>&1; }
# The README names the demo's own places.
here() { sed "s|/var/lib/ipamfs-demo/|$WORK/demo/|g; s|/run/ipamfs-demo|$IPAMFS_DEMO_MOUNT|g"; }

ok "make run shows the main job" demo start
same "nothing of it goes wrong" "" "$(grep -iE 'rror|cannot|refused|No such' "$WORK/out")"
ok "it ends as it began: an empty cluster" test -z "$(ls "$IPAMFS_DEMO_MOUNT/prod")"
same "and nothing else" "README prod" "$(ls "$IPAMFS_DEMO_MOUNT" | xargs)"

# The block below "## Ten lines": commands after '# ', with a remark after three blanks, and what they print.
sed -n '/^## Ten lines$/,/^## See it$/s/^    //p' "$ROOT/README.md" | here >"$WORK/lines"
cd "$WORK" || exit 1
squeeze() { sed 's/  */ /g'; }
while IFS= read -r line; do
	case $line in
	'# '*)
		command=$(sed 's/^# //; s/   .*//' <<<"$line")
		echo "# $command" >>"$WORK/wanted"
		echo "# $command" >>"$WORK/got"
		eval "$command" >>"$WORK/got" 2>&1
		;;
	*) echo "$line" | squeeze >>"$WORK/wanted" ;;
	esac
done <"$WORK/lines"
cd / || exit 1
same "the README's lines print what it says" "$(cat "$WORK/wanted")" "$(squeeze <"$WORK/got")"
ok "there are ten of them, at least" test "$(grep -c '^# ' "$WORK/wanted")" -ge 10

ok "make run works again" demo start
same "nothing of it goes wrong then" "" "$(grep -iE 'rror|cannot|refused|No such' "$WORK/out")"
ok "what was made in between is there still" test -e "$IPAMFS_DEMO_MOUNT/prod/worker-1/10.244.0.77"
ok "the line that it prints names ipamctl" grep -q "export PATH=$ROOT/build/bin:" "$WORK/out"

cd "$IPAMFS_DEMO_MOUNT" || exit 1
ok "make stop fails while somebody is in it" eval "! demo stop"
ok "and says who" grep -q "process $$ " "$WORK/out"
cd / || exit 1
ok "make stop ends it" demo stop
ok "nothing is mounted" test ! -e "$IPAMFS_DEMO_MOUNT"
ok "make stop once more is no error" demo stop

# A mount that others made stays theirs, wherever it is.
mount_fs
make_cluster prod worker-1
touch "$M/prod/worker-1/web-0"
export IPAMFS_DEMO_MOUNT=$M
ok "make run leaves another's mount alone" eval "! demo start"
ok "and says so" grep -q "something else is mounted on $M" "$WORK/out"
ok "make stop leaves it alone" demo stop
ok "its leases are there" test -e "$M/prod/worker-1/web-0"
umount_fs
