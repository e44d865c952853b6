#!/usr/bin/env bash
# Build and run the tests. The last line is 'N passed, N failed'; the status says the same.
#
#   tests/run.sh               every test
#   tests/run.sh NAME...       the tests whose file has NAME in its path
#   tests/run.sh --sanitizers  many of them again under ASan, UBSan, TSan and valgrind; a build by clang; the fuzzers
#
# Tests wait more than they work, so some run at once: JOBS of them, three a processor.
set -u
cd "$(dirname "$0")/.." || exit 1
JOBS=${JOBS:-$(($(nproc) * 3))}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
count=0

# ---- one test: what there is to say goes to $1, and "GOOD BAD" to $1.count

# script OUT FILE BUILD WRAPPER...: a test of its own, whose 'ok' and 'not ok' lines count; one that ends badly counts as failed
script() {
	local out=$1 file=$2 dir=$3 good bad status processor
	shift 3
	BUILD=$PWD/$dir timeout 900 "$@" bash "$file" </dev/null >"$out.log" 2>&1
	status=$?
	times >"$out.times" # of all that this shell has waited for; not in a subshell, which has waited for nothing
	processor=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, "m"); n += t[1] * 60 + t[2] } printf "%d", n }' "$out.times")
	good=$(grep -c '^ok - ' "$out.log")
	bad=$(grep -c '^not ok - ' "$out.log")
	if [ "$status" -ne 0 ] || [ $((good + bad)) -eq 0 ]; then
		echo "not ok - $file ended with status $status" >>"$out.log"
		bad=$((bad + 1))
	fi
	{
		echo "== $file ($dir)"
		grep -v '^ok - ' "$out.log"
		echo "   $good passed, $bad failed in $((SECONDS - begun)) s, $processor s of a processor."
	} >"$out"
	echo "$good $bad" >"$out.count"
}

# unit OUT BINARY WRAPPER...: a cmocka program
unit() {
	local out=$1 binary=$2 good bad status
	shift 2
	timeout 900 "$@" "$binary" </dev/null >"$out.log" 2>&1
	status=$?
	good=$(grep -c '^\[       OK \]' "$out.log")
	bad=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$out.log")
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
	if [ $((good + bad)) -eq 0 ]; then bad=1; fi
	{
		echo "== $* $binary"
		if [ "$bad" -gt 0 ]; then grep -v '^\[ RUN\|^\[       OK' "$out.log"; fi
		echo "   $good passed, $bad failed."
	} >"$out"
	echo "$good $bad" >"$out.count"
}

# ---- many

# later KIND ARGUMENT...: run it when there is room
later() {
	local kind=$1 out
	shift
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n; done
	count=$((count + 1))
	out=$results/$(printf %04d "$count")
	(
		begun=$SECONDS
		"$kind" "$out" "$@"
		cat "$out"
	) &
}

# build FLAVOUR DIR TARGETS...: when nothing else runs
build() {
	local flavour=$1 dir=$2
	shift 2
	wait
	echo "== build ${flavour:-plain} in $dir"
	if ! make -s -j"$(nproc)" B="$dir" FLAVOUR="$flavour" "$@" </dev/null; then
		echo "not ok - build ${flavour:-plain}"
		count=$((count + 1))
		echo "0 1" >"$results/$(printf %04d "$count").count"
		return 1
	fi
}

wanted() {
	local file=$1 name
	shift
	[ $# -eq 0 ] && return 0
	for name; do [[ $file == *"$name"* ]] && return 0; done
	return 1
}

# first_of_it FILE: it wasn't asked for before
begun_with=" "
first_of_it() {
	[[ $begun_with != *" $1 "* ]] && begun_with+="$1 "
}

if [ "${1:-}" != --sanitizers ] && build "" build all units helpers; then
	# The long ones first, so that nobody waits for them at the end.
	for test in tests/package/deb.sh tests/mount/attack.sh tests/engine/{members,agents,shared,storm,security,resend,network}.sh tests/model/check.sh \
		tests/fault/{hangs,power,damage,stressng,restart}.sh tests/kube/{living,faults,leader}.sh tests/docs/monitoring.sh \
		tests/engine/*.sh tests/soak/*.sh tests/kube/*.sh tests/fault/*.sh tests/model/*.sh tests/clients/*.sh tests/mount/*.sh \
		tests/package/*.sh tests/docs/*.sh; do
		[ -e "$test" ] && [ "${test##*/}" != lib.sh ] && wanted "$test" "$@" && first_of_it "$test" && later script "$test" build
	done
	for test in build/tests/test_*; do
		case $test in *.d | *.o) continue ;; esac
		wanted "$test" "$@" && later unit "$test"
	done
	if [[ $* == *kube-real* ]]; then
		for test in tests/kube-real/*.sh; do
			case ${test##*/} in lib.sh | build.sh) continue ;; esac
			wanted "$test" "$@" && later script "$test" build && wait
		done
	fi
fi

if [ "${1:-}" == --sanitizers ]; then
	# With clang too, and under the sanitizers: what they find ends the program.
	CC=clang build quick build/clang all units helpers # for its warnings
	# The soak finds what waits for its moment: two threads, a death and a resend.
	if build asan build/asan all units helpers; then
		STRICT=1 EVERY=3 SECONDS_OF_SOAK=30 later script tests/soak/soak.sh build/asan
		for test in kube/controller kube/agent engine/audit fault/upgrade mount/permission mount/tree mount/lives mount/history \
			mount/map mount/watched clients/cni clients/gc clients/migrate clients/edges clients/kube_import clients/ctl; do
			later script tests/$test.sh build/asan
		done
		for test in build/asan/tests/test_*; do
			case $test in *.d | *.o) continue ;; esac
			later unit "$test"
		done
	fi
	if build tsan build/tsan all units helpers; then
		STRICT=1 EVERY=5 SECONDS_OF_SOAK=30 later script tests/soak/soak.sh build/tsan setarch -R
		later script tests/mount/race.sh build/tsan setarch -R
		for test in ipam lives history snapshot kube kube_config; do later unit build/tsan/tests/test_$test setarch -R; done
	fi
	build "" build all units helpers
	later script tests/fuzz/run.sh build
	SEARCH=all later script tests/model/check.sh build
	VALGRIND=1 STRICT=1 EVERY=10 CLIENTS=16 SECONDS_OF_SOAK=30 later script tests/soak/soak.sh build
	for test in ipam lives ahead cni history snapshot kube kube_config etcd record; do
		later unit build/tests/test_$test valgrind -q --error-exitcode=9 --leak-check=full
	done
fi
wait

# What failed, once more where it is seen.
for out in "$results"/*.log; do
	[ -e "$out" ] && grep -H '^not ok - \|^\[  FAILED  \]' "$out"
done | while IFS=: read -r log line; do echo "$(head -1 "${log%.log}" | sed 's/^== //'): $line"; done

read -r passed failed < <(cat "$results"/*.count /dev/null | awk '{ good += $1; bad += $2 } END { print good + 0, bad + 0 }')
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
