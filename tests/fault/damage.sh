# Databases and logs that are damaged: rows, tables and indexes that are gone, duplicates, nonsense, one after the other; then by seed, for a
# while, pages, rows, bytes of the log, two at once. After a repair no address that a whole copy tells is free or another's, whatever changed is
# told, and it ends. Again, for longer, or each page and every 512 bytes of the log:
#
#     build/tests/damage/damage build/bin/ipamctl [--seed N --count N] [--sweep pages|rows|log]
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
# judged NAME ARGUMENT...
judged() {
	local name=$1 out status
	shift
	out=$("$HELPERS/damage/damage" "$IPAMCTL" --seed "$seed" "$@" 2>&1)
	status=$?
	grep '^WRONG' <<<"$out" | head -20
	same "$name: $(tail -1 <<<"$out")" 0 "$status"
	ok "$name: cases were judged" grep -q '^[1-9][0-9]* cases from' <<<"$out"
}
judged "rows, tables and indexes" --sweep rows
judged "pages, the log, two at once" --seconds "${SECONDS_OF_DAMAGE:-20}"
