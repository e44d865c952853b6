#!/usr/bin/env bash
# What needs no run to be seen: the structure of the sources, what shellcheck, cppcheck, clang-tidy (.clang-tidy says what) and codespell
# find, and, of the plain build, functions or variables with a name of the whole program that one object alone uses. Other flavours
# lie in directories beside its own. The last line is 'N passed, N failed'.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
passed=0 failed=0

# checked NAME COMMAND...: it says what it finds, and fails then
checked() {
	local name=$1
	shift
	echo "== $name"
	if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "not ok - $name"; fi
}

scripts() { git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -S warning; }

words() { git ls-files -z -- core fs tools tests docs '*.md' Makefile ':!docs/images' ':!tests/fuzz/corpus' | xargs -0 codespell --ignore-words tests/lint.words; }

# What it takes for uninitialized is set by the callee of an out parameter; gcc, clang and valgrind look at that, too.
suppressed=(missingInclude unknownMacro uninitvar uninitStructMember ctuuninitvar nullPointerRedundantCheck
	nullPointerArithmeticRedundantCheck)
cppchecked() {
	cppcheck -q -j"$(nproc)" --std=c11 --error-exitcode=1 --enable=warning,performance,portability --inline-suppr -D_GNU_SOURCE \
		-Icore -Ifs -Itools -I. "${suppressed[@]/#/--suppress=}" core fs tools/cli tools/ipamctl tools/cni tools/kube
}

tidied() {
	local flags
	flags="-std=gnu11 $(make -s print-CPPFLAGS)"
	git ls-files -z 'core/*.c' 'fs/*.c' 'tools/*.c' |
		FLAGS=$flags xargs -0 -P"$(nproc)" -n8 sh -c 'eval clang-tidy --quiet "$@" -- "$FLAGS" 2>/dev/null' sh
}

# nm's lines: "FILE:ADDRESS KIND NAME", of what is undefined "FILE: U NAME".
lonely() {
	local found
	[ -d "$B/core" ] || return 1
	found=$(find "$B"/core "$B"/fs "$B"/tools "$B"/tests -name '*.o' -exec nm -A {} + | awk '
		$2 == "U" { used[$3] = 1; next }
		$2 ~ /^[TDBRV]$/ && $3 != "main" { sub(/:.*/, "", $1); from[$3] = $1 }
		END { for (name in from) if (!(name in used)) print from[name], name }' | sort |
		while read -r object name; do grep -rqw "$name" tests || echo "$object: $name"; done) # fuzzers are built apart
	[ -z "$found" ] || printf 'used in one object alone, so it is to be static:\n%s\n' "$found"
	[ -z "$found" ]
}

checked shellcheck scripts
checked codespell words
checked cppcheck cppchecked
checked clang-tidy tidied
checked "names of one object" lonely
checked structure python3 tests/house/structure.py --build "$B"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
