#include "power.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	pthread_mutex_t lock; /* the rest */
	const char *dir;
	struct record *list;
	size_t n, room;
	bool there[POWER_FILES];
	unsigned fail;
	bool failed;
	struct disk *disk; /* as it is by now */
} rec = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The real file follows. */
struct recorded {
	sqlite3_file base;
	enum power_file file;
	bool on, sync_dir; /* a journal's first sync is one of the directory as well (os_unix.c) */
};

static sqlite3_vfs *unix_vfs;

static sqlite3_file *real(sqlite3_file *f)
{
	return (sqlite3_file *)((struct recorded *)f + 1);
}

/* ---- the list ----------------------------------------------------------------------------------------------- */

static void add(struct record r, const void *data, size_t size)
{
	if (data != NULL) {
		r.data = malloc(size + 1);
		memcpy(r.data, data, size);
		((char *)r.data)[size] = 0;
		r.size = size;
	}
	if (rec.n == rec.room) {
		rec.room = rec.room == 0 ? 1024 : rec.room * 2;
		rec.list = reallocarray(rec.list, rec.room, sizeof *rec.list);
		if (rec.list == NULL)
			abort();
	}
	rec.list[rec.n++] = r;
	if (rec.disk == NULL)
		rec.disk = disk_new(0, LIE_NONE);
	disk_apply(rec.disk, &r);
}

static void note(struct record r, const void *data, size_t size)
{
	pthread_mutex_lock(&rec.lock);
	add(r, data, size);
	pthread_mutex_unlock(&rec.lock);
}

void record_directory(const char *dir)
{
	rec.dir = dir;
}

void record_mark(enum record_kind kind, unsigned number, const char *key)
{
	note((struct record){ .kind = kind, .number = number }, key, key == NULL ? 0 : strlen(key));
}

void record_fail_sync(unsigned n)
{
	pthread_mutex_lock(&rec.lock);
	rec.fail = n;
	rec.failed = false;
	pthread_mutex_unlock(&rec.lock);
}

bool record_failed(void)
{
	bool failed;

	pthread_mutex_lock(&rec.lock);
	failed = rec.failed;
	pthread_mutex_unlock(&rec.lock);
	return failed;
}

const struct record *record_list(size_t *n)
{
	*n = rec.n;
	return rec.list;
}

void record_clear(void)
{
	for (size_t i = 0; i < rec.n; i++)
		free(rec.list[i].data);
	free(rec.list);
	rec.list = NULL;
	if (rec.disk != NULL)
		disk_free(rec.disk);
	rec.disk = NULL;
	rec.n = rec.room = 0;
	memset(rec.there, 0, sizeof rec.there);
}

/* ---- a file ------------------------------------------------------------------------------------------------- */

static int f_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int f_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at)
{
	return real(f)->pMethods->xRead(real(f), data, size, at);
}

static int f_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at)
{
	const struct recorded *r = (struct recorded *)f;

	if (r->on)
		note((struct record){ .kind = RECORD_WRITE, .file = r->file, .at = (size_t)at }, data, (size_t)size);
	return real(f)->pMethods->xWrite(real(f), data, size, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	const struct recorded *r = (struct recorded *)f;

	if (r->on)
		note((struct record){ .kind = RECORD_TRUNCATE, .file = r->file, .size = (size_t)size }, NULL, 0);
	return real(f)->pMethods->xTruncate(real(f), size);
}

/* The kernel takes pages for clean that it couldn't write, and forgets some of them: they are read from the disk again. */
static void evict(sqlite3_file *f, enum power_file file, unsigned seed)
{
	enum { PAGE = 4096 };
	struct random random = { seed };
	const unsigned char *durable;
	sqlite3_int64 size = 0;
	size_t known;

	disk_bytes(rec.disk, file, &durable, &known);
	real(f)->pMethods->xFileSize(real(f), &size);
	for (size_t at = 0; at < (size_t)size; at += PAGE) {
		unsigned char page[PAGE] = { 0 };
		int n = (size_t)size - at < PAGE ? (int)((size_t)size - at) : PAGE;

		if (random_below(&random, 4) != 0)
			continue;
		if (at < known)
			memcpy(page, durable + at, known - at < (size_t)n ? known - at : (size_t)n);
		real(f)->pMethods->xWrite(real(f), page, n, (sqlite3_int64)at);
	}
}

static int f_sync(sqlite3_file *f, int flags)
{
	struct recorded *r = (struct recorded *)f;
	bool fails;

	if (!r->on)
		return real(f)->pMethods->xSync(real(f), flags);
	pthread_mutex_lock(&rec.lock);
	fails = rec.fail > 0 && --rec.fail == 0;
	rec.failed |= fails;
	add((struct record){ .kind = fails ? RECORD_FAILED_SYNC : RECORD_SYNC, .file = r->file, .number = (unsigned)rec.n }, NULL, 0);
	if (fails && rec.n % 2 == 0)
		evict(f, r->file, (unsigned)rec.n);
	if (r->sync_dir && !fails)
		add((struct record){ .kind = RECORD_SYNC_DIR }, NULL, 0);
	r->sync_dir &= fails;
	pthread_mutex_unlock(&rec.lock);
	return fails ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}

static int f_lock(sqlite3_file *f, int lock)
{
	return real(f)->pMethods->xLock(real(f), lock);
}

static int f_unlock(sqlite3_file *f, int lock)
{
	return real(f)->pMethods->xUnlock(real(f), lock);
}

static int f_check_lock(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int f_characteristics(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int f_shm_unmap(sqlite3_file *f, int del)
{
	return real(f)->pMethods->xShmUnmap(real(f), del);
}

/* Version 2: with shared memory, without mapped reads. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_check_lock,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_characteristics,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

/* ---- the file system ------------------------------------------------------------------------------------------ */

static bool is_ours(const char *name, enum power_file *file)
{
	size_t n = rec.dir == NULL || name == NULL ? 0 : strlen(rec.dir);

	if (n == 0 || strncmp(name, rec.dir, n) != 0 || name[n] != '/')
		return false;
	n = strlen(name);
	*file = strcmp(name + n - 4, "-wal") == 0 ? POWER_WAL : strcmp(name + n - 8, "-journal") == 0 ? POWER_JOURNAL : POWER_DB;
	return true;
}

static int v_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	struct recorded *r = (struct recorded *)f;
	int rc;

	(void)vfs;
	*r = (struct recorded){ .on = is_ours(name, &r->file), .file = POWER_DB };
	r->on = is_ours(name, &r->file);
	r->sync_dir = r->file != POWER_DB && (flags & SQLITE_OPEN_CREATE) != 0;
	rc = unix_vfs->xOpen(unix_vfs, name, real(f), flags, out);
	f->pMethods = real(f)->pMethods == NULL ? NULL : &methods;
	if (r->on && rc == SQLITE_OK) {
		pthread_mutex_lock(&rec.lock);
		if (!rec.there[r->file])
			add((struct record){ .kind = RECORD_CREATE, .file = r->file }, NULL, 0);
		rec.there[r->file] = true;
		pthread_mutex_unlock(&rec.lock);
	}
	return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	enum power_file file;

	(void)vfs;
	if (is_ours(name, &file)) {
		pthread_mutex_lock(&rec.lock);
		if (rec.there[file])
			add((struct record){ .kind = RECORD_DELETE, .file = file }, NULL, 0);
		rec.there[file] = false;
		if (sync_dir)
			add((struct record){ .kind = RECORD_SYNC_DIR }, NULL, 0);
		pthread_mutex_unlock(&rec.lock);
	}
	return unix_vfs->xDelete(unix_vfs, name, sync_dir);
}

void record_register(void)
{
	static sqlite3_vfs vfs;

	unix_vfs = sqlite3_vfs_find("unix");
	vfs = *unix_vfs;
	vfs.zName = "power";
	vfs.szOsFile = (int)sizeof(struct recorded) + unix_vfs->szOsFile;
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	sqlite3_vfs_register(&vfs, 1);
}
