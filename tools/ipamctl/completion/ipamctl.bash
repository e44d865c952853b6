# Completion of ipamctl for bash. Commands and options are what ipamctl itself says it has; names come from the mount.
# shellcheck shell=bash

# The mount that the command line means.
_ipamctl_mount() {
	local i
	for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
		[ "${COMP_WORDS[i]}" = --mount ] && echo "${COMP_WORDS[i + 1]}" && return
	done
	echo "${IPAMFS_MOUNT:-/run/ipamfs}"
}

# Of an option's value that stands on the line.
_ipamctl_value() {
	local i
	for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
		[ "${COMP_WORDS[i]}" = "$1" ] && echo "${COMP_WORDS[i + 1]}" && return
	done
}

# Those of the lines on standard input that begin as the word does, quoted where they need it.
_ipamctl_reply() {
	local line
	while IFS= read -r line; do
		[[ $line == "$1"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
	done
}

# The directories in a directory.
_ipamctl_directories() {
	local dir
	for dir in "$1"/*/; do
		[ -d "$dir" ] && dir=${dir%/} && echo "${dir##*/}"
	done
}

_ipamctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} mount cluster
	mount=$(_ipamctl_mount)
	cluster=$(_ipamctl_value --cluster)
	COMPREPLY=()
	case $before in
	--cluster)
		_ipamctl_reply "$word" < <(_ipamctl_directories "$mount")
		return
		;;
	--node)
		_ipamctl_reply "$word" < <(if [ -n "$cluster" ]; then _ipamctl_directories "$mount/$cluster"; else
			for cluster in "$mount"/*/; do _ipamctl_directories "$cluster"; done; fi | sort -u)
		return
		;;
	--by)
		_ipamctl_reply "$word" < <(printf '%s\n' cluster node block)
		return
		;;
	--mount | --host-local | --database | --valid-from | --kubernetes)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	if [ "$COMP_CWORD" -eq 1 ] || [ "$before" = help ]; then
		_ipamctl_reply "$word" < <({ ipamctl help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'; echo help; } | sort -u)
	elif [[ $word == -* ]]; then
		_ipamctl_reply "$word" < <(ipamctl help "${COMP_WORDS[1]}" 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u)
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -o filenames -F _ipamctl ipamctl
