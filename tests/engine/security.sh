# An engine with TLS and client certificates, and with users and passwords: who is right gets in, who is wrong is told why, leases of
# its own go on for everybody, and what is mended works again by itself.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
T=$WORK/tls

made() { mkdir "$1" 2>/dev/null || test -d "$1"; }
well() { until_true 60 grep -qx ok "$WORK/$1/.ipam/health"; }
says() { grep -qiE "$2" "$WORK/$1/.ipam/health"; }
logged() { grep -qiE "$2" "$WORK/$1.log"; }
# locked_out NAME WHAT TEXT: health and log say it, nothing shared can be done, and the mount ends cleanly
locked_out() {
	# At times: a server that turns a client away may have closed the connection before that has read why.
	ok "$2: health says it" until_true 30 says "$1" "$3"
	ok "$2: the log does" until_true 20 logged "$1" "$3"
	refused "$2: nothing is made" "No route" mkdir "$WORK/$1/x"
	machine_end "$1"
}
# works NAME WHAT: both ways
works() {
	ok "$2: $1 is well" well "$1"
	ok "$2: it makes something" until_true 30 made "$WORK/$1/prod/of-$1"
	ok "$2: which the first one sees" until_true 30 test -d "$WORK/w1/prod/of-$1"
	ok "$2: and removes" until_true 30 rmdir "$WORK/w1/prod/of-$1"
	ok "$2: which it sees" until_true 30 test ! -e "$WORK/$1/prod/of-$1"
}

# ---- TLS
etcd_tls_cluster 3
good=tls_ca=$T/ca.pem,tls_cert=$T/client.pem,tls_key=$T/client.key
machine w1 "$good"
ok "the right certificate" ready w1
mkdir "$WORK/w1/prod"
put "$WORK/w1/prod/.ipam/cidrs" "10.244.0.0/16 24
fd00:10:244::/48 64"
machine w2 "$good"
ready w2
works w2 "TLS"
machine_end w2

machine wrong-ca "tls_ca=$T/other-ca.pem,tls_cert=$T/client.pem,tls_key=$T/client.key"
locked_out wrong-ca "another CA" "TLS: .*certificate"
machine other "tls_ca=$T/ca.pem,tls_cert=$T/other-client.pem,tls_key=$T/other-client.key"
locked_out other "a client of another CA" "TLS: .*(certificate|unknown ca)"
machine expired "tls_ca=$T/ca.pem,tls_cert=$T/expired.pem,tls_key=$T/expired.key"
locked_out expired "an expired certificate" "TLS: .*certificate"
machine none "tls_ca=$T/ca.pem"
locked_out none "no certificate" "TLS: .*certificate"
machine plain
locked_out plain "no TLS" "TLS|https"
refused "a certificate without its key" "go together" "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/s.db,tls_cert=$T/client.pem"
refused "a CA that isn't there" "No such file" "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/s.db,tls_ca=$T/nowhere.pem"

# Files that are exchanged while it is mounted, wrong ones by right ones.
for it in ca pem key; do cp "$T/other-client.$it" "$T/mine.$it" 2>/dev/null; done
cp "$T/other-ca.pem" "$T/mine-ca.pem"
machine w3 "tls_ca=$T/mine-ca.pem,tls_cert=$T/mine.pem,tls_key=$T/mine.key"
ok "wrong files" until_true 30 says w3 "TLS: "
cp "$T/ca.pem" "$T/mine-ca.pem"
cp "$T/client.key" "$T/mine.key"
cp "$T/client.pem" "$T/mine.pem"
works w3 "replaced by right ones"
machine_end w3
machine_end w1

# The server's certificate is for another host.
SERVER=elsewhere
etcd_tls_cluster 1
machine host "$good"
locked_out host "another host's certificate" "TLS: .*(host|name)"
etcd_end

# ---- users
unset SCHEME
ctl_options=()
rm -f "$WORK"/*.db*
etcd_cluster 3 --auth-token-ttl 3 --bcrypt-cost 4
etcd_auth >/dev/null || fail "etcd's users"
echo ipam-password >"$WORK/password"
user=user=ipam,password_file=$WORK/password
machine w1 "$user"
ok "the right password" ready w1
mkdir "$WORK/w1/prod"
put "$WORK/w1/prod/.ipam/cidrs" "10.244.0.0/16 24"
ok "it may write" made "$WORK/w1/prod/w1"
machine w2 "$user"
ready w2
works w2 "users"

refused "no password" "No such file" "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/s.db,user=ipam,password_file=$WORK/nowhere"
: >"$WORK/empty"
refused "an empty file" "no password" "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/s.db,user=ipam,password_file=$WORK/empty"
refused "a user without a file" "go together" "$IPAMFS" "etcd://$(etcd_endpoints)$PREFIX" "$WORK/mnt" -f -o "state=$WORK/s.db,user=ipam"
machine nobody
locked_out nobody "no user" "user name is empty"
echo wrong >"$WORK/wrong"
machine w3 "user=ipam,password_file=$WORK/wrong"
ok "a wrong password: health says it" until_true 30 says w3 "invalid user ID or password"
ok "and the log" logged w3 "invalid user ID or password"
echo ipam-password >"$WORK/wrong"
works w3 "a password that was mended"
machine_end w3

# A user without any right here, then one who may read, then one who may all.
ctl user add reader:reader-password >/dev/null
echo reader-password >"$WORK/reader-password"
machine reader "user=reader,password_file=$WORK/reader-password"
ok "no permission: health says it" until_true 30 says reader "permission denied"
ctl role add look >/dev/null
ctl role grant-permission look --prefix=true read "$PREFIX/" >/dev/null
ctl user grant-role reader look >/dev/null
ok "one who may read sees all" until_true 60 test -d "$WORK/reader/prod/w1"
refused "and writes nothing" "Permission denied" mkdir "$WORK/reader/prod/x"
ok "which health says" until_true 30 says reader "refuses what this machine writes.*permission denied"
ctl role grant-permission look --prefix=true readwrite "$PREFIX/" >/dev/null
works reader "one who may now"
machine_end reader

# Tokens end: by themselves (after 3 s), with their server, and when anything of the users is changed.
touch "$WORK/w1/prod/w1/a"
sleep 4
ok "a token that has ended is replaced" mkdir "$WORK/w1/prod/later"
ok "there, too" until_true 30 rmdir "$WORK/w2/prod/later"
for m in 0 1 2; do
	etcd_kill "$m"
	etcd_begin "$m"
	until_true 60 etcd_healthy
done
works w2 "members that forgot all tokens"

# The password is changed at both ends.
ctl user passwd ipam --interactive=false <<<"new-password" >/dev/null
echo new-password >"$WORK/password"
works w2 "a new password"
rm "$WORK/password"
ctl user passwd ipam --interactive=false <<<"newer-password" >/dev/null
ok "a file that is gone: health says it" until_true 60 says w1 "password of user 'ipam'.*No such file"
ok "leases go on" touch "$WORK/w1/prod/w1/b"
echo newer-password >"$WORK/password"
works w2 "and is there again"

# The user is removed.
ctl user delete ipam >/dev/null
ok "a user who is removed: health says it" until_true 60 says w1 "auth|user"
ok "leases go on" touch "$WORK/w1/prod/w1/c"
rm "$WORK/w1/prod/w1/a"
refused "nothing is delegated" "mkdir: cannot create" mkdir "$WORK/w1/prod/nope"
ctl user add ipam:newer-password >/dev/null
ctl user grant-role ipam ipam >/dev/null
works w2 "and is there again"
ok "what was done meanwhile is published" until_true 60 test -e "$WORK/w2/prod/w1/c" -a ! -e "$WORK/w2/prod/w1/a"
same "no password in the log" "" "$(grep -l -e 'ipam-password' -e 'new.*-password' "$WORK"/w*.log)"

cd /
machine_end w2
machine_end w1
check_clean "w1" "$WORK/w1.db"
