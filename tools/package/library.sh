#!/bin/sh
# library.sh OUT HEADERS -- OBJECTS: the static library as it is installed. One object is made of all, in which those names alone are
# the whole program's that the headers declare; the others can't meet a name of the program that links it.
set -eu
out=$1
shift
headers=
while [ "$1" != -- ]; do headers="$headers $1" && shift; done
shift
whole=$out.o
${LD:-ld} -r -o "$whole" "$@"
# The words of the headers, and of them those that the objects define.
# shellcheck disable=SC2086 # names of ours
${NM:-nm} -g --defined-only "$whole" | awk 'FILENAME != "-" { gsub(/[^A-Za-z0-9_]+/, " "); for (i = 1; i <= NF; i++) said[$i] = 1; next }
	$NF in said { print $NF }' $headers - >"$out.names"
if [ ! -s "$out.names" ]; then
	echo "library.sh: ${NM:-nm} finds no name of the headers in the objects; build them without -flto" >&2
	exit 1
fi
${OBJCOPY:-objcopy} --keep-global-symbols="$out.names" "$whole"
rm -f "$out"
${AR:-ar} rcs "$out" "$whole"
rm "$whole" "$out.names"
