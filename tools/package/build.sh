#!/bin/sh
# build.sh VERSION OUT: the Debian packages of this tree, in OUT. They are built from a copy, so that neither what was
# built in the tree before nor whether it is a checkout or a tarball matters.
set -eu
version=$1 out=$2
tree=$out/ipamfs-$version

said=$(dpkg-parsechangelog -l tools/package/debian/changelog -S Version)
if [ "$said" != "$version" ]; then
	echo "the Makefile's version is $version, that of tools/package/debian/changelog $said" >&2
	exit 1
fi
rm -rf "$out"
mkdir -p "$tree"
cp -R Makefile LICENSE README.md core fs tools tests docs "$tree/"
cp -R tools/package/debian "$tree/debian"

# What `make` was told about this tree is not meant for the copy.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES B FLAVOUR PREFIX DESTDIR CC CFLAGS INSTALLED
if ! (cd "$tree" && dpkg-buildpackage -b -us -uc -j"$(nproc)") >"$out/log" 2>&1 </dev/null; then
	tail -n 30 "$out/log" >&2
	exit 1
fi
rm -rf "$tree"
ls "$out"/*.deb
