/* Workers that die anywhere, results that come late, twice or from the dead, consumers that give up:
 * every interleaving of them with the scheduler.
 *
 * What is assumed: a worker is reported dead only when it no longer runs, and its results arrive in the
 * order it sent them. What is harder here than in life: a worker that takes the place of a dead one also
 * takes its number, a result once seen may arrive again any number of times, and results of a dead worker
 * may arrive before its death is known, long after it, or never.
 *
 * Loads are followed into memory: a load first tears its slot, goes on from ticket to ticket, then fills it.
 * What the consumer takes has to be whole, its own, and has to stay so until the slot is given back.
 *
 * Bounds on top of those in scheduler.pml: AHEAD, CRASHES, FAILS (loads that raise), CLOSES (queues given up),
 * WITHDRAWS (jobs of several tickets that cannot be sent as one).
 */

#define freed(s) memory[s] = 0
#include "scheduler.pml"

#ifndef WITHDRAWS
#define WITHDRAWS 0
#endif

/* A job as it is sent, and as it lies in memory: its first ticket and its size in one number. */
#define whole(j, m) ((j) + 1 + ((m) - 1) * JOBS)
#define first(x) (((x) - 1) % JOBS)
#define size(x) (((x) - 1) / JOBS + 1)

#define TORN 255
#define GONE 0
#define UP 1
#define DOWN 2                  /* dead, and the parent does not know it yet */

/* --- what the world knows and the scheduler does not */

byte memory[SLOTS];             /* 0 nothing, TORN, or a whole job */
byte killed[JOBS];              /* deaths of workers while they were at this ticket, as far as they were told */
byte got[QUEUES];                /* tickets that the consumer of a queue has had */
byte status[WORKERS];
byte under_way[WORKERS];        /* ticket + 1 that a worker is loading */
#if LARGEST > 1
byte left[WORKERS];             /* tickets that come after it in its job */
#define set_left(w, n) left[w] = (n)
#define at_last(w) (left[w] == 0)
#else
#define set_left(w, n) skip
#define at_last(w) true
#endif
byte crashes = CRASHES, fails = FAILS, closes = CLOSES, withdraws = WITHDRAWS;
byte consumers_done;

chan inbox[WORKERS] = [DEPTH] of { byte, byte, byte };        /* whole job, attempt, slot */
chan outbox[WORKERS] = [DEPTH + 1] of { byte, byte, byte, byte }; /* and the outcome */

/* one result that is kept to arrive again */
bit kept;
byte old_worker, old_job, old_attempt, old_slot, old_outcome;

#ifdef BUG_NOT_DEAD_YET
byte zombie_slot = NONE;        /* a worker reported dead goes on writing here */
#endif

/* Every use assigns these first, in the same step. */
hidden byte x, j, a, s, outcome, owners;

/* The real one gives the next job to the least busy worker, the first of them if there are several: the
 * larger searches do the same. The others try every worker with room. */
#ifdef LEAST_BUSY
#define less(v, w) (!joined[v] || holds[v] > holds[w] || (holds[v] == holds[w] && v >= w))
#if WORKERS > 2
#define may_have(w) (has_room(w) && less(0, w) && less(1, w) && less(2, w))
#else
#define may_have(w) (has_room(w) && less(0, w) && less(1, w))
#endif
#else
#define may_have(w) has_room(w)
#endif

/* Every slot is free, or one job's, or the consumer's. */
inline audit() {
	for (i : 0 .. SLOTS - 1) {
		owners = leased[i];
		for (k : 0 .. JOBS - 1) {
			if
			:: job[k].state >= PENDING && job[k].state <= DROPPED && job[k].slot == i -> owners++
			:: else
			fi
		}
		assert(owners == used[i])
	};
	skip                            /* a d_step may not end in a loop */
}

/* No job that comes earlier may be left waiting. */
inline check_lowest(chosen) {
	for (i : 0 .. JOBS - 1) {
		assert(job[i].state != PENDING || i % TICKETS >= chosen % TICKETS)
	}
}

/* s = the job's slot, or else the first free one; which one makes no difference, so it stands for all */
inline find_slot(chosen) {
	s = job[chosen].slot;
	if
	:: s == NONE -> find_free(); s = found
	:: else
	fi
}

/* The last death that a ticket may cause is its outcome, and no ticket has one without it. */
inline check_deaths() {
	for (i : 0 .. JOBS - 1) {
		if
		:: job[i].state == POISONED -> assert(killed[i] == MAX_DEATHS); assert(job[i].slot != NONE)
		:: job[i].state == PENDING || job[i].state == ISSUED || job[i].state == INSIDE -> assert(killed[i] < MAX_DEATHS)
		:: else
		fi
	};
	skip
}

/* A result comes in: (x, a, s, outcome). If it counts, the slot holds that job, whole. */
inline arrive(w) {
	j = first(x);
	answer(w, j / TICKETS, j % TICKETS, a, s, outcome);
	assert(!counted || outcome == FAILED || memory[s] == x);
	audit()
}

/* A death comes in, after which nothing that worker had is left but copies of what it had sent. */
inline bury(w, blamed) {
	a = 0;
	if
	:: blamed != NONE ->
		inbox[w]?<x, a, s>;
		if
		:: job[first(x)].state == ISSUED -> killed[blamed]++
		:: else -> a = 0
		fi
	:: else
	fi;
#ifdef BUG_NOT_DEAD_YET
	if
	:: under_way[w] -> inbox[w]?<x, _, s>; zombie_slot = s
	:: else
	fi;
#endif
	died(w, blamed, a);
	audit(); check_deaths();
	do
	:: nempty(outbox[w]) -> outbox[w]?x, a, s, outcome
	:: empty(outbox[w]) -> break
	od;
	do
	:: nempty(inbox[w]) -> inbox[w]?x, a, s
	:: empty(inbox[w]) -> break
	od;
	under_way[w] = 0; set_left(w, 0); status[w] = GONE
}

inline finish_load(w, how) {
	inbox[w]?x, a, s;
	check_own(w);
	if
	:: how == READY -> memory[s] = x
	:: else
	fi;
	outbox[w]!x, a, s, how;
	under_way[w] = 0; set_left(w, 0)
}

/* A worker writes to no slot but its own. */
inline check_own(w) {
	j = first(x);
	assert(job[j].slot == s && job[j].worker == w)
}

inline copy(w) {
	outbox[w]?<old_job, old_attempt, old_slot, old_outcome>;
	old_worker = w; kept = 1
}

/* --- the parent's end of one worker: orders out, results and deaths in */

proctype Handle(byte w)
{
end:	do
	:: d_step {
		waiting && may_have(w) ->
		find_next(); j = found;
		check_lowest(j); find_slot(j);
		issue(w, j, s);
		x = whole(j, size_of(j));
		inbox[w]!x, job[j].attempt, s;
		audit()
		}
#if WITHDRAWS > 0
	:: d_step {
		withdraws && waiting && may_have(w) ->
		find_next(); j = found;
		find_slot(j);
		issue(w, j, s);
		x = whole(j, size_of(j));
		if
		:: size_of(j) > 1 -> withdraws--; withdraw(j)
		:: else -> inbox[w]!x, job[j].attempt, s
		fi;
		audit()
		}
#endif
	:: d_step {
		joined[w] && nempty(outbox[w]) ->
		outbox[w]?x, a, s, outcome;
		arrive(w)
		}
	:: d_step { joined[w] && status[w] == DOWN && under_way[w] -> bury(w, under_way[w] - 1) }
	:: d_step { joined[w] && status[w] == DOWN -> bury(w, NONE) }  /* the cause is not always known */
	:: d_step { !joined[w] && status[w] == GONE -> status[w] = UP; joined[w] = 1 }
	od
}

proctype Worker(byte w)
{
end:	do
	:: d_step {
		status[w] == UP && !under_way[w] && nempty(inbox[w]) ->
		inbox[w]?<x, a, s>;
		check_own(w);
		memory[s] = TORN; under_way[w] = j + 1; set_left(w, size(x) - 1)
		}
#if LARGEST > 1
	:: d_step { status[w] == UP && under_way[w] && !at_last(w) -> under_way[w]++; left[w]-- }
#endif
	:: d_step { status[w] == UP && under_way[w] && at_last(w) -> finish_load(w, READY) }
	:: d_step { status[w] == UP && under_way[w] && fails -> fails--; finish_load(w, FAILED) }
#ifdef BUG_NOT_DEAD_YET
	:: d_step { zombie_slot != NONE -> memory[zombie_slot] = TORN; zombie_slot = NONE }
#endif
	:: d_step { status[w] == UP && crashes -> crashes--; status[w] = DOWN }
	od
}

/* Results that arrive twice: one is copied on its way, and the copy arrives at any time, any number of times. */
proctype Echo()
{
end:	do
	:: d_step { kept -> x = old_job; a = old_attempt; s = old_slot; outcome = old_outcome; arrive(old_worker) }
	:: d_step { !kept && nempty(outbox[0]) -> copy(0) }
	:: d_step { !kept && nempty(outbox[1]) -> copy(1) }
#if WORKERS > 2
	:: d_step { !kept && nempty(outbox[2]) -> copy(2) }
#endif
	od
}

proctype Consumer(byte l)
{
	byte slot, value, state;

	do
	:: d_step { !queue[l].closed && room(l) > 0 && queue[l].planned < TICKETS -> plan(l, 1) }
#if LARGEST > 1
	:: d_step { !queue[l].closed && room(l) > 1 && queue[l].planned + 1 < TICKETS -> plan(l, 2) }
#endif
	:: d_step { !queue[l].ended && queue[l].planned == TICKETS -> queue[l].ended = 1 }
	:: d_step {
		ready(l) && !value ->
		take(l);
		assert(found == index(l, got[l]));               /* in order, each once */
		assert(taken_state != READY || memory[taken_slot] == whole(found, taken_size));
		got[l] = got[l] + taken_size;
		slot = taken_slot; state = taken_state; value = whole(found, taken_size);
		audit()
		}
	:: d_step {
		value ->
		assert(state != READY || memory[slot] == value); /* nobody wrote to it meanwhile */
		give_back(slot);
		slot = 0; state = 0; value = 0;
		audit()
		}
	:: d_step { closes && !queue[l].closed && !finished(l) -> closes--; close_queue(l); audit() }
	:: !value && queue[l].closed -> break
	:: !value && !queue[l].closed && finished(l) -> assert(got[l] == TICKETS); break
	od;
	consumers_done++
}

init {
	atomic {
		for (i : 0 .. QUEUES - 1) { queue[i].ahead = AHEAD; run Consumer(i) };
		for (i : 0 .. WORKERS - 1) { run Handle(i); run Worker(i); joined[i] = 1; status[i] = UP };
#ifndef NO_ECHO
		run Echo()
#endif
	}
}

#ifdef LIVENESS
/* Deaths come to an end; then so does everything that was planned. */
ltl all_is_delivered { <> (consumers_done == QUEUES) }
#endif
