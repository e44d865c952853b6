#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static bool taken;
static volatile sig_atomic_t ended, paused;

static void put(const char *s, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, s, n);

		if (done <= 0)
			return;
		s += done;
		n -= (size_t)done;
	}
}

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void pause_(int signal)
{
	(void)signal;
	paused = 1;
}

static void resize(int signal)
{
	(void)signal; /* that poll(2) wakes is all it is for */
}

bool screen_begin(void)
{
	static const char take[] = "\033[?1049h\033[?25l\033[?7l"; /* another page, no cursor, lines that end at the edge */
	struct termios now;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	now = before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = end }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
	sigaction(SIGHUP, &(struct sigaction){ .sa_handler = end }, NULL);
	sigaction(SIGTSTP, &(struct sigaction){ .sa_handler = pause_ }, NULL);
	sigaction(SIGWINCH, &(struct sigaction){ .sa_handler = resize }, NULL);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) < 0)
		return false;
	taken = true;
	put(take, sizeof take - 1);
	return true;
}

void screen_end(void)
{
	static const char give[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

	if (!taken)
		return;
	taken = false;
	put(give, sizeof give - 1);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

/* Ctrl-Z: the terminal is the shell's until it says otherwise. */
static bool pause_now(void)
{
	paused = 0;
	screen_end();
	raise(SIGSTOP);
	return screen_begin();
}

int screen_key(int milliseconds)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int n = ended ? -1 : poll(&p, 1, milliseconds);
	char key;

	if (ended || (paused && !pause_now()))
		return -1;
	if (n <= 0)
		return 0;
	return read(STDIN_FILENO, &key, 1) == 1 ? (unsigned char)key : -1;
}

void screen_size(int *columns, int *rows)
{
	struct winsize size;

	*columns = 80;
	*rows = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		*columns = size.ws_col;
		*rows = size.ws_row;
	}
}
