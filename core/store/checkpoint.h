/* checkpoint — the log (WAL) of the database: when it is folded back, and what an fsync that failed means. */
#ifndef IPAM_STORE_CHECKPOINT_H
#define IPAM_STORE_CHECKPOINT_H

#include <stdbool.h>
#include <sys/types.h>

struct store;

/* After a commit was answered: fold the log back if it has grown. An error concerns no change, but the ones to come. */
int store_fold_due(struct store *s);
/* Does the log hold what the database's own file doesn't, which is all that a plain copy takes? */
bool store_unfolded(const struct store *s);
/* Fold it back, however little there is. An error concerns no change. */
int store_fold_idle(struct store *s);
/* From another thread, while store_fold_idle runs: let it end soon, after an fsync at most. */
void store_interrupt(struct store *s);

void store_log_start(struct store *s, unsigned pages);
/* An SQLite code that came back: whether it ends all acknowledging. */
void store_note(struct store *s, int code);
/* When it is opened: what was found is on disk from then on. */
int store_log_rewrite(struct store *s);
/* How many transactions lie behind the end of what can be read of it. */
int store_log_gap(struct store *s, unsigned *commits);
/* *whole: all of it is in the database, synced; otherwise a reader was in the way. */
int store_fold(struct store *s, bool *whole);
/* Before the connection is closed: the log is emptied when it is folded back, and stays. */
void store_log_stays(struct store *s);
/* The log is as long as its index says, though it is shorter than it was: another program's checkpoint. */
bool store_log_whole(struct store *s, off_t size);

#endif
