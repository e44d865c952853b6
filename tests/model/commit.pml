/* How a change is made once, and told truly, though the worker that makes it may die at any step: reserve in memory, queue, one
 * transaction for all that queued, settle, reply; a supervisor keeps /dev/fuse and starts another worker, and the kernel delivers
 * again (FUSE_NOTIFY_RESEND) what had been read and not answered, under the same unique. The result of a change is stored with its
 * unique in the change's own transaction, so that who is delivered again gets the answer that the first would have had.
 *
 * Two clients: the first asks for q0, then q2, the second for q1, then q3 (REQUESTS says how many there are). Each request is one of
 * those at `enum` below, over two names, N and M, and three addresses: an O_EXCL create (mkdir is one with another name), unlink,
 * rename, and a write that asks for an address. One `atomic` for each step that a crash may come between.
 *
 * Not here: loss of power (what is committed stays), the contents of attributes, reads (they change nothing), interrupts (answered as
 * if they hadn't come), the kernel's cache, and by what a worker knows that an answer of an earlier one was written: a row goes when it
 * was.
 *
 * What is left out by WITHOUT=n shows that it is needed. See delegate.pml for how that is said.
 */
c_decl {
\#include "knob.h"
}

#define STORED 1       /* results are stored with their unique */
#define TOGETHER 2     /* in the transaction of the change */
#define ORDER 3        /* the reply comes after the commit */
#define ALONE 4        /* one worker at a time */
#define KEPT 5         /* a row stays until its answer was written */
#define UNDONE 6       /* what a commit that fails had reserved is undone */
byte without;
#define WITH(measure) (without != (measure))

#define MOST 4         /* requests */
byte requests, crashes, failures;

/* ---- the kernel ---- */
#define NEW 0
#define QUEUED 1
#define READ 2
#define DONE 3
byte k_st[MOST], k_op[MOST], k_answer[MOST];
bit k_again[MOST];

#define CREATE_N 1
#define CREATE_M 2
#define UNLINK_N 3
#define RENAME_NM 4
#define WRITE_N 5      /* the address 3 */

#define OK 1
#define EEXIST 2
#define ENOENT 3
#define EADDRINUSE 4
#define EIO 5

/* ---- the database: the address of each name (0: none), and rows of answers by unique ---- */
#define N 0
#define M 1
byte d_addr[2], d_row[MOST];

/* ---- a worker's memory (w: 0, and 1 where two run at once) ---- */
bit up[2];
byte m_addr[2 * 2], m_row[2 * MOST];
#define RESERVED 1
#define COMMITTED 2    /* with what answer: m_answer */
#define TOLD 3         /* the answer is written */
#define LATE 4         /* control: stored is only the change, its row not yet */
byte m_st[2 * MOST], m_answer[2 * MOST], m_new[2 * MOST];
bit begun = 0;

byte effects[MOST];    /* how often it took effect: only the properties look at this */
byte q, a;

#define IN_FLIGHT(w, x) (m_st[(w) * MOST + (x)] == RESERVED || m_st[(w) * MOST + (x)] == LATE)
#define BUSY(w) (IN_FLIGHT(w, 0) || IN_FLIGHT(w, 1) || IN_FLIGHT(w, 2) || IN_FLIGHT(w, 3))
#define ON_N(x) (k_op[x] != CREATE_M)
#define ON_M(x) (k_op[x] == CREATE_M || k_op[x] == RENAME_NM)
#define CLASH(w, x, y) ((x) != (y) && IN_FLIGHT(w, y) && (ON_N(x) && ON_N(y) || ON_M(x) && ON_M(y)))
/* A name in flight waits for its outcome. */
#define DEFERRED(w, x) (CLASH(w, x, 0) || CLASH(w, x, 1) || CLASH(w, x, 2) || CLASH(w, x, 3))

#define PROMISED(w, y, v) (IN_FLIGHT(w, y) && m_new[(w) * MOST + (y)] == (v))
#define TAKEN(w, v) (m_addr[(w) * 2 + N] == (v) || m_addr[(w) * 2 + M] == (v) || PROMISED(w, 0, v) || PROMISED(w, 1, v) || \
	PROMISED(w, 2, v) || PROMISED(w, 3, v))

inline refuse(w, x, errno) {
	m_st[w * MOST + x] = COMMITTED;
	m_answer[w * MOST + x] = errno
}

inline promise(w, x, v) {
	m_new[w * MOST + x] = v;
	m_st[w * MOST + x] = RESERVED;
	m_answer[w * MOST + x] = OK
}

inline reserve(w, x) {
	a = (!TAKEN(w, 1) -> 1 : (!TAKEN(w, 2) -> 2 : 3));
	if
	:: k_op[x] == CREATE_N && m_addr[w * 2 + N] != 0 -> refuse(w, x, EEXIST)
	:: k_op[x] == CREATE_N && m_addr[w * 2 + N] == 0 -> promise(w, x, a)
	:: k_op[x] == CREATE_M && m_addr[w * 2 + M] != 0 -> refuse(w, x, EEXIST)
	:: k_op[x] == CREATE_M && m_addr[w * 2 + M] == 0 -> promise(w, x, a)
	:: (k_op[x] == UNLINK_N || k_op[x] == RENAME_NM || k_op[x] == WRITE_N) && m_addr[w * 2 + N] == 0 -> refuse(w, x, ENOENT)
	:: k_op[x] == UNLINK_N && m_addr[w * 2 + N] != 0 -> promise(w, x, 0)
	:: k_op[x] == RENAME_NM && m_addr[w * 2 + N] != 0 && m_addr[w * 2 + M] != 0 -> refuse(w, x, EEXIST)
	:: k_op[x] == RENAME_NM && m_addr[w * 2 + N] != 0 && m_addr[w * 2 + M] == 0 -> promise(w, x, 0)
	:: k_op[x] == WRITE_N && m_addr[w * 2 + N] != 0 && m_addr[w * 2 + N] != 3 && TAKEN(w, 3) -> refuse(w, x, EADDRINUSE)
	:: k_op[x] == WRITE_N && m_addr[w * 2 + N] != 0 && (m_addr[w * 2 + N] == 3 || !TAKEN(w, 3)) -> promise(w, x, 3)
	fi;
	a = 0
}

/* One change of the transaction. The database refuses what is there already; that it never has to is asserted. */
inline apply(x, v) {
	if
	:: k_op[x] == CREATE_N -> assert(d_addr[N] == 0 && d_addr[M] != v); d_addr[N] = v
	:: k_op[x] == CREATE_M -> assert(d_addr[M] == 0 && d_addr[N] != v); d_addr[M] = v
	:: k_op[x] == UNLINK_N -> assert(d_addr[N] != 0); d_addr[N] = 0
	:: k_op[x] == RENAME_NM -> assert(d_addr[N] != 0 && d_addr[M] == 0); d_addr[M] = d_addr[N]; d_addr[N] = 0
	:: k_op[x] == WRITE_N -> assert(d_addr[N] != 0 && d_addr[M] != v); d_addr[N] = v
	fi;
	effects[x]++
}

/* And in memory: when it settles. */
inline settle(w, x, v) {
	if
	:: k_op[x] == CREATE_N || k_op[x] == UNLINK_N || k_op[x] == WRITE_N -> m_addr[w * 2 + N] = v
	:: k_op[x] == CREATE_M -> m_addr[w * 2 + M] = v
	:: k_op[x] == RENAME_NM -> m_addr[w * 2 + M] = m_addr[w * 2 + N]; m_addr[w * 2 + N] = 0
	fi
}

inline commit(w) {
	q = 0;
	do
	:: q < MOST && m_st[w * MOST + q] == RESERVED ->
		apply(q, m_new[w * MOST + q]);
		settle(w, q, m_new[w * MOST + q]);
		m_st[w * MOST + q] = (WITH(TOGETHER) -> COMMITTED : LATE);
		m_new[w * MOST + q] = 0;
		if
		:: WITH(STORED) && WITH(TOGETHER) -> d_row[q] = OK; m_row[w * MOST + q] = OK
		:: else
		fi;
		q++
	:: q < MOST && m_st[w * MOST + q] != RESERVED -> q++
	:: q == MOST -> break
	od;
	q = 0
}

/* A disk that is full: all that was in the transaction is undone, and told so. */
inline fail(w) {
	q = 0;
	do
	:: q < MOST && m_st[w * MOST + q] == RESERVED ->
		if
		:: WITH(UNDONE) -> skip
		:: !WITH(UNDONE) -> settle(w, q, m_new[w * MOST + q])
		fi;
		m_new[w * MOST + q] = 0;
		m_st[w * MOST + q] = COMMITTED;
		m_answer[w * MOST + q] = EIO;
		q++
	:: q < MOST && m_st[w * MOST + q] != RESERVED -> q++
	:: q == MOST -> break
	od;
	q = 0
}

inline store_late(w) {
	q = 0;
	do
	:: q < MOST && m_st[w * MOST + q] == LATE -> d_row[q] = OK; m_row[w * MOST + q] = OK; m_st[w * MOST + q] = COMMITTED; q++
	:: q < MOST && m_st[w * MOST + q] != LATE -> q++
	:: q == MOST -> break
	od;
	q = 0
}

inline reply(w, x) {
	/* A second answer finds no request: the kernel refuses it, and the client hears nothing of it. */
	if
	:: k_st[x] == READ || k_st[x] == QUEUED ->
		k_st[x] = DONE;
		k_answer[x] = m_answer[w * MOST + x];
		/* It took effect once if it is told so, and not if it isn't: that is told before anything else can happen. */
		assert(effects[x] == (k_answer[x] == OK -> 1 : 0))
	:: else
	fi;
	m_st[w * MOST + x] = TOLD
}

/* Memory is what the database has, and the kernel is asked for what wasn't answered. */
inline start(w) {
	up[w] = 1;
	m_addr[w * 2 + N] = d_addr[N];
	m_addr[w * 2 + M] = d_addr[M];
	q = 0;
	do
	:: q < MOST ->
		m_row[w * MOST + q] = d_row[q];
		m_st[w * MOST + q] = 0; m_answer[w * MOST + q] = 0; m_new[w * MOST + q] = 0;
		if
		:: k_st[q] == READ -> k_st[q] = QUEUED; k_again[q] = 1
		:: else
		fi;
		q++
	:: q == MOST -> break
	od;
	q = 0
}

inline die(w) {
	up[w] = 0;
	m_addr[w * 2 + N] = 0; m_addr[w * 2 + M] = 0;
	q = 0;
	do
	:: q < MOST -> m_row[w * MOST + q] = 0; m_st[w * MOST + q] = 0; m_answer[w * MOST + q] = 0; m_new[w * MOST + q] = 0; q++
	:: q == MOST -> break
	od;
	q = 0
}

#define MAY_SEND(x) (k_st[x] == NEW && (x) < requests && ((x) < 2 || k_st[((x) + 2) % 4] == DONE))

proctype client(byte x) {
	atomic { MAY_SEND(x) ->
		if
		:: k_op[x] = CREATE_N
		:: k_op[x] = CREATE_M
		:: k_op[x] = UNLINK_N
		:: k_op[x] = RENAME_NM
		:: k_op[x] = WRITE_N
		fi;
		k_st[x] = QUEUED }
}

/* What the worker's threads do with one request. */
proctype handler(byte w; byte x) {
	byte i = w * MOST + x;
	do
	:: atomic { up[w] && k_st[x] == QUEUED && m_st[i] == 0 && k_again[x] && m_row[i] != 0 ->
		k_st[x] = READ;
		m_answer[i] = m_row[i];
		m_st[i] = COMMITTED }
	:: atomic { up[w] && k_st[x] == QUEUED && m_st[i] == 0 && (!k_again[x] || m_row[i] == 0) && !DEFERRED(w, x) ->
		k_st[x] = READ;
		reserve(w, x) }
	:: atomic { up[w] && m_st[i] == COMMITTED -> reply(w, x) }
	:: atomic { up[w] && m_st[i] == RESERVED && !WITH(ORDER) && k_st[x] == READ -> k_st[x] = DONE; k_answer[x] = OK;
		assert(effects[x] == 1) }
	:: atomic { up[w] && d_row[x] != 0 && (m_st[i] == TOLD || k_st[x] == DONE || !WITH(KEPT)) -> d_row[x] = 0; m_row[i] = 0 }
	od
}

proctype worker(byte w) {
	do
	:: atomic { up[w] && BUSY(w) -> commit(w) }
	:: atomic { up[w] && BUSY(w) && failures > 0 -> failures--; fail(w) }
	:: atomic { up[w] && BUSY(w) && !WITH(TOGETHER) -> store_late(w) }
	:: atomic { up[w] && crashes > 0 -> crashes--; die(w) }
	/* The supervisor. */
	:: atomic { !up[w] && (w == 0 || begun) && (!up[1 - w] || !WITH(ALONE) && crashes > 0) ->
		crashes = (up[1 - w] -> crashes - 1 : crashes);
		start(w) }
	od
}

#define ANSWERED(x) ((x) >= requests || k_st[x] == DONE)

active proctype watcher() {
	do
	:: atomic { d_addr[N] != 0 && d_addr[N] == d_addr[M] -> assert(false) }
	:: atomic { effects[0] > 1 || effects[1] > 1 || effects[2] > 1 || effects[3] > 1 -> assert(false) }
	:: atomic { timeout ->
		assert(ANSWERED(0) && ANSWERED(1) && ANSWERED(2) && ANSWERED(3));
		assert(m_addr[N] == d_addr[N] && m_addr[M] == d_addr[M] || up[1]);
		break }
	od
}

init {
	atomic {
		c_code {
			now.without = knob("WITHOUT", 0); now.requests = knob("REQUESTS", 2); now.crashes = knob("CRASHES", 0);
			now.failures = knob("FAILURES", 0);
		};
		begun = !WITH(ALONE);
		run worker(0);
		run worker(1);
		q = 0;
		do
		:: q < MOST -> run client(q); run handler(0, q); run handler(1, q); q++
		:: q == MOST -> break
		od;
		q = 0
	}
}
