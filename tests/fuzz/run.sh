#!/usr/bin/env bash
# Feed each target what libFuzzer makes of its corpus, under ASan and UBSan. A line a target, which tests/run.sh counts.
#
#   tests/fuzz/run.sh                     a fixed number of runs each, about half a minute in all
#   tests/fuzz/run.sh SECONDS [NAME...]   so long in all, or on the targets named
#
# What is found stays below build/fuzz/found/; a corpus grows in build/fuzz/corpus/, and what of it is worth keeping is for
# a person to put into tests/fuzz/corpus/.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-}
[ $# -eq 0 ] || shift
B=$PWD/build/fuzz
make -s -j"$(nproc)" B="$B" FLAVOUR=fuzz CC=clang fuzzers || exit 1
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
# Of the short form: what each does in a few seconds.
declare -A runs=([cni]=20000 [database]=150 [engine]=40000 [hostlocal]=60000 [import]=15000 [label]=100000 [operations]=150 [text]=100000 [when]=30000)
failed=0
for target in "${targets[@]}"; do
	mkdir -p "$B/corpus/$target" "$B/found"
	if [ -n "$seconds" ]; then
		each=$((seconds / ${#targets[@]}))
		limit=(-max_total_time=$((each > 0 ? each : 1)))
		new=("$B/corpus/$target")
	else
		limit=("-runs=${runs[$target]:-10000}" -seed=1)
		new=("$B/corpus/.scratch") # what it finds goes to the first directory it is given, and not into the tree
		rm -rf "${new[0]}"
		mkdir -p "${new[0]}"
	fi
	# What the parsers say to a person would be most of the log.
	if "$B/tests/fuzz/fuzz_$target" "${limit[@]}" -timeout=60 -rss_limit_mb=4096 -max_len=16384 -print_final_stats=1 \
		-close_fd_mask=2 -artifact_prefix="$B/found/$target-" "${new[@]}" "tests/fuzz/corpus/$target" </dev/null >"$B/log" 2>&1; then
		echo "ok - fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$B/log") executions, nothing found"
	else
		echo "not ok - fuzz $target"
		grep -v '^#' "$B/log" | tail -60
		failed=1
	fi
done
exit $failed
