# The power is cut at every write and sync of random lives of a database; what may then be on disk is opened and judged. More
# of it by hand: STEPS=16 for longer lives, or build/tests/power/cut --lives 50 --seed 1000
. "$(dirname "$0")/../lib.sh"

STEPS=${STEPS:-12}
mkdir "$WORK/memory"
mount -t tmpfs tmpfs "$WORK/memory" || exit 1
mounts+=("$WORK/memory")
export TMPDIR=$WORK/memory
cuts() { timeout 500 "$HELPERS/power/cut" "$@"; }
judged() {
	local name=$1 out
	shift
	if out=$(cuts "$@"); then pass "$name: $(tail -1 <<<"$out")"; else fail "$name" "cut $*" "$out"; fi
}
# A judge that finds nothing wrong with a disk that lies judges nothing.
found_out() {
	local name=$1 out
	shift
	out=$(cuts "$@")
	same "$name: status" 1 $?
	ok "$name: $(tail -1 <<<"$out")" grep -Eq ', [1-9][0-9]* wrong' <(tail -1 <<<"$out")
}

for sync in full normal; do
	(judged "sync=$sync, each answered change" --sync $sync --steps "$STEPS") >"$WORK/$sync" &
	(judged "sync=$sync, with syncs that fail" --sync $sync --failing --seed 7 --steps $((STEPS - 2))) >"$WORK/$sync-failing" &
	wait
	cat "$WORK/$sync" "$WORK/$sync-failing"
done
found_out "a disk that syncs nothing" --lie all --sync full --steps 4
found_out "a disk that syncs the log alone" --lie db --sync full --steps 8
found_out "a disk that syncs all but the log" --lie wal --sync full --steps 8
echo "$(cat "$WORK"/full* "$WORK"/normal* | grep -o '[0-9]* cuts' | awk '{ n += $1 } END { print n }') cuts"
