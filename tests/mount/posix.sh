# What programs expect of any file system, who know nothing of this one.
. "$(dirname "$0")/../lib.sh"
sys=$HELPERS/mount/sys

mount_fs
make_cluster prod n1 n2
cd "$M" || exit 1
layout=prod/n1/.ipam/host-local
one() { printf '{"node":"%s","name":"%s","addresses":["%s"]}\n' "$1" "$2" "$3"; }

# ---- times and link counts are as the daemon has them, without being asked for anew
kept=(. prod prod/n1 prod/n2)
times() { stat "$@" -c '%n %y %z %h' "${kept[@]}"; }
# true_after NAME COMMAND...
true_after() {
	local name=$1 before
	shift
	before=$(times --cached=never)
	"$@" || fail "$name" "$* failed"
	same "times after $name" "$(times)" "$(times --cached=never)"
	if [ "$before" == "$(times)" ]; then fail "times after $name" "they are what they were"; fi
}
network() { mkdir $layout/net && printf 'c1\r\neth0' >$layout/net/10.244.0.50; }
hold() { exec 5<>prod/n1/.ipam/ephemeral/job; }
end() { exec 5>&- && until_true 20 [ ! -e prod/n1/job ]; }
import() { { printf '{"node":"n9","cidrs":["10.244.9.0/24"]}' && one n9 a 10.244.9.7 && one n2 b 10.244.1.30; } | cat >prod/.ipam/import; }
true_after "reserved" put prod/.ipam/reserved 10.244.200.0/24
true_after "settings" put prod/.ipam/settings "max-blocks 2"
true_after "cidrs" append prod/.ipam/cidrs "10.246.0.0/16 24"
true_after "a node's settings" put prod/n1/.ipam/settings "max-leases 9"
true_after "labels" put prod/n1/.ipam/labels "zone=a"
true_after "a node's cidrs" put prod/n2/.ipam/cidrs 10.244.1.0/24
true_after "a file of host-local" network
true_after "its removal" rm $layout/net/10.244.0.50
true_after "an ephemeral lease" hold
true_after "its end" end
true_after "an import" import
same "with the directories that came" 5 "$(stat -c %h prod)"
true_after "delegate" put prod/.ipam/delegate "n3 zone=b"
mkdir away
before=$(stat -c %.9Y .)
true_after "the removal of a cluster" rmdir away
ok "no time goes back" test "$(stat -c %.9Y .)" \> "$before"

# ---- attributes: what is listed can be set, so that a copy is one
echo 10.244.0.60 >prod/n1/web
setfattr -n user.pod -v shop/web prod/n1/web
same "those of the daemon aren't listed" "user.pod" "$(getfattr -m - prod/n1/web | grep -v '^#' | xargs)"
ok "what is so may be said again" setfattr -n user.ipam.node -v n1 prod/n1/web
refused "but not changed" "Operation not permitted" setfattr -n user.ipam.node -v n2 prod/n1/web
touch -d 2020-01-01 prod/n1/web
chmod 640 prod/n1/web
tar --xattrs --xattrs-include='user.*' -C prod/n1 -cf "$WORK/tar" web
rm prod/n1/web
same "tar restores a lease without a word" "" "$(tar --xattrs --xattrs-include='user.*' -C prod/n1 -xf "$WORK/tar" 2>&1)"
restored() { echo "$(head -1 "$1/web") $(getfattr --absolute-names --only-values -n user.pod "$1/web") $(stat -c '%a %Y' "$1/web")"; }
same "as it was" "10.244.0.60/24 shop/web 640 1577836800" "$(restored prod/n1)"
if [ -x "$(command -v rsync)" ]; then
	mkdir "$WORK/copy"
	rsync -aX prod/n1/web "$WORK/copy/"
	rm prod/n1/web
	same "and so does rsync" "" "$(rsync -aX --inplace "$WORK/copy/web" prod/n1/ 2>&1)"
	same "as well" "10.244.0.60/24 shop/web 640 1577836800" "$(restored prod/n1)"
fi

# ---- names that are too long are so to every call
long=$(printf 'x%.0s' $(seq 256))
refused_all() { # PATH WANTED: what each of these calls says, once
	python3 - "$1" prod/n1/web <<-'END'
		import errno, os, sys
		long, lease = sys.argv[1], sys.argv[2]
		calls = (os.stat, os.unlink, os.mkdir, os.rmdir, os.mknod, lambda p: os.open(p, os.O_RDONLY), lambda p: os.open(p, os.O_CREAT | os.O_RDWR),
		         lambda p: os.rename(lease, p), lambda p: os.rename(p, lease), lambda p: os.symlink("a", p), lambda p: os.link(lease, p),
		         lambda p: os.chmod(p, 0o600), lambda p: os.truncate(p, 0), lambda p: os.getxattr(p, "user.a"), os.chdir)
		said = set()
		for call in calls:
		    try:
		        call(long)
		        said.add("0")
		    except OSError as e:
		        said.add(errno.errorcode[e.errno])
		print(*sorted(said))
	END
}
for directory in . prod prod/n1 prod/.ipam prod/.ipam/by-ip prod/n1/.ipam/ephemeral $layout $layout/net; do
	same "a long name in $directory" ENAMETOOLONG "$(refused_all "$directory/$long")"
done
same "a node's is shorter" "253 255" "$(getconf NAME_MAX prod) $(getconf NAME_MAX prod/n1)"

# ---- set-group-ID: what is made in such a directory is of its group
mkdir team
put team/.ipam/cidrs "10.99.0.0/16 24"
chown :1234 team
chmod g+s team
mkdir team/n
same "a node in such a cluster" "1234 2755" "$(stat -c '%g %a' team/n)"
put team/.ipam/delegate more
same "also by delegate" "1234 2755" "$(stat -c '%g %a' team/more)"
touch team/n/a
mkdir team/n/.ipam/host-local/net
printf 'c2\r\neth0' >team/n/.ipam/host-local/net/10.99.0.9
one n i 10.99.0.10 | cat >team/.ipam/import
same "leases in such a node, however they are made" "1234 644" "$(stat -c '%g %a' team/n/a team/n/10.99.0.9 team/n/i | sort -u)"
same "elsewhere they aren't" 0 "$(stat -c %g prod/n1/web)"

# ---- what is removed while it is open stays as it was, and has no name
touch prod/n1/open prod/n1/other
setfattr -n user.pod -v p prod/n1/open
echo 10.244.0.70 >prod/n1/open
mkdir prod/n4
printf 'c1\r\neth0' >$layout/net/10.244.0.50
before="$(stat -c '%f %u %s %Y %i' prod/n1/open) $(cat prod/n1/open)"
exec 5<prod/n1/open 6<>prod/n1/open 7<prod/n4 8<prod/n1/.ipam/host-local/net/10.244.0.50
cd prod/n4 || exit 1
rm ../n1/open ../n1/.ipam/host-local/net/10.244.0.50
rmdir ../n4
same "an open lease" "$before" "$(stat -L -c '%f %u %s %Y %i' /dev/fd/5) $(cat <&5)"
same "one that is written" "${before#* * * * * }" "$(cat <&6)"
same "a file of host-local" $'c1\r\neth0 0' "$(cat <&8) $(stat -L -c %h /dev/fd/8)"
same "without a name" "0 0" "$(stat -L -c %h /dev/fd/5 /dev/fd/7 | xargs)"
write_it() { env printf '10.244.0.71\n' >&6; }
refused "can't be written" "Stale" write_it
same "attributes" "" "$(getfattr -d /dev/fd/5 2>&1)"
ok "owner and mode" chmod 600 /dev/fd/5
same "as they were set" 600 "$(stat -L -c %a /dev/fd/5)"
same "a directory that one is in is empty" "" "$(ls -la 2>&1 | grep -v '^total')"
kill_worker
cd "$M" || exit 1
same "by the next worker, too" "600 $before" "$(stat -L -c %a /dev/fd/5) ${before%% *} $(stat -L -c '%u %s %Y %i' /dev/fd/5) $(python3 -c "import os; print(os.pread(5, 99, 0).decode(), end=\"\")")"
ok "its name is free" claim prod/n1/open
same "and another's" "0 1" "$(stat -L -c %h /dev/fd/5) $(stat -c %h prod/n1/open)"
touch prod/n2/ends
exec 9<prod/n2/ends
put prod/n2/.ipam/release "$(lease_mark prod/n2/ends)"
ok "a lease that the daemon ends is found by no name" test ! -e prod/n2/ends
exec 5<&- 6<&- 7<&- 8<&- 9<&-

# ---- inode numbers: one each, small enough for a double, the same by a listing
numbers() { find . prod/.ipam prod/n1/.ipam prod/n2/.ipam .ipam -printf '%i %p\n' | sed 's, \./, ,' | sort -u; }
numbers >"$WORK/numbers"
ok "there are many" test "$(wc -l <"$WORK/numbers")" -gt 70
same "each is another" "" "$(cut -d' ' -f1 "$WORK/numbers" | sort | uniq -d)"
same "and below 2^53" "" "$(awk '$1 >= 2 ^ 53' "$WORK/numbers")"
same "as a listing has it" "$(stat -c %i prod/n1/web)" "$(ls -i prod/n1 | awk '$2 == "web" { print $1 }')"
before=$(stat -c %i prod/n1/web)
mark=$(lease_mark prod/n1/web)
cd /
umount_fs
mount_fs
cd "$M" || exit 1
same "after a mount they are what they were" "$before" "$(stat -c %i prod/n1/web)"
same "so do groups" 1234 "$(stat -c %g team/n/a team/n team/more | sort -u)"
same "all of them" "$(cat "$WORK/numbers")" "$(numbers)"
ok "the one that was a node id is still taken" put prod/n1/.ipam/release "$((4 << 56 | before / 2)) ${mark#* }"
ok "for the lease" test ! -e prod/n1/web
