# What root takes for a database's own, where others may write.
. "$(dirname "$0")/../lib.sh"
above=$WORK/above
place=$above/db
mkdir -p "$place"
umask 022
refused_mount() { timeout 60 "$BUILD/bin/ipamfs" "$place/ipam.db" "$M" -f ${1:+-o "$1"}; }
can() { # NAME OPTIONS
	mount_fs "$2" "$place/ipam.db" "$M"
	pass "$1"
	umount_fs "$M"
}
can "a database in a directory of root's" sync=normal
echo forged >"$place/ipam.db-wal" && chown 1002 "$place/ipam.db-wal"
refused "another user's log isn't replayed" "belongs to uid 1002" refused_mount
refused "whatever is said" "belongs to uid 1002" refused_mount insecure_dir
same "nor touched" forged "$(cat "$place/ipam.db-wal")"
rm "$place/ipam.db-wal"
ln -s /dev/null "$place/ipam.db-journal"
refused "nor what isn't a file" "isn't a file" refused_mount
rm "$place/ipam.db-journal"
chmod 1777 "$place"
refused "a directory of all is refused" "others may write in the directory $place;" refused_mount
can "unless it is told" insecure_dir,sync=normal
chmod 775 "$place" && chgrp 1002 "$place"
refused "as is one of a group" "others may write in the directory $place;" refused_mount
chmod 755 "$place"
chown 1002 "$place"
refused "one of another user" "the directory $place belongs to uid 1002" refused_mount
can "unless it is told, too" insecure_dir,sync=normal
chown 0 "$place"
chmod 777 "$above"
refused "and one below such a directory" "others may write in the directory $above;" refused_mount
chmod 755 "$above"
chmod 666 "$place/ipam.db"
refused "a database that all may write" "others may write to it" refused_mount
chmod 600 "$place/ipam.db" && chown 1002 "$place/ipam.db"
refused "or that is another's" "it belongs to uid 1002" refused_mount
can "which can be told" insecure_dir,sync=normal
chown 0 "$place/ipam.db"

# ---- a second daemon by another path
mount_fs sync=normal "$place/ipam.db" "$M"
mkdir "$WORK/second" "$WORK/bound"
second() { timeout 60 "$BUILD/bin/ipamfs" "$1" "$WORK/second" -f; }
ln -s "$place/ipam.db" "$WORK/link.db"
refused "a second daemon by a symbolic link" "in use by another ipamfs" second "$WORK/link.db"
ln "$place/ipam.db" "$place/hard.db"
refused "by a hard link" "in use by another ipamfs" second "$place/hard.db"
mount --bind "$place" "$WORK/bound" && mounts+=("$WORK/bound")
refused "by a bind mount" "in use by another ipamfs" second "$WORK/bound/ipam.db"
# Any FUSE mount will do.
mkdir "$M/prod"
refused "by a FUSE mount, whose locks are its own" "in a FUSE mount" second "$M/prod/ipam.db"
rm "$place/hard.db"
umount_fs
