# Databases and logs that are damaged, by seed, for a minute: pages, rows, tables, indexes, bytes of the log, two at once. After a repair no
# address that a whole copy tells is free or another's, whatever changed is told, and it ends. Again, or for longer:
#
#     build/tests/damage/damage build/bin/ipamctl --seed N --count N
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
"$HELPERS/damage/damage" "$IPAMCTL" --seed "$seed" --seconds "${SECONDS_OF_DAMAGE:-60}" >"$WORK/out" 2>&1
status=$?
grep '^WRONG' "$WORK/out" | head -20
same "repairs never make it worse: $(tail -1 "$WORK/out")" 0 "$status"
ok "cases were judged" grep -q '^[1-9][0-9]* cases from' "$WORK/out"
