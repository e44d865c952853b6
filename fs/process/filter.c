#include "fs/process/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define OF(list) (sizeof(list) / sizeof *(list))

/* Whatever their arguments. */
static const int allowed[] = {
	/* files */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(preadv),
	SCMP_SYS(pwritev), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(stat64),
	SCMP_SYS(lstat64), SCMP_SYS(fstat64), SCMP_SYS(statx), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(fadvise64_64), SCMP_SYS(readahead), SCMP_SYS(flock), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(statfs64),
	SCMP_SYS(fstatfs64), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(memfd_create), SCMP_SYS(pipe), SCMP_SYS(pipe2),
	SCMP_SYS(splice), SCMP_SYS(vmsplice), SCMP_SYS(tee), SCMP_SYS(sendfile), SCMP_SYS(sendfile64),
	/* until the database is open */
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(fchown32), SCMP_SYS(umask), SCMP_SYS(seccomp),
	/* memory */
	SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(msync), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(membarrier),
	/* threads, and itself */
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(set_tid_address),
	SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getpgrp),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sched_get_priority_min), SCMP_SYS(sched_get_priority_max), SCMP_SYS(getcpu), SCMP_SYS(arch_prctl),
	SCMP_SYS(set_thread_area), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn),
	SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigtimedwait_time64), SCMP_SYS(rt_sigsuspend),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(pause), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getuid32), SCMP_SYS(geteuid32),
	SCMP_SYS(getgid32), SCMP_SYS(getegid32), SCMP_SYS(getgroups32), SCMP_SYS(capget), SCMP_SYS(getpriority), SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit), SCMP_SYS(ugetrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(times), SCMP_SYS(getrandom),
	/* time */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64), SCMP_SYS(timerfd_gettime),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(select), SCMP_SYS(_newselect), SCMP_SYS(pselect6),
	SCMP_SYS(pselect6_time64), SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd), SCMP_SYS(eventfd2),
	/* sockets that it has */
	SCMP_SYS(connect), SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recv), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(shutdown), SCMP_SYS(socketpair)
};

/* F_SETOWN and F_SETSIG would send signals to others. */
static const int control[] = {
	F_DUPFD,     F_DUPFD_CLOEXEC, F_GETFD,      F_SETFD,      F_GETFL,      F_SETFL,     F_GETLK,     F_SETLK,  F_SETLKW,
	F_OFD_GETLK, F_OFD_SETLK,     F_OFD_SETLKW, F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, F_GETOWN,
};

/* TIOCSTI would type into the terminal it was started from. */
static const unsigned long device[] = { TCGETS, FIONREAD, FIONBIO };

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* names of memory, for who looks at it */
#endif
static const int process[] = { PR_SET_NAME,         PR_GET_NAME,     PR_SET_VMA,    PR_SET_NO_NEW_PRIVS,
			       PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ, PR_GET_SECCOMP };

static struct scmp_arg_cmp equal(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = arg, .op = SCMP_CMP_EQ, .datum_a = value };
}

static int allow(scmp_filter_ctx f, int call)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 0);
}

static int allow_if(scmp_filter_ctx f, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1, condition);
}

static int allow_plain(scmp_filter_ctx f)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < OF(allowed); i++)
		rc = allow(f, allowed[i]);
	for (size_t i = 0; rc == 0 && i < OF(control); i++)
		if ((rc = allow_if(f, SCMP_SYS(fcntl), equal(1, control[i]))) == 0)
			rc = allow_if(f, SCMP_SYS(fcntl64), equal(1, control[i]));
	for (size_t i = 0; rc == 0 && i < OF(device); i++)
		rc = allow_if(f, SCMP_SYS(ioctl), equal(1, device[i]));
	for (size_t i = 0; rc == 0 && i < OF(process); i++)
		rc = allow_if(f, SCMP_SYS(prctl), equal(0, process[i]));
	return rc;
}

/* Itself alone. Threads are made by clone, whose flags can be looked at, since clone3 isn't there. */
static int allow_own(scmp_filter_ctx f)
{
	const scmp_datum_t apart =
		CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	const scmp_datum_t thread = CLONE_VM | CLONE_THREAD;
	const uint32_t own = (uint32_t)getpid();
#if defined(__s390__)
	const struct scmp_arg_cmp flags = SCMP_A1_64(SCMP_CMP_MASKED_EQ, apart | thread, thread);
#else
	const struct scmp_arg_cmp flags = SCMP_A0_64(SCMP_CMP_MASKED_EQ, apart | thread, thread);
#endif
	int rc = allow_if(f, SCMP_SYS(clone), flags);

	if (rc == 0)
		rc = allow_if(f, SCMP_SYS(tgkill), equal(0, own));
	if (rc == 0)
		rc = allow_if(f, SCMP_SYS(kill), equal(0, own));
	if (rc == 0)
		rc = allow_if(f, SCMP_SYS(prlimit64), equal(0, 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 2, equal(0, PRIO_PROCESS), equal(1, 0));
	return rc;
}

static int allow_socket(scmp_filter_ctx f, int family, int type, int protocol)
{
	enum { TYPE = 0xf };

	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, equal(0, family),
				SCMP_A1_32(SCMP_CMP_MASKED_EQ, TYPE, (uint32_t)type), equal(2, protocol));
}

/* Datagrams for the log: the daemons that do whatever root asks of them listen on streams. For the engine TCP, and what finds its
 * name: UDP, and the kernel's answer (netlink) which addresses this machine has. */
static int allow_sockets(scmp_filter_ctx f, bool engine)
{
	static const struct {
		int family, type, protocol;
	} wanted[] = {
		{ AF_INET, SOCK_STREAM, 0 },          { AF_INET, SOCK_STREAM, IPPROTO_TCP }, { AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_DGRAM, IPPROTO_UDP }, { AF_INET6, SOCK_STREAM, 0 },          { AF_INET6, SOCK_STREAM, IPPROTO_TCP },
		{ AF_INET6, SOCK_DGRAM, 0 },          { AF_INET6, SOCK_DGRAM, IPPROTO_UDP }, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
	};
	int rc = allow_socket(f, AF_UNIX, SOCK_DGRAM, 0);

	for (size_t i = 0; engine && rc == 0 && i < OF(wanted); i++)
		rc = allow_socket(f, wanted[i].family, wanted[i].type, wanted[i].protocol);
	return engine && rc == 0 ? allow(f, SCMP_SYS(bind)) : rc;
}

static int load(scmp_filter_ctx f, int rc)
{
	if (rc == 0)
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* by a tree; an older library has none */
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1); /* the threads that there are, too */
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

int filter_from_start(const struct options *o)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc = f == NULL ? -ENOMEM : allow_plain(f);

	if (rc == 0)
		rc = allow_own(f);
	if (rc == 0)
		rc = allow_sockets(f, o->endpoints != NULL);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	seccomp_release(f); /* the sanitizers make processes, and look at their own */
	return rc;
#else
	return f == NULL ? rc : load(f, rc);
#endif
}

static int deny(scmp_filter_ctx f, int call)
{
	return seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), call, 0);
}

static int deny_open(scmp_filter_ctx f, int call, unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
	return seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), call, 1, SCMP_CMP32(arg, SCMP_CMP_MASKED_EQ, (uint32_t)mask, (uint32_t)value));
}

/* arg: where its flags are. */
static int deny_writing(scmp_filter_ctx f, int call, unsigned arg, bool temporary)
{
	const scmp_datum_t nameless = O_TMPFILE & ~O_DIRECTORY;
	int rc = deny_open(f, call, arg, O_TRUNC, O_TRUNC);

	for (scmp_datum_t how = O_WRONLY; rc == 0 && how <= O_ACCMODE; how++)
		rc = deny_open(f, call, arg, O_ACCMODE | O_CREAT | nameless, how);
	if (rc == 0)
		rc = deny_open(f, call, arg, O_CREAT | (temporary ? O_EXCL : 0), O_CREAT);
	return rc;
}

int filter_when_open(bool temporary)
{
	static const int names[] = { SCMP_SYS(creat),    SCMP_SYS(rename),   SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(link),
				     SCMP_SYS(linkat),   SCMP_SYS(symlink),  SCMP_SYS(symlinkat), SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
				     SCMP_SYS(rmdir),    SCMP_SYS(mknod),    SCMP_SYS(mknodat),   SCMP_SYS(chmod),     SCMP_SYS(fchmod),
				     SCMP_SYS(fchmodat), SCMP_SYS(chown),    SCMP_SYS(lchown),    SCMP_SYS(fchown),    SCMP_SYS(fchownat),
				     SCMP_SYS(truncate), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(utimensat),
				     SCMP_SYS(execve),   SCMP_SYS(execveat), SCMP_SYS(seccomp),   SCMP_SYS(umask) };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < OF(names); i++)
		rc = deny(f, names[i]);
	if (rc == 0 && !temporary)
		rc = deny(f, SCMP_SYS(unlink));
	if (rc == 0 && !temporary)
		rc = deny(f, SCMP_SYS(unlinkat));
	if (rc == 0)
		rc = deny_writing(f, SCMP_SYS(openat), 2, temporary);
	if (rc == 0)
		rc = deny_writing(f, SCMP_SYS(open), 1, temporary);
	if (rc == 0)
		rc = deny(f, SCMP_SYS(openat2)); /* whose flags can't be looked at */
	return f == NULL ? rc : load(f, rc);
}
