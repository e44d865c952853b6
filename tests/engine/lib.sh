# For the tests with many machines: real etcd members on loopback, and machines, which are mounts with a state file each.
# Sourced after tests/lib.sh.
# shellcheck shell=bash

# $ETCD: a directory with another etcd and etcdctl than this machine's (tests/debian13/etcd.sh).
[ -z "${ETCD:-}" ] || PATH=$ETCD:$PATH

# Their data lies in memory where there is room: what is tried here is not the disk, and that is what makes a member quick.
ETCD_DIR=$WORK/etcd
if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -1)" -gt 524288 ]; then ETCD_DIR=$(mktemp -d /dev/shm/ipamfs-etcd.XXXXXX); fi
members=() # pids, by number
PREFIX=/ipamfs-test

# The members first: one that lives would write where all is removed. Forced, so that nobody waits for a machine that is gone.
etcd_cleanup() {
	local status=$? i
	for i in "${!members[@]}"; do etcd_kill "$i"; done
	rm -rf "$ETCD_DIR"
	for i in "${pids[@]}"; do kill -9 "$i" 2>/dev/null; done
	for i in "${mounts[@]}"; do take_off "$i"; done
	(exit "$status")
	cleanup
}
trap etcd_cleanup EXIT

# etcd_cluster N [OPTIONS...]: choose ports, and start N members, on loopback or (after net_members) in their namespaces. Where there
# was a cluster before, it is ended.
etcd_cluster() {
	local n=$1 i cluster=""
	shift
	etcd_end
	etcd_options=("$@") etcd_state=new
	client_ports=() peer_ports=()
	for ((i = 0; i < n; i++)); do
		free_port "client_ports[$i]" "peer_ports[$i]"
		cluster+="${cluster:+,}m$i=http://$(peer_host "$i"):${peer_ports[i]}"
	done
	initial=$cluster
	for ((i = 0; i < n; i++)); do etcd_begin "$i"; done
	until_true 30 etcd_healthy || {
		fail "etcd starts" "$(tail -5 "$WORK"/etcd-*.log)"
		exit 1
	}
}

# etcd_end: no cluster any more, and nothing of it left
etcd_end() {
	local i
	for i in "${!members[@]}"; do etcd_kill "$i"; done
	members=()
	rm -rf "$ETCD_DIR"/m*
}

# etcd_begin I: start a member, or start it again
etcd_begin() {
	local i=$1 client peer within=()
	client=${SCHEME:-http}://$(client_host "$i"):${client_ports[i]} peer=http://$(peer_host "$i"):${peer_ports[i]}
	[ -z "$NET" ] || within=(nsenter "--net=/run/netns/$NET-m$i")
	"${within[@]}" etcd --name "m$i" --data-dir "$ETCD_DIR/m$i" --listen-client-urls "$client" --advertise-client-urls "$client" \
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "$initial" \
		--initial-cluster-state "$etcd_state" "${etcd_options[@]}" </dev/null >>"$WORK/etcd-$i.log" 2>&1 &
	members[i]=$!
	pids+=("$!")
}

etcd_kill() {
	kill -9 "${members[$1]}" 2>/dev/null
	wait "${members[$1]}" 2>/dev/null
}
etcd_pause() { kill -STOP "${members[$1]}"; }
etcd_resume() { kill -CONT "${members[$1]}"; }
# etcd_leader: the number of the member that leads
etcd_leader() {
	local i
	for i in "${!client_ports[@]}"; do
		ctl endpoint status -w json 2>/dev/null | jq -e ".[] | select(.Endpoint | endswith(\":${client_ports[i]}\")) |
			.Status | .leader == .header.member_id" >/dev/null && echo "$i" && return
	done
	return 1
}

# member_of NAME: the number of the member that the machine listens to
member_of() {
	local i url
	url=$(sed -n 's,^member [a-z]*://,,p' "$WORK/$1/.ipam/health")
	for i in "${!client_ports[@]}"; do [ "$url" == "$(client_host "$i"):${client_ports[i]}" ] && echo "$i" && return; done
	return 1
}

# ---- members and machines in network namespaces, whose links can be cut: members talk to each other over one bridge, and with the
# machines over another. Both are in a namespace, the hub, where machines are that have none of their own.

NET="" at_hub=()
client_host() { [ -z "$NET" ] && echo 127.0.0.1 || echo "10.98.0.$(($1 + 10))"; }
peer_host() { [ -z "$NET" ] && echo 127.0.0.1 || echo "10.99.0.$(($1 + 10))"; }

# net_space NAME: one with nothing but loopback
net_space() {
	ip netns add "$1" || return
	namespaces+=("$1")
	ip -n "$1" link set lo up
}
# net_link NAME LINK BRIDGE ADDRESS: joins the namespace to the hub's bridge
net_link() {
	ip -n "$NET-hub" link add "$2" type veth peer name "$3" netns "$1" && ip -n "$NET-hub" link set "$2" master "$3" up &&
		ip -n "$1" addr add "$4/24" dev "$3" && ip -n "$1" link set "$3" up
}
# net_members N: namespaces for the members of the clusters to come
net_members() {
	local i bridge
	NET=ipamfs-$$ at_hub=(nsenter "--net=/run/netns/ipamfs-$$-hub")
	net_space "$NET-hub"
	for bridge in clients peers aside; do ip -n "$NET-hub" link add "$bridge" type bridge && ip -n "$NET-hub" link set "$bridge" up; done
	ip -n "$NET-hub" addr add 10.98.0.1/24 dev clients
	for ((i = 0; i < $1; i++)); do
		net_space "$NET-m$i"
		net_link "$NET-m$i" "c$i" clients "$(client_host "$i")" && net_link "$NET-m$i" "p$i" peers "$(peer_host "$i")"
	done
}
# net_machine NAME NUMBER: a namespace for a machine that is to be started
net_machine() {
	net_space "$NET-$1" && net_link "$NET-$1" "x$2" clients "10.98.0.$(($2 + 100))"
	machine_at[$1]=$NET-$1
}
# net_cut LINK, net_mend LINK: what goes over it is lost (c0: member 0 and its clients, p0: it and its peers, x1: machine 1)
net_cut() { ip -n "$NET-hub" link set "$1" down; }
net_mend() { ip -n "$NET-hub" link set "$1" up; }
# net_move LINK BRIDGE: to where some are by themselves
net_move() { ip -n "$NET-hub" link set "$1" master "$2"; }

# etcd_certificates: in $WORK/tls a CA with a certificate for 127.0.0.1's server and one for a client, and what doesn't fit: a CA
# and a client of others, and a server's certificate for another host
etcd_certificates() {
	local dir=$WORK/tls ca who key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1)
	mkdir -p "$dir"
	for ca in ca other-ca; do
		openssl req -x509 "${key[@]}" -nodes -days 2 -subj "/CN=$ca" -keyout "$dir/$ca.key" -out "$dir/$ca.pem"
	done
	# One whose time is over since yesterday.
	openssl req "${key[@]}" -nodes -subj "/CN=expired" -keyout "$dir/expired.key" -out "$dir/expired.csr"
	openssl x509 -req -in "$dir/expired.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days -1 -out "$dir/expired.pem"
	for who in server:ca:IP:127.0.0.1 elsewhere:ca:DNS:elsewhere.example client:ca:DNS:client other-client:other-ca:DNS:client; do
		IFS=: read -r who ca san <<<"$who"
		openssl req "${key[@]}" -nodes -subj "/CN=$who" -keyout "$dir/$who.key" -out "$dir/$who.csr"
		openssl x509 -req -in "$dir/$who.csr" -CA "$dir/$ca.pem" -CAkey "$dir/$ca.key" -CAcreateserial -days 2 -out "$dir/$who.pem" \
			-extfile <(echo "subjectAltName=$san
extendedKeyUsage=serverAuth,clientAuth")
	done
} >>"$WORK/openssl.log" 2>&1

# etcd_tls_cluster N [OPTIONS...]: one that takes clients over TLS, with a certificate of the CA's; $SERVER: with that of its own
etcd_tls_cluster() {
	local n=$1 dir=$WORK/tls
	shift
	[ -e "$dir/ca.pem" ] || etcd_certificates
	SCHEME=https
	ctl_options=(--insecure-skip-tls-verify --cacert "$dir/ca.pem" --cert "$dir/client.pem" --key "$dir/client.key")
	etcd_cluster "$n" --cert-file "$dir/${SERVER:-server}.pem" --key-file "$dir/${SERVER:-server}.key" --client-cert-auth --trusted-ca-file "$dir/ca.pem" "$@"
}

# etcd_auth: from now on users are asked for: root (root-password), and ipam (ipam-password), who may all under $PREFIX
etcd_auth() {
	ctl user add root:root-password && ctl user grant-role root root && ctl role add ipam &&
		ctl role grant-permission ipam --prefix=true readwrite "$PREFIX" && ctl user add ipam:ipam-password &&
		ctl user grant-role ipam ipam && ctl auth enable && ctl_options+=(--user root:root-password)
}

# HOST:PORT[,HOST:PORT...]
etcd_endpoints() {
	local i list=""
	for i in "${!client_ports[@]}"; do list+="${list:+,}$(client_host "$i"):${client_ports[i]}"; done
	echo "$list"
}

# etcdctl, as who may all
ctl() { ETCDCTL_API=3 "${at_hub[@]}" etcdctl --command-timeout=3s --endpoints="$(etcd_endpoints)" "${ctl_options[@]}" "$@"; }
ctl_options=()
etcd_healthy() { ctl get --consistency=l x; }
etcd_compact() { ctl compact "$(ctl get x -w json | jq .header.revision)"; }

# machine NAME [OPTIONS [STATE]]: mounts at $WORK/NAME, with its pid in machine[NAME]; with the endpoints of $endpoints, if set, and in
# the namespace machine_at[NAME] (after net_machine)
declare -A machine machine_at
machine() {
	local name=$1 options=${2:-} dir=$WORK/$1 state=${3:-$WORK/$1.db}
	mkdir -p "$dir"
	local at=("${at_hub[@]}")
	[ -z "${machine_at[$name]:-}" ] || at=(nsenter "--net=/run/netns/${machine_at[$name]}")
	"${at[@]}" "$IPAMFS" "etcd://${endpoints:-$(etcd_endpoints)}$PREFIX" "$dir" -f -o "node=$name,state=$state${options:+,$options}" 2>>"$WORK/$name.log" &
	daemon=$!
	machine[$name]=$daemon
	pids+=("$daemon")
	mounts+=("$dir")
	until_true 30 is_up "$dir" || {
		fail "mount of $name" "$(tail -5 "$WORK/$name.log")"
		exit 1
	}
}
# It has read what the engine has.
ready() { until_true 20 grep -q '^reached' "$WORK/$1/.ipam/health" && until_true 20 grep -q '^revision [1-9]' "$WORK/$1/.ipam/health"; }
machine_kill() {
	local daemon=${machine[$1]}
	kill_daemon
	take_off "$WORK/$1"
}
machine_end() {
	umount "$WORK/$1" || take_off "$WORK/$1"
	ends_unmounted "${machine[$1]}" "$WORK/$1" || kill -9 "${machine[$1]}"
	wait "${machine[$1]}"
	same "$1 ends cleanly" 0 $?
}

# ---- a bad network between a machine and the members: a proxy, which does to requests what it is told (proxy.c)

declare -A bad_net proxies
# bad_network NAME [SEED]: endpoints of NAME's own, in ${bad_net[NAME]}, behind which nothing happens to requests as yet
bad_network() {
	local name=$1 seed=${2:-$RANDOM} i ports=() at=() list=""
	for i in "${!client_ports[@]}"; do
		free_port "ports[$i]"
		at+=("${ports[i]}=$(client_host "$i"):${client_ports[i]}")
		list+="${list:+,}127.0.0.1:${ports[i]}"
	done
	: >"$WORK/$name.orders"
	"${at_hub[@]}" "$HELPERS/engine/proxy" "$seed" "$WORK/$name.orders" "${at[@]}" >"$WORK/$name.net" 2>>"$WORK/$name.proxy" &
	proxies[$name]=$!
	pids+=("$!")
	bad_net[$name]=$list
	echo "seed $seed" >>"$WORK/$name.proxy"
	until_true 10 listens "${ports[0]}" || fail "the proxy of $name starts" "$(cat "$WORK/$name.proxy")"
}
listens() { "${at_hub[@]}" ss -Hltn "sport = :$1" | grep -q .; }
# orders NAME LINE...: what happens to NAME's requests from now on: KIND PERMILLE [PATH [TIMES [MS]]]; none: nothing
orders() {
	local name=$1
	shift
	printf '%s\n' "$@" >"$WORK/$name.orders.new" && mv "$WORK/$name.orders.new" "$WORK/$name.orders"
}
# end_network NAME: what it has seen is in $WORK/NAME.net: requests N, most N (in one second), and how often each kind was done
end_network() {
	kill "${proxies[$1]}" 2>/dev/null
	wait "${proxies[$1]}"
}
# seen NAME WORD: a number of those
seen() { awk -v word="$2" '$1 == word { print $2 }' "$WORK/$1.net"; }

# lay_over N: the histories that the machines w1 to wN have of their own nodes, laid over each other: in $WORK/twice what was in two hands
lay_over() {
	local i
	for i in $(seq "$1"); do
		sqlite3 "$WORK/w$i.db" "SELECT line FROM history WHERE line LIKE '%\"allocate\"%' OR line LIKE '%\"release\"%' ORDER BY id" |
			jq -r --arg me "w$i" 'select(.node == $me) | . as $e | .addresses[] | [split("/")[0], $e.time, $e.event, $me, $e.name] | @tsv'
	done | sort -k1,1 -k2,2 >"$WORK/past"
	ok "the histories tell of them" test "$(wc -l <"$WORK/past")" -gt 1000
	# A machine that was killed between what it stored and what it said has it in its history all the same.
	awk -F'\t' '
		$1 != addr { addr = $1; holder = "" }
		$3 == "allocate" { if (holder != "") print addr, "held by", holder, "given to", $4 "/" $5, "at", $2; holder = $4 "/" $5 }
		$3 == "release" { if (holder != $4 "/" $5) print addr, "released by", $4 "/" $5, "held by", holder, "at", $2; holder = "" }' "$WORK/past" >"$WORK/twice"
}
