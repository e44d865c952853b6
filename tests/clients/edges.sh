# gc, import and export at their edges: what is refused rather than passed over, and what an end in the middle leaves.
. "$(dirname "$0")/../lib.sh"

mount_fs
make_cluster prod n1
node=$M/prod/n1
hl=$WORK/hl
ctl() { "$IPAMCTL" "$@" --mount "$M" --node n1; }
leases() { ls "$node" | tr '\n' ' ' | sed 's/ $//'; }
clean() { rm -rf "$hl"; mkdir "$hl"; rm -f "$node"/*; }

clean; printf '\xff\xfe\r\neth0' >"$hl/10.244.0.50"; printf 'good\r\neth0' >"$hl/10.244.0.51"
ctl import --host-local "$hl" >/dev/null 2>&1; status=$?
same "an id that is no UTF-8: all or nothing" "1 " "$status $(leases)"
clean; printf 'c\r\neth0' >"$hl/10.244.0.51"
ctl import --host-local "$hl" --network $'n\xff' >/dev/null 2>&1; status=$?
same "a network that is no UTF-8" "1 " "$status $(leases)"
for content in 'c1\r\neth0\nmore' 'my db\r\neth0' 'x/y\r\neth0'; do
	clean; printf "$content" >"$hl/10.244.0.52"
	ctl import --host-local "$hl" >/dev/null 2>&1; status=$?
	[ "$status" != 0 ] || [ -n "$(leases)" ]
	same "what holds '$content' is somebody's: refused or imported, not skipped" 0 $?
done
clean; touch "$node/my db"; a=$(cat "$node/my db")
if ctl export --host-local "$WORK/blank" >/dev/null 2>&1; then
	rm "$node"/*; ctl import --host-local "$WORK/blank" >/dev/null 2>&1
	same "a name with a blank goes there and back" "$a" "$(cat "$node"/* 2>/dev/null)"
else
	pass "a name with a blank is refused"
fi
clean; ln -s /nowhere/x "$hl/lock"; printf 'c\r\neth0' >"$hl/10.244.0.51"
ctl import --host-local "$hl" >/dev/null 2>&1; status=$?
same "a lock that points nowhere" "1 " "$status $(leases)"
clean; mkdir "$hl/lock"; printf 'c\r\neth0' >"$hl/10.244.0.51"
ctl import --host-local "$hl" >/dev/null 2>&1; status=$?
same "a lock that can't be taken" "1 " "$status $(leases)"
clean; mkfifo "$hl/lock"
timeout 60 "$IPAMCTL" import --host-local "$hl" --mount "$M" --node n1 >/dev/null 2>&1
same "a lock that is a fifo doesn't hang" "1" "$?"
clean; touch "$node/l"; setfattr -n user.container-id -v "$(printf 'a%.0s' $(seq 600))" "$node/l"
ctl export --host-local "$WORK/long" >/dev/null 2>&1 && grep -q aaaa "$WORK/long"/10* || [ ! -e "$WORK/long" ]
same "a long id is exported or refused, not replaced" 0 $?
clean; touch "$node/l"; setfattr -n user.container-id -v $'a\nb' "$node/l"
refused "an id with a line feed" "" ctl export --host-local "$WORK/lf"
clean; touch "$node/"$'b\xff'; setfattr -n user.netns -v "$WORK/nowhere" "$node/"$'b\xff'
same "JSON lists a name that is no UTF-8" 1 "$(ctl gc --grace 0 --json | jq '.released | length')"
clean; touch "$node/l"; ctl gc --json >/dev/full 2>/dev/null
same "JSON that can't be written" 1 $?
clean; touch "$node/l"
refused "an export of a network that has no lease" "" ctl export --host-local "$WORK/typo" --network typo
clean; touch "$node"/m{1..250}
# export_begun DIR: one that is at work; again where it was so fast that nobody saw it
export_begun() {
	while rm -rf "$1"; do
		"$IPAMCTL" export --mount "$M" --node n1 --host-local "$1" >/dev/null &
		exporting=$!
		until compgen -G "$1.*/10*" >/dev/null || has_ended "$exporting"; do :; done
		kill -STOP "$exporting"
		compgen -G "$1.*/10*" >/dev/null && pids+=("$exporting") && return
		kill -CONT "$exporting" 2>/dev/null # it may have been done before it was stopped
		wait "$exporting"
	done
}
export_begun "$WORK/moved"
mv "$node/m200" "$node/renamed"; kill -CONT "$exporting"; wait "$exporting"; a=$(head -1 "$node/renamed")
ok "a lease renamed meanwhile is exported" test -e "$WORK/moved/${a%/*}"
export_begun "$WORK/ended"
kill -TERM "$exporting"; kill -CONT "$exporting"; wait "$exporting" 2>/dev/null
same "an export that is ended leaves nothing" "" "$(compgen -G "$WORK/ended*")"
clean; sleep 500 & pids+=($!)
touch "$node/a"; setfattr -n user.netns -v "/proc/$!/ns/net" "$node/a"
unshare -p -f --mount-proc "$IPAMCTL" gc --mount "$M" --node n1 --grace 0 >/dev/null 2>&1
same "in a container's own pid namespace processes aren't judged" a "$(leases)"
clean
umount_fs
check_clean "after it all"

# ---- output that can't be written is a failure, and says which
for program in "$IPAMCTL help" "$IPAMCTL help check" "$IPAMCTL --version" "$IPAMFS --help" "$IPAMFS --version"; do
	# shellcheck disable=SC2086
	$program >/dev/full 2>"$WORK/err"
	same "${program#"$BUILD/bin/"}: a full output is status 1" 1 $?
	ok "and is said" grep -q "output can't be written" "$WORK/err"
done
refused "a day that no month has" "2026-02-31" "$IPAMCTL" history --mount "$M" 10.0.0.1 --at 2026-02-31
