# Completion of ipamkube for bash. Commands and options are what ipamkube itself says it has; clusters come from the mount.
# shellcheck shell=bash

_ipamkube_reply() {
	local line
	while IFS= read -r line; do
		[[ $line == "$1"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
	done
}

_ipamkube() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} mount=${IPAMFS_MOUNT:-/run/ipamfs} i dir
	COMPREPLY=()
	for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
		[ "${COMP_WORDS[i]}" = --mount ] && mount=${COMP_WORDS[i + 1]}
	done
	case $before in
	--cluster)
		_ipamkube_reply "$word" < <(for dir in "$mount"/*/; do [ -d "$dir" ] && dir=${dir%/} && echo "${dir##*/}"; done)
		return
		;;
	--mount | --kubeconfig | --metrics)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	if [ "$COMP_CWORD" -eq 1 ] || [ "$before" = help ]; then
		_ipamkube_reply "$word" < <({ ipamkube help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'; echo help; } | sort -u)
	elif [[ $word == -* ]]; then
		_ipamkube_reply "$word" < <(ipamkube help "${COMP_WORDS[1]}" 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u |
			grep -v allocate-node)
	fi
}

complete -o filenames -F _ipamkube ipamkube
