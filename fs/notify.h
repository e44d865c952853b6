/* notify — tells the kernel what it must forget of what it knows.
 *
 * In two threads of its own, since the kernel takes locks for it. Content (attributes, pages) waits for pages that are
 * being read at most, so an answer may wait for it. A name waits for its directory's lock, which a rename or unlink may
 * hold that itself waits for the lease's lock, which a write in progress holds: nothing may ever wait for a name. Nor is
 * that needed: once the content is forgotten the kernel asks for the attributes, hears ESTALE, and looks the name up.
 */
#ifndef IPAMFS_NOTIFY_H
#define IPAMFS_NOTIFY_H

#include "keep.h"

#include <fuse_lowlevel.h>
#include <stdbool.h>

struct notify;
struct wire;

int notify_new(struct fuse_session *session, struct keep *keep, struct notify **out); /* -ENOMEM */
/* Starts the threads; device: the mount's descriptor. What is to be told may be queued before. */
int notify_start(struct notify *n, const struct wire *wire, int device);
/* Do what a worker before was to tell and didn't. */
void notify_again(struct notify *n);
/* The attributes and content of ino are not as the kernel knows them. Then `then` is called (may be NULL), from the
 * thread or, for want of memory, at once. May be called from anywhere. */
void notify_content(struct notify *n, fuse_ino_t ino, void (*then)(void *arg), void *arg);
/* The name in that directory is no longer what the kernel knows, nor are the directory's attributes. */
void notify_name(struct notify *n, fuse_ino_t parent, const char *name);
/* At the end: names that wait are dropped. False while a thread is at work: it may wait in the kernel for requests that
 * have no answer yet. */
bool notify_idle(struct notify *n);
/* Ends the threads. NULL is fine. */
void notify_stop(struct notify *n);

#endif
