# ipamctl top: on a terminal of its own, and in a pipe.
. "$(dirname "$0")/../lib.sh"
export IPAMFS_MOUNT=$M TERM=xterm
mount_fs sync=normal
make_cluster prod w1 w2
make_cluster test n1
touch "$M"/prod/w1/{1..20}

# ---- in a pipe
same "one round" 1 "$("$IPAMCTL" top | grep -c '^ipamfs ')"
same "its numbers" "2 clusters, 3 nodes, 20 leases" "$("$IPAMCTL" top | sed -n '2s/;.*//p')"
same "no escapes" 0 "$("$IPAMCTL" top | grep -c $'\033')"
same "the fullest first" "prod w1 20" "$("$IPAMCTL" top | awk '$1 == "prod" { print $1, $2, $3; exit }')"
same "as many rounds as asked for" 3 "$("$IPAMCTL" top -n 3 -d 0.1 | grep -c '^ipamfs ')"
same "a node alone" "w2" "$("$IPAMCTL" top --node w2 | awk '$1 == "prod" || $1 == "test" { print $2 }')"
same "a cluster alone" 0 "$("$IPAMCTL" top --cluster test | grep -c '^prod')"
"$IPAMCTL" top --json -n 1000 -d 0.1 >"$WORK/rounds" &
rounds=$!
pids+=("$rounds")
until_true 20 test -s "$WORK/rounds"
touch "$M"/prod/w1/{21..60}
rm "$M"/prod/w1/{1..5}
ok "what was made and released is seen" until_true 20 bash -c "jq -es 'any(.allocatedPerSecond > 0) and any(.releasedPerSecond > 0)' '$WORK/rounds'"
same "and which node changed" "w1" "$(jq -rs '[.[].usage[] | select(.change != 0).node] | unique | join(" ")' "$WORK/rounds")"
kill "$rounds"
wait "$rounds" 2>/dev/null
"$IPAMCTL" top -n 1000 -d 0.1 | head -n 3 >/dev/null
same "ends when nobody reads" 0 "$(pgrep -cf "$IPAMCTL top -n 1000")"
for wrong in "-d 0" "-n x" "--dlay 3" "extra"; do
	# shellcheck disable=SC2086 # words
	"$IPAMCTL" top $wrong >/dev/null 2>&1
	same "wrong: $wrong" 2 $?
done

# ---- on a terminal: a pipe says what is pressed, and the screen goes to a file
mkfifo "$WORK/keys"
terminal() { # COMMAND
	: >"$WORK/screen" # or what the last one drew is taken for this one's
	script -qefc "$1; echo status \$?; stty -a" "$WORK/screen" <"$WORK/keys" >/dev/null &
	pids+=("$!")
	terminal=$!
	exec 9>"$WORK/keys"
}
drawn() { [ "$(grep -ac "$1" "$WORK/screen")" -ge "${2:-1}" ]; }

terminal "$IPAMCTL top -d 0.2"
ok "is drawn" until_true 20 drawn "by use"
printf s >&9
ok "sorted by change" until_true 20 drawn "by change"
printf s >&9
ok "by name" until_true 20 drawn "by name"
printf c >&9
ok "a cluster alone" until_true 20 drawn "by name, prod"
ok "in colours" drawn $'\033\\[32m'
printf q >&9
exec 9>&-
ok "q ends" until_true 20 drawn "status 0"
wait "$terminal"
ok "the other page is given back" grep -aqF $'\033[?1049l' "$WORK/screen"
ok "the cursor too" grep -aqF $'\033[?25h' "$WORK/screen"
ok "and the echo" grep -aqE '(^|[ ;])echo[ ;]' "$WORK/screen"

: >"$WORK/screen" # what the one before drew doesn't count
terminal "env NO_COLOR=1 $IPAMCTL top -d 0.2"
until_true 20 drawn "by use"
same "NO_COLOR" 0 "$(grep -acF $'\033[32m' "$WORK/screen")"
kill -TERM "$(pgrep -f "^$IPAMCTL top")"
ok "SIGTERM ends it" until_true 20 drawn "status 0"
exec 9>&-
wait "$terminal"
ok "and gives all back" grep -aqF $'\033[?1049l' "$WORK/screen"

terminal "$IPAMCTL top -d 0.2"
until_true 20 drawn "by use"
top=$(pgrep -f "^$IPAMCTL top")
kill -TSTP "$top"
ok "Ctrl-Z gives all back as well" until_true 20 grep -aqF $'\033[?1049l' "$WORK/screen"
state() { [ "$(cut -d ' ' -f 3 "/proc/$top/stat")" = "$1" ]; }
ok "and stops it" until_true 20 state T
before=$(grep -ac "by use" "$WORK/screen")
kill -CONT "$top"
ok "it goes on, on its own page" until_true 20 drawn "by use" $((before + 1))
printf q >&9
ok "and ends" until_true 20 drawn "status 0"
exec 9>&-
wait "$terminal"

terminal "stty rows 12 cols 50; $IPAMCTL top -d 30"
until_true 20 drawn "by use"
before=$(grep -ac "by use" "$WORK/screen")
stty rows 40 cols 120 <"/proc/$(pgrep -f "^$IPAMCTL top")/fd/0"
ok "another size is drawn at once" until_true 10 drawn "by use" $((before + 1))
kill -INT "$(pgrep -f "^$IPAMCTL top")"
ok "Ctrl-C ends it" until_true 20 drawn "status 0"
exec 9>&-
wait "$terminal"
umount_fs
