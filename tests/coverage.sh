#!/usr/bin/env bash
# What share of the lines the unit tests run, by directory, and of each source with -v: `make coverage` has built and calls it.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build/coverage}
find "$B" -name '*.gcda' -delete
for t in "$B"/tests/test_*; do
	case $t in *.d | *.o) continue ;; esac
	"$t" >"$B/log" 2>&1 || { cat "$B/log"; echo "$t failed"; exit 1; }
done
# A source that no test is linked with has its lines in its notes alone.
find "$B/core" "$B/fs" "$B/tools" -name '*.gcno' -print0 | xargs -0 -n 50 gcov -n 2>/dev/null | awk -v verbose="${1:-}" '
	/^File / { file = substr($2, 2, length($2) - 2) }
	/^Lines executed:/ && file ~ /\.c$/ {
		split($2, part, ":"); of = $NF; ran = part[2] / 100 * of; dir = file; sub("/[^/]*$", "", dir)
		if (verbose == "-v") printf "%6.1f %% of %5d lines  %s\n", part[2], of, file
		lines[dir] += of; run[dir] += ran; all += of; allrun += ran; file = ""
	}
	END {
		for (dir in lines) printf "%6.1f %% of %5d lines  %s\n", 100 * run[dir] / lines[dir], lines[dir], dir | "sort -k 6"
		close("sort -k 6")
		printf "%6.1f %% of %5d lines  in all\n", 100 * allrun / all, all
	}'
