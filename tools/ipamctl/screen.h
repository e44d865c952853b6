/* screen — a terminal taken over for a while: no lines, no echo, another page; given back however the program ends. */
#ifndef IPAMCTL_SCREEN_H
#define IPAMCTL_SCREEN_H

#include <stdbool.h>

/* Takes standard input and output over. False: they are no terminal. */
bool screen_begin(void);
void screen_end(void); /* may be called at any time, again too */
/* Waits for a key (its byte), at most so long. 0: time is over, or the size of the terminal changed; -1: end now (a signal,
 * or no more input). */
int screen_key(int milliseconds);
void screen_size(int *columns, int *rows);

#endif
