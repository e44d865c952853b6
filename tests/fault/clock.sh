# The wall clock is set back by an hour between the daemon's asking it and its waiting, each time: the daemon goes on, and so does what
# is due. Whoever reckons by this clock until when it waits would wait for an hour and more.
. "$(dirname "$0")/../lib.sh"

export CLOCK=$WORK/clock
echo 3600 >"$CLOCK"
printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$HELPERS/fault/clock.so" "$IPAMFS" >"$WORK/ipamfs"
chmod +x "$WORK/ipamfs"
IPAMFS=$WORK/ipamfs
gone() { [ ! -e "$1" ]; }

mount_fs sync=normal,watchdog=2
make_cluster prod n
put "$M/prod/n/.ipam/settings" "ttl 6"
first=$(worker_of "$daemon")
touch "$M/prod/n/web"
ok "a lease ends after its ttl" until_true 30 gone "$M/prod/n/web"
same "and the worker, which is well, was let alone meanwhile" "$first" "$(worker_of "$daemon")"
same "nobody thought that it hangs" "" "$(grep "the worker hangs" "$WORK/log")"
umount_fs
check_clean "after it"
