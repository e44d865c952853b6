/* abstract NAME: listen on a datagram socket that has a name and no file, until it is killed. */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t n = argc == 2 ? strlen(argv[1]) : 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (n == 0 || n >= sizeof name.sun_path - 1)
		return 2;
	memcpy(name.sun_path + 1, argv[1], n);
	if (bind(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0)
		return 1;
	for (;;)
		pause();
}
