#!/usr/bin/env bash
# The DaemonSet as it is shipped: what its container `mount` starts mounts so that the host sees it, also after a crash. The host is a
# mount namespace with a shared /run; the container has a root and processes of its own, and its volumes are bind mounts, as the kubelet
# makes them.
[ -n "${HOST-}" ] || HOST=1 exec unshare --mount --propagation slave bash "$0"
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
mount -t tmpfs host /run
mount --make-shared /run
mkdir -p "$WORK/data" "$WORK/root"

spec=$(python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)' <"$ROOT/docs/kubernetes/agent.yaml" |
	jq '.spec.template.spec | ([.volumes[] | {(.name): .hostPath.path}] | add) as $path | .containers[] | select(.name == "mount") |
		{command, args: (.args // []), env: [.env // [] | .[] | "\(.name)=\(.value)"], probe: .livenessProbe.exec.command,
		volumes: [.volumeMounts[] | {host: $path[.name], at: .mountPath, both: (.mountPropagation == "Bidirectional")}]}')
mapfile -t command < <(jq -r '(.command + .args)[] | @base64' <<<"$spec")
for i in "${!command[@]}"; do command[i]=$(base64 -d <<<"${command[i]}"); done
mapfile -t probe < <(jq -r '.probe[]' <<<"$spec")
mapfile -t volumes < <(jq -r '.volumes[] | "\(if .host == "/var/lib/ipamfs" then "'"$WORK"'/data" else .host end)\n\(.at)"' <<<"$spec")
mapfile -t environment < <(jq -r '.env[]' <<<"$spec")
ok "a volume is shared with the host" jq -e 'any(.volumes[]; .both)' <<<"$spec"

# What the runtime does: a root of its own, on which nothing is the host's but the volumes.
cat >"$WORK/container" <<-'END'
	set -eu
	root=$1 programs=$2 volumes=$3
	shift 3
	mount -t tmpfs root "$root"
	for it in bin lib lib64 usr etc dev sys; do
		[ -L "/$it" ] && ln -s "$(readlink "/$it")" "$root/$it"
		[ -L "/$it" ] || [ ! -e "/$it" ] || { mkdir "$root/$it" && mount --rbind "/$it" "$root/$it"; }
	done
	mkdir -p "$root/tmp" "$root/opt/ipamfs" "$root/proc"
	mount --bind "$programs" "$root/opt/ipamfs"
	mount -t proc proc "$root/proc"
	while [ "$volumes" -gt 0 ]; do
		mkdir -p "$root$2"
		mount --rbind "$1" "$root$2"
		shift 2
		volumes=$((volumes - 1))
	done
	exec chroot "$root" /usr/bin/env PATH=/opt/ipamfs:/usr/sbin:/usr/bin:/sbin:/bin "$@"
END
# container: in the background; its first process, which is the container's 1, is $container
container() {
	local i
	for ((i = 0; i < ${#volumes[@]}; i += 2)); do
		stat "${volumes[i]}" >/dev/null || fail "a volume that the runtime takes" "${volumes[i]}"
	done
	unshare --mount --propagation unchanged --pid --fork --kill-child bash "$WORK/container" "$WORK/root" "$BUILD/bin" \
		$((${#volumes[@]} / 2)) "${volumes[@]}" "${environment[@]}" "${command[@]}" 2>>"$WORK/container.log" &
	shim=$!
	pids+=("$shim")
	until_true 30 pgrep -P "$shim"
	container=$(pgrep -P "$shim")
}
ends() {
	kill "-$1" "$container"
	wait "$shim"
}
serves() { cat /run/ipamfs/.ipam/version; }
# what lies on /run/ipamfs in the host, but for /run itself
stack() { findmnt -rno TARGET,FSTYPE | awk '$1 == "/run/ipamfs" { print $2 }' | paste -sd' '; }

container
ok "the host sees the mount" until_true 20 serves || tail -5 "$WORK/container.log"
same "of which there is one" fuse.ipamfs "$(stack)"
ok "the probe of the container says so as well" nsenter -t "$container" -m -p -r "${probe[@]}"
ok "a lease" mkdir -p /run/ipamfs/pods
ends KILL
refused "killed, it leaves what answers nothing" "" serves
same "which the host sees" fuse.ipamfs "$(stack)"
container
ok "started again, the host sees the mount" until_true 20 serves || tail -5 "$WORK/container.log"
same "and no other below it" fuse.ipamfs "$(stack)"
ok "with what was there" test -d /run/ipamfs/pods
ends TERM
same "ended, it leaves nothing" "" "$(stack)"

# A first start, as the manifest's volume is made: nothing is there. And with a bind mount on the very directory.
umount -l /run
mount -t tmpfs host /run
mount --make-shared /run
container
ok "a host without the directory sees the mount" until_true 20 serves || tail -5 "$WORK/container.log"
ends TERM
environment=()
volumes=(/run/ipamfs /run/ipamfs "$WORK/data" /var/lib/ipamfs)
container
ok "a volume of the directory itself: the host sees the mount" until_true 20 serves || tail -5 "$WORK/container.log"
same "of which there is one there" fuse.ipamfs "$(stack)"
ends TERM

# Something else's: it isn't taken off.
mount -t tmpfs other /run/ipamfs
: >/run/ipamfs/theirs
container
ok "over what another mounted there" until_true 20 serves || tail -5 "$WORK/container.log"
ends TERM
same "which stays" tmpfs "$(stack)"
ok "whole" test -e /run/ipamfs/theirs
