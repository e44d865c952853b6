#!/usr/bin/env bash
# Run tests/engine against Debian 13's etcd, of which the gateway answers in other words than Debian 12's does.
#
#   etcd.sh              fetch it if need be, and run all of tests/engine
#   etcd.sh NAME...      the scripts of tests/engine that have NAME in their name
#   etcd.sh --print      fetch it if need be, and print the directory of etcd and etcdctl
#
# debootstrap fetches the packages and checks their signatures; of these, etcd's two are unpacked, and nothing is installed: both
# programs are static. The cache is $IPAMFS_TRIXIE_CACHE, or ipamfs/trixie-etcd below $XDG_CACHE_HOME or ~/.cache: 100 MB
# are fetched once, of which 50 MB stay.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/debian13/lib.sh
cache=${IPAMFS_TRIXIE_CACHE:-$(cache "$release-etcd")}
bin=$cache/usr/bin

# The programs have their place when both are whole.
fetch() {
	local package
	bootstrap --download-only --variant=minbase --include=etcd-server,etcd-client "$cache/root" || return 1
	rm -rf "$cache/new" "${cache:?}/usr"
	for package in "$cache"/root/var/cache/apt/archives/etcd-*.deb; do dpkg-deb -x "$package" "$cache/new"; done
	mv -T "$cache/new/usr" "$cache/usr"
	rm -rf "$cache/root" "$cache/new"
}

[ -x "$bin/etcd" ] && [ -x "$bin/etcdctl" ] || fetch
if [ "${1:-}" = --print ]; then
	echo "$bin"
	exit 0
fi
"$bin/etcd" --version | head -1
if [ $# -eq 0 ]; then set -- ""; fi
ETCD=$bin exec bash tests/run.sh "${@/#/tests/engine/}"
