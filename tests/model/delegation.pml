/* The delegation of blocks over etcd: what machines (agents), the engine, the network, time and an admin can do to each other.
 *
 * Every step is one atomic option; between any two of them anything else may happen, a crash too. A partition needs no variable:
 * an agent that takes no step with the engine for a while is cut off. Time has no end: counters count since or until, and
 * stay where they no longer matter. Revisions are bits: a write to a record makes every older view of it, and every
 * transaction that compares it, outdated for ever.
 *
 * -DAGENTS, -DBLOCKS, -DQUIET (fewer delays), -DLIVE (liveness.pml), and one of the rules broken, NO_... (README.md). */

#ifndef AGENTS
#define AGENTS 2
#endif
/* Of these, so many have a machine; the others' blocks are taken and given back in whatever order the engine allows. */
#ifndef MACHINES
#define MACHINES 1
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif

/* Ticks: the lease of presence; the quarantine; how late a transaction may still be done after it was composed, and a lease
 * durable after it was allowed; the margin by which an agent stops earlier. */
#ifndef ALIVE
#define ALIVE 1
#endif
#ifndef QUARANTINE
#define QUARANTINE 3
#endif
#ifndef LATE
#define LATE 1
#endif
#ifndef MARGIN
#define MARGIN 1
#endif
#ifdef NO_MARGIN
#define STOP QUARANTINE
#else
#define STOP (QUARANTINE - MARGIN)
#endif

#define FREE AGENTS
#define REST (AGENTS + 1)
#define NO 255
#define BIT(b) (1 << (b))

/* ---- the engine: a node goes by its agent's number, its name ------------------------------------------------------------ */

#define ABSENT 0
#define UNHELD 1 /* machine is "" */
#define HELD 2
byte node[AGENTS];       /* the node's record */
byte listed[AGENTS];     /*   its blocks */
byte alive[AGENTS];      /* ticks for which the key of presence lasts; 0: absent */
byte owner[BLOCKS];      /* the block's key: a node, REST, or FREE: absent */
byte rest[BLOCKS];       /*   ticks until its time is over */

/* ---- the network: a transaction each that is under way ------------------------------------------------------------------- */

#define NONE 0
#define MAKE 1           /* mkdir of the own node */
#define GROW 2
#define ATTACH 3
#define REMOVE 4         /* rmdir of the own node */
#define SHRINK 5         /* a block is given back */
#define SWAP 6           /* given back, and another taken in the same transaction */
#define DEAD 7           /* what it compares was written since: it will fail */
byte sent[AGENTS], sent_of[AGENTS];
bit rested[AGENTS];      /* it takes a block that has rested, at that revision */
/* A copy that its sender has given up, which may still be done. Only those that take blocks away are worth keeping. */
byte late[AGENTS], late_of[AGENTS];

byte force = NO, force_age; /* the admin's `node remove --force` */

/* ---- agents: durable ------------------------------------------------------------------------------------------------------- */

#define SURE 0
#define UNSETTLED 1
#define ORPHANED 2
bit have[AGENTS];        /* the mirrored node */
bit held[AGENTS];        /*   its machine is this one */
byte mine[AGENTS];       /*   its blocks */
byte doubt[AGENTS];
byte lease[AGENTS];      /* blocks in which an address is leased; one address a block is enough */
byte since[AGENTS];      /* ticks since the last contact; STOP: that or more */
/* volatile */
byte asking[AGENTS];     /* the transaction whose answer is waited for, and which takes blocks or attaches */
#define OK 1
#define REFUSED 2        /* the node's record isn't as it was */
#define REFUSED_ELSE 3   /* something else isn't */
byte answer[AGENTS];
byte giving[AGENTS];     /* block + 1: allowed, and not yet durable */
bit giving_old[AGENTS];
byte heard[AGENTS] = NO; /* age of an answer to a contact that hasn't been read yet */
/* about the mirror, known to nobody */
bit current[AGENTS];     /* it is as the engine has it */
bit same[AGENTS];        /* the mirrored node is the one that the engine has (its id) */
bit forced[AGENTS];      /* it went by force */

/* ---- what must hold --------------------------------------------------------------------------------------------------------- */

#ifdef NO_STOP
#define in_contact(i) 1
#else
#define in_contact(i) (since[i] < STOP)
#endif
#ifdef NO_ATTACH
#define is_held(i) 1
#else
#define is_held(i) held[i]
#endif
#ifdef NO_UNSETTLED
#define is_sure(i) (doubt[i] != ORPHANED)
#else
#define is_sure(i) (doubt[i] == SURE && asking[i] < REMOVE)
#endif
#define may_give(i, b) (have[i] && is_held(i) && is_sure(i) && in_contact(i) && (mine[i] & BIT(b)))
#define gives(i, b) (may_give(i, b) || giving[i] == (b) + 1)

/* Who gives addresses of a block has its key, or its time of rest isn't over, so that nobody else can have it. */
#define alone(i, b) (!gives(i, b) || (owner[b] == i && same[i]) || (owner[b] == REST && rest[b] > 0 && !same[i]))
/* A lease's block is its agent's until it is released, and its node leaves the engine only by force. */
#define kept(i) ((lease[i] & ~(have[i] * mine[i])) == 0 && (lease[i] == 0 || same[i] || forced[i]))
/* A block's key names a node exactly if that node lists the block. */
#define agrees(i, b) ((owner[b] == i) == (node[i] != ABSENT && (listed[i] & BIT(b)) != 0))

#define all_of(i) (alone(i, 0) && alone(i, 1) && agrees(i, 0) && agrees(i, 1) && kept(i) FOR_BLOCK_2(i))
#if BLOCKS > 2
#define FOR_BLOCK_2(i) && alone(i, 2) && agrees(i, 2)
#else
#define FOR_BLOCK_2(i)
#endif
#if AGENTS > 2
#define holds (all_of(0) && all_of(1) && all_of(2))
#else
#define holds (all_of(0) && all_of(1))
#endif

/* ---- the engine's steps ------------------------------------------------------------------------------------------------------ */

/* A record was written: who compares it at its old revision fails, now and later. */
inline outdate(i)
{
	if
	:: sent[i] != NONE && sent[i] != MAKE -> sent[i] = DEAD; sent_of[i] = 0; rested[i] = 0
	:: else
	fi;
	late[i] = NONE; late_of[i] = 0;
	if
	:: force == i -> force = NO; force_age = 0
	:: else
	fi;
	current[i] = 0
}

/* A block's key was written: who wants it as one that has rested fails. */
inline outdate_block(b, but)
{
	k = 0;
	do
	:: k < AGENTS ->
		if
		:: k != but && rested[k] && sent_of[k] == b -> sent[k] = DEAD; sent_of[k] = 0; rested[k] = 0
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

#ifdef NO_COMPARE
#define is_free(i, b) 1
#else
#define is_free(i, b) ((rested[i] && owner[b] == REST) || (!rested[i] && owner[b] == FREE))
#endif

inline take_block(i, b)
{
	outdate_block(b, i);
	owner[b] = i; rest[b] = 0;
	listed[i] = listed[i] | BIT(b)
}

inline drop_block(i, b)
{
	owner[b] = FREE;
	listed[i] = listed[i] & ~BIT(b)
}

/* The node's record and what goes with it; blocks: FREE, or REST for so long. */
inline delete_node(i, to, ticks)
{
	b = 0;
	do
	:: b < BLOCKS ->
		if
		:: owner[b] == i -> owner[b] = to; rest[b] = ticks
		:: else
		fi;
		b++
	:: else -> break
	od;
	b = 0;
	node[i] = ABSENT; listed[i] = 0; alive[i] = 0; same[i] = 0
}

/* The block that a swap takes for the one that it gives. */
#define other(b) ((b + 1) % BLOCKS)

/* It reaches the engine. outdate makes it DEAD, so it goes first. */
inline arrive(i)
{
	kind = sent[i]; b = sent_of[i]; result = OK;
	if
	:: kind == MAKE && node[i] == ABSENT && is_free(i, b) ->
		outdate(i); take_block(i, b); node[i] = HELD; same[i] = 0
	:: kind == GROW && is_free(i, b) -> outdate(i); take_block(i, b)
	:: kind == ATTACH -> outdate(i); node[i] = HELD
	:: kind == REMOVE -> outdate(i); delete_node(i, FREE, 0)
	:: kind == SHRINK -> outdate(i); drop_block(i, b)
	:: kind == SWAP && owner[other(b)] == FREE -> outdate(i); take_block(i, other(b)); drop_block(i, b)
	:: kind == SWAP && owner[other(b)] != FREE -> result = REFUSED_ELSE
	:: else -> result = REFUSED
	fi;
	sent[i] = NONE; sent_of[i] = 0; rested[i] = 0; b = 0;
	if
	:: asking[i] == NONE || answer[i] != NONE -> result = NONE
	:: else
	fi
}

inline arrive_late(i)
{
	kind = late[i]; b = late_of[i];
	if
	:: kind == REMOVE -> outdate(i); delete_node(i, FREE, 0)
	:: kind == SHRINK -> outdate(i); drop_block(i, b)
	:: kind == SWAP && owner[other(b)] == FREE -> outdate(i); take_block(i, other(b)); drop_block(i, b)
	:: else
	fi;
	b = 0; kind = NONE
}

/* ---- an agent's steps ----------------------------------------------------------------------------------------------------------- */

inline forget_node(i)
{
	have[i] = 0; held[i] = 0; mine[i] = 0; doubt[i] = SURE; same[i] = 0; forced[i] = 0;
	asking[i] = NONE; answer[i] = NONE; heard[i] = NO; since[i] = STOP
}

/* A full read or the watch: the mirror is as the engine is. */
inline mirror(i)
{
	if
	:: have[i] && !same[i] && lease[i] != 0 -> doubt[i] = ORPHANED
	:: have[i] && !same[i] && lease[i] == 0 -> forget_node(i)
	:: else
	fi;
	if
	:: have[i] && same[i] -> mine[i] = listed[i]; held[i] = node[i] == HELD
	:: !have[i] && node[i] != ABSENT ->
		have[i] = 1; same[i] = 1; mine[i] = listed[i]; held[i] = node[i] == HELD
	:: else
	fi;
	current[i] = 1
}

/* What was sent is no longer waited for: by a timeout or a crash. Two copies compare the same revision, so that one of them at
 * most is ever done: keeping either stands for both. */
inline give_up(i)
{
	if
	:: sent[i] >= REMOVE ->
		if
		:: sent[i] != DEAD -> late[i] = sent[i]; late_of[i] = sent_of[i]
		:: sent[i] == DEAD || late[i] != NONE
		fi;
		sent[i] = NONE; sent_of[i] = 0
	:: else
	fi;
	answer[i] = NONE
}

inline ask(i, what, which)
{
	sent[i] = what; sent_of[i] = which; answer[i] = NONE;
	if
	:: what >= ATTACH -> asking[i] = what
	:: else
	fi
}

/* The answer is there and all up to it is mirrored. Done, or the node's record isn't as it was: then no copy of this
 * transaction, and of no older one, can be done any more. Any other answer says nothing of copies that are under way. */
inline conclude(i)
{
	if
#ifdef NO_ORPHAN_STAYS
	:: true -> doubt[i] = SURE
#else
#ifdef NO_LATE_COPIES
	:: doubt[i] == UNSETTLED -> doubt[i] = SURE
#else
	:: doubt[i] == UNSETTLED && answer[i] != REFUSED_ELSE -> doubt[i] = SURE
#endif
	:: else
#endif
	fi;
	asking[i] = NONE; answer[i] = NONE
}

/* Of a block as one that is nobody's, or has rested long enough. */
#define looks_free(b) (owner[b] == FREE || (owner[b] == REST && rest[b] == 0))
#define no_lease_in_flight(i) (giving[i] == 0)
#define idle(i) (asking[i] == NONE && sent[i] == NONE && no_lease_in_flight(i))

/* Options that are one a block. */
#if BLOCKS > 2
#define each_block(option) option(0) option(1) option(2)
#else
#define each_block(option) option(0) option(1)
#endif
#if AGENTS > 2
#define each_node(option) option(0) option(1) option(2)
#else
#define each_node(option) option(0) option(1)
#endif

#define allow(n) \
	:: atomic { no_lease_in_flight(i) && may_give(i, n) && !(lease[i] & BIT(n)) -> giving[i] = n + 1 }
#define release(n) \
	:: atomic { no_lease_in_flight(i) && (lease[i] & BIT(n)) -> lease[i] = lease[i] & ~BIT(n); \
		if \
		:: lease[i] == 0 && doubt[i] == ORPHANED -> forget_node(i); current[i] = 0 \
		:: else \
		fi }
#define make_with(n) \
	:: atomic { idle(i) && !have[i] && looks_free(n) -> rested[i] = owner[n] == REST; ask(i, MAKE, n) }
#define grow_by(n) \
	:: atomic { idle(i) && knows(i) && held[i] && looks_free(n) -> rested[i] = owner[n] == REST; ask(i, GROW, n) }
#define shrink_by(n) \
	:: atomic { idle(i) && knows(i) && doubt[i] == UNSETTLED && (mine[i] & BIT(n)) && !(lease[i] & BIT(n)) && \
		mine[i] != BIT(n) -> ask(i, SHRINK, n) }
#define swap_of(n) \
	:: atomic { idle(i) && knows(i) && doubt[i] == UNSETTLED && (mine[i] & BIT(n)) && !(lease[i] & BIT(n)) && \
		!(mine[i] & BIT(other(n))) -> ask(i, SWAP, n) }
/* Who knows itself behind reads first. */
#define knows(i) (have[i] && same[i] && current[i])

/* What the agent does by itself or for its users. */
proctype agent(byte i)
{
	byte b, k;

	do
	/* leases: allowed, then durable and told */
	each_block(allow)
	:: d_step { giving[i] != 0 ->
		b = giving[i] - 1;
		/* Another's lease of the same address is of a node that was removed by force, and it has rested. */
		do
		:: k < AGENTS -> assert(k == i || !(lease[k] & BIT(b)) || (!same[k] && forced[k])); k++
		:: else -> break
		od;
		lease[i] = lease[i] | BIT(b);
		giving[i] = 0; giving_old[i] = 0; b = 0; k = 0 }
	each_block(release)

	/* what the engine is asked */
	each_block(make_with)
	each_block(grow_by)
	:: atomic { idle(i) && knows(i) && !held[i] -> ask(i, ATTACH, 0) }
	/* before blocks are given back: durably in doubt, a step of its own */
	:: atomic { idle(i) && knows(i) && held[i] && doubt[i] == SURE -> doubt[i] = UNSETTLED }
	:: atomic { idle(i) && knows(i) && doubt[i] == UNSETTLED && lease[i] == 0 -> ask(i, REMOVE, 0) }
	each_block(shrink_by)
	each_block(swap_of)
	/* no answer in time: the same may be asked again, or something else */
	:: atomic { asking[i] != NONE && answer[i] == NONE -> give_up(i); asking[i] = NONE }
	:: atomic { answer[i] != NONE && current[i] && no_lease_in_flight(i) -> conclude(i) }
	/* in doubt, and nothing asked: the record is written anew, so that what is under way comes too late */
#ifdef NO_REWRITE
	:: atomic { idle(i) && knows(i) && doubt[i] == UNSETTLED -> doubt[i] = SURE }
#else
	:: atomic { idle(i) && knows(i) && doubt[i] == UNSETTLED -> ask(i, ATTACH, 0) }
#endif

	/* a full read, or the watch */
	:: atomic { !current[i] && no_lease_in_flight(i) -> mirror(i) }

	/* presence and contact: a transaction that finds the node there, and this machine's; it counts from when it was sent */
	:: atomic { have[i] && held[i] && same[i] && heard[i] == NO ->
#ifndef NO_PRESENCE
		alive[i] = ALIVE;
#endif
		heard[i] = 0 }
	:: atomic { heard[i] != NO ->
#ifdef NO_SENT_TIME
		since[i] = 0;
#else
		if
		:: heard[i] < since[i] -> since[i] = heard[i]
		:: else
		fi;
#endif
		heard[i] = NO }
#ifdef NO_NODE_SEEN
	/* a lease that is kept alive, and says nothing of the node */
	:: atomic { have[i] && held[i] && since[i] != 0 -> since[i] = 0 }
#endif

	/* it ends, and begins again with what is durable */
	:: atomic { true -> give_up(i);
		asking[i] = NONE; giving[i] = 0; giving_old[i] = 0; heard[i] = NO;
#ifdef NO_DURABLE_CONTACT
		if
		:: have[i] -> since[i] = 0
		:: else
		fi
#endif
		}
	od
}

/* A transaction arrives, is answered or not, or is lost. */
proctype network(byte i)
{
	byte b, k, kind, result;

end:	do
	:: atomic { sent[i] != NONE -> arrive(i);
		if
		:: result != NONE -> answer[i] = result
		:: true -> skip
		fi;
		kind = NONE; result = NONE }
	:: atomic { sent[i] != NONE && asking[i] == NONE -> sent[i] = NONE; sent_of[i] = 0; rested[i] = 0 }
	:: atomic { late[i] != NONE -> arrive_late(i); late[i] = NONE; late_of[i] = 0 }
	od
}

#define make_for(n, m) \
	:: atomic { node[n] == ABSENT && looks_free(m) -> outdate(n); take_block(n, m); node[n] = UNHELD }
#define make_for_any(n) make_for(n, 0) make_for(n, 1)
#define grow_unheld(n) \
	:: atomic { n >= MACHINES && node[n] == UNHELD && looks_free(0) -> outdate(n); take_block(n, 0) } \
	:: atomic { n >= MACHINES && node[n] == UNHELD && looks_free(1) -> outdate(n); take_block(n, 1) }
#define remove_unheld(n) \
	:: atomic { node[n] == UNHELD -> outdate(n); delete_node(n, FREE, 0) }
#define begin_force(n) \
	:: atomic { force == NO && node[n] != ABSENT -> force = n }

/* Makes nodes for machines that take them later, removes such, and takes nodes from machines that aren't heard of. */
proctype admin()
{
	byte b, k, i, ticks;

	do
	each_node(make_for_any)
	each_node(grow_unheld)
	each_node(remove_unheld)
	each_node(begin_force)
#ifdef NO_ALIVE
	:: atomic { force != NO ->
#else
	:: atomic { force != NO && alive[force] == 0 ->
#endif
		i = force;
#ifndef NO_QUARANTINE
		ticks = QUARANTINE - force_age;
#endif
		forced[i] = have[i] && (same[i] || forced[i]);
		outdate(i); delete_node(i, REST, ticks);
		i = 0; ticks = 0 }
	:: atomic { force != NO -> force = NO; force_age = 0 }
	od
}

/* A lease that is allowed becomes durable within a tick or so: what takes longer is the margin's affair. */
#if AGENTS > 2
#define some_lease_late (giving_old[0] || giving_old[1] || giving_old[2])
#else
#define some_lease_late (giving_old[0] || giving_old[1])
#endif

/* One number for whatever changes with time, so that a tick that changes nothing isn't one. */
proctype clock()
{
	byte i;

	do
	:: d_step { !some_lease_late ->
		do
		:: i < AGENTS ->
			alive[i] = (alive[i] > 0 -> alive[i] - 1 : 0);
			since[i] = (since[i] < STOP -> since[i] + 1 : STOP);
			giving_old[i] = giving[i] != 0;
			if
			:: heard[i] != NO -> heard[i] = (heard[i] < STOP -> heard[i] + 1 : STOP)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < BLOCKS -> rest[i] = (rest[i] > 0 -> rest[i] - 1 : 0); i++
		:: else -> break
		od;
		i = 0;
		if
		:: force != NO && force_age < LATE -> force_age++
		:: force != NO && force_age >= LATE -> force = NO; force_age = 0
		:: else
		fi }
	od
}

/* Looked at after every step. */
proctype watcher()
{
end:	!(holds) -> assert(false)
}

init {
	byte i;

	d_step {
		do
		:: i < AGENTS -> since[i] = STOP; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < BLOCKS -> owner[i] = FREE; i++
		:: else -> break
		od;
		i = 0
	}
	atomic {
		do
		:: i < MACHINES -> run agent(i); run network(i); i++
		:: else -> break
		od;
		run admin(); run clock(); run watcher()
	}
}
