# The tutorial, typed as it stands: each block of commands is run in one shell, and what the page shows is what comes.
# In a page '…' stands for anything on a line.
. "$(dirname "$0")/../lib.sh"
namespaces+=(tutorial-host web-0 web-1 db-0)
mounts+=(/tmp/ipamfs-tutorial/net)
PAGE=$ROOT/docs/tutorial.md
[ -e /tmp/ipamfs-tutorial ] && fail "nothing is in the way" "/tmp/ipamfs-tutorial is there already"
# On top of lib.sh's: what the page makes, should it stop half way.
trap 'umount -l /tmp/ipamfs-tutorial/net 2>/dev/null; rm -rf /tmp/ipamfs-tutorial; cleanup' EXIT

# The page's blocks, as files: 1.sh, and 1.text where one follows directly.
awk -v dir="$WORK" '
	/^```(sh|text)$/ { kind = substr($0, 4); if (kind == "sh") n++; file = dir "/" n "." kind; printf "" > file; next }
	/^```$/ { close(file); file = ""; next }
	file != "" { print > file }' "$PAGE"

# matches FILE TEXT: line by line, with … for anything
matches() {
	local wanted got
	while IFS= read -r -u 3 wanted || [ -n "$wanted" ]; do
		IFS= read -r -u 4 got || return 1
		wanted=$(sed 's/[][*?\\]/\\&/g; s/…/*/g' <<<"$wanted")
		# shellcheck disable=SC2053 # a pattern
		[[ $(sed 's/  */ /g; s/ $//' <<<"$got") == $(sed 's/  */ /g; s/ $//' <<<"$wanted") ]] || return 1
	done 3<"$1" 4<<<"$2"
	[ -z "$(tail -n +"$(($(wc -l <"$1") + 1))" <<<"$2")" ]
}

cd "$ROOT" || exit 1
unset IPAMFS_MOUNT
set +u
for ((i = 1; ; i++)); do
	[ -e "$WORK/$i.sh" ] || break
	echo "$BASHPID" >"$WORK/shell"
	# In this shell, as the reader's is one; only its output is taken.
	. "$WORK/$i.sh" >"$WORK/out" 2>&1
	out=$(sed "s|^$WORK/$i.sh: line [0-9]*: ||" "$WORK/out")
	name="block $i: $(head -1 "$WORK/$i.sh")"
	if [ ! -e "$WORK/$i.text" ]; then
		# Nothing is shown: nothing is to go wrong.
		if grep -q 'rror\|annot\|not found' <<<"$out"; then fail "$name" "$out"; else pass "$name"; fi
	elif matches "$WORK/$i.text" "$out"; then
		pass "$name"
	else
		fail "$name" "wanted:" "$(cat "$WORK/$i.text")" "got:" "$out"
	fi
done
ok "the page has its blocks" test "$i" -gt 25
ok "nothing is left" test ! -e /tmp/ipamfs-tutorial
