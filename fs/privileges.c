#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int keep_capabilities(const unsigned *keep, size_t n)
{
	bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, keep[i]);
	return capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/* What it has of these: none by a user's own mount. */
static size_t only_what_there_is(unsigned *list, size_t n)
{
	size_t have = 0;

	capng_get_caps_process();
	for (size_t i = 0; i < n; i++)
		if (capng_have_capability(CAPNG_PERMITTED, list[i]))
			list[have++] = list[i];
	return have;
}

int privileges_of_supervisor(void)
{
	/* SETPCAP: for its workers, which give up more; SYS_RESOURCE: to hold many files. */
	unsigned keep[] = { CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP, CAP_SYS_RESOURCE };
	size_t n = only_what_there_is(keep, sizeof keep / sizeof *keep);

	return geteuid() == 0 ? keep_capabilities(keep, n) : 0; /* a user's own has none, and needs a setuid fusermount3 */
}

/* Calls that no file system needs for serving. Refused, not killed for: a library that probes goes on without. */
static int deny_calls(scmp_filter_ctx filter)
{
	static const int call[] = {
		SCMP_SYS(execve),
		SCMP_SYS(execveat),
		SCMP_SYS(mount),
		SCMP_SYS(umount2),
		SCMP_SYS(move_mount),
		SCMP_SYS(open_tree),
		SCMP_SYS(fsopen),
		SCMP_SYS(fsmount),
		SCMP_SYS(fsconfig),
		SCMP_SYS(fspick),
		SCMP_SYS(mount_setattr),
		SCMP_SYS(pivot_root),
		SCMP_SYS(chroot),
		SCMP_SYS(setns),
		SCMP_SYS(bpf),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(init_module),
		SCMP_SYS(finit_module),
		SCMP_SYS(delete_module),
		SCMP_SYS(kexec_load),
		SCMP_SYS(kexec_file_load),
		SCMP_SYS(reboot),
		SCMP_SYS(swapon),
		SCMP_SYS(swapoff),
		SCMP_SYS(settimeofday),
		SCMP_SYS(clock_settime),
		SCMP_SYS(clock_adjtime),
		SCMP_SYS(adjtimex),
		SCMP_SYS(sethostname),
		SCMP_SYS(setdomainname),
		SCMP_SYS(iopl),
		SCMP_SYS(ioperm),
		SCMP_SYS(acct),
		SCMP_SYS(quotactl),
		SCMP_SYS(syslog),
		SCMP_SYS(vhangup),
		SCMP_SYS(keyctl),
		SCMP_SYS(add_key),
		SCMP_SYS(request_key),
		SCMP_SYS(userfaultfd),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(io_uring_setup),
		SCMP_SYS(personality),
		SCMP_SYS(open_by_handle_at),
		SCMP_SYS(setuid),
		SCMP_SYS(setgid),
		SCMP_SYS(setreuid),
		SCMP_SYS(setregid),
		SCMP_SYS(setresuid),
		SCMP_SYS(setresgid),
		SCMP_SYS(setgroups),
		SCMP_SYS(mknod),
		SCMP_SYS(mknodat),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		SCMP_SYS(ptrace),
#endif
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof call / sizeof *call; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call[i], 0);
	/* Of unshare, all but what notify.c does. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
				      SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_NEWNS, CLONE_NEWNS));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
				      SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	return rc;
}

static int deny_network(scmp_filter_ctx filter)
{
	/* The log's socket is the only one that is wanted. */
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0_64(SCMP_CMP_NE, AF_UNIX, 0));
}

static int filter_calls(const struct options *o)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	rc = deny_calls(filter);
	if (rc == 0 && o->remote.endpoints == NULL)
		rc = deny_network(filter);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* the threads that there are, too */
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

int privileges_of_worker(const struct options *o, int lock)
{
	unsigned keep[] = { CAP_DAC_OVERRIDE };
	struct stat st;
	size_t n = only_what_there_is(keep, 1);
	int rc;

	if (fstat(lock, &st) == 0 && st.st_uid == geteuid())
		n = 0; /* its own database needs no privilege */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	rc = keep_capabilities(keep, n);
	return rc < 0 ? rc : filter_calls(o);
}
