#!/usr/bin/env bash
# The package: built, looked at by lintian, installed, used, removed; and make install, undone by make uninstall.
. "$(dirname "$0")/../lib.sh"
export DEBIAN_FRONTEND=noninteractive
cd "$ROOT" || exit 1
sh tools/deps.sh lintian mandoc systemd || exit 1
version=$(sed -n 's/^VERSION *:= *//p' Makefile)

# ---- make install, make uninstall
installed=$WORK/installed
here=(make -s B="$BUILD" DESTDIR= PREFIX="$installed" CNI_DIRS="$installed/cni/one $installed/cni/two")
ok "make install" "${here[@]}" install
for file in bin/ipamfs bin/ipamctl cni/one/ipamfs cni/two/ipamfs include/ipam/ipam.h lib/libipam.a \
	lib/pkgconfig/libipam.pc share/man/man3/libipam.3 share/doc/ipamfs/examples/lease.c lib/systemd/system/ipamfs@.service lib/tmpfiles.d/ipamfs.conf share/man/man5/ipamfs.5 share/man/man8/ipamctl.8 \
	share/bash-completion/completions/ipamctl share/zsh/site-functions/_ipamctl share/doc/ipamfs/interface.md \
	share/doc/ipamfs/examples/fstab; do
	ok "make install puts $file" test -s "$installed/$file"
done
same "nothing is left to be filled in" "" "$(grep -rl '@[A-Z]*@' "$installed/lib/systemd" "$installed/lib/pkgconfig")"

units=$installed/lib/systemd/system
same "systemd finds nothing wrong with the units" "" "$(systemd-analyze verify --man=no "$units"/ipamfs@prod.service \
	"$units"/ipamfs-gc@prod.service "$units"/ipamfs-gc@prod.timer 2>&1 | grep "$installed\|ipamfs")"
# What these would give gc is a view in which what lives is gone.
hiding='^(ProtectProc|ProtectHome=(yes|tmpfs)|Private(Tmp|Users)|Inaccessible|Bind|TemporaryFile|Root|ProcSubset|DynamicUser)'
same "nothing is hidden from gc" "" "$(grep -E "$hiding" "$units/ipamfs-gc@.service")"

echo mine >"$installed/include/ipam/not-ours.h"
ok "make uninstall" "${here[@]}" uninstall
same "make uninstall leaves what others put there" "$installed/include/ipam/not-ours.h" "$(find "$installed" ! -type d)"
rm "$installed/include/ipam/not-ours.h"

# ---- the packages: compiled in haste, since what is looked at here is what lies where
export DEB_BUILD_OPTIONS="noopt noautodbgsym" DEB_CFLAGS_STRIP=-g
ok "make deb" make -s B="$WORK/build" deb
debs=$WORK/build/deb
main=$debs/ipamfs_${version}_$(dpkg --print-architecture).deb
dev=$debs/libipam-dev_${version}_$(dpkg --print-architecture).deb
ok "both packages are there" test -s "$main" -a -s "$dev"
same "lintian finds no error and warns of nothing" "" \
	"$(lintian --fail-on none --allow-root --tag-display-limit 0 "$main" "$dev" 2>&1 | grep '^[EW]:')"

root=$WORK/root
mkdir -p "$root/var/lib/dpkg" "$root/run"
touch "$root/var/lib/dpkg/status"
in_root=(dpkg --root="$root" --log="$WORK/dpkg.log" --force-script-chrootless --force-depends)
ok "dpkg installs them" "${in_root[@]}" --install "$main" "$dev"
same "the program runs" "ipamctl $version" "$("$root/usr/bin/ipamctl" --version)"
ok "the plugin runs" env CNI_COMMAND=VERSION "$root/usr/lib/cni/ipamfs" <<<'{"cniVersion": "1.1.0"}'
same "nothing lies in /opt or /usr/local" "" "$(cd "$root" && ls -d opt usr/local 2>/dev/null)"
same "no instance is enabled" "" "$(find "$root/etc/systemd" 2>/dev/null)"
same "databases are root's to see" "700" "$(stat -c %a "$root/var/lib/ipamfs")"
for page in "$root"/usr/share/man/man*/*.gz; do
	name=$(basename "$page" .gz) # which mandoc looks at, too
	zcat "$page" >"$WORK/$name"
	same "$name: mandoc warns of nothing" "" "$(cd "$WORK" && mandoc -T lint -W warning "$name" 2>&1)"
done

# tmpfiles.d is applied to a root of its own: the mode of what is there already, a mount's, stays.
mkdir -p "$WORK/tmpfiles/run/ipamfs"
chmod 711 "$WORK/tmpfiles/run/ipamfs"
ok "tmpfiles.d is understood" systemd-tmpfiles --create --root="$WORK/tmpfiles" "$root/usr/lib/tmpfiles.d/ipamfs.conf"
same "it makes what isn't there and leaves what is" "711 700" \
	"$(stat -c %a "$WORK/tmpfiles/run/ipamfs" "$WORK/tmpfiles/var/lib/ipamfs" | xargs)"

# ---- the library, as another program uses it
user() {
	cat <<END
#include <$1>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct ipam_options options = { .size = sizeof options, .create = true };
	struct ipam_error error;
	struct ipam *ipam;

	if (argc != 2 || ipam_open(argv[1], &options, &ipam, &error) < 0)
		return 1;
	ipam_close(ipam);
	puts("opened");
	return 0;
}
END
}
system_pc=$(pkg-config --variable pc_path pkg-config)
# The .pc says where it is in a system: here that is below the root, and what it stands on is the real system's.
pc=$(find "$root" -name libipam.pc)
sed -i "s|^prefix=|&$root|; s|^libdir=|&$root|" "$pc"
flags=$(PKG_CONFIG_LIBDIR=$(dirname "$pc"):$system_pc pkg-config --static --cflags --libs libipam)
for header in ipam/ipam.h ipam.h; do
	user "$header" >"$WORK/user.c"
	rm -f "$WORK/user" "$WORK/lib.db"
	# shellcheck disable=SC2086 # words
	ok "a program that includes <$header> is linked by pkg-config" gcc -Wall -Werror -o "$WORK/user" "$WORK/user.c" $flags
	same "and runs" opened "$("$WORK/user" "$WORK/lib.db")"
done
ok "the library is there" test -s "$(find "$root" -name libipam.a)"
same "the library exports the names that its headers declare, and no others" "" "$(nm -g --defined-only "$(find "$root" -name libipam.a)" |
	awk 'NF == 3 && $3 !~ /^(ipam|cidr)_/ { print $3 }' | xargs)"
# shellcheck disable=SC2086 # words
ok "the example is linked by pkg-config" gcc -Wall -Wextra -Werror -o "$WORK/lease" "$root/usr/share/doc/ipamfs/examples/lease.c" $flags
same "and does what libipam(3) shows" "$(sed -n '/lease .tmp.example.db/,/^.Ed/{/^prod/p}' docs/libipam.3)" "$("$WORK/lease" "$WORK/example.db")"
same "its version is the package's" "$version" "$(sed -n 's/^#define IPAM_VERSION "\(.*\)"/\1/p' "$root/usr/include/ipam/ipam.h")"
refused "what it made is a database, and an empty one" "no cluster is in it: it is a new one" "$BUILD/bin/ipamctl" check --quiet "$WORK/lib.db"

# ---- gone again
cp "$WORK/lib.db" "$root/var/lib/ipamfs/prod.db"
echo OPTIONS=rw >"$root/etc/ipamfs/prod.conf"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s /lib/systemd/system/ipamfs@.service "$root/etc/systemd/system/multi-user.target.wants/ipamfs@prod.service"
mkdir -p "$root/run/ipamfs"
ok "dpkg removes them" "${in_root[@]}" --remove ipamfs libipam-dev
ok "a removal keeps the configuration" test -s "$root/etc/ipamfs/prod.conf"
ok "dpkg purges them" "${in_root[@]}" --purge ipamfs libipam-dev
left() {
	(cd "$root" && find . -path ./var/lib/dpkg -prune -o \( ! -type d -o -name '*ipam*' \) -print | sort | xargs)
}
same "purged, the database is all that is left" "./var/lib/ipamfs ./var/lib/ipamfs/prod.db" "$(left)"
ok "and whole" cmp "$WORK/lib.db" "$root/var/lib/ipamfs/prod.db"
