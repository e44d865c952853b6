# ipamctl: find, du, backup, export, as people and scripts use them.
. "$(dirname "$0")/../lib.sh"
export IPAMFS_MOUNT=$M
chmod 755 "$WORK"
ctl() { "$IPAMCTL" "$@"; }

mount_fs allow_other
make_cluster prod w1 w2
mkdir "$M/test" "$M/empty" && put "$M/test/.ipam/cidrs" "10.1.0.0/24 28" && mkdir "$M/test/n 1"
put "$M/test/.ipam/reserved" 10.1.0.200
put "$M/prod/.ipam/reserved" "10.244.0.100-10.244.0.110"
touch "$M"/prod/w1/{a,b} "$M/prod/w2/a" "$M/test/n 1/"{1..9}
setfattr -n user.pod -v default/web-0 "$M/prod/w1/a"
setfattr -n user.container-id -v 0123456789abcdef "$M/prod/w1/a"

# ---- find
found() { ctl find "$@" --json | jq -r '.[] | [.kind, .cluster, .node, .name // .state // .block // "-"] | join(" ")'; }
same "an address" "lease prod w1 a" "$(found 10.244.0.2)"
same "of IPv6, written otherwise" "lease prod w1 a" "$(found fd00:10:244:0:0:0:0:2)"
same "a gateway" "address prod w1 gateway" "$(found 10.244.0.1)"
same "a network" "address prod w1 network" "$(found 10.244.0.0)"
same "a broadcast" "address prod w1 broadcast" "$(found 10.244.0.255)"
same "a reserved one" "address prod w1 reserved" "$(found 10.244.0.105)"
same "a free one" "address prod w2 free" "$(found 10.244.1.77)"
undelegated() { ctl find "$1" --json | jq -r '.[] | [.kind, .cluster, .state, .node // "-"] | join(" ")'; }
same "one of no node's" "address prod undelegated -" "$(undelegated 10.244.9.9)"
same "reserved, and of no node's" "address test reserved -" "$(undelegated 10.1.0.200)"
refused "one of no cluster's" "10.99.0.1 is not in a CIDR of any cluster" ctl find 10.99.0.1
same "what a lease's file says" "lease prod w1 a" "$(found "$(head -1 "$M/prod/w1/a")")"
same "what it says of IPv6" "lease prod w1 a" "$(found "$(tail -1 "$M/prod/w1/a")")"
same "a free one with its length" "address prod w2 free" "$(found 10.244.1.77/24)"
for it in 10.244.0.300 10.244.0.0/33 10.244.0 fd00:::1 fd00::/129; do
	refused "malformed: $it" "'$it' is no address and no block" ctl find "$it"
done
same "a block" "block prod w2 10.244.1.0/24" "$(found 10.244.1.0/24)"
same "the blocks in a CIDR" 2 "$(found 10.244.0.0/16 | wc -l)"
same "a lease's name, in two nodes" "lease prod w1 a
lease prod w2 a" "$(found a)"
same "a pod" "lease prod w1 a" "$(found default/web-0)"
same "a pod without its namespace" "lease prod w1 a" "$(found web-0)"
same "a container by the beginning of its id" "lease prod w1 a" "$(found 012345678)"
same "a node" "node test n 1 -" "$(found 'n 1')"
same "a pattern" 3 "$(found 'w*' | wc -l)"
same "in one cluster" "" "$(found w1 --cluster test)"
same "in one node" "lease prod w2 a" "$(found a --node w2)"
same "an address of another node" "" "$(found 10.244.0.2 --node w2)"
setfattr -n user.blob -v 0sYQBi "$M/prod/w2/a"
same "whatever the attributes are" "lease prod w2 a" "$(found a --node w2)"
setfattr -x user.blob "$M/prod/w2/a"
same "counts are whole numbers" 1 "$(ctl find 10.244.1.0/24 --json | jq .[].used)"
refused "nothing" "no lease, node, pod or container of any cluster is called 'nothing'" ctl find nothing
refused "no block" "no block of any cluster lies in or around '10.99.0.0/24'" ctl find 10.99.0.0/24
ctl find nothing --json >/dev/null
same "and 1 tells so" 1 $?
# opens DIR COMMAND...: the names in it that are opened meanwhile
opens() { python3 -c '
import ctypes, os, struct, subprocess, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, sys.argv[1].encode(), 0x20)
subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, check=True)
os.set_blocking(fd, False)
try: events = os.read(fd, 65536)
except BlockingIOError: events = b""
while events:
    n, = struct.unpack_from("I", events, 12)
    print(events[16:16 + n].rstrip(b"\0").decode())
    events = events[16 + n:]' "$@"; }
same "a name is looked for in its node, without reading all leases of the cluster" 0 "$(opens "$M/prod/.ipam" "$IPAMCTL" find web-0 | grep -c leases.json)"
same "a pattern in all" 1 "$(opens "$M/prod/.ipam" "$IPAMCTL" find 'web-*' | grep -c leases.json)"
setfattr -n user.container-id -v fedcba9876543210 "$M/prod/w2/a"
same "what was set a moment ago is found" "lease prod w2 a" "$(found fedcba98)"
ok "for people" grep -q 'prod/w1/a  10.244.0.2/24 fd00:10:244::2/64.*pod=default/web-0' <(ctl find a)
refused "a slip in an option" "did you mean '--cluster'" ctl find a --clustr prod
refused "a slip in a cluster" "did you mean 'prod'" ctl find a --cluster prd
refused "a slip in a node" "did you mean 'w1'" ctl gc --cluster prod --node w11
refused "a slip in a cluster there" "did you mean 'prod'" ctl gc --cluster prd --node w1
refused "a slip in a node of any cluster" "did you mean 'n 1'" ctl du --node 'n  1'
refused "a slip in an option with a value" "'--clustr' here; did you mean '--cluster'" ctl find a --clustr=prod
same "another word is no slip" 0 "$(ctl find a --cluster zzzz 2>&1 | grep -c mean)"
refused "a slip in a command" "did you mean 'find'" ctl fnd a
refused "the beginning of an option is none" "no option '--clus' here" ctl find a --clus prod
ctl find >/dev/null 2>&1
same "nothing to find is wrong usage" 2 $?

# ---- du
same "the fullest first" "test/n 1 9 13 69.23
prod/w1 2 242 0.83
prod/w2 1 253 0.4" "$(ctl du --json | jq -r '.[] | "\(.cluster)/\(.node) \(.used) \(.total) \(.percent * 100 | floor / 100)"')"
same "blocks" 5 "$(ctl du --by block --json | jq length)"
same "clusters, whose blocks count" "test 1 16" "$(ctl du --by cluster --json | jq -r '.[0] | "\(.cluster) \(.used) \(.total)"')"
same "the first" "n 1" "$(ctl du --top 1 --json | jq -r '.[].node')"
same "a node" "w2" "$(ctl du --node w2 --json | jq -r '.[].node')"
refused "of a node no clusters" "not clusters" ctl du --by cluster --node w2
same "no colours in a pipe" 0 "$(ctl du | grep -c $'\033')"
same "nor wider than 80 there" 0 "$(LC_ALL=C ctl du | awk 'length > 80' | wc -l)"
same "bars of ASCII where the locale has no more" 0 "$(LC_ALL=C ctl du | grep -cP '[^\x00-\x7f]')"
same "colours on a terminal" 1 "$(script -qec "$IPAMCTL du --top 1" /dev/null </dev/null | grep -c $'\033\\[')"
same "but with NO_COLOR" 0 "$(NO_COLOR=1 script -qec "$IPAMCTL du --top 1" /dev/null </dev/null | grep -c $'\033\\[')"
refused "by what?" "cluster, node or block" ctl du --by pod

# ---- backup
ok "backup" ctl backup "$WORK/copy.db"
refused "not over what is there" "is there already" ctl backup "$WORK/copy.db"
ok "unless forced" ctl backup --force "$WORK/copy.db"
same "for its owner alone" 600 "$(stat -c %a "$WORK/copy.db")"
same "nothing else is left" "copy.db" "$(cd "$WORK" && ls copy.db* | xargs)"
check_clean "the copy" "$WORK/copy.db"
same "with all that is there" 12 "$(sqlite3 "$WORK/copy.db" 'SELECT count(*) FROM lease')"
same "as JSON" "0 12 $(stat -c %s "$WORK/copy.db")" "$(ctl backup --force --json "$WORK/copy.db" | jq -r '"\(.findings | length) \(.leases) \(.bytes)"')"
refused "never over the database itself" "is the database" ctl backup --force "$DB"
refused "nor its log" "is the database" ctl backup --force "$DB-wal"
ln -s "$DB" "$WORK/link.db"
refused "by another name" "is the database" ctl backup --force "$WORK/link.db"
exec 8<"$WORK/copy.db" && flock 8
refused "nor over one that is in use" "in use" ctl backup --force "$WORK/copy.db"
exec 8<&-
: >"$WORK/old.db-wal"
refused "nor where an old log would be taken for its own" "belongs to an older" ctl backup "$WORK/old.db"
rm "$WORK/old.db-wal" "$WORK/link.db"
mkfifo "$WORK/pipe"
refused "nor over what is no file" "not a regular" ctl backup --force "$WORK/pipe"
ok "the mount goes on" touch "$M/prod/w1/after" && rm "$M/prod/w1/after"
refused "no room for it" "No such file" ctl backup "$WORK/nowhere/copy.db"
# While it is written to, from the first page to the last.
# writes PYTHON: again and again, in the background, until $WORK/stop is there; i counts
writes() {
	rm -f "$WORK/stop"
	python3 -c '
import os, sys, time
def make(name): os.close(os.open(name, os.O_CREAT | os.O_EXCL))
os.chdir(sys.argv[1])
i = 0
while not os.path.exists(sys.argv[2]):
    i += 1
    exec(sys.argv[3])
    time.sleep(0.005)' "$1" "$WORK/stop" "$2" &
	writer=$!
	pids+=("$writer")
}
writes_no_more() {
	touch "$WORK/stop"
	wait "$writer"
}
writes "$M/prod/w1" '
for n in range(5): make(f"x{i}-{n}")
for n in range(5): os.unlink(f"x{i}-{n}")'
rounds=0
while [ "$rounds" -lt 4 ] && ctl backup --force --quiet "$WORK/busy.db" && "$IPAMCTL" check --quiet "$WORK/busy.db"; do rounds=$((rounds + 1)); done
same "again and again while it changes: each a moment without findings" 4 "$rounds"
ok "all the while" writes_no_more

# ---- export, while leases are made, renamed and released: a node is as it was at one moment
touch "$M/prod/w2/keep"
writes "$M/prod/w2" '
make(f"m{i}")
os.rename(f"m{i}", f"n{i}")
os.rename("keep", "kept")
os.rename("kept", "keep")
os.unlink(f"n{i}")'
rounds=0
while [ "$rounds" -lt 8 ]; do
	ctl export --json --quiet --node w2 >"$WORK/moment.json" || break
	jq -e '[.clusters[].nodes[].leases[]] | ([.[].addresses[0]] | length == (unique | length)) and
		([.[].name | select(. == "keep" or . == "kept")] | length <= 1)' "$WORK/moment.json" >/dev/null || break
	rounds=$((rounds + 1))
done
same "no address is met twice, no lease under two names" 8 "$rounds"
ok "all the while" writes_no_more
rm "$M/prod/w2/keep"

# ---- export, and the tree again from it
odd=$'it'"'"$'s "odd" \\ $(x) \xff'
touch "$M/prod/w1/$odd" "$M/prod/w1/a b" "$M/prod/w1/10.244.0.50"
setfattr -n user.blob -v 0sAP8KZW5kCg== "$M/prod/w1/a b"
put "$M/prod/w1/b" "10.244.0.60"
touch "$M/prod/w1/10.244.0.61" && mv "$M/prod/w1/10.244.0.61" "$M/prod/w1/moved" && put "$M/prod/w1/moved" 10.244.0.62
touch "$M/prod/w1/10.244.0.62-not"
setfattr -n user.nul -v 0sYQBi "$M/prod/w1/moved"
# shellcheck disable=SC1083 # the braces are expanded
mkdir "$M/-x" && put "$M/-x/.ipam/cidrs" "10.2.0.0/24 28" && mkdir "$M/-x/-n" "$M/-x/"$'\xfe' && touch "$M/-x/-n/-l" "$M/-x/"$'\xfe'"/"{a,$'\xff'}
setfattr -n user.blob -v 0s//8= "$M/-x/"$'\xfe'"/"$'\xff'
chmod 0600 "$M/-x/-n/-l" && chmod 0700 "$M/-x"
put "$M/-x/"$'\xfe'"/.ipam/settings" "gateway none" && touch "$M/-x/"$'\xfe'"/10.2.0.17"
mkdir "$M/gw" && put "$M/gw/.ipam/cidrs" "10.3.0.0/29 30" && put "$M/gw/.ipam/settings" "gateway none" && mkdir "$M/gw/"{1,2}
touch "$M/gw/1/"{a,b} && put "$M/gw/.ipam/settings" "max-leases 1"
put "$M/prod/.ipam/settings" "max-leases 50
reuse-delay 9"
put "$M/prod/w2/.ipam/settings" "gateway none"
mkdir "$M/prod/w3" && put "$M/prod/w3/.ipam/cidrs" "10.244.77.0/24"
chown 1001:1002 "$M/prod/w2" && chmod 0700 "$M/prod/w2"
sync "$M/prod/w1/a b" "$M/prod/w1/a"
plain() { jq -S 'del(.. | .created?) | .clusters |= sort_by(.name) | .clusters[].nodes |= sort_by(.name) | .clusters[].nodes[].leases |= sort_by(.name)'; }
ctl export --json --quiet >"$WORK/tree.json"
ctl export --shell --quiet >"$WORK/tree.sh"
same "clusters, nodes, leases" "5 8 23" "$(jq -r '[(.clusters | length), ([.clusters[].nodes[]] | length), ([.clusters[].nodes[].leases[]] | length)] | map(tostring) | join(" ")' "$WORK/tree.json")"
same "with their attributes" "0123456789abcdef default/web-0" "$(jq -r '.clusters[] | select(.name == "prod").nodes[].leases[] | select(.name == "a" and .attributes.pod).attributes | "\(."container-id") \(.pod)"' "$WORK/tree.json")"
same "a node alone" w2 "$(ctl export --json --cluster prod --node w2 | jq -r '.clusters[].nodes[].name')"
refused "no such node" "no node 'w9'" ctl export --json --cluster prod --node w9
umount_fs
mount_fs "" "$WORK/again.db"
ok "the script runs" sh -c 'umask 077; sh "$1" "$2"' sh "$WORK/tree.sh" "$M"
ctl export --json --quiet >"$WORK/again.json"
same "and makes the same tree" "$(plain <"$WORK/tree.json")" "$(plain <"$WORK/again.json")"
same "to the bytes of names" "$(printf '%s' "$odd" | od -c)" "$(cd "$M/prod/w1" && for f in it*; do printf '%s' "$f"; done | od -c)"
same "and of values" 0sAP8KZW5kCg== "$(getfattr --only-values -e base64 -n user.blob "$M/prod/w1/a b" 2>/dev/null | base64 | sed 's/^/0s/')"
same "of nodes too" "$(printf '\376')" "$(cd "$M/-x" && ls -d [!-]*)"
same "whose leases are there" "10.2.0.17 10.2.0.18 10.2.0.19" "$(cat "$M/-x/"$'\xfe'/* | cut -d / -f 1 | sort | xargs)"
same "with their values" "//8=" "$(getfattr --only-values -n user.blob "$M/-x/"$'\xfe'"/"$'\xff' 2>/dev/null | base64)"
same "also with NULs" "YQBi" "$(getfattr --only-values -n user.nul "$M/prod/w1/moved" 2>/dev/null | base64)"
refused "on a mount that isn't empty" "File exists" sh "$WORK/tree.sh" "$M"
umount_fs
check_clean "the new tree" "$WORK/again.db"
