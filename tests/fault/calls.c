/* calls FILE COMMAND...: run a command that may make the system calls that FILE names, a line each, and no others (EPERM), as a unit with
 * SystemCallFilter= does. Names that this machine doesn't know are passed over. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	FILE *names = argc > 2 ? fopen(argv[1], "r") : NULL;
	char name[128];

	if (filter == NULL || names == NULL)
		return 2;
	while (fgets(name, sizeof name, names) != NULL) {
		int call;

		name[strcspn(name, "\n")] = 0;
		call = seccomp_syscall_resolve_name(name);
		if (call != __NR_SCMP_ERROR && seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) < 0)
			return 2;
	}
	fclose(names);
	if (seccomp_load(filter) < 0)
		return 2;
	execvp(argv[2], argv + 2);
	return 127;
}
