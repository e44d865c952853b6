# map.svg and map.txt: well-formed whatever the names, each block and lease there once with the right numbers, and bounded.
. "$(dirname "$0")/../lib.sh"

mount_fs
cd "$M" || exit 1
mkdir prod
put prod/.ipam/cidrs "10.244.0.0/16 24
10.9.0.0/28 30
fd00:10:244::/48 64
2001:db8::/32 64
172.16.0.0/12 16"
put prod/.ipam/reserved "10.244.2.0/24
10.244.128.0-10.244.191.255
10.244.1.16/28"
odd='<b>&"'\''ü'$'\xff\xed\xa0\x80'
mkdir prod/{full,half,empty,rest,far,wide} "prod/$odd"
put prod/full/.ipam/cidrs "10.9.0.4/30
2001:db8::/64"
put prod/far/.ipam/cidrs "10.244.255.0/24
2001:db8:ffff:ffff::/64"
put prod/wide/.ipam/cidrs "172.20.0.0/16
fd00:10:244:ff00::/64"
touch prod/full/only
(cd prod/half && seq -f 'pod-%g' 120 | xargs touch)
touch prod/far/10.244.255.200 prod/far/2001:db8:ffff:ffff:8000::1 prod/wide/172.20.255.254 prod/wide/{a,b}
put prod/rest/.ipam/settings "reuse-delay 3600"
touch prod/rest/{a,b,c,d}
rm prod/rest/{b,c}
strange="]]>&amp;"$'\xc3\xf0\x9f'
touch "prod/$odd/$odd" "prod/$odd/$strange" "prod/$odd/two words"
setfattr -n user.pod -v 'shop/<cart>&"' "prod/$odd/two words"
setfattr -n user.pod -v 0x610a00011bff62efbfbe "prod/$odd/$odd"

# The titles, one a line, with | for their line breaks.
titles() { tr '\n' '|' <"$1" | grep -o '<title>[^<]*</title>' | sed 's/<title>\(.*\)<\/title>/\1/' | sed 1d; }
keep() { cp "$1" "$WORK/$2.svg" && titles "$WORK/$2.svg" >"$WORK/$2.titles"; }
plain() { sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g'; }
description() { sed -n '/^<desc>$/,/^<\/desc>$/p' "$1" | grep -v desc; }
stats() { grep -E '^(nodes|blocks|blocks_used|addresses|addresses_used|addresses_resting|leases) ' "$1"; }
count() { grep -c -- "$1" "$2"; }

# ---- a cluster
keep prod/.ipam/map.svg cluster
svg=$WORK/cluster.svg
ok "a cluster's is well-formed" xmllint --noout "$svg"
same "its numbers are those of stats" "$(stats prod/.ipam/stats)" "$(description "$svg")"
ok "the heading shows them" grep -q '>7</text><text[^>]*>nodes<' "$svg"
ok "and the leases" grep -q ">$(awk '/^leases /{print $2}' prod/.ipam/stats)</text><text[^>]*>leases<" "$svg"
wrong=0
while read -r cidr node used capacity; do
	[ "$node" != "$odd" ] || continue
	[ "$(grep -c "^$cidr $node|$used/$capacity leased, " "$WORK/cluster.titles")" -eq 1 ] || wrong=$((wrong + 1))
done <prod/.ipam/blocks
same "each delegated block is there once, with its numbers" 0 "$wrong"
same "and no others" "$(wc -l <prod/.ipam/blocks)" "$(count ' leased, ' "$WORK/cluster.titles")"
same "a name that is no XML" 2 "$(plain <"$WORK/cluster.titles" | grep -c -F ' <b>&"'\''ü����|3/')"
half=$(head -1 prod/half/.ipam/cidrs)
same "percent, and since when" 1 "$(grep -cE "^$half half\|120/237 leased, 50%\|since 20[0-9-]{8} [0-9:]{5}Z$" "$WORK/cluster.titles")"
same "full" 1 "$(grep -c "^10.9.0.4/30 full|1/1 leased, 100%" "$WORK/cluster.titles")"
same "less than a percent is more than none" 1 "$(plain <"$WORK/cluster.titles" | grep -c 'full|1/18446744073709551614 leased, <1%')"
ok "empty" grep -q ' empty|0/253 leased, 0%' "$WORK/cluster.titles"
ok "resting" grep -qE ' rest\|2/[0-9]+ leased, (0%|&lt;1%), 2 resting' "$WORK/cluster.titles"
ok "a reserved block" grep -qxF '10.244.2.0/24, reserved' "$WORK/cluster.titles"
ok "a run of them is one shape" grep -qxF '10.244.128.0 - 10.244.191.255, reserved: 64 blocks' "$WORK/cluster.titles"
ok "and so are free ones" grep -qxF '10.244.192.0 - 10.244.254.255, free: 63 blocks' "$WORK/cluster.titles"
ok "a space of 2^32 blocks is shown in part, and says so" grep -q '4,294,967,232 blocks more, none delegated' "$svg"
ok "in few bytes" test "$(stat -c %s "$svg")" -lt 65536
same "five prefixes" 5 "$(count 'class="t h2"' "$svg")"
ok "a legend" grep -q '>reserved</text>' "$svg"
ok "light and dark" grep -q 'prefers-color-scheme:dark' "$svg"
same "no script, and nothing from elsewhere" 0 "$(sed 's/xmlns="[^"]*"//' "$svg" | grep -ciE '<script|https?:|href|@import|url\([^#]')"

# ---- nodes
for node in full half empty rest far wide "$odd"; do
	keep "prod/$node/.ipam/map.svg" node
	ok "well-formed: $node" xmllint --noout "$WORK/node.svg"
	same "its numbers" "$(stats "prod/$node/.ipam/stats")" "$(description "$WORK/node.svg")"
	wrong=0
	for address in "prod/$node/.ipam/by-ip"/*; do
		[ -e "$address" ] || continue
		address=${address##*/}
		[ "$(grep -c "^$address .*old, since " "$WORK/node.titles")" -eq 1 ] || wrong=$((wrong + 1))
	done
	same "each leased address once" "0 of $(ls "prod/$node/.ipam/by-ip" | wc -l)" \
		"$wrong of $(count ' old, since ' "$WORK/node.titles")"
done
same "odd names and pods" 2 "$(plain <"$WORK/node.titles" | grep -cF 'two words|pod shop/<cart>&"|')"
same "even a pod that is no text" 2 "$(plain <"$WORK/node.titles" | grep -cF '|pod a�����b�|')"
same "and what looks like markup" 2 "$(grep -cF ' ]]&gt;&amp;amp;��' "$WORK/node.titles")"
keep prod/half/.ipam/map.svg half
ok "the name of a lease" grep -q "^${half%.0/24}.2 pod-1|[0-9]* s old, since\|^${half%.0/24}.2 pod-1|[0-9]* min old, since" "$WORK/half.titles"
ok "the gateway" grep -qx "${half%.0/24}.1 gateway" "$WORK/half.titles"
ok "what is reserved in it" grep -qx "${half%.0/24}.16 - ${half%.0/24}.31, never leased: 16 addresses" "$WORK/half.titles"
ok "what a /64 has more" grep -q '10¹⁹ addresses more, none leased' "$WORK/half.svg"
keep prod/rest/.ipam/map.svg rest
same "what rests" 4 "$(count ' resting$' "$WORK/rest.titles")"

# ---- text
same "text of at most 100 columns" "" "$(cat prod/.ipam/map.txt prod/{half,rest,far,wide}/.ipam/map.txt | awk 'length > 100')"
same "what rests in it" "x+#~~#." "$(grep -o 'x+#~~#\.' prod/rest/.ipam/map.txt | head -1)"
same "all its rows" 67108864 "$(sed -n '/^2001:db8::\/32/,/^$/p' prod/.ipam/map.txt | sed 1d | grep . |
	awk '/more row/{n += $1; next} {n++} END{printf "%d", n}')"
exec 7<prod/half/.ipam/map.svg
touch prod/half/later
same "a descriptor keeps its picture" 0 "$(grep -c ' later$' <&7)"
exec 7<&-
ok "the next one has it" grep -q ' later$' prod/half/.ipam/map.svg

# ---- a real browser, on the mount itself
browser() { # FILE, OPTIONS: what it has drawn
	timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$WORK/chromium" --window-size=1200,900 \
		"${@:2}" "file://$M/$1" 2>>"$WORK/browser.log"
}
drawn() { # FILE, COPY: titles of what it draws, and errors that it shows
	browser "$1" --dump-dom >"$WORK/dom"
	same "Chromium reads it without an error: $1" "0 $(count '<title>' "$WORK/$2.svg")" "$(count parsererror "$WORK/dom") $(count '<title>' "$WORK/dom")"
}
drawn prod/rest/.ipam/map.svg rest
browser prod/.ipam/map.svg --blink-settings=preferredColorScheme=1 --screenshot="$WORK/light.png" >/dev/null
browser prod/.ipam/map.svg --blink-settings=preferredColorScheme=0 --screenshot="$WORK/dark.png" >/dev/null
ok "draws a cluster's" test "$(stat -c %s "$WORK/light.png")" -gt 20000
ok "in the dark as well" test "$(stat -c %s "$WORK/dark.png")" -gt 20000
refused "with other colours" differ cmp "$WORK/light.png" "$WORK/dark.png"
umount_fs

# ---- large ones
large() { "$BUILD/bin/ipamfs-bench" generate --cluster big --cidr 10.0.0.0/8 --leases 1 "$@" "$WORK/large.db" 2>/dev/null; }
large --mask 24 --nodes 65536
mount_fs "" "$WORK/large.db"
keep "$M/big/.ipam/map.svg" big
same "65,536 blocks, each drawn" 65536 "$(grep -c '|1/253 leased, ' "$WORK/big.titles")"
ok "well-formed" xmllint --noout --huge "$WORK/big.svg"
drawn big/.ipam/map.svg big
ok "at most 128 bytes each" test "$(stat -c %s "$WORK/big.svg")" -lt $((65536 * 128))
umount_fs
rm "$WORK"/large.db*
large --mask 28 --nodes 150000
mount_fs "" "$WORK/large.db"
keep "$M/big/.ipam/map.svg" big
same "150,000 are joined, and none is missing" 150000 \
	"$(grep -o ': [0-9]* delegated' "$WORK/big.titles" | awk '{n += $2} END{print n}')"
ok "which it says" grep -q 'too many to draw each: a cell is 4 blocks' "$WORK/big.svg"
ok "well-formed" xmllint --noout --huge "$WORK/big.svg"
ok "bounded" test "$(stat -c %s "$WORK/big.svg")" -lt $((65536 * 128))
umount_fs
