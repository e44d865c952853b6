# The models of delegation and of commit and resend, searched by spin: every state, not a sample. Each line tells how many there were.
# Then what must go wrong does: each safety measure left out (WITHOUT=n, see the models), and each assumption. SEARCH=all makes the long
# searches as well, of more than a million states.
. "$(dirname "$0")/../lib.sh"
here=$ROOT/tests/model

# model NAME: made into a program, $WORK/NAME/pan
model() {
	mkdir "$WORK/$1"
	ok "$1.pml is a model" make_pan "$1"
}
make_pan() {
	cd "$WORK/$1" && spin -a "$here/$1.pml" && ! grep -q . <(spin -a "$here/$1.pml" 2>&1 | grep -i error) &&
		gcc -O1 -w -DSAFETY -DNOREDUCE -DNOFAIR -DMEMLIM=900 -I "$here" -o pan pan.c
}

# look MODEL KNOB=N...: a search; what it says is in $said
depth=100000
look() {
	local name=$1
	shift
	said=$(cd "$WORK/$name" && env "$@" timeout 600 ./pan "-m$depth" -w22 -E 2>&1)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$said")
}

# holds WHAT MODEL KNOB=N...: no state breaks a property, and all were seen
holds() {
	local what=$1
	shift
	look "$@"
	if grep -q 'errors: 0$' <<<"$said" && ! grep -q 'not completed\|too small\|resources' <<<"$said"; then
		pass "$what: $states states ($*)"
	else
		fail "$what ($*)" "$(grep 'assertion\|errors:\|not completed\|too small\|resources' <<<"$said")"
	fi
}

# fails WHAT TEXT MODEL KNOB=N...: spin finds a way to break it, namely an assertion that has the text; each is a short one
fails() {
	local what=$1 text=$2 depth=200
	shift 2
	look "$@"
	if grep -q 'errors: 1$' <<<"$said" && grep -F 'assertion violated' <<<"$said" | grep -qF "$text"; then
		pass "$what: found after $states states ($*)"
	else
		fail "$what: not found ($*)" "$(grep 'assertion\|errors:' <<<"$said")"
	fi
}

model delegate
held="HELD=1 LEASES=1"
twice="assertion violated 0" # two machines have one block, or one gives addresses of a block that anybody may take
# shellcheck disable=SC2086 # lists of words
{
	holds "two machines that make, grow, exchange and remove, with answers lost" delegate OPS=2 LOSSES=1 LEASES=1
	holds "one that gives back, with answers lost" delegate $held OPS=2 LOSSES=1
	holds "two such changes at once" delegate $held OPS=1 SECONDS=1 LOSSES=1
	holds "a request of which something in between makes two" delegate $held OPS=2 REPEATS=1
	[ "${SEARCH:-}" != all ] || holds "the same, with answers lost" delegate $held OPS=2 REPEATS=1 LOSSES=1
	holds "the same of two changes at once" delegate $held OPS=1 SECONDS=1 REPEATS=1
	holds "the same, with a crash" delegate $held OPS=1 REPEATS=1 CRASHES=1
	[ "${SEARCH:-}" != all ] || holds "the second comes when what was in its way is gone" delegate HELD=1 OPS=1 OTHERS=2 REPEATS=1
	holds "a crash at any step" delegate $held OPS=2 CRASHES=1
	holds "a crash, and a compaction" delegate $held OPS=1 CRASHES=1 COMPACTIONS=1 LOSSES=1
	holds "a removal by force, of one that is cut off or down, and its return" delegate $held OPS=1 FORCES=1 CUTS=1 CRASHES=1
	holds "and of one in whose place another was made" delegate $held FORCES=1 CUTS=1 OTHERS=1
	fails "without compare-if-absent, a block is in two hands" "$twice" delegate WITHOUT=1 OPS=2
	fails "without the doubt" "$twice" delegate WITHOUT=2 $held OPS=2
	fails "without the record written anew" "$twice" delegate WITHOUT=3 $held OPS=2 CRASHES=1
	fails "without the same sent again, who made it is told EEXIST" "a_took" delegate WITHOUT=4 OPS=1 LOSSES=1
	fails "without the quarantine" "$twice" delegate WITHOUT=5 $held OPS=1 FORCES=1 CUTS=1
	fails "without presence, who is there is removed" "e_alive" delegate WITHOUT=6 $held FORCES=1
	fails "where the first that ends ends the doubt of all" "$twice" delegate WITHOUT=7 $held OPS=2 SECONDS=1 TWICE=1
	fails "where the end of a doubt undoes that the node was removed" "$twice" delegate WITHOUT=8 $held OPS=1 FORCES=1 OTHERS=1 TWICE=1
	fails "where a refusal ends a doubt though the same may come once more" "$twice" delegate WITHOUT=11 HELD=1 OPS=1 OTHERS=2 REPEATS=1
	fails "what is admitted: cut off for longer than the quarantine" "$twice" delegate WITHOUT=9 $held OPS=1 FORCES=1 CUTS=1
	fails "and down for longer, then up and not yet told" "$twice" delegate WITHOUT=10 $held OPS=1 FORCES=1 CRASHES=1
}

model commit
holds "changes are made once, and told truly" commit REQUESTS=4 FAILURES=1
holds "with a crash at any step, and one more" commit REQUESTS=3 CRASHES=2
holds "with a crash and a commit that fails" commit REQUESTS=3 CRASHES=1 FAILURES=1
fails "without the unique stored, who made it is told EEXIST" effects commit WITHOUT=1 CRASHES=1
fails "stored in a transaction of its own" effects commit WITHOUT=2 CRASHES=1
fails "with a reply before the commit" effects commit WITHOUT=3 CRASHES=1
fails "with two workers at once" d_addr commit WITHOUT=4 CRASHES=1
fails "with a row that goes before its answer was written" effects commit WITHOUT=5 CRASHES=1
fails "with a failed commit that isn't undone" m_addr commit WITHOUT=6 FAILURES=1
