/* streams — a program's standard streams. */
#ifndef IPAM_BASE_STREAMS_H
#define IPAM_BASE_STREAMS_H

/* First of all in a program: where its starter closed standard input, output or error, the next file that is opened (a database, a socket)
 * would take that place, and what is printed would be written there. Such a place is taken by something that nothing can be written to. */
void streams_guard(void);

#endif
