# Many threads for the same names, and for the last addresses.
. "$(dirname "$0")/../lib.sh"

addresses() { cat "$1"/* | sed 's,/.*,,' | sort; }

mount_fs sync=normal
make_cluster prod n1
won=$("$HELPERS/mount/race" "$M/prod/n1" 64 100 2>&1)
same "each of 100 names has one winner among 64 threads" 100 "$won"
same "100 leases stand" 100 "$(ls "$M/prod/n1" | wc -l)"
same "no address twice" "" "$(addresses "$M/prod/n1" | uniq -d)"
same "df counts them" 100 "$(df --output=iused "$M/prod/n1" | tail -1 | tr -d ' ')"

mkdir "$M/prod/n2"
won=$("$HELPERS/mount/race" "$M/prod/n2" 64 400 2>&1)
left=$((253 - won))
ok "the last addresses go round: $won of 253 won, while others came and went" test "$left" -ge 0
fill "$M/prod/n2/fill" 1000 >/dev/null
same "to the very last one" 253 "$(ls "$M/prod/n2" | wc -l)"
refused "and then none" "No space left on device" claim "$M/prod/n2/more"
same "no address twice in the full node" "" "$(addresses "$M/prod/n2" | uniq -d)"
umount_fs
check_clean "after the races"
