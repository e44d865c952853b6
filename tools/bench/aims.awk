# Lines "KEY VALUE" of the bench's record in; the aims of the project beside what was reached out.

{ value[$1] = $2 }

# One rate over another, of keys LABEL.OP.THREADS.TARGET.
function ratio(label, op, threads, over,    a, b) {
	a = label "." op "." threads ".ipamfs.rate"
	b = label "." op "." threads "." over ".rate"
	return a in value && b in value && value[b] > 0 ? sprintf("%.2f", value[a] / value[b]) : "-"
}

function plain(key, format) {
	return key in value ? sprintf(format, value[key]) : "-"
}

function row(what, aim, reached, one_core,    line) {
	line = sprintf("%-68s %8s %8s %9s", what, aim, reached, one_core)
	sub(/ +$/, "", line)
	print line
}

function rates(what, aim, label, op, threads, over) {
	row(what, aim, ratio(label, op, threads, over), ratio(label "-core", op, threads, over))
}

function requests(op) {
	row("requests to the daemon, " op " (aim: as to the floor)", "<= " plain("requests." op ".floor", "%.2f"),
	    plain("requests." op ".ipamfs", "%.2f"), "")
}

END {
	row("", "aim", "reached", "one core")
	rates("create, sync=full, 16 threads, over SQLite's row commits", ">= 4.00", "full", "create", 16, "sqlite")
	rates("create, sync=full, 1 thread, over SQLite's row commits", ">= 0.70", "full", "create", 1, "sqlite")
	rates("create, sync=normal, 1 thread, over the floor", ">= 0.50", "normal", "create", 1, "floor")
	rates("unlink, sync=normal, 1 thread, over the floor", ">= 0.50", "normal", "unlink", 1, "floor")
	rates("cat, 1 thread, over the floor", ">= 0.90", "normal", "cat", 1, "floor")
	rates("stat, 1 thread, over the floor", ">= 0.90", "normal", "stat", 1, "floor")
	requests("create")
	requests("stat")
	requests("cat")
	requests("readdir")
	requests("unlink")
	requests("mkdir")
	row("create in the mount, last free address of a full /12 over the first", "<= 2.00",
	    plain("claim-last.mount", "%.2f"), "")
	row("the same, claim and release in the pool alone", "", plain("claim-last.pool", "%.2f"), "")
	row("bytes of memory a lease, of " plain("scale.leases", "%d"), "<= 200", plain("scale.bytes", "%.0f"), "")
	row("CNI ADD and DEL, at 0 leases: host-local's time over ours", ">= 2.00", plain("cni.ratio.0", "%.2f"), "")
	row("the same at 250 leases", ">= 3.50", plain("cni.ratio.250", "%.2f"), "")
	row("the same at 10,000 leases", ">= 40.00", plain("cni.ratio.10000", "%.2f"), "")
	row("our ADD at 10,000 leases over that at none", "<= 1.30",
	    value["cni.flat.0"] > 0 ? sprintf("%.2f", value["cni.flat.10000"] / value["cni.flat.0"]) : "-", "")
	row("memory of ipamfs-cni over host-local's", "<= 0.25", plain("cni.memory", "%.2f"), "")
	row("16 ADDs at once: the slowest over one alone", "<= 4.00", plain("cni.together.ipamfs", "%.2f"), "")
	row("the same of host-local", "", plain("cni.together.host-local", "%.2f"), "")
	row("1,000 nodes that join at once, time over bare transactions'", "", plain("join.1000.ratio", "%.2f"), "")
	row("the same of 5,000", "", plain("join.5000.ratio", "%.2f"), "")
	row("transactions a change meanwhile", "", plain("join.1000.tries", "%.2f"), "")
	row("leases a second, etcd 200 ms slower each way over etcd up", ">= 0.95", plain("many.slow.up", "%.2f"), "")
	row("the same, its members stopped", ">= 0.95", plain("many.stopped.up", "%.2f"), "")
	row("the same, its members killed", ">= 0.95", plain("many.killed.up", "%.2f"), "")
	row("leases a second, etcd up over a mount of an SQLite file", ">= 0.90", plain("many.up.sqlite", "%.2f"), "")
	row("mounting them, over SELECT * by the sqlite3 shell", "<= 3.00", plain("scale.mount", "%.2f"), "")
}
