# What programs read of generated files: all of it, however they read, with the size that stat and fstat told; and when these changed.
. "$(dirname "$0")/../lib.sh"

"$BUILD/bin/ipamfs-bench" generate --cluster big --cidr 10.0.0.0/8 --mask 20 --nodes 4 --leases 1500 "$DB" 2>/dev/null
mount_fs
make_cluster prod n1 n2
touch "$M"/prod/n1/{a,b,c} "$M/prod/n2/d"
cd "$M" || exit 1
long=big/.ipam/leases short=prod/.ipam/leases.json node=$(cd big && echo * | awk '{print $1}')

# ---- every way to read, every file: ways FILE... against read(2); a line for each difference
cat >"$WORK/ways.py" <<'END'
import mmap, os, shutil, sys, tarfile

def opened(path, way):
    fd = os.open(path, os.O_RDONLY)
    try:
        return way(fd)
    finally:
        os.close(fd)

def reads(fd):
    return b"".join(iter(lambda: os.read(fd, 1 << 17), b""))

def through(fd, move):  # into a file, without a look at the size
    with open(work + "/out", "w+b") as out:
        while move(fd, out) > 0:
            pass
        out.seek(0)
        return out.read()

def by_sendfile(fd):
    return through(fd, lambda a, out: os.sendfile(out.fileno(), a, None, 1 << 24))

def by_splice(fd):
    r, w = os.pipe()
    def move(a, out):
        n = os.splice(a, w, 1 << 16)
        while n > 0 and (m := os.splice(r, out.fileno(), n)) < n:
            n -= m
        return n
    got = through(fd, move)
    os.close(r), os.close(w)
    return got

def by_mmap(fd):
    size = os.fstat(fd).st_size
    return mmap.mmap(fd, size, access=mmap.ACCESS_READ)[:] if size else b""

def sized(fd):
    size = os.fstat(fd).st_size
    return b"" if len(reads(fd)) == size else b"fstat says %d" % size

def by_copyfile(path):
    shutil.copyfile(path, work + "/copy")
    return open(work + "/copy", "rb").read()

def by_tar(path):
    with tarfile.open(work + "/tar", "w") as t:
        t.add(path, "x")
    with tarfile.open(work + "/tar") as t:
        return t.extractfile("x").read()

work, moving, fixed = sys.argv[1], sys.argv[2].split(), sys.argv[3].split()
for _ in range(600):  # a text each time, more than a file can have at once
    os.stat(moving[0])
if len(got := opened(moving[0], by_sendfile)) < 100 or got[-1:] != b"\n":
    print(moving[0], got)
for path in moving + fixed:
    if wrong := opened(path, sized):
        print(path, wrong)
for path in fixed:
    want = opened(path, reads)
    for way in by_sendfile, by_splice, by_mmap:
        if (got := opened(path, way)) != want:
            print(path, way.__name__, len(got), "of", len(want))
    for way in (by_copyfile, by_tar) if os.stat(path).st_size > 0 else (by_copyfile,):
        if (got := way(path)) != want:
            print(path, way.__name__, len(got), "of", len(want))
    if len(want) <= 65536 and not path.endswith("/audit") and os.stat(path).st_size != len(want):
        print(path, "stat", os.stat(path).st_size, "of", len(want))
END
fixed() { find "$1" -maxdepth 1 -type f -readable ! -name events ! -name history ! -name map.svg ! -name delegate ! -perm 600; }
same "by read, sendfile, splice, mmap, shutil.copyfile and tarfile: all of every file, with its size" "" \
	"$(python3 "$WORK/ways.py" "$WORK" ".ipam/stats .ipam/health .ipam/metrics/ipamfs.prom prod/.ipam/map.svg prod/n1/.ipam/map.svg" \
		".ipam/version .ipam/audit $(fixed prod/.ipam | xargs) $(fixed prod/n1/.ipam | xargs) $(fixed big/.ipam | xargs) $(fixed "big/$node/.ipam" | xargs)")"

# ---- programs
cp "$long" "$WORK/long"
cp "$short" "$WORK/short"
ok "it is a long one" test "$(stat -c %s "$WORK/long")" -gt 400000
through() { "$@" "$short" | cmp - "$WORK/short" && "$@" "$long" | cmp - "$WORK/long"; }
ok "busybox cat" through busybox cat
ok "uutils cat" through coreutils cat
copied() {
	mkdir -p "$WORK/copies" && "$@" "$short" "$WORK/copies/short" && "$@" "$long" "$WORK/copies/long" || return
	cmp "$WORK/copies/short" "$WORK/short" && cmp "$WORK/copies/long" "$WORK/long"
	rm -r "$WORK/copies"
}
ok "cp" copied cp --sparse=auto
ok "busybox cp" copied busybox cp
ok "uutils cp" copied coreutils cp
ok "rsync" copied rsync --inplace
packed() { tar "$@" -cf "$WORK/packed.tar" "$short" && tar -xOf "$WORK/packed.tar" | cmp - "$WORK/short"; }
ok "tar" packed
ok "tar, which looks for holes" packed --sparse
leases() { tar --sparse -cf "$WORK/packed.tar" prod/n1 && tar -xOf "$WORK/packed.tar" | cmp - <(cat prod/n1/{a,b,c}); }
ok "which leases haven't either" leases
served() { curl -sf "http://127.0.0.1:$web/$1" | cmp - "$WORK/$2"; }
free_port web
busybox httpd -f -p "127.0.0.1:$web" -h "$M" &
pids+=($!)
until_true 10 curl -s "http://127.0.0.1:$web/README"
ok "busybox httpd" served "$short" short
kill "${pids[-1]}"
free_port web
python3 -m http.server --bind 127.0.0.1 --directory "$M" "$web" >/dev/null 2>&1 &
pids+=($!)
until_true 10 curl -s "http://127.0.0.1:$web/README"
ok "python3 -m http.server" served "$short" short
ok "a long one, too" served "$long" long
same "which knows that nothing has changed" 304 "$(curl -s -o /dev/null -w '%{http_code}' -z "$short" "http://127.0.0.1:$web/$short")"
kill "${pids[-1]}"

# ---- nginx, of every file: fetched PORT FILE... against read(2); a line for each difference
cat >"$WORK/fetched.py" <<'END'
import http.client, sys
at = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for path in sys.argv[2:]:
    at.request("GET", "/" + path)
    answer = at.getresponse()
    try:
        got = answer.read()
    except http.client.IncompleteRead as e:
        got = b"no more than " + e.partial
    with open(path, "rb") as f:
        want = f.read()
    # What tells of the moment is another text each time.
    moves = path.startswith(".ipam/") and len(got) > 1 and got[-1:] == want[-1:]
    if answer.status != 200 or (got != want and not moves):
        print(path, answer.status, len(got), "of", len(want))
END
free_port web plain
cat >"$WORK/nginx.conf" <<END
daemon off;
master_process off;
error_log $WORK/nginx.err;
pid $WORK/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path $WORK/nginx; proxy_temp_path $WORK/nginx; fastcgi_temp_path $WORK/nginx;
	uwsgi_temp_path $WORK/nginx; scgi_temp_path $WORK/nginx;
	root $M;
	server { listen 127.0.0.1:$web; sendfile on; }
	server { listen 127.0.0.1:$plain; sendfile off; }
}
END
/usr/sbin/nginx -e "$WORK/nginx.err" -p "$WORK" -c "$WORK/nginx.conf" &
pids+=($!)
until_true 10 curl -s "http://127.0.0.1:$web/README"
mapfile -t files < <(for it in .ipam prod/.ipam prod/n1/.ipam big/.ipam; do fixed "$it"; done)
files+=(.ipam/metrics/ipamfs.prom prod/.ipam/map.svg prod/n1/.ipam/map.svg prod/n1/a)
same "nginx, which sends files: all of every one" "" "$(python3 "$WORK/fetched.py" "$web" "${files[@]}")"
same "nginx, which reads them" "" "$(python3 "$WORK/fetched.py" "$plain" "${files[@]}")"
same "and knows that nothing has changed" 304 "$(curl -s -o /dev/null -w '%{http_code}' -z "$short" "http://127.0.0.1:$web/$short")"
kill "${pids[-1]}"

# ---- one text, whatever the others do: two texts take turns, and who reads gets either
cat >"$WORK/turns.py" <<'END'
import mmap, os, sys, threading
path, short, long = "prod/n2/.ipam/labels", b"a=1\n", b"".join(b"k%03d=%s\n" % (i, b"v" * 50) for i in range(60))
def write(text):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, text)
    os.close(fd)
done = threading.Event()
def turns():
    while not done.is_set():
        write(short)
        write(long)
write(short)
threading.Thread(target=turns).start()
wrong = 0
for i in range(300):
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    m = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    r, w = os.pipe()
    sent = os.splice(fd, w, 1 << 16, offset_src=0)
    texts = {m[:], os.pread(fd, 1 << 16, 0), os.read(r, 1 << 16)}
    wrong += len(texts) != 1 or texts.pop() not in (short, long)
    m.close()
    for it in fd, r, w:
        os.close(it)
done.set()
print(wrong)
END
same "read, mapped and spliced, a descriptor is one text" 0 "$(python3 "$WORK/turns.py")"

# ---- a worker that is killed
cat >"$WORK/killed.py" <<'END'
import mmap, os, signal, sys
def worker():
    return next(int(l.split()[1]) for l in open(".ipam/stats") if l.startswith("worker_pid"))
was = worker()
for path in sys.argv[1:]:
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    text = os.pread(fd, 10, 0)
    os.kill(worker(), signal.SIGKILL)
    while os.stat(path) and worker() == was:
        pass
    was = worker()
    text = os.pread(fd, size + 1, 0)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    print(path, os.fstat(fd).st_size == size == len(text), mmap.mmap(fd, size, access=mmap.ACCESS_READ)[:] == text)
END
export FALLS=expected
same "and stays it when a worker is killed" "prod/.ipam/map.svg True True $long True True prod/.ipam/cidrs True True" \
	"$(python3 "$WORK/killed.py" prod/.ipam/map.svg "$long" prod/.ipam/cidrs | xargs)"

# ---- times
times() { stat -c %.Y .ipam/version prod/.ipam/leases prod/n1/.ipam/map.txt prod/n2/.ipam/leases.json big/.ipam/leases | xargs; }
later() { # BEFORE AFTER: which of them are later; "back" where one is earlier
	awk -v a="$1" -v b="$2" 'BEGIN { n = split(a, x); split(b, y)
		for (i = 1; i <= n; i++) { s = s (i > 1 ? " " : "") (y[i] "" == x[i] "" ? "=" : y[i] "" > x[i] "" ? "+" : "back") }
		print s }'
}
t=$(times)
same "nothing has changed" "= = = = =" "$(later "$t" "$(times)")"
touch prod/n1/new
same "a lease is made: in its node, the cluster and the mount" "+ + + = =" "$(later "$t" "$(times)")"
t=$(times)
rm prod/n1/new
same "and released" "+ + + = =" "$(later "$t" "$(times)")"
t=$(times)
setfattr -n user.pod -v shop/a prod/n1/a
same "it gets an attribute" "+ + + = =" "$(later "$t" "$(times)")"
t=$(times)
put prod/.ipam/reserved 10.244.77.0/24
same "what the whole cluster shares changes: in all its nodes" "+ + + + =" "$(later "$t" "$(times)")"
t=$(times)
mkdir prod/n3
rmdir prod/n3
same "a node comes and goes" "+ + = = =" "$(later "$t" "$(times)")"
put prod/n1/.ipam/settings "reuse-delay 1"
rm prod/n1/b
t=$(times)
rested() { [ "$(later "$t" "$(times)")" == "+ + + = =" ]; }
ok "an address has rested" until_true 20 rested
umount_fs

# ---- a daemon that can't see who asks, as one in a container has it
unshare --pid --fork "$IPAMFS" "$DB" "$M" -f 2>>"$WORK/log" &
daemon=$!
pids+=("$daemon")
mounts+=("$M")
until_true 60 is_up "$M"
cd "$M" || exit 1
ok "long ones are read, by a client outside of the daemon's namespace of processes" test "$(wc -l <"$long")" -gt 6000
ok "short ones by any program" test "$(busybox cat prod/.ipam/leases | wc -c)" -eq "$(cat prod/.ipam/leases | wc -c)"
ok "and what may be written is" put prod/.ipam/reserved 10.244.78.0/24
same "with its size" "$(cat prod/.ipam/reserved | wc -c)" "$(stat -c %s prod/.ipam/reserved)"
umount_fs
