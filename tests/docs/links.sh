# Every link of the pages leads somewhere: to a file, and to a heading of it.
. "$(dirname "$0")/../lib.sh"
cd "$ROOT" || exit 1

# anchors FILE: what its headings are called in links
anchors() { sed -n 's/^#\{1,6\} //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'; }

for page in *.md docs/*.md docs/*/*.md; do
	bad=
	while read -r link; do
		case $link in http*) continue ;; esac
		file=${link%%#*} anchor=
		[[ $link == *'#'* ]] && anchor=${link#*#}
		target=${file:+$(dirname "$page")/$file}
		target=${target:-$page}
		[ -e "$target" ] || bad+=" $link"
		[ -z "$anchor" ] || anchors "$target" | grep -qxF -- "$anchor" || bad+=" $link"
	done < <(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//')
	same "$page: its links" "" "$bad"
done
for page in docs/*.md docs/howto/*.md; do
	[ "$page" = docs/README.md ] || ok "$page is listed" grep -qF "(${page#docs/})" docs/README.md
done
for command in $("$IPAMCTL" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	ok "ipamctl $command is in the man page" grep -q "$command" docs/ipamctl.8
	"$IPAMCTL" help "$command" | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u | while read -r option; do
		grep -qF -- "$(sed 's/^--//; s/-/-/g' <<<"$option")" docs/ipamctl.8 || echo "$option"
	done >"$WORK/missing"
	same "and its options" "" "$(xargs <"$WORK/missing")"
done
for command in controller agent; do
	"$BUILD/bin/ipamkube" help "$command" | grep -v allocate-node | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u | while read -r option; do
		grep -qF -- "Fl $(sed 's/^-//' <<<"$option")" docs/ipamkube.8 || echo "$option"
	done >"$WORK/missing"
	same "ipamkube $command: its options are in the man page" "" "$(xargs <"$WORK/missing")"
done
for option in $("$IPAMFS" --help | sed -n 's/^  \([a-z_]*\)\(=.*\| .*\)$/\1/p'); do
	ok "ipamfs $option is in the man page" grep -q "$option" docs/ipamfs.8
done
