#!/usr/bin/env bash
# Build and run every test. The last line is 'N passed, N failed'; the status says the same.
#
#   tests/run.sh            all of it
#   tests/run.sh NAME...    the tests whose file has NAME in its path, plain build only
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# build FLAVOUR DIR TARGETS...
build() {
	local flavour=$1 dir=$2
	shift 2
	echo "== build ${flavour:-plain}"
	if ! make -s -j"$(nproc)" B="$dir" FLAVOUR="$flavour" "$@" </dev/null; then
		echo "not ok - build ${flavour:-plain}"
		failed=$((failed + 1))
		return 1
	fi
}

# script FILE [BUILD]: a test of its own, whose 'ok' and 'not ok' lines count; one that ends badly counts as failed
script() {
	local file=$1 dir=${2:-build} good bad
	echo "== $file${2:+ ($dir)}"
	BUILD=$PWD/$dir timeout 600 bash "$file" </dev/null >"$log" 2>&1
	local status=$?
	good=$(grep -c '^ok - ' "$log")
	bad=$(grep -c '^not ok - ' "$log")
	if [ "$status" -ne 0 ] || [ $((good + bad)) -eq 0 ]; then
		echo "not ok - $file ended with status $status" >>"$log"
		bad=$((bad + 1))
	fi
	grep -v '^ok - ' "$log"
	echo "   $good passed, $bad failed."
	passed=$((passed + good)) failed=$((failed + bad))
}

# unit BINARY [WRAPPER...]: a cmocka program
unit() {
	local binary=$1 good bad
	shift
	echo "== $* $binary"
	timeout 600 "$@" "$binary" </dev/null >"$log" 2>&1
	local status=$?
	good=$(grep -c '^\[       OK \]' "$log")
	bad=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$log")
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
	if [ $((good + bad)) -eq 0 ]; then bad=1; fi
	if [ "$bad" -gt 0 ]; then grep -v '^\[ RUN\|^\[       OK' "$log"; fi
	echo "   $good passed, $bad failed."
	passed=$((passed + good)) failed=$((failed + bad))
}

wanted() {
	local file=$1 name
	shift
	[ $# -eq 0 ] && return 0
	for name; do [[ $file == *"$name"* ]] && return 0; done
	return 1
}

if build "" build all units helpers; then
	for test in build/tests/test_*; do
		case $test in *.d | *.o) continue ;; esac
		wanted "$test" "$@" && unit "$test"
	done
	for test in tests/mount/*.sh tests/fault/*.sh tests/clients/*.sh tests/engine/*.sh tests/soak/*.sh tests/model/*.sh tests/docs/*.sh tests/package/*.sh; do
		[ -e "$test" ] && [ "${test##*/}" != lib.sh ] && wanted "$test" "$@" && script "$test"
	done
fi

if [ $# -eq 0 ]; then
	# With clang too, and under the sanitizers: what they find ends the program.
	CC=clang build "" build/clang all units helpers
	if build asan build/asan all units helpers; then
		for test in build/asan/tests/test_*; do unit "$test"; done
		for test in mount/tree mount/lives clients/cni clients/gc clients/migrate clients/edges clients/kube_import clients/ctl mount/history mount/map mount/watched mount/attack mount/permission engine/audit; do script tests/$test.sh build/asan; done
		SECONDS_OF_SOAK=15 script tests/soak/soak.sh build/asan
	fi
	if build tsan build/tsan all units helpers; then
		for test in ipam lives history snapshot kube; do unit build/tsan/tests/test_$test setarch -R; done
		for test in race lives history watched attack; do script tests/mount/$test.sh build/tsan; done
		SECONDS_OF_SOAK=15 script tests/soak/soak.sh build/tsan
	fi
	script tests/fuzz/run.sh
	for test in ipam lives cni history snapshot kube etcd record; do unit build/tests/test_$test valgrind -q --error-exitcode=9 --leak-check=full; done
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
