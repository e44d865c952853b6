/* Somebody else's hand on the files of the database while they are in use: what is written might be nobody's from then on. */
#include "store/store_watch.h"

#include "store/checkpoint.h"
#include "store/store.h"
#include "store/store_db.h"
#include "store/store_mark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const suffix[STORE_FILES] = { [STORE_DB] = "", [STORE_WAL] = "-wal", [STORE_SHM] = "-shm" };

int store_watch_start(struct store *s, const char *path)
{
	for (int i = 0; i < STORE_FILES; i++) {
		if (asprintf(&s->file[i].path, "%s%s", path, suffix[i]) < 0) {
			s->file[i].path = NULL;
			return -ENOMEM;
		}
	}
	store_watch_again(s);
	return 0;
}

void store_watch_again(struct store *s)
{
	for (int i = 0; i < STORE_FILES; i++)
		if (stat(s->file[i].path, &s->file[i].seen) < 0)
			s->file[i].seen = (struct stat){ 0 };
}

void store_watch_stop(struct store *s)
{
	for (int i = 0; i < STORE_FILES; i++)
		free(s->file[i].path);
}

enum trouble { FINE, REMOVED, REPLACED, CUT_SHORT };

/* Shorter than its own first page says (https://www.sqlite.org/fileformat2.html#the_database_header). After another
 * program's VACUUM it isn't. */
static bool database_is_cut(const struct store *s, off_t size)
{
	unsigned char header[32];
	uint64_t page, pages;

	if (pread(s->lock_fd, header, sizeof header, 0) != (ssize_t)sizeof header)
		return true;
	page = (uint64_t)header[16] << 8 | header[17];
	page = page == 1 ? 65536 : page;
	pages = (uint64_t)header[28] << 24 | header[29] << 16 | header[30] << 8 | header[31];
	return (uint64_t)size < page * pages;
}

static bool is_cut(struct store *s, const struct store_file *f, off_t size)
{
	if (size >= f->seen.st_size)
		return false;
	return f == &s->file[STORE_DB] ? database_is_cut(s, size) : f == &s->file[STORE_SHM] || !store_log_whole(s, size);
}

static enum trouble look(struct store *s, struct store_file *f)
{
	struct stat st;

	if (f->seen.st_ino == 0)
		return FINE;
	if (stat(f->path, &st) < 0)
		return REMOVED;
	if (st.st_dev != f->seen.st_dev || st.st_ino != f->seen.st_ino)
		return REPLACED;
	if (is_cut(s, f, st.st_size))
		return CUT_SHORT;
	f->seen.st_size = st.st_size;
	return FINE;
}

static const char *const word[] = { "", "was removed", "was replaced by another file", "was cut short" };

/* The database's own file: it may be put back, and then all is well, since nobody else can have changed it (the lock). */
static int database_trouble(struct store *s, enum trouble t)
{
	if (t == CUT_SHORT)
		snprintf(s->broken, sizeof s->broken,
			 "'%s' was cut short while it was in use; 'ipamctl export' what the mount shows, unmount,"
			 " 'ipamctl check --repair'",
			 s->file[STORE_DB].path);
	else
		snprintf(s->trouble, sizeof s->trouble,
			 "'%s' %s while it was in use; put it back, or 'ipamctl export' what the mount shows", s->file[STORE_DB].path,
			 word[t]);
	return -EIO;
}

/* What the log holds is open here still, and becomes the database's, which then needs none: no mark. */
static bool save_log(struct store *s)
{
	bool whole = false;
	int rc = store_run(s, "BEGIN IMMEDIATE", "");

	if (rc == 0)
		rc = store_unmark(s);
	if (rc == 0)
		rc = store_run(s, "COMMIT", "");
	store_rollback(s);
	return rc == 0 && store_fold(s, &whole) == 0 && whole;
}

static int put_aside(const struct store *s, const char *path, const char *name)
{
	if (s->put_aside != NULL)
		return s->put_aside(s->arg, path, name);
	return rename(path, name) < 0 ? -errno : 0;
}

/* Going on needs a new connection, which the readers of this process would share with the old files: so not before
 * the next mount. SQLite would take another log for the database's own, and its pages for newer ones: it gets another
 * name. */
static int log_trouble(struct store *s, const struct store_file *f, enum trouble t)
{
	bool index = f == &s->file[STORE_SHM], saved = t == CUT_SHORT ? index : save_log(s);
	char *aside = NULL;

	if (t == REPLACED && !index && (asprintf(&aside, "%s.foreign", f->path) < 0 || put_aside(s, f->path, aside) < 0))
		saved = false;
	free(aside);
	snprintf(s->broken, sizeof s->broken, "'%s' %s while it was in use; %s", f->path, word[t],
		 saved ? "nothing is lost: mount again" : "'ipamctl export' what the mount shows, unmount, 'ipamctl check --repair'");
	return -EIO;
}

bool store_is_untouched(struct store *s)
{
	for (int i = 0; i < STORE_FILES && s->broken[0] == 0; i++)
		if (look(s, &s->file[i]) != FINE)
			return false;
	return s->broken[0] == 0;
}

int store_watch(struct store *s)
{
	s->trouble[0] = 0;
	for (int i = 0; i < STORE_FILES && s->broken[0] == 0; i++) {
		enum trouble t = look(s, &s->file[i]);

		if (t != FINE)
			return i == STORE_DB ? database_trouble(s, t) : log_trouble(s, &s->file[i], t);
	}
	return s->broken[0] != 0 ? -EIO : 0;
}
