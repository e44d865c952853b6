# Completion of ipamctl: what bash offers, and that zsh takes its file.
. "$(dirname "$0")/../lib.sh"
export IPAMFS_MOUNT=$M PATH=$BUILD/bin:$PATH
mount_fs
make_cluster prod worker-1 worker-2
mkdir "$M/other" "$M/my cluster"
. "$ROOT/tools/ipamctl/completion/ipamctl.bash"

# offers WORD...: the last one is what is being completed
offers() {
	COMP_WORDS=(ipamctl "$@")
	COMP_CWORD=$#
	_ipamctl
	printf '%s\n' "${COMPREPLY[@]}" | sort | xargs -d '\n'
}
same "commands" "$(ipamctl help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort | sed '$a help' | sort | xargs)" "$(offers '')"
same "that begin so" "import init" "$(offers i)"
same "help of them" "find" "$(offers help "fi")"
same "options of a command" "--cluster --json --mount --node" "$(offers find --)"
same "of another" "--by" "$(offers du --b)"
same "clusters" 'my\ cluster other prod' "$(offers du --cluster '')"
same "that begin so" "prod" "$(offers du --cluster p)"
same "nodes" "worker-1 worker-2" "$(offers export --cluster prod --node '')"
same "of a cluster without any" "" "$(offers export --cluster other --node '')"
same "of another mount" "" "$(offers du --mount "$WORK" --cluster p)"
same "values" "block cluster node" "$(offers du --by '')"
touch "$WORK/file"
same "files" "$WORK/file" "$(offers backup "$WORK/fi")"
if command -v zsh >/dev/null; then
	# What it hands to zsh's own functions, of which these are the least.
	zoffers() {
		zsh -f -c 'compadd() { [[ $1 == -a ]] && print -rl -- ${(P)2} || print -rl -- "$@" }
			_describe() { print -rl -- ${(P)2} }
			_files() { print files }
			file=$1; shift
			words=(ipamctl "$@") CURRENT=$(($# + 1)) PREFIX=${@[-1]}
			. $file' zsh "$ROOT/tools/ipamctl/completion/_ipamctl" "$@" 2>&1 | sort | xargs -d '\n'
	}
	same "zsh: commands" "$(ipamctl help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort | xargs)" "$(zoffers '' | grep -o '[a-z]*:' | tr -d : | xargs)"
	same "zsh: options" "--cluster --json --mount --node" "$(zoffers find --)"
	same "zsh: clusters" "my cluster other prod" "$(zoffers du --cluster '')"
	same "zsh: nodes" "worker-1 worker-2" "$(zoffers export --cluster prod --node '')"
	same "zsh: of a cluster without any" "" "$(zoffers export --cluster other --node '')"
	same "zsh: values" "block cluster node" "$(zoffers du --by '')"
	same "zsh: files" "files" "$(zoffers backup '')"
fi

# ---- ipamkube, for which bash's is the same in small
. "$ROOT/tools/kube/completion/ipamkube.bash"
kube_offers() {
	COMP_WORDS=(ipamkube "$@")
	COMP_CWORD=$#
	_ipamkube
	printf '%s\n' "${COMPREPLY[@]}" | sort | xargs -d '\n'
}
same "ipamkube: commands" "agent controller help" "$(kube_offers '')"
same "ipamkube: options" "--lease-duration --lease-name --lease-namespace" "$(kube_offers controller --lease)"
same "ipamkube: of the other" "--cluster --cluster-cidr" "$(kube_offers agent --cl)"
same "ipamkube: clusters" 'my\ cluster other prod' "$(kube_offers agent --cluster '')"
umount_fs
