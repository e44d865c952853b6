# What the scripts for another Debian than this machine's share: trixie, or the release that $IPAMFS_DEBIAN names.
# shellcheck shell=bash
release=${IPAMFS_DEBIAN:-trixie}

# cache NAME: where to keep things
cache() { echo "${XDG_CACHE_HOME:-${HOME:?}/.cache}/ipamfs/$1"; }

# The mirror that this machine's own apt uses for Debian (not for security updates).
mirror() {
	local from
	# shellcheck disable=SC2016 # apt's variable, not the shell's
	from=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -1)
	[ -n "$from" ] || {
		echo "${0##*/}: apt knows no mirror of Debian" >&2
		return 1
	}
	echo "$from"
}

# bootstrap OPTION... DIR: debootstrap's own log is DIR.log. What it mounts in there goes with it, however it ends.
bootstrap() {
	local from dir=${!#}
	command -v debootstrap >/dev/null || {
		echo "${0##*/}: debootstrap is missing: apt-get install debootstrap" >&2
		return 1
	}
	from=$(mirror) || return 1
	rm -rf --one-file-system "$dir"
	mkdir -p "$(dirname "$dir")"
	unshare --mount --propagation slave debootstrap "${@:1:$#-1}" "$release" "$dir" "$from" >"$dir.log" 2>&1 && return
	tail -5 "$dir.log" >&2
	return 1
}
