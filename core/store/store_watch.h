/* store_watch — the files of the database are watched for somebody else's hand. */
#ifndef IPAM_STORE_STORE_WATCH_H
#define IPAM_STORE_STORE_WATCH_H

#include <stdbool.h>

struct store;

int store_watch_start(struct store *s, const char *path); /* -ENOMEM */
/* They are ours, as they are now. */
void store_watch_again(struct store *s);
void store_watch_stop(struct store *s);
/* -EIO: somebody removed, replaced or cut one of them. */
int store_watch(struct store *s);
/* Has nobody? Does nothing about it. */
bool store_is_untouched(struct store *s);

#endif
