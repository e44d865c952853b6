# The disk fills up: ENOSPC, nothing half done, reads go on; room is made, and it works again.
. "$(dirname "$0")/../lib.sh"

mkdir "$WORK/disk"
mount -t tmpfs -o size=3m,mode=755 tmpfs "$WORK/disk" || exit 1
mounts+=("$WORK/disk")
head -c 1500000 /dev/zero >"$WORK/disk/filler"
DB=$WORK/disk/ipam.db
mount_fs sync=normal
mkdir "$M/prod"
put "$M/prod/.ipam/cidrs" "10.0.0.0/8 16"
mkdir "$M/prod/n"

exec 5<>"$M/prod/n/.ipam/ephemeral/held"
i=$(fill "$M/prod/n/l" 65000)
ok "a create was refused after $i" test "$i" -lt 65000
same "for want of room" "fill: No space left on device" "$(cat "$WORK/error")"
ok "health says so" grep -q "^failing: .*full" "$M/.ipam/health"
refused "a release is refused as well" "No space left" rm "$M/prod/n/l0"
ok "reads go on" grep -q 10.0.0.3/16 "$M/prod/n/l0"
same "what was refused isn't there" "$((i + 1))" "$(ls "$M/prod/n" | wc -l)"
exec 5>&-
rm "$WORK/disk/filler"
ok "with room it works again" until_true 10 touch "$M/prod/n/again"
same "health" ok "$(head -1 "$M/.ipam/health")"
ok "releases too" rm "$M/prod/n/l0"
not_held() { ! ls "$M/prod/n" | grep -qx held; }
ok "an ephemeral lease whose holder ended meanwhile goes by itself" until_true 20 not_held
files=$(contents "$M/prod/n")
umount_fs
check_clean "after it"
mount_fs
same "all is there after a remount" "$files" "$(contents "$M/prod/n")"

# A daemon that died is mounted again on a disk that is full: reads go on, and with room it works.
head -c 3M /dev/zero >"$WORK/disk/filler" 2>/dev/null
fill "$M/prod/n/m" 65000 >/dev/null
files=$(contents "$M/prod/n")
kill_fs
head -c 3M /dev/zero >>"$WORK/disk/filler" 2>/dev/null
mount_fs
same "mounted on a full disk, all is there" "$files" "$(contents "$M/prod/n")"
refused "a create is refused" "No space left" claim "$M/prod/n/more"
ok "health says so" grep -q "^failing: .*full\|^failing: .*No space" "$M/.ipam/health"
rm "$WORK/disk/filler"
ok "with room it works" until_true 10 claim "$M/prod/n/more"
same "health" ok "$(head -1 "$M/.ipam/health")"
umount_fs
check_clean "after a mount on a full disk"
