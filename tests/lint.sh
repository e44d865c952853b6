#!/usr/bin/env bash
# What needs no run to be seen: scripts that shellcheck warns of and, of the plain build, functions or variables with a name of the
# whole program that one object alone uses. Other flavours lie in directories beside its own.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

git ls-files -z '*.sh' | xargs -0 shellcheck -S warning || failed=1

# nm's lines: "FILE:ADDRESS KIND NAME", of what is undefined "FILE: U NAME".
lonely=$(find build/core build/fs build/tools build/tests -name '*.o' -exec nm -A {} + | awk '
	$2 == "U" { used[$3] = 1; next }
	$2 ~ /^[TDBRV]$/ && $3 != "main" { sub(/:.*/, "", $1); from[$3] = $1 }
	END { for (name in from) if (!(name in used)) print from[name], name }' | sort |
	while read -r object name; do grep -rqw "$name" tests || echo "$object: $name"; done) # fuzzers are built apart
if [ -n "$lonely" ]; then
	printf 'used in one object alone, so it is to be static:\n%s\n' "$lonely"
	failed=1
fi

# A room of fs/ includes those below it alone. Lowest first; of the same number neither uses the other.
upwards=$(git ls-files 'fs/*/*.[ch]' | xargs awk '
	BEGIN { n = split("base:1 resume:2 tree:3 hostlocal:4 map:4 control:5 process:6", of, /[ :]/); for (i = 1; i < n; i += 2) level[of[i]] = of[i + 1] }
	/^#include "fs\/[a-z]+\// {
		split(FILENAME, own, "/"); split($2, other, "/")
		if (other[2] != own[2] && level[other[2]] + 0 >= level[own[2]] + 0) print FILENAME ": " $2
	}')
if [ -n "$upwards" ]; then
	printf 'a room of fs/ includes one that is not below it:\n%s\n' "$upwards"
	failed=1
fi
exit $failed
