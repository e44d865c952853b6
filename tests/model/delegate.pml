/* How machines that share an engine claim blocks, give them back, crash, are removed by force and come back: core/shared/request*.c,
 * core/shared/heartbeat.c, core/shared/watch.c and core/shared/mirror*.c, one `atomic` for each step that is atomic there (a transaction of
 * the engine; a change that is durable before it is visible; what happens under one lock).
 *
 * Two machines, each with a node of its own name, and BLOCKS blocks. What is chosen by chance or by users is chosen in every way,
 * within budgets (below): a budget is what makes the search end, and `calm` may spend what is left of all of them at any moment.
 *
 * As in the code:
 *   - a transaction compares the revision of the node's record (0: it isn't there) and of each block that it takes;
 *   - an answer, or the request, may be lost; the same is sent again; a copy may be under way still, and be done much later, after
 *     its machine has gone on, has crashed, or is somebody else;
 *   - something in between (a library, a proxy) may make two of a request, and answers one of them: nobody is told of the other;
 *   - memory and state file are one here, because a change is seen only when it is durable; what a crash forgets is said at `crash`;
 *   - a record is mirrored in several changes (what is gone, blocks narrowed, blocks, revision and owner), with crashes in between;
 *   - the watch may lag by two revisions; by more, it is compacted, and all is read anew;
 *   - presence is a key that ends when its machine is down or cut off, whenever the time-out likes.
 * Not here: cluster records, names that change, two families at once, a state file that is copied (NODE_DOUBLED), clocks that differ
 * (the end of a quarantine is one moment for all), publications, more than one late copy a machine at a time. A removal by force, and
 * a node that is made for another machine, or removed while it is nobody's, are done in one step: their compares leave no other time
 * to what they were made from.
 *
 * Each safety measure can be left out (WITHOUT, below), to see that it is needed, and each assumption. One program does it all: spin
 * compiles this once, and the environment says what to search (tests/model/check.sh; tests/model/knob.h).
 */
c_decl {
\#include "knob.h"
}

/* WITHOUT=n */
#define COMPARE 1        /* a block's key is made only where there is none */
#define DOUBT_FIRST 2    /* a node that gives blocks back is in doubt first */
#define REWRITE 3        /* the doubt ends only after the record was written anew */
#define IDENTITY 4       /* a transaction whose answer was lost is sent again as it is */
#define QUARANTINE 5     /* blocks that were taken by force rest */
#define PRESENCE 6       /* nobody takes the node of a machine that says that it is there */
#define LAST_ENDS 7      /* of several changes in doubt the last ends it */
#define ORPHAN_STAYS 8   /* the end of a doubt doesn't undo that the node was removed */
#define SHORT_CUT 9      /* assumed: who is cut off is back, or knows, before the quarantine is over */
#define SHORT_DOWN 10    /* assumed: so is who is down */
#define ANY_COPY 11      /* what was sent may come once more, though it was answered */
byte without;
#define WITH(measure) (without != (measure))

#define BLOCKS 2
#define SLOTS 3      /* of machine i: i * SLOTS is the pulse's, which attaches; then the two workers' */
#define OF(s) ((s) / SLOTS)

/* ---- the engine ---- */
byte rev = 1;
byte e_id[2], e_rev[2], e_blk[2];  /* a node's record; id 0: it isn't there */
bit e_mine[2];                     /* its machine is the one that goes by its name; else nobody's */
byte k_own[BLOCKS];                /* a block's key: 0 none, 1 and 2 a node's, REST */
#define REST 3
byte k_rev[BLOCKS];
bit k_over[BLOCKS];                /* the time of a rest is over */
byte e_alive[2];                   /* the id of the node whose machine is there */
byte ids = 0;

/* ---- a machine: what its state file has ---- */
#define NONE 255
#define SURE 0
#define UNSETTLED 1
#define ORPHANED 2
bit up[2] = 1;
byte n_id[2], n_rev[2], n_blk[2], n_lease[2], n_doubt[2];
bit n_here[2];
byte o_blk[2], o_lease[2];         /* an orphan that had to give its name away */

/* ---- and what a crash forgets ---- */
bit cut[2];
bit need[2] = 1;                   /* a full read is */
byte applied[2];
#define LAG 2                      /* revisions that the watch may be behind */
byte w_n[2], w_id[2 * LAG], w_rev[2 * LAG], w_blk[2 * LAG];
bit w_mine[2 * LAG];
#define IDLE 0
#define GONE 1     /* full read: what the engine has no longer */
#define PUT 2
#define MARK 3
#define LEFT 4     /* an event: the record was deleted */
byte ph[2], s_id[2], s_rev[2], s_blk[2], s_applied[2];
bit s_mine[2];
byte asking[2];                    /* changes under way that give blocks of this node back */
bit unknown[2];                    /* of one it isn't known what became of it */
byte doubts[2];                    /* how often a doubt began */
byte said[2];                      /* the node whose presence is told */

/* ---- changes that are asked ---- */
#define COMPOSE 1
#define DOUBT 2
#define SENT 3
#define ANSWER 4
#define AWAIT 5
#define BEHIND 6
#define END 7
#define MAKE 1
#define GROW 2
#define REMOVE 3
#define SWAP 4
#define ATTACH 5
byte a_st[2 * SLOTS], a_op[2 * SLOTS], a_id[2 * SLOTS], a_cmp[2 * SLOTS], a_put[2 * SLOTS], a_give[2 * SLOTS], a_new[2 * SLOTS],
	a_kcmp[2 * SLOTS], a_at[2 * SLOTS], a_told[2 * SLOTS], a_doubted[2 * SLOTS], a_serial[2 * SLOTS];
bit a_res[2 * SLOTS], a_proven[2 * SLOTS], a_lost[2 * SLOTS], a_losts[2 * SLOTS], a_known[2 * SLOTS], a_done[2 * SLOTS],
	a_took[2 * SLOTS], a_sent[2 * SLOTS], a_copied[2 * SLOTS];

/* ---- a copy that is under way still ---- */
byte l_op[2], l_id[2], l_cmp[2], l_put[2], l_give[2], l_new[2], l_kcmp[2];

/* Budgets. */
byte ops,          /* what users ask of their own nodes */
     seconds,      /* of these, by the second worker */
     forces,       /* removals by force */
     others,       /* nodes made for another machine, or removed while they are nobody's */
     losses,       /* requests and answers lost, and waits that take too long */
     repeats,      /* requests of which something in between makes two */
     crashes,
     cuts,         /* a machine reaches nobody, for as long as it likes */
     compactions,
     leases;       /* allocations */
bit calm = 0;
bit twice_only;        /* control: don't stop at what isn't well in the end */
byte b, g;
bit good;

#define BIT(n) (1 << (n))
#define HAS(mask, n) (((mask) >> (n)) & 1)

/* ---- the watch ---- */
#define PENDING(i) (w_n[i] > 0)

inline set_event(k, id, revision, blk, mine) {
	w_id[k] = id; w_rev[k] = revision; w_blk[k] = blk; w_mine[k] = mine
}

inline clear_watch(i) {
	w_n[i] = 0;
	set_event(i * LAG, 0, 0, 0, 0);
	set_event(i * LAG + 1, 0, 0, 0, 0)
}

inline tell(i) {
	if
	:: !up[i] || need[i] -> skip   /* it will read all */
	:: up[i] && !need[i] && w_n[i] < LAG -> set_event(i * LAG + w_n[i], e_id[i], rev, e_blk[i], e_mine[i]); w_n[i]++
	:: else -> clear_watch(i); need[i] = 1
	fi
}

inline hear(i) {
	s_id[i] = w_id[i * LAG]; s_rev[i] = w_rev[i * LAG]; s_blk[i] = w_blk[i * LAG]; s_mine[i] = w_mine[i * LAG];
	s_applied[i] = s_rev[i];
	set_event(i * LAG, w_id[i * LAG + 1], w_rev[i * LAG + 1], w_blk[i * LAG + 1], w_mine[i * LAG + 1]);
	set_event(i * LAG + 1, 0, 0, 0, 0);
	w_n[i]--
}

/* ---- transactions ---- */
#define FREE(nw, kcmp) (!WITH(COMPARE) || (nw) == 0 || k_rev[(nw) - 1] == (kcmp))

/* of the node of machine i; nw: the block that is taken, plus 1 */
inline execute(i, op, id, cmp, put, give, nw, kcmp) {
	good = e_rev[i] == cmp && FREE(nw, kcmp);
	if
	:: good ->
		rev++;
		b = 0;
		do
		:: b < BLOCKS ->
			if
			:: HAS(give, b) -> k_own[b] = 0; k_rev[b] = 0; k_over[b] = 0
			:: else
			fi;
			b++
		:: else -> break
		od;
		if
		:: nw != 0 -> k_own[nw - 1] = i + 1; k_rev[nw - 1] = rev; k_over[nw - 1] = 0
		:: else
		fi;
		if
		:: op == REMOVE -> e_id[i] = 0; e_rev[i] = 0; e_blk[i] = 0; e_mine[i] = 0; e_alive[i] = 0
		:: else -> e_id[i] = id; e_rev[i] = rev; e_blk[i] = put; e_mine[i] = 1
		fi;
		tell(i)
	:: else
	fi;
	b = 0
}

inline drop_late(i) {
	l_op[i] = 0; l_id[i] = 0; l_cmp[i] = 0; l_put[i] = 0; l_give[i] = 0; l_new[i] = 0; l_kcmp[i] = 0
}

inline execute_late(i) {
	execute(i, l_op[i], l_id[i], l_cmp[i], l_put[i], l_give[i], l_new[i], l_kcmp[i]);
	drop_late(i);
	good = 0
}

/* A copy of what is sent, which is under way from now on. */
inline copy(i, s) {
	l_op[i] = a_op[s]; l_id[i] = a_id[s]; l_cmp[i] = a_cmp[s]; l_put[i] = a_put[s]; l_give[i] = a_give[s];
	l_new[i] = a_new[s]; l_kcmp[i] = a_kcmp[s]
}

/* What was sent may be done later, or never. */
inline lose(i, s) {
	if
	:: true
	:: l_op[i] == 0 -> copy(i, s)
	fi
}

inline forget_slot(s) {
	a_st[s] = IDLE; a_op[s] = 0; a_id[s] = 0; a_cmp[s] = 0; a_put[s] = 0; a_give[s] = 0; a_new[s] = 0; a_kcmp[s] = 0; a_at[s] = 0;
	a_told[s] = 0; a_doubted[s] = 0; a_serial[s] = 0; a_res[s] = 0; a_proven[s] = 0; a_lost[s] = 0; a_losts[s] = 0;
	a_known[s] = 0; a_done[s] = 0; a_took[s] = 0; a_sent[s] = 0; a_copied[s] = 0
}

/* What isn't asked any more will not be done: by a refusal only where nothing was sent. */
#define KNOWN(s) (WITH(ANY_COPY) -> !a_sent[s] : !a_losts[s])

inline end(s, known) {
	a_known[s] = known;
	a_st[s] = END
}

/* A block that nobody has, or whose rest is over. */
#define MAY_TAKE(i, n) (!HAS(n_blk[i] | o_blk[i], n) && (k_own[n] == 0 || k_own[n] == REST && k_over[n]))

/* g: the block, plus 1; 0: none */
inline choose(i) {
	g = 0;
	if
	:: MAY_TAKE(i, 0) -> g = 1
	:: MAY_TAKE(i, 1) -> g = 2
	:: else
	fi
}

inline take(s) {
	a_new[s] = g;
	a_kcmp[s] = k_rev[g - 1];
	a_put[s] = a_put[s] | BIT(g - 1)
}

#define IN_DOUBT(i, s) (!WITH(DOUBT_FIRST) || a_doubted[s] != 0 && !WITH(LAST_ENDS) || a_doubted[s] == n_id[i])

/* Under the lock, from memory. A refusal that memory gives by itself: known, if nothing that was lost may be done still. */
inline compose(i, s) {
	a_new[s] = 0; a_kcmp[s] = 0; a_give[s] = 0; a_put[s] = n_blk[i]; a_cmp[s] = n_rev[i]; a_at[s] = 0; a_told[s] = 0;
	a_lost[s] = 0; a_proven[s] = 0; a_res[s] = 0;
	if
	:: a_op[s] == MAKE ->
		if
		:: n_id[i] != 0 && WITH(IDENTITY) && n_id[i] == a_id[s] ->
			/* It is what this made: known by its id, which comes of the request. */
			a_at[s] = n_rev[i]; a_done[s] = 1; a_st[s] = AWAIT
		:: n_id[i] != 0 && !(WITH(IDENTITY) && n_id[i] == a_id[s]) ->
			/* EEXIST: what it says is true */
			assert(!a_took[s]);
			end(s, KNOWN(s))
		:: else ->
			a_put[s] = 0;
			a_cmp[s] = 0;
			choose(i);
			if
			:: g == 0 -> end(s, KNOWN(s))
			:: else ->
				if
				:: a_id[s] == 0 || !WITH(IDENTITY) -> ids++; a_id[s] = ids
				:: else
				fi;
				take(s); a_st[s] = SENT
			fi
		fi
	:: a_op[s] != MAKE && (n_id[i] == 0 || n_doubt[i] == ORPHANED) -> end(s, KNOWN(s))
	:: else ->
		a_id[s] = n_id[i];
		if
		:: a_op[s] == GROW ->
			choose(i);
			if
			:: g == 0 || !n_here[i] -> end(s, KNOWN(s))
			:: else -> take(s); a_st[s] = SENT
			fi
		:: a_op[s] == REMOVE ->
			if
			:: n_lease[i] != 0 || !n_here[i] -> end(s, KNOWN(s))
			:: n_lease[i] == 0 && n_here[i] && !IN_DOUBT(i, s) -> a_st[s] = DOUBT
			:: else -> a_give[s] = n_blk[i]; a_put[s] = 0; a_st[s] = SENT
			fi
		:: a_op[s] == SWAP ->
			choose(i);
			b = (HAS(n_blk[i] & ~n_lease[i], 0) -> 1 : (HAS(n_blk[i] & ~n_lease[i], 1) -> 2 : 0));
			if
			:: g == 0 || b == 0 || !n_here[i] -> end(s, KNOWN(s))
			:: g != 0 && b != 0 && n_here[i] && !IN_DOUBT(i, s) -> a_st[s] = DOUBT
			:: else -> a_give[s] = BIT(b - 1); a_put[s] = n_blk[i] & ~BIT(b - 1); take(s); a_st[s] = SENT
			fi
		:: a_op[s] == ATTACH ->
			if
			:: WITH(LAST_ENDS) && n_doubt[i] == UNSETTLED && asking[i] > 0 -> end(s, 1) /* who asks ends the doubt */
			:: else -> a_serial[s] = doubts[i]; a_st[s] = SENT
			fi
		fi
	fi;
	b = 0; g = 0
}

inline answer(i, s) {
	execute(i, a_op[s], a_id[s], a_cmp[s], a_put[s], a_give[s], a_new[s], a_kcmp[s]);
	a_sent[s] = 1;
	a_res[s] = good;
	a_took[s] = a_took[s] | good;
	good = 0;
	a_at[s] = rev;
	a_told[s] = e_rev[i];
	a_proven[s] = !a_res[s] && a_op[s] != REMOVE && e_id[i] == a_id[s] && e_blk[i] == a_put[s] && e_mine[i];
	a_st[s] = ANSWER
}

inline understand(i, s) {
	if
	:: a_res[s] -> a_done[s] = 1; a_st[s] = AWAIT
	:: WITH(IDENTITY) && !a_res[s] && (a_lost[s] || WITH(ANY_COPY)) && a_proven[s] -> a_at[s] = a_told[s]; a_done[s] = 1; a_st[s] = AWAIT
	:: WITH(IDENTITY) && !a_res[s] && (a_lost[s] || WITH(ANY_COPY)) && a_op[s] == REMOVE && a_told[s] == 0 ->
		need[i] = 1; a_done[s] = 1; a_st[s] = AWAIT
	:: else -> a_lost[s] = 0; a_st[s] = BEHIND
	fi
}

#define ENDABLE(i) (n_doubt[i] == UNSETTLED || !WITH(ORPHAN_STAYS))

/* The doubt ends when the last of those who ask for it knows, and none ended without. */
inline end_doubt(i, s) {
	if
	:: a_doubted[s] != 0 && a_doubted[s] == n_id[i] ->
		asking[i] = (WITH(LAST_ENDS) -> asking[i] - 1 : 0);
		if
		:: !a_known[s] -> unknown[i] = 1; need[i] = 1
		:: a_known[s] && ENDABLE(i) && (!WITH(LAST_ENDS) || asking[i] == 0 && !unknown[i]) ->
			n_doubt[i] = SURE
		:: else
		fi
	:: else
	fi
}

/* What is asked of it meanwhile ends no doubt of another that comes by the same name. */
inline strange(s) {
	a_doubted[s] = (a_doubted[s] == 0 -> 0 : NONE);
	a_serial[s] = NONE
}

inline drop_node(i) {
	strange(i * SLOTS);
	strange(i * SLOTS + 1);
	strange(i * SLOTS + 2);
	n_id[i] = 0; n_rev[i] = 0; n_blk[i] = 0; n_here[i] = 0; n_doubt[i] = SURE; asking[i] = 0; unknown[i] = 0; doubts[i] = 0
}

inline gone(i) {
	if
	:: n_lease[i] != 0 -> n_doubt[i] = ORPHANED
	:: else -> drop_node(i)
	fi
}

inline mirrored(i) {
	applied[i] = (s_applied[i] > applied[i] -> s_applied[i] : applied[i]);
	ph[i] = IDLE; s_id[i] = 0; s_rev[i] = 0; s_blk[i] = 0; s_mine[i] = 0; s_applied[i] = 0
}

#define STALE(i) (n_rev[i] >= s_rev[i])
#define IN_THE_WAY(i) ((n_lease[i] & ~s_blk[i]) != 0 || (s_blk[i] & o_blk[i]) != 0)

inline mirror(i) {
	if
	:: ph[i] == GONE ->
		/* What is gone goes, and what is there gives up the blocks that others have: a node is either. */
		if
		:: n_id[i] != 0 && n_id[i] != s_id[i] -> gone(i)
		:: n_id[i] != 0 && n_id[i] == s_id[i] && !STALE(i) && (n_lease[i] & ~s_blk[i]) == 0 -> n_blk[i] = n_blk[i] & s_blk[i]
		:: else
		fi;
		if
		:: o_blk[i] != 0 && o_lease[i] == 0 -> o_blk[i] = 0
		:: else
		fi;
		if
		:: s_id[i] == 0 -> mirrored(i)
		:: else -> ph[i] = PUT
		fi
	:: ph[i] == PUT ->
		if
		:: n_id[i] == s_id[i] && (STALE(i) || IN_THE_WAY(i)) -> mirrored(i)
		:: n_id[i] == s_id[i] && !STALE(i) && !IN_THE_WAY(i) -> n_blk[i] = s_blk[i]; ph[i] = MARK
		:: n_id[i] != s_id[i] ->
			/* An orphan gives its name away. */
			if
			:: n_id[i] != 0 -> o_blk[i] = o_blk[i] | n_blk[i]; o_lease[i] = o_lease[i] | n_lease[i]; n_lease[i] = 0; drop_node(i)
			:: else
			fi;
			if
			:: (o_blk[i] & s_blk[i]) == 0 -> n_id[i] = s_id[i]; n_rev[i] = s_rev[i]; n_blk[i] = s_blk[i]; n_here[i] = s_mine[i]
			:: else /* can't be shown while its addresses are another's here */
			fi;
			mirrored(i)
		fi
	:: ph[i] == MARK -> n_rev[i] = s_rev[i]; n_here[i] = s_mine[i]; mirrored(i)
	:: ph[i] == LEFT ->
		if
		:: n_id[i] != 0 && !STALE(i) -> gone(i)
		:: else
		fi;
		mirrored(i)
	fi
}

/* The watch tells of other nodes, too, and gets there. */
#define HEARD(i, r) (applied[i] >= (r) || !cut[i] && !need[i] && ph[i] == IDLE && !PENDING(i))

/* While the engine is asked, leases wait, whatever the doubt is. */
#define ALLOCATES(i) (up[i] && n_id[i] != 0 && n_here[i] && n_doubt[i] == SURE && asking[i] == 0)

/* As it is, or asked anew. */
inline resend(s) {
	a_sent[s] = 1;
	a_lost[s] = 1;
	a_losts[s] = 1;
	a_st[s] = (WITH(IDENTITY) -> SENT : COMPOSE)
}

proctype slot(byte s) {
	do
	:: atomic { up[OF(s)] && a_st[s] == COMPOSE && applied[OF(s)] > 0 -> compose(OF(s), s) }
	:: atomic { up[OF(s)] && a_st[s] == COMPOSE && applied[OF(s)] == 0 && cut[OF(s)] -> end(s, 1) } /* nothing was sent */
	:: atomic { up[OF(s)] && a_st[s] == DOUBT ->
		/* As one: what lies between begins no transaction. */
		if
		:: n_id[OF(s)] != 0 && n_doubt[OF(s)] != ORPHANED ->
			if
			:: n_doubt[OF(s)] == UNSETTLED && asking[OF(s)] == 0 -> unknown[OF(s)] = 1
			:: else
			fi;
			asking[OF(s)] = asking[OF(s)] + 1;
			doubts[OF(s)] = doubts[OF(s)] + 1;
			n_doubt[OF(s)] = UNSETTLED;
			a_doubted[s] = n_id[OF(s)]
		:: else
		fi;
		a_st[s] = COMPOSE }
	:: atomic { up[OF(s)] && a_st[s] == SENT && !cut[OF(s)] -> answer(OF(s), s) }
	:: atomic { up[OF(s)] && a_st[s] == SENT && losses > 0 -> losses--; lose(OF(s), s); resend(s) }
	:: atomic { up[OF(s)] && a_st[s] == SENT && !cut[OF(s)] && repeats > 0 && l_op[OF(s)] == 0 -> repeats--; copy(OF(s), s); a_copied[s] = 1 }
	:: atomic { up[OF(s)] && a_st[s] == ANSWER && losses > 0 -> losses--; resend(s) }
	:: atomic { up[OF(s)] && a_st[s] == ANSWER && cut[OF(s)] -> a_lost[s] = 1; a_losts[s] = 1; end(s, 0) }
	:: atomic { up[OF(s)] && a_st[s] == ANSWER && !cut[OF(s)] -> understand(OF(s), s) }
	:: atomic { up[OF(s)] && a_st[s] == SENT && (a_lost[s] || cut[OF(s)]) -> end(s, 0) }
	:: atomic { up[OF(s)] && a_st[s] == AWAIT && HEARD(OF(s), a_at[s]) ->
		/* Who is told that it is done is told the truth. What isn't made is known by its being so, whoever did it. */
		assert(a_took[s] || a_losts[s] || a_copied[s] || a_op[s] != MAKE);
		end(s, 1) }
	:: atomic { up[OF(s)] && a_st[s] == AWAIT && !HEARD(OF(s), a_at[s]) && (losses > 0 || cut[OF(s)]) ->
		losses = (losses > 0 -> losses - 1 : 0);
		need[OF(s)] = 1;
		a_done[s] = 0;
		end(s, 0) }
	:: atomic { up[OF(s)] && a_st[s] == BEHIND && HEARD(OF(s), a_at[s]) -> a_st[s] = COMPOSE }
	:: atomic { up[OF(s)] && a_st[s] == BEHIND && !HEARD(OF(s), a_at[s]) && (losses > 0 || cut[OF(s)]) ->
		losses = (losses > 0 -> losses - 1 : 0);
		end(s, KNOWN(s)) }
	:: atomic { up[OF(s)] && a_st[s] == END && a_op[s] != ATTACH -> end_doubt(OF(s), s); forget_slot(s) }
	:: atomic { up[OF(s)] && a_st[s] == END && a_op[s] == ATTACH ->
		/* It has its blocks, and nothing that was under way can take them any more. */
		if
		:: a_done[s] && n_id[OF(s)] == a_id[s] && ENDABLE(OF(s)) &&
			(!WITH(LAST_ENDS) || doubts[OF(s)] == a_serial[s] && asking[OF(s)] == 0) ->
			n_doubt[OF(s)] = SURE;
			unknown[OF(s)] = 0
		:: else
		fi;
		forget_slot(s) }
	od
}

proctype machine(byte i) {
	do
	/* ---- leases ---- */
	:: atomic { ALLOCATES(i) && leases > 0 && HAS(n_blk[i] & ~n_lease[i], 0) -> leases--; n_lease[i] = n_lease[i] | 1 }
	:: atomic { ALLOCATES(i) && leases > 0 && HAS(n_blk[i] & ~n_lease[i], 1) -> leases--; n_lease[i] = n_lease[i] | 2 }
	:: atomic { up[i] && n_lease[i] != 0 -> n_lease[i] = 0 }
	:: atomic { up[i] && o_lease[i] != 0 -> o_lease[i] = 0 }

	/* ---- users ---- */
	:: atomic { up[i] && ops > 0 && a_st[i * SLOTS + 1] == IDLE ->
		ops--;
		if
		:: a_op[i * SLOTS + 1] = MAKE
		:: a_op[i * SLOTS + 1] = REMOVE
		:: n_id[i] != 0 -> a_op[i * SLOTS + 1] = GROW
		:: n_id[i] != 0 -> a_op[i * SLOTS + 1] = SWAP
		fi;
		a_st[i * SLOTS + 1] = COMPOSE }
	:: atomic { up[i] && seconds > 0 && a_st[i * SLOTS + 2] == IDLE && n_id[i] != 0 ->
		seconds--;
		if
		:: a_op[i * SLOTS + 2] = REMOVE
		:: a_op[i * SLOTS + 2] = SWAP
		fi;
		a_st[i * SLOTS + 2] = COMPOSE }

	/* ---- the thread that mirrors ---- */
	:: atomic { up[i] && !cut[i] && need[i] && ph[i] == IDLE ->
		need[i] = 0;
		clear_watch(i);
		s_id[i] = e_id[i]; s_rev[i] = e_rev[i]; s_blk[i] = e_blk[i]; s_mine[i] = e_mine[i]; s_applied[i] = rev;
		ph[i] = GONE }
	:: atomic { up[i] && !cut[i] && !need[i] && ph[i] == IDLE && PENDING(i) ->
		hear(i);
		ph[i] = (s_id[i] == 0 -> LEFT : PUT) }
	:: atomic { up[i] && ph[i] != IDLE -> mirror(i) }

	/* ---- the pulse ---- */
	:: atomic { up[i] && !cut[i] && n_id[i] != 0 && n_here[i] && n_doubt[i] != ORPHANED && said[i] != n_id[i] ->
		said[i] = n_id[i];
		e_alive[i] = n_id[i] }
	:: atomic { up[i] && !cut[i] && applied[i] > 0 && a_st[i * SLOTS] == IDLE && n_id[i] != 0 && n_doubt[i] != ORPHANED &&
		(!n_here[i] || n_doubt[i] == UNSETTLED && asking[i] == 0) && ph[i] == IDLE && !need[i] && !PENDING(i) ->
		if
		:: !WITH(REWRITE) && n_here[i] -> n_doubt[i] = SURE
		:: else -> a_op[i * SLOTS] = ATTACH; a_st[i * SLOTS] = COMPOSE
		fi
		}
	:: atomic { up[i] && applied[i] > 0 && n_doubt[i] == ORPHANED && n_lease[i] == 0 -> drop_node(i); need[i] = 1 }
	:: atomic { up[i] && applied[i] > 0 && o_blk[i] != 0 && o_lease[i] == 0 -> o_blk[i] = 0; need[i] = 1 }

	/* ---- trouble ---- */
	:: atomic { up[i] && crashes > 0 ->
		crashes--;
		up[i] = 0;
		b = i * SLOTS;
		do
		:: b < (i + 1) * SLOTS ->
			if
			:: a_st[b] == SENT -> lose(i, b)
			:: else
			fi;
			forget_slot(b);
			b++
		:: else -> break
		od;
		b = 0;
		asking[i] = 0; unknown[i] = 0; doubts[i] = 0; said[i] = 0; applied[i] = 0; need[i] = 1;
		ph[i] = IDLE; s_id[i] = 0; s_rev[i] = 0; s_blk[i] = 0; s_mine[i] = 0; s_applied[i] = 0;
		clear_watch(i) }
	:: atomic { !up[i] -> up[i] = 1 }
	:: atomic { cuts > 0 && !cut[i] -> cuts--; cut[i] = 1 }
	:: atomic { cut[i] -> cut[i] = 0 }
	:: atomic { compactions > 0 && PENDING(i) -> compactions--; clear_watch(i); need[i] = 1 }
	:: atomic { l_op[i] != 0 -> execute_late(i) }
	:: atomic { l_op[i] != 0 -> drop_late(i) }
	:: atomic { e_alive[i] != 0 && (cut[i] || !up[i]) -> e_alive[i] = 0; said[i] = 0 }

	/* ---- by others ---- */
	:: atomic { forces > 0 && e_id[i] != 0 && (!WITH(PRESENCE) || e_alive[i] != e_id[i]) ->
		/* Nobody takes the node of a machine that is there and says so. */
		assert(e_alive[i] == 0 || e_alive[i] != e_id[i]);
		forces--;
		rev++;
		b = 0;
		do
		:: b < BLOCKS ->
			if
			:: HAS(e_blk[i], b) && WITH(QUARANTINE) -> k_own[b] = REST; k_rev[b] = rev; k_over[b] = 0
			:: HAS(e_blk[i], b) && !WITH(QUARANTINE) -> k_own[b] = 0; k_rev[b] = 0; k_over[b] = 0
			:: else
			fi;
			b++
		:: else -> break
		od;
		b = 0;
		e_id[i] = 0; e_rev[i] = 0; e_blk[i] = 0; e_mine[i] = 0; e_alive[i] = 0;
		tell(i) }
	:: atomic { others > 0 && e_id[i] != 0 && !e_mine[i] ->
		others--;
		rev++;
		b = 0;
		do
		:: b < BLOCKS ->
			if
			:: HAS(e_blk[i], b) -> k_own[b] = 0; k_rev[b] = 0; k_over[b] = 0
			:: else
			fi;
			b++
		:: else -> break
		od;
		b = 0;
		e_id[i] = 0; e_rev[i] = 0; e_blk[i] = 0; e_alive[i] = 0;
		tell(i) }
	:: atomic { others > 0 && e_id[i] == 0 ->
		others--;
		if
		:: k_own[0] == 0 || k_own[0] == REST && k_over[0] -> b = 0
		:: k_own[1] == 0 || k_own[1] == REST && k_over[1] -> b = 1
		:: else -> b = BLOCKS
		fi;
		if
		:: b < BLOCKS ->
			rev++; ids++;
			k_own[b] = i + 1; k_rev[b] = rev; k_over[b] = 0;
			e_id[i] = ids; e_rev[i] = rev; e_blk[i] = BIT(b); e_mine[i] = 0;
			tell(i)
		:: else
		fi;
		b = 0 }
	od
}

/* The assumptions of docs/design.md: a rest isn't over while a machine that runs and is cut off still takes the block for its own,
 * nor while one that is down would when it starts. */
#define BELIEVES(i, n) (n_id[i] != 0 && n_doubt[i] != ORPHANED && HAS(n_blk[i], n))
#define COMING(i, n) HAS(s_blk[i] | w_blk[i * LAG] | w_blk[i * LAG + 1], n) /* it will, by what it is about to be told */
#define CUT_OFF(i, n) (WITH(SHORT_CUT) && up[i] && (BELIEVES(i, n) || COMING(i, n)))
#define DOWN(i, n) (WITH(SHORT_DOWN) && !up[i] && BELIEVES(i, n))
#define RESTS(n) (k_own[n] == REST && !k_over[n] && !CUT_OFF(0, n) && !CUT_OFF(1, n) && !DOWN(0, n) && !DOWN(1, n))

active proctype rested() {
	do
	:: atomic { RESTS(0) -> k_over[0] = 1 }
	:: atomic { RESTS(1) -> k_over[1] = 1 }
	od
}

/* ---- what must hold ---- */

/* A machine has the block: gives addresses of it, or has one given. An orphan gives none; what it still has is what who removed it by
 * force was told of. */
#define HOLDS(i, n) (HAS(n_blk[i], n) && ALLOCATES(i) || n_doubt[i] != ORPHANED && HAS(n_lease[i], n))
#define TWICE(n) (HOLDS(0, n) && HOLDS(1, n) && (ALLOCATES(0) || ALLOCATES(1)))

/* It gives addresses of a block that anybody may take. */
#define LOOSE(i, n) (ALLOCATES(i) && HAS(n_blk[i], n) && k_own[n] == 0)

/* In the end, whatever happened: everybody is up, knows what the engine knows, and may begin anew. */
#define WELL(i) (up[i] && !cut[i] && !need[i] && ph[i] == IDLE && !PENDING(i) && n_id[i] == e_id[i] && n_rev[i] == e_rev[i] && \
	n_blk[i] == e_blk[i] && n_doubt[i] == SURE && (n_id[i] == 0 || n_here[i]) && o_blk[i] == 0 && asking[i] == 0)

active proctype watcher() {
	do
	:: atomic { TWICE(0) -> assert(false) }
	:: atomic { TWICE(1) -> assert(false) }
	:: atomic { LOOSE(0, 0) || LOOSE(0, 1) || LOOSE(1, 0) || LOOSE(1, 1) -> assert(false) }
	:: atomic { !calm -> calm = 1; ops = 0; seconds = 0; forces = 0; others = 0; losses = 0; repeats = 0; crashes = 0; cuts = 0; compactions = 0; leases = 0 }
	:: atomic { timeout -> assert(WELL(0) || twice_only); assert(WELL(1) || twice_only); break }
	od
}

init {
	atomic {
		c_code {
			now.without = knob("WITHOUT", 0); now.ops = knob("OPS", 0); now.seconds = knob("SECONDS", 0);
			now.forces = knob("FORCES", 0); now.others = knob("OTHERS", 0); now.losses = knob("LOSSES", 0);
			now.repeats = knob("REPEATS", 0);
			now.crashes = knob("CRASHES", 0); now.cuts = knob("CUTS", 0); now.compactions = knob("COMPACTIONS", 0);
			now.leases = knob("LEASES", 0); now.g = knob("HELD", 0); now.twice_only = knob("TWICE", 0);
		};
		/* HELD=1: a node of the first machine is there already, with a block. */
		if
		:: g != 0 ->
			ids = 1; rev = 2;
			e_id[0] = 1; e_rev[0] = 2; e_blk[0] = 1; e_mine[0] = 1; k_own[0] = 1; k_rev[0] = 2;
			n_id[0] = 1; n_rev[0] = 2; n_blk[0] = 1; n_here[0] = 1;
			need[0] = 0; applied[0] = 2; need[1] = 0; applied[1] = 2
		:: else
		fi;
		g = 0;
		run machine(0);
		run machine(1);
		do
		:: b < 2 * SLOTS -> run slot(b); b++
		:: else -> break
		od;
		b = 0
	}
}
