#!/usr/bin/env bash
# Build a real kube-apiserver and kube-controller-manager, and fetch the kubectl that goes with them, into a cache outside
# the tree. Everything is Debian's: the source package `kubernetes` and the package `kubernetes-client` of bookworm, and
# the Go compiler of bullseye (newer ones crash in a vendored module). apt checks the signatures of all of it, with a
# configuration and a state of its own, so that the machine's apt stays as it is.
#
#   build.sh            build what is missing; says nothing when nothing is
#   build.sh --print    print the directory of the programs, and build nothing
#
# The cache is $IPAMFS_KUBE_CACHE, or ipamfs/kube below $XDG_CACHE_HOME or ~/.cache. The first build takes about ten
# minutes of two cores and 5 GB below the cache, of which 260 MB stay. One that was interrupted goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${IPAMFS_KUBE_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/ipamfs/kube}
# Raise it when a cache built by an older form of this script won't do any more.
recipe=1
programs=(kube-apiserver kube-controller-manager kubectl)
source_suite=bookworm
go_suite=bullseye
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ "${1:-}" = --print ]; then
	echo "$cache/bin"
	exit 0
fi

say() { echo "kube: $*"; }
die() {
	echo "kube: $*" >&2
	exit 1
}

complete() {
	local program
	for program in "${programs[@]}"; do [ -x "$cache/bin/$program" ] || return 1; done
	[ "$(sed -n 's/^recipe //p' "$cache/built" 2>/dev/null)" = "$recipe" ]
}

# step NAME COMMAND...: once; what it did stays done when the script is run again
step() {
	local name=$1
	shift
	[ -e "$work/done/$name" ] && return 0
	"$@" >"$work/$name.log" 2>&1 || {
		tail -20 "$work/$name.log" >&2
		die "$name failed; all of it is in $work/$name.log; running this again goes on from there"
	}
	touch "$work/done/$name"
}

# The mirror that this machine's own apt uses for Debian (not for security updates).
mirror() {
	# shellcheck disable=SC2016 # apt's variable, not the shell's
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -1
}

private_apt() {
	local from=$1 apt=$work/apt
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/state/status"
	cat >"$apt/sources.list" <<-EOF
		deb-src [signed-by=$keyring] $from $source_suite main
		deb [signed-by=$keyring] $from $source_suite main
		deb [signed-by=$keyring] $from $go_suite main
	EOF
	# The system's own snippets (a proxy, say) are read before this and go on holding.
	cat >"$APT_CONFIG" <<-EOF
		Dir::State "$apt/state";
		Dir::State::status "$apt/state/status";
		Dir::Cache "$apt/cache";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::Etc::preferencesparts "-";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::Retries "3";
	EOF
	apt-get update
}

# unpack DIR PACKAGE...: what the packages hold, without installing them
unpack() {
	local into=$1 deb
	shift
	mkdir -p "$work/debs"
	rm -rf "$into"
	for deb; do
		rm -f "$work/debs/$deb"_*
		(cd "$work/debs" && apt-get download "$deb")
		dpkg -x "$work/debs/$deb"_*.deb "$into"
	done
}

fetch_source() {
	mkdir -p "$work/download"
	(cd "$work/download" && apt-get source --download-only kubernetes)
	rm -rf "$work/src"
	# apt has checked it by the signed index, so that the uploader's key isn't needed.
	dpkg-source --no-check -x "$work"/download/kubernetes_*.dsc "$work/src"
}

version_of() { sed -n 's/^Version: //p' "$1" | head -1; }

compile() {
	local upstream major minor
	upstream=$(version_of "$work"/download/kubernetes_*.dsc)
	upstream=${upstream##*really}
	upstream=${upstream%%-*}
	IFS=. read -r major minor _ <<<"$upstream"
	# Without a version kube-apiserver calls itself 0.0.0, and clients that look at it are puzzled.
	cat >"$work/version" <<-EOF
		KUBE_GIT_COMMIT=debian
		KUBE_GIT_TREE_STATE=archive
		KUBE_GIT_VERSION=v$upstream
		KUBE_GIT_MAJOR=$major
		KUBE_GIT_MINOR=$minor
	EOF
	env -u GOPATH -u GOFLAGS GOROOT="$work/go/usr/lib/go-1.15" PATH="$work/go/usr/lib/go-1.15/bin:$PATH" GOCACHE="$work/gocache" \
		GOPROXY=off KUBE_GIT_VERSION_FILE="$work/version" \
		nice make -C "$work/src" WHAT="cmd/kube-apiserver cmd/kube-controller-manager"
}

install_programs() {
	local program
	mkdir -p "$cache/bin"
	for program in kube-apiserver kube-controller-manager; do
		install -m 755 "$work/src/_output/bin/$program" "$cache/bin/$program"
	done
	install -m 755 "$work/client/usr/bin/kubectl" "$cache/bin/kubectl"
	cat >"$cache/built" <<-EOF
		recipe $recipe
		kubernetes $(version_of "$work"/download/kubernetes_*.dsc)
	EOF
}

complete && exit 0
sh tools/deps.sh rsync jq make gcc libc6-dev dpkg-dev debian-archive-keyring
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || {
	say "another build is under way; waiting for it"
	flock 9
}
complete && exit 0

free=$(df --output=avail -BG "$cache" | tail -1 | tr -dc 0-9)
[ "$free" -ge 6 ] || die "$cache has $free GB left, and the build needs 6"
work=$cache/work
mkdir -p "$work/done"
export APT_CONFIG=$work/apt.conf LC_ALL=C.UTF-8
say "no kube-apiserver in $cache yet: building it, which takes about ten minutes the first time"
if [ ! -e "$work/done/apt" ]; then
	from=$(APT_CONFIG='' mirror)
	if [ -z "$from" ] && [ "$(id -u)" -eq 0 ]; then
		APT_CONFIG='' apt-get update -qq </dev/null
		from=$(APT_CONFIG='' mirror)
	fi
	[ -n "$from" ] || die "apt knows no Debian mirror here (apt-get indextargets names none)"
fi
say "reading Debian's indexes"
step apt private_apt "${from:-}"
say "fetching the Go compiler, kubectl and the sources"
step go unpack "$work/go" golang-1.15-go golang-1.15-src
step client unpack "$work/client" kubernetes-client
step source fetch_source
say "compiling; $work/compile.log tells how far"
step compile compile
step install install_programs
rm -rf "$work"
say "built $(sed -n 's/^kubernetes //p' "$cache/built") into $cache/bin"
