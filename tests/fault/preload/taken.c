/* What a worker may do once somebody else's code runs in it. Preloaded into the daemon: each call below is tried by the worker itself, just
 * before it serves, and a line a try goes to stderr, "taken NAME: done" or "taken NAME: refused (why)". In a program that calls nothing
 * of libfuse, with TAKEN_ALONE in its environment, the same is tried at its start, by a process that nothing confines: so the tries are
 * real. TAKEN_DIR has what is tried upon; TAKEN_VICTIM is a process. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static pid_t victim;

/* As on a kernel without Landlock, where TAKEN_BARE says so. */
long syscall(long number, ...)
{
	long (*next)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_landlock_create_ruleset && getenv("TAKEN_BARE")) {
		errno = ENOSYS;
		return -1;
	}
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static const char *in(const char *name)
{
	static __thread char path[2][4096];
	static __thread unsigned which;

	which ^= 1;
	snprintf(path[which], sizeof path[which], "%s/%s", getenv("TAKEN_DIR"), name);
	return path[which];
}

static void tell(const char *name, long rc)
{
	if (rc < 0)
		fprintf(stderr, "taken %s: refused (%s)\n", name, strerror(errno));
	else
		fprintf(stderr, "taken %s: done\n", name);
}

static long opened(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* A process that was made ends at once. */
static long made(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, __WALL);
	return pid;
}

static long closed(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd;
}

static void files(void)
{
	tell("overwrite", opened(in("db/other"), O_WRONLY));
	tell("read-write", opened(in("db/other"), O_RDWR));
	tell("append", opened(in("db/other"), O_WRONLY | O_APPEND));
	tell("cut", opened(in("db/other"), O_RDONLY | O_TRUNC));
	tell("create", opened(in("db/new"), O_WRONLY | O_CREAT | O_EXCL));
	tell("create-elsewhere", opened(in("elsewhere/new"), O_WRONLY | O_CREAT));
	tell("create-nameless-elsewhere", opened(in("elsewhere"), O_RDWR | O_TMPFILE));
	tell("creat", closed(syscall(SYS_creat, in("db/new2"), 0600)));
	tell("openat2", closed(syscall(SYS_openat2, AT_FDCWD, in("db/other"), (uint64_t[3]){ O_RDWR }, (size_t)24)));
	tell("truncate", truncate(in("db/other"), 0));
	tell("program-overwrite", opened(in("bin/other"), O_WRONLY));
	tell("program-replace", rename(in("db/script"), in("bin/ipamfs")));
	tell("rename", rename(in("db/renamed"), in("db/renamed2")));
	tell("link", link(in("db/other"), in("db/link")));
	tell("symlink", symlink("other", in("db/symlink")));
	tell("mkdir", mkdir(in("db/directory"), 0700));
	tell("rmdir", rmdir(in("db/empty")));
	tell("fifo", mkfifo(in("db/fifo"), 0600));
	tell("unlink", unlink(in("db/gone")));
	tell("chmod", chmod(in("db/other"), 0777));
	tell("chown", chown(in("db/other"), 1001, 1001));
	tell("fchmodat", fchmodat(AT_FDCWD, in("db/other"), 04755, 0));
	tell("setxattr", setxattr(in("db/other"), "user.taken", "x", 1, 0));
	tell("utimensat", utimensat(AT_FDCWD, in("db/other"), NULL, 0));
	tell("chroot", chroot(in("db")));
	tell("handle", closed(syscall(SYS_open_by_handle_at, AT_FDCWD, (int[4]){ 8, 1 }, O_RDWR)) < 0 && errno == ESTALE ? 0 : -1);
}

/* What would make another run something. */
static void machine(void)
{
	char memory[64];

	tell("ld.so.preload", opened("/etc/ld.so.preload", O_WRONLY | O_CREAT));
	tell("cron.d", opened("/etc/cron.d/ipamfs-taken", O_WRONLY | O_CREAT));
	tell("core_pattern", opened("/proc/sys/kernel/core_pattern", O_WRONLY));
	tell("modprobe", opened("/proc/sys/kernel/modprobe", O_WRONLY));
	tell("sysrq", opened("/proc/sysrq-trigger", O_WRONLY));
	tell("tun", opened("/dev/net/tun", O_RDWR));
	tell("fuse", opened("/dev/fuse", O_RDWR));
	snprintf(memory, sizeof memory, "/proc/%d/mem", (int)getppid());
	tell("mem-of-parent", opened(memory, O_RDWR));
	tell("mem", opened("/proc/self/mem", O_RDWR));
	tell("reboot", syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && errno == EINVAL ? 0 : -1);
}

static void programs(void)
{
	char *argv[] = { (char *)"true", NULL };
	int fd = memfd_create("code", 0);
	pid_t pid;

	/* In a process of its own where that can be had. */
	pid = getenv("TAKEN_ALONE") ? fork() : 0;
	if (pid == 0) {
		execve("/bin/true", argv, NULL);
		tell("execve", -1);
		syscall(SYS_execveat, open("/bin/true", O_RDONLY), "", argv, NULL, AT_EMPTY_PATH);
		tell("execveat", -1);
		execveat(fd, "", argv, NULL, AT_EMPTY_PATH);
		tell("execveat-memory", -1);
		if (getenv("TAKEN_ALONE"))
			_exit(1);
	} else {
		int status = 1;

		waitpid(pid, &status, 0);
		tell("execve", status == 0 ? 0 : -1);
	}
	close(fd);
	tell("fork", made(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	tell("clone-newuser", made(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
	tell("clone-newpid", made(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)));
	tell("clone3", made(syscall(SYS_clone3, (uint64_t[8]){ CLONE_NEWUSER, 0, 0, 0, SIGCHLD }, (size_t)64)));
	tell("unshare-newuser", getenv("TAKEN_ALONE") ? 0 : unshare(CLONE_NEWUSER));
	tell("unshare-newns", getenv("TAKEN_ALONE") ? 0 : unshare(CLONE_NEWNS));
	tell("unshare-both", getenv("TAKEN_ALONE") ? 0 : unshare(CLONE_NEWUSER | CLONE_FILES));
	tell("setns", setns(open("/proc/self/ns/uts", O_RDONLY), 0));
}

static void processes(void)
{
	siginfo_t info = { .si_signo = SIGCONT, .si_code = SI_QUEUE };
	struct rlimit none = { 100, 100 };
	cpu_set_t cpus;
	int fd[2], pidfd = (int)syscall(SYS_pidfd_open, victim, 0);

	tell("kill", kill(victim, SIGCONT));
	tell("kill-all", getenv("TAKEN_ALONE") ? 0 : kill(-1, 0));
	tell("kill-parent", kill(getppid(), getenv("TAKEN_ALONE") ? 0 : SIGHUP));
	tell("tgkill", syscall(SYS_tgkill, victim, victim, SIGCONT));
	tell("tkill", syscall(SYS_tkill, victim, SIGCONT));
	tell("sigqueue", syscall(SYS_rt_sigqueueinfo, victim, SIGCONT, &info));
	tell("pidfd", pidfd);
	tell("pidfd-signal", syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0));
	tell("pidfd-getfd", closed(syscall(SYS_pidfd_getfd, pidfd, 0, 0)));
	tell("ptrace", ptrace(PTRACE_SEIZE, victim, 0, 0));
	tell("vm-write", syscall(SYS_process_vm_writev, victim, NULL, 0, NULL, 0, 0));
	tell("prlimit", prlimit(victim, RLIMIT_CORE, &none, NULL));
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	tell("affinity", sched_setaffinity(victim, sizeof cpus, &cpus));
	tell("nice", setpriority(PRIO_PROCESS, (id_t)victim, 10));
	tell("nice-user", getenv("TAKEN_ALONE") ? 0 : setpriority(PRIO_USER, 0, 10));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0) {
		tell("sigio-owner", fcntl(fd[0], F_SETOWN, victim));
		tell("sigio-signal", fcntl(fd[0], F_SETSIG, SIGCONT));
		tell("sigio-ioctl", syscall(SYS_ioctl, fd[0], 0x8901 /* FIOSETOWN */, &victim));
		close(fd[0]);
		close(fd[1]);
	}
	closed(pidfd);
}

static void kernel(void)
{
	const char *at = in("elsewhere");
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	char ring[256] = { 0 };

	tell("mount", mount("none", at, "tmpfs", 0, NULL));
	tell("umount", umount2(at, MNT_DETACH));
	tell("fsopen", closed(syscall(SYS_fsopen, "tmpfs", 0)));
	tell("open_tree", closed(syscall(SYS_open_tree, AT_FDCWD, at, 1 /* OPEN_TREE_CLONE */)));
	tell("bpf", closed(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr)));
	tell("io_uring", closed(syscall(SYS_io_uring_setup, 1, ring)));
	tell("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
	tell("add_key", syscall(SYS_add_key, "user", "taken", "x", (size_t)1, KEY_SPEC_PROCESS_KEYRING));
	tell("userfaultfd", closed(syscall(SYS_userfaultfd, O_CLOEXEC)));
	tell("inotify", closed(syscall(SYS_inotify_init1, 0)));
	tell("fanotify", closed(syscall(SYS_fanotify_init, 0, O_RDONLY)));
	tell("shm", syscall(SYS_shmget, 0, (size_t)4096, 0600 | 01000));
	tell("personality", syscall(SYS_personality, 0xffffffff));
}

static void itself(void)
{
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 };
	uint32_t all[6] = { 1 << 21, 1 << 21, 0, 0, 0, 0 };

	tell("capset", syscall(SYS_capset, &header, all));
	tell("outlive", prctl(PR_SET_PDEATHSIG, 0));
	tell("dumpable", prctl(PR_SET_DUMPABLE, 1));
	tell("setgroups", syscall(SYS_setgroups, (size_t)0, NULL));
	tell("setuid", getenv("TAKEN_ALONE") ? 0 : syscall(SYS_setresuid, 1001, 1001, 1001));
}

static int port(int fd, int number)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != ECONNREFUSED ? -1 : 0;
}

/* A name in no directory, of which another process listens. */
static long abstract_socket(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), n = snprintf(to.sun_path + 1, 90, "%s", getenv("TAKEN_DIR")), rc;

	rc = connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
	close(fd);
	return rc;
}

static void sockets(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	tell("abstract", abstract_socket());
	tell("stream", closed(socket(AF_UNIX, SOCK_STREAM, 0)));
	tell("seqpacket", closed(socket(AF_UNIX, SOCK_SEQPACKET, 0)));
	tell("raw", closed(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)));
	tell("packet", closed(socket(AF_PACKET, SOCK_DGRAM, 0)));
	tell("uevents", closed(socket(AF_NETLINK, SOCK_RAW, 15 /* NETLINK_KOBJECT_UEVENT */)));
	tell("alg", closed(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0)));
	tell("tcp", fd);
	tell("tcp-engine", port(fd, atoi(getenv("TAKEN_PORT"))));
	closed(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	tell("tcp-elsewhere", port(fd, 9));
	closed(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	tell("tcp-bind", bind(fd, (struct sockaddr *)&any, sizeof any));
	tell("tcp-listen", listen(fd, 1));
	closed(fd);
}

static void *idle(void *arg)
{
	return arg;
}

/* Without which it couldn't serve: that these succeed shows that the tries are told truly. */
static void needed(void)
{
	pthread_t thread;

	tell("needs read", opened(in("db/other"), O_RDONLY));
	tell("needs spool", opened(in("spool"), O_RDWR | O_TMPFILE));
	tell("needs log", closed(socket(AF_UNIX, SOCK_DGRAM, 0)));
	tell("needs thread", pthread_create(&thread, NULL, idle, NULL) == 0 ? pthread_join(thread, NULL) : -1);
	tell("needs itself", raise(0));
}

static void try_all(void)
{
	victim = atoi(getenv("TAKEN_VICTIM"));
	files();
	if (!getenv("TAKEN_ALONE"))
		machine();
	programs();
	processes();
	kernel();
	itself();
	sockets();
	needed();
	fprintf(stderr, "taken: that is all\n");
}

__attribute__((constructor)) static void alone(void)
{
	if (getenv("TAKEN_ALONE"))
		try_all();
}

/* The last that a worker does before it serves. */
void *fuse_loop_cfg_create(void);
void *fuse_loop_cfg_create(void)
{
	void *(*next)(void);

	try_all();
	*(void **)&next = dlsym(RTLD_NEXT, "fuse_loop_cfg_create");
	return next();
}
