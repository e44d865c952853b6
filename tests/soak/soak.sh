# 64 clients do everything at once, the daemon is killed in between, and a model knows what each was promised.
#
#   SECONDS_OF_SOAK=600 BUILD=$PWD/build bash tests/soak/soak.sh        ten minutes; the default is a third of one
#   VALGRIND=1 EVERY=20 CLIENTS=32 ...    the daemon runs in valgrind; EVERY: seconds from one kill to the next
#   STRICT=1 ...    the daemon is one that a supervisor stands in for: no client may see anything of it
. "$(dirname "$0")/../lib.sh"
seconds=${SECONDS_OF_SOAK:-20}

# Under valgrind: what it finds is told at the daemon's end, so it is killed seldom.
if [ -n "${VALGRIND:-}" ]; then
	cat >"$WORK/known" <<-END
	{
	   libfuse frees the name of the mount point only where it unmounts by itself
	   Memcheck:Leak
	   fun:malloc
	   fun:strdup
	   fun:fuse_session_mount
	}
	END
	printf '#!/bin/sh\nexec valgrind -q --leak-check=full --suppressions="%s" --log-file="%s.%%p" "%s" "$@"\n' "$WORK/known" \
		"$WORK/valgrind" "$IPAMFS" >"$WORK/ipamfs"
	chmod +x "$WORK/ipamfs"
	IPAMFS=$WORK/ipamfs
fi
OPTIONS=sync=normal,history=1
mount_fs $OPTIONS
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/16 26
fd00::/54 64"
append "$M/prod/.ipam/settings" "max-blocks 4"
for n in {0..5}; do mkdir "$M/prod/n$n"; done
mkdir "$M/prod/brief"
append "$M/prod/brief/.ipam/settings" "ttl 2"

# Kills the daemon and mounts again; the new one's pid is left in a file, since a shell of its own runs this.
echo "$daemon" >"$WORK/pid"
cat >"$WORK/restart" <<END
kill -9 \$(cat "$WORK/pid")
umount -l "$M" # without force: nothing of a daemon that is dead waits in the kernel
while kill -0 \$(cat "$WORK/pid") 2>/dev/null && [ "\$(ps -o stat= -p \$(cat "$WORK/pid") | cut -c1)" != Z ]; do sleep 0.01; done
setsid "$IPAMFS" "$DB" "$M" -f -o $OPTIONS >>"$WORK/log" 2>&1 </dev/null &
echo \$! >"$WORK/pid"
for i in \$(seq 6000); do
	[ -e "$M/.ipam/version" ] && exit 0
	kill -0 \$(cat "$WORK/pid") || exit 1
	sleep 0.01
done
exit 1
END
restart="bash $WORK/restart"
[ -z "${STRICT:-}" ] || restart="kill -9 \$(pgrep -P $daemon | head -1)"
"$HELPERS/soak/soak" ${STRICT:+--strict} --seconds "$seconds" --every "${EVERY:-7}" --clients "${CLIENTS:-64}" "$M" "$M/prod" "$restart" >"$WORK/out" 2>&1
status=$?
pids+=("$(cat "$WORK/pid")")
same "the soak for $seconds s: $(tail -1 "$WORK/out")" 0 "$status"
[ "$status" -eq 0 ] || head -20 "$WORK/out"
ok "the daemon answers" grep -q '^leases ' "$M/.ipam/stats"
ok "check on the mount" "$IPAMCTL" check --quiet "$M"
ok "a node grew" test "$(cut -d' ' -f2 "$M/prod/.ipam/blocks" | sort | uniq -d | wc -l)" -gt 0
umount "$M"
ok "the daemon ends" until_true 60 has_ended "$(cat "$WORK/pid")"
check_clean "after the soak"
same "nothing that the sanitizers tell" "" "$(grep -A40 -E "ERROR: |WARNING: ThreadSanitizer|runtime error" "$WORK/log" | head -80)"
# Lines of '--' are of valgrind itself, as that it doesn't know a system call.
[ -z "${VALGRIND:-}" ] || same "nothing that valgrind tells" "" "$(grep -h '^==' "$WORK"/valgrind.* | head -80)"
