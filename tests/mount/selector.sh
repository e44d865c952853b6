# Nodes with labels, CIDRs that select them, and nodes made by a line to 'delegate', through the kernel.
. "$(dirname "$0")/../lib.sh"

mount_fs allow_other
cd "$M" || exit 1
blocks() { grep " $1 " prod/.ipam/blocks | cut -d' ' -f1 | xargs; }

# ---- selectors
mkdir prod
ok "a list with selectors" put prod/.ipam/cidrs "10.0.0.0/24 26
10.1.0.0/24 26 selector=zone==a,!old   # the zone's own
10.2.0.0/24 selector=topology.kubernetes.io/zone=a,arch,zone!=b"
same "is shown in canonical form" "10.0.0.0/24 26
10.1.0.0/24 26 selector=!old,zone=a
10.2.0.0/24 24 selector=arch,topology.kubernetes.io/zone=a,zone!=b" "$(cat prod/.ipam/cidrs)"
cat prod/.ipam/cidrs >"$WORK/list"
ok "which can be written back" cp "$WORK/list" prod/.ipam/cidrs
same "as it is" "$(cat "$WORK/list")" "$(cat prod/.ipam/cidrs)"
for bad in "selector=" "selector=a=b=c" "selector=-a" "selector=a, b" "selector=a in (b)" "selector=a,,b" "sel=a=b" "selector=!a=b"; do
	refused "no '$bad'" "Invalid argument" append prod/.ipam/cidrs "10.3.0.0/24 $bad"
done
refused "nor one too long" "Invalid argument" append prod/.ipam/cidrs "10.3.0.0/24 selector=$(seq -s , 100000 100700)"
same "none of it was taken" 3 "$(wc -l <prod/.ipam/cidrs)"

# ---- a line a node
ok "a node with labels" put prod/.ipam/delegate "n1 zone=a"
same "gets its block where they lead" 10.1.0.0/26 "$(blocks n1)"
same "and keeps them" zone=a "$(cat prod/n1/.ipam/labels)"
ok "the most that is asked for is looked at first" put prod/.ipam/delegate "n2 zone=a topology.kubernetes.io/zone=a arch="
same "as that is" 10.2.0.0/24 "$(blocks n2)"
ok "a full one is passed over" put prod/.ipam/delegate "n3 zone=a topology.kubernetes.io/zone=a arch="
same "for the next" 10.1.0.64/26 "$(blocks n3)"
mkdir prod/n4
same "mkdir makes one without labels" "10.0.0.0/26 " "$(blocks n4) $(cat prod/n4/.ipam/labels)"
ok "exact blocks, whoever they are for" put prod/.ipam/delegate "n5 10.1.0.192/26 zone=b 10.0.0.192/26"
same "in their order" "10.1.0.192/26 10.0.0.192/26" "$(xargs <prod/n5/.ipam/cidrs)"
refused "EEXIST" "File exists" put prod/.ipam/delegate "n1 zone=a"
refused "EADDRINUSE" "Address already in use" put prod/.ipam/delegate "n6 10.1.0.0/26"
refused "EADDRNOTAVAIL" "Cannot assign requested address" put prod/.ipam/delegate "n6 10.1.0.0/25"
for bad in "n6 zone" "n6 zone=a=b" ".n6" "n6 10.0.0.1/26" "a/b" "n6 zone=a zone=b" "" "$(printf 'n%254d' 0 | tr ' ' x)"; do
	refused "EINVAL of '${bad:0:20}'" "Invalid argument" put prod/.ipam/delegate "$bad"
done
refused "ENOSPC: labels" "No space left" put prod/.ipam/delegate "n6 $(seq -f 'key-%.0f=value' 1 310 | xargs)"
refused "EFBIG" "File too large" put prod/.ipam/delegate "n6 $(printf '#%70000d' 0)"
refused "all lines or none" "Address already in use" put prod/.ipam/delegate "n6
n7 10.1.0.0/26
n8"
same "none then" "n1 n2 n3 n4 n5" "$(ls prod | xargs)"
same "of links, too" 7 "$(stat -c %h prod)"
ok "all" put prod/.ipam/delegate "n6 zone=c
n7 10.0.0.64/26   # which n6 would have got
n8 zone=a"
same "of the zones" "10.0.0.128/26 10.0.0.64/26 10.1.0.128/26" "$(blocks n6) $(blocks n7) $(blocks n8)"
refused "ENOSPC: blocks" "No space left" put prod/.ipam/delegate "n9"
refused "of mkdir" "No space left" mkdir prod/n9
same "the directory knows" 10 "$(stat -c %h prod)"
same "reading it gives nothing" "" "$(cat prod/.ipam/delegate)"

# ---- what became of it
mkdir asked
put asked/.ipam/cidrs "10.32.0.0/16 24
fd32::/48 64"
ask() { "$HELPERS/mount/sys" ask asked/.ipam/delegate "$@"; }
said="q1 10.32.0.0/24 fd32::/64
q2 10.32.1.0/24 fd32:0:0:1::/64"
same "through the same descriptor it says which blocks they have" "$said
$said" "$(ask "q1
# q0
   q2 zone=a   # at last
")"
same "of the last write" "q4 10.32.9.0/24
q4 10.32.9.0/24" "$(ask "q3
" "q4 10.32.9.0/24")"
same "the write before it counts as much" "10.32.2.0/24 fd32:0:0:2::/64" "$(xargs <asked/q3/.ipam/cidrs)"
refused "a write that is refused says so" "File exists" ask "q1
"
same "and nothing of others" "" "$(ask)"
long=$(seq -f 'p%g' 100 163)
same "many at once" 128 "$(ask "$long
" | grep -c '^p1[0-9][0-9] 10.32.[0-9]*.0/24 fd32:[0-9a-f:]*/64$')"

# ---- labels
ok "labels are replaced" put prod/n1/.ipam/labels "zone=b
arch=arm64"
same "sorted" "arch=arm64 zone=b" "$(xargs <prod/n1/.ipam/labels)"
ok "and added to" append prod/n1/.ipam/labels "zone=c
a.io/b="
same "or changed" "a.io/b= arch=arm64 zone=c" "$(xargs <prod/n1/.ipam/labels)"
refused "but not nonsense" "Invalid argument" append prod/n1/.ipam/labels "zone = c"
refused "nor a key twice" "Invalid argument" append prod/n1/.ipam/labels "x=1
x=2"
seq -f 'key-%.0f=value' 1 310 >"$WORK/labels"
refused "nor too many" "No space left" dd if="$WORK/labels" of=prod/n1/.ipam/labels bs=64k oflag=append conv=notrunc status=none
same "as they were" 3 "$(wc -l <prod/n1/.ipam/labels)"
same "nothing moves" 10.1.0.0/26 "$(blocks n1)"

# ---- a selector changes, and blocks stay
ok "another selector" put prod/.ipam/cidrs "10.2.0.0/24 24
10.1.0.0/24 26 selector=zone=c
10.0.0.0/24 26 selector=never
10.7.0.0/29 29 selector=zone=c,arch"
same "is shown" "10.1.0.0/24 26 selector=zone=c" "$(sed -n 2p prod/.ipam/cidrs)"
same "and the blocks are there" "10.1.0.0/26 10.0.0.64/26" "$(blocks n1) $(blocks n7)"
put prod/.ipam/settings "max-blocks 2"
(cd prod/n1 && seq 62 | xargs touch)
same "growth goes by the labels that are now" "10.1.0.0/26 10.7.0.0/29" "$(xargs <prod/n1/.ipam/cidrs)"

# ---- programs that write through a buffer
mkdir many
put many/.ipam/cidrs "10.64.0.0/12 24"
seq -f 'node-number-%.0f zone=a' 1 900 >"$WORK/nodes"
ok "a text that is cut at a buffer's end" dd if="$WORK/nodes" of=many/.ipam/delegate bs=4096 conv=notrunc status=none
same "is taken whole" 900 "$(ls many | wc -l)"
same "and right" "" "$(sed 's/ .*//' "$WORK/nodes" | sort | comm -3 - <(ls many | sort))"
{
	seq -f 'more-%.0f' 300
	echo "wrong =x"
	seq -f 'more-%.0f' 301 900
} >"$WORK/more"
refused "a last line without its end that is none" "Invalid argument" sh -c 'printf "# %5000s\n%s" "" "$1" | cat >"$2"' sh 'x =' many/.ipam/delegate
refused "and one of settings" "Invalid argument" sh -c 'printf "# %5000s\n%s" "" "$1" | cat >"$2"' sh nonsense many/.ipam/settings
refused "what is refused is so to its end" "Invalid argument" dd if="$WORK/more" of=many/.ipam/delegate bs=4096 conv=notrunc status=none
same "nothing of it is there" 0 "$(ls many | grep -c more)"
ok "a last line without an end" sh -c 'printf last >many/.ipam/delegate'
ok "is one" test -d many/last

# ---- who may
mkdir own
put own/.ipam/cidrs "10.128.0.0/16 24"
chown 1001:1002 own
as() { setpriv --reuid "$1" --regid "$2" --clear-groups -- env printf '%s\n' "$4" >"$WORK/out" 2>&1 1>"$3"; }
write_as() { setpriv --reuid "$1" --regid "$2" --clear-groups -- sh -c 'env printf "%s\n" "$2" >"$1"' sh "$3" "$4"; }
same "delegate's mode is the directory's for writing, and who writes may read" "600 1001" "$(stat -c '%a %u' own/.ipam/delegate)"
ok "the owner may, as mkdir" write_as 1001 1002 own/.ipam/delegate "mine zone=a"
same "and owns what he made" "1001 1002 755" "$(stat -c '%u %g %a' own/mine)"
refused "others not" "ermission denied" write_as 1003 1002 own/.ipam/delegate "theirs"
chmod 775 own
same "for the group, too" "660 1001" "$(stat -c '%a %u' own/.ipam/delegate)"
ok "the group, where it may write" write_as 1003 1002 own/.ipam/delegate "ours"
same "and it is hers" "1003 1002" "$(stat -c '%u %g' own/ours)"
refused "others still not" "ermission denied" write_as 1003 1003 own/.ipam/delegate "theirs"
chmod 700 own
refused "nor who may not look in" "ermission denied" write_as 1003 1002 own/.ipam/delegate "theirs"
refused "labels are the node's owner's" "ermission denied" write_as 1001 1002 own/ours/.ipam/labels "a=b"
ok "who may write them" write_as 1001 1002 own/mine/.ipam/labels "a=b"

# ---- events, history
timeout 20 cat prod/.ipam/events >"$WORK/events" 2>/dev/null &
pids+=("$!")
listening() {
	append prod/n2/.ipam/labels "turn=$((turn++))" && grep -q '"event":"labels"' "$WORK/events"
}
turn=0
ok "labels are an event" until_true 10 listening
same "that says what they are" '{"arch":"","topology.kubernetes.io/zone":"a","turn":"0","zone":"a"}' \
	"$(jq -c 'select(.event == "labels" and .labels.turn == "0").labels' prod/.ipam/history)"
same "delegations tell the labels" '{"zone":"a"}' "$(jq -c 'select(.event == "delegate" and .node == "n8").labels' prod/.ipam/history)"
same "nothing where there are none" null "$(jq -c 'select(.event == "delegate" and .node == "n4").labels' prod/.ipam/history)"
same "growth those of the time" '{"a.io/b":"","arch":"arm64","zone":"c"}' \
	"$(jq -c 'select(.event == "delegate" and .reason == "growth").labels' prod/.ipam/history)"
ok "and lists their selectors" grep -q '"10.1.0.0/24 26 selector=!old,zone=a"' prod/.ipam/history

# ---- what was answered is there after a crash
put many/.ipam/delegate "crash zone=a"
append many/crash/.ipam/labels "b=c"
picture() { (cd "$M" && cat prod/.ipam/cidrs ./*/.ipam/blocks ./*/*/.ipam/labels); }
picture >"$WORK/before"
kill_fs
mount_fs allow_other
cd "$M" || exit 1
picture >"$WORK/after"
ok "all is as it was after a crash" cmp "$WORK/before" "$WORK/after"
same "the last, too" "b=c zone=a" "$(xargs <many/crash/.ipam/labels)"

# ---- export and import
ok "export" sh -c "'$IPAMCTL' export --json --quiet --mount '$M' >'$WORK/tree.json' && '$IPAMCTL' export --shell --quiet --mount '$M' >'$WORK/tree.sh'"
same "has selectors" "10.1.0.0/24 26 selector=zone=c" "$(jq -r '.clusters[] | select(.name == "prod").cidrs[1]' "$WORK/tree.json")"
same "and labels" '{"a.io/b":"","arch":"arm64","zone":"c"}' \
	"$(jq -c '.clusters[] | select(.name == "prod").nodes[] | select(.name == "n1").labels' "$WORK/tree.json")"
main=$daemon
mount_fs "" "$WORK/copy.db" "$WORK/copy"
ok "which make the tree again" sh "$WORK/tree.sh" "$WORK/copy"
M=$WORK/copy picture >"$WORK/copied"
ok "as it was" cmp "$WORK/before" "$WORK/copied"
import() { echo "$1" | dd of="$WORK/copy/prod/.ipam/import" conv=notrunc,fsync status=none; }
ok "one with its labels is there" import '{"node":"n3","cidrs":["10.1.0.64/26"],"labels":{"zone":"a","arch":"","topology.kubernetes.io/zone":"a"}}'
refused "with others it isn't" "File exists" import '{"node":"n3","cidrs":["10.1.0.64/26"],"labels":{"zone":"a"}}'
refused "no nonsense" "Invalid argument" import '{"node":"x","cidrs":["10.1.0.64/26"],"labels":{"zone":"a b"}}'
refused "of any kind" "Invalid argument" import '{"node":"x","cidrs":["10.1.0.64/26"],"labels":["zone=a"]}'
umount_fs "$WORK/copy"
daemon=$main
check_clean "the copy" "$WORK/copy.db"

# ---- mkdir and delegate race for names and blocks
cd "$M" || exit 1
mkdir race
put race/.ipam/cidrs "10.200.0.0/20 24
10.201.0.0/24 24 selector=zone=a"
for i in $(seq 12); do
	(mkdir "race/r$i" 2>/dev/null && echo "m $i") &
	(put race/.ipam/delegate "r$i 10.200.$i.0/24" 2>/dev/null && echo "d $i") &
done >"$WORK/won"
wait $(jobs -p | grep -vxF -f <(printf '%s\n' "${pids[@]}"))
same "each name is made once" 12 "$(cut -d' ' -f2 "$WORK/won" | sort -u | wc -l)"
same "and is there" 12 "$(ls race | wc -l)"
same "no block twice" "" "$(cut -d' ' -f1 race/.ipam/blocks | sort | uniq -d)"

cd / || exit 1
umount_fs
check_clean "in the end"

# ---- what check finds
trigger=$(sqlite3 "$DB" "SELECT sql FROM sqlite_schema WHERE name = 'cidr_selector_changed'")
unguarded() { sqlite3 "$DB" "DROP TRIGGER cidr_selector_changed; $1; $trigger"; }
unguarded "UPDATE cidr SET selector = 'zone==c' WHERE selector = 'zone=c'"
refused "a selector that isn't canonical" "isn't written as 'zone=c'" "$IPAMCTL" check --quiet "$DB"
unguarded "UPDATE cidr SET selector = 'zone==-' WHERE selector = 'zone==c'"
refused "one that is none" "is no selector" "$IPAMCTL" check --quiet "$DB"
refused "which isn't mounted" "is no selector" "$IPAMFS" "$DB" "$M" -f
unguarded "UPDATE cidr SET selector = 'zone=c' WHERE selector = 'zone==-'; UPDATE label SET key = '-x' WHERE key = 'turn'"
refused "a label that is none" "is no label" "$IPAMCTL" check --quiet "$DB"
sqlite3 "$DB" "DELETE FROM label WHERE key = '-x'"
check_clean "without"

# ---- a database of before
sqlite3 "$DB" "DROP TRIGGER cidr_selector; DROP TRIGGER cidr_selector_changed; DROP TABLE label; UPDATE cidr SET selector = NULL; ALTER TABLE reserved DROP COLUMN services; PRAGMA user_version = 4"
mount_fs
same "an older database has no labels" "" "$(cat "$M"/prod/*/.ipam/labels)"
ok "and takes some" put "$M/prod/n1/.ipam/labels" "zone=a"
ok "and nodes with them" put "$M/race/.ipam/delegate" "young zone=a"
umount_fs
check_clean "of an older one"
