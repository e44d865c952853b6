#!/usr/bin/env bash
# The pictures in docs/images: map.svg of a cluster and of a node, light and dark, and of 65,536 blocks, as Chromium shows
# them. Needs chromium and sqlite3, and to be root; mounts in a directory of its own, which goes in the end.
#
#   tools/screenshots.sh [DIR]     BUILD=build
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build} out=${1:-docs/images}
work=$(mktemp -d)
trap 'umount -f -l "$work/mnt" 2>/dev/null; rm -rf "$work"' EXIT
RANDOM=7 # the same numbers each time
mkdir -p "$out" "$work/mnt"
out=$(realpath "$out")

mounted() { "$build/bin/ipamfs" "$work/$1.db" "$work/mnt" -o sync=normal; }
unmounted() {
	umount "$work/mnt"
	while fuser -s "$work/$1.db" 2>/dev/null || ! "$build/bin/ipamctl" check --quiet "$work/$1.db" 2>/dev/null; do sleep 0.1; done
}

# picture SVG NAME HEIGHT WIDTH
picture() {
	local scheme
	for scheme in light dark; do
		chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/chromium" \
			--blink-settings=preferredColorScheme="$([ $scheme = dark ]; echo $?)" --window-size="$4,$3" \
			--screenshot="$out/$2-$scheme.png" "file://$1" >/dev/null 2>&1
	done
}
size() { sed -n "s/^<svg .* $1=\"\([0-9]*\)\".*/\1/p" "$2"; }
both() { picture "$1" "$2" "$(size height "$1")" "$(size width "$1")"; }

# ---- a cluster of both families, and one of its nodes

mounted prod
cluster=$work/mnt/prod
mkdir "$cluster"
printf '10.244.0.0/16 24\nfd00:10:244::/48 64\n' | cat >"$cluster/.ipam/cidrs"
printf '10.244.0.0/22\n10.244.96.0/21\n10.244.14.64/27\n' | cat >"$cluster/.ipam/reserved"
for i in {1..84}; do
	node=$cluster/worker-$i
	mkdir "$node"
	most=$(df --output=iavail "$node" | tail -1)
	case $((RANDOM % 12)) in
	0) n=0 ;;
	1) n=$most ;;
	2 | 3) n=$((RANDOM % 40)) ;;
	4 | 5 | 6) n=$((70 + RANDOM % 60)) ;;
	7 | 8) n=$((110 + RANDOM % 60)) ;;
	*) n=$((160 + RANDOM % 70)) ;;
	esac
	[ "$i" -ne 11 ] || n=118
	[ "$n" -eq 0 ] || (cd "$node" && seq -f "web-%g" "$n" | xargs touch)
done
for i in 17 31 58; do rm -f "$cluster/worker-$i"/* && rmdir "$cluster/worker-$i"; done
echo "reuse-delay 86400" >"$cluster/worker-11/.ipam/settings"
rm "$cluster"/worker-11/web-{9,10,11,40,41,77}
for i in 3 5 6 12; do setfattr -n user.pod -v "shop/web-$i" "$cluster/worker-11/web-$i"; done
unmounted prod
# Not all made today.
sqlite3 "$work/prod.db" "UPDATE lease SET btime = btime - 3600000000000 * CASE WHEN id % 7 < 3 THEN abs(random()) % 24
	WHEN id % 7 < 5 THEN 24 + abs(random()) % 144 ELSE 168 + abs(random()) % 1000 END WHERE id % 9 > 1;"
mounted prod
cp "$cluster/.ipam/map.svg" "$work/cluster.svg"
cp "$cluster/worker-11/.ipam/map.svg" "$work/node.svg"
unmounted prod
both "$work/cluster.svg" map-cluster
both "$work/node.svg" map-node

# ---- 65,536 blocks

"$build/bin/ipamfs-bench" generate --cluster fleet --cidr 10.0.0.0/11 --mask 27 --nodes 65536 --leases 29 "$work/fleet.db"
# Sites of 4,096 nodes, racks of 64: each as full as it is, its nodes nearly so.
sqlite3 "$work/fleet.db" "PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON; PRAGMA cache_size = -500000; BEGIN;
	CREATE TEMP TABLE plan AS SELECT id, CAST(substr(name, 6) AS INTEGER) AS i FROM node;
	CREATE TEMP TABLE fill AS SELECT id, i, CASE WHEN i / 4096 IN (5, 11) OR (((i / 64) * 40503 >> 5) & 31) = 7 THEN -1 ELSE
		max(0, min(29, (i / 4096 * 5 % 16) * 2 + (((i / 64) * 40503 >> 7) & 7) - 4 + ((i * 40503 >> 9) & 3) - 1)) END AS n FROM plan;
	DELETE FROM lease WHERE id IN (SELECT l.id FROM lease l JOIN fill f ON f.id = l.node
		WHERE CAST(substr(l.name, 7) AS INTEGER) >= f.n);
	DELETE FROM block WHERE node IN (SELECT id FROM fill WHERE n < 0);
	DELETE FROM node WHERE id IN (SELECT id FROM fill WHERE n < 0);
	COMMIT;"
mounted fleet
printf '10.10.0.0/17\n10.22.0.0-10.22.191.255\n' | cat >"$work/mnt/fleet/.ipam/reserved"
cp "$work/mnt/fleet/.ipam/map.svg" "$work/fleet.svg"
unmounted fleet
both "$work/fleet.svg" map-65536
ls -l "$out"/map-*.png
