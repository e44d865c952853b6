#!/usr/bin/env bash
# Build in a Debian 13 of its own, as a developer (a warning is an error) and as who makes the package; run the unit tests, look at the
# packages with lintian, install them and run what is in them.
#
#   package.sh              all of that
#   package.sh COMMAND...   run a command in that Debian, of which / is its own and /src this tree as it was copied last
#
# debootstrap and apt fetch it once, into $IPAMFS_DEBIAN_ROOT, or ipamfs/trixie-root below $XDG_CACHE_HOME or ~/.cache: 300 MB, of which
# 1.2 GB are made. IPAMFS_DEBIAN=forky is another release, beside it. Nothing is started in it, and its mounts are seen by none but the
# commands that are run here.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/debian13/lib.sh
root=${IPAMFS_DEBIAN_ROOT:-$(cache "$release-root")}

# inside DIR COMMAND...: with DIR as the root. Of the mounts that this machine has now nothing but /dev stays in there: a copy of another's
# mount would keep it alive when that other takes it off.
inside() {
	# shellcheck disable=SC2016 # expanded by that shell
	unshare --mount --propagation slave sh -c 'mount --bind "$0" "$0" && cd "$0" && mount -t proc proc proc && mount --rbind /dev dev &&
		pivot_root . . && umount -l . && exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@"' "$@"
}

# The packages that the Makefile says, and what looks at the result. It has its name when it is whole.
fetch() {
	local packages new=$root.new
	packages=$(make -s --eval 'print: ; @echo $(PACKAGES)' print)
	bootstrap --variant=minbase "$new" || return 1
	cp /etc/resolv.conf "$new/etc/resolv.conf"
	# shellcheck disable=SC2086 # a list of words
	inside "$new" sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends "$@" && apt-get clean' sh \
		$packages build-essential debhelper dpkg-dev lintian libcmocka-dev >>"$new.log" 2>&1 || {
		tail -5 "$new.log" >&2
		return 1
	}
	mv -T "$new" "$root"
}

[ -e "$root" ] || fetch
if [ $# -gt 0 ]; then
	inside "$root" "$@"
	exit
fi

# What is under version control, as it is here.
rm -rf "$root/src"
mkdir "$root/src"
git ls-files -z | xargs -0 cp --parents -t "$root/src"
inside "$root" sh -eu -s <<'END'
cd /src
echo "== Debian $(cat /etc/debian_version), gcc $(gcc -dumpfullversion): a warning is an error"
make -s -j"$(nproc)" DEV=1 all units
for test in build/tests/test_*; do
	case $test in *.*) continue ;; esac
	"$test" >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
	sed -n 's/.*\[  PASSED  \]//p' /tmp/log | sed "s|^|${test##*/}:|"
done
echo "== make deb, lintian"
make -s deb
lintian --fail-on error,warning --allow-root --tag-display-limit 0 build/deb/*.deb
dpkg -i build/deb/ipamfs_*.deb >/dev/null
echo '{"cniVersion": "1.1.0"}' | CNI_COMMAND=VERSION /usr/lib/cni/ipamfs >/dev/null
ipamctl --version
ipamfs --version
dpkg -L ipamfs | grep '/systemd/system/.*@'
dpkg -P ipamfs >/dev/null
echo "all is well on Debian $(cat /etc/debian_version)"
END
