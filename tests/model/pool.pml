/* Workers that die anywhere, results that come late, twice or from the dead, consumers that give up:
 * every interleaving of them with the scheduler.
 *
 * What is assumed: a worker is reported dead only when it no longer runs, and its results arrive in the
 * order it sent them. What is harder here than in life: a worker that takes the place of a dead one also
 * takes its number, a result once seen may arrive again any number of times, and results of a dead worker
 * may arrive before its death is known, long after it, or never.
 *
 * Loads are followed into memory: a load first tears its slot, then fills it. What the consumer takes has
 * to be whole, its own, and has to stay so until the slot is given back.
 *
 * Bounds on top of those in scheduler.pml: AHEAD, CRASHES, FAILS (loads that raise), CLOSES (lanes given up).
 */

#define freed(s) memory[s] = 0
#include "scheduler.pml"

#define TORN 255
#define GONE 0
#define UP 1
#define DOWN 2                  /* dead, and the parent does not know it yet */

/* --- what the world knows and the scheduler does not */

byte memory[SLOTS];             /* 0 nothing, TORN, or job + 1 */
byte killed[JOBS];              /* deaths of workers while they were at this job, as far as they were told */
byte got[LANES];                /* tickets that the consumer of a lane has had */
byte status[WORKERS];
byte under_way[WORKERS];        /* job + 1 that a worker is loading */
byte crashes = CRASHES, fails = FAILS, closes = CLOSES;
byte consumers_done;

chan inbox[WORKERS] = [DEPTH] of { byte, byte, byte };        /* job, attempt, slot */
chan outbox[WORKERS] = [DEPTH] of { byte, byte, byte, byte }; /* and the outcome */

/* one result that is kept to arrive again */
bit kept;
byte old_worker, old_job, old_attempt, old_slot;

#ifdef BUG_NOT_DEAD_YET
byte zombie_slot = NONE;        /* a worker reported dead goes on writing here */
#endif

hidden byte j, a, s, outcome, blamed, owners;

/* Every slot is free, or one job's, or the consumer's. */
inline audit() {
	for (i : 0 .. SLOTS - 1) {
		owners = lent[i];
		for (k : 0 .. JOBS - 1) {
			if
			:: job[k].state >= PENDING && job[k].state <= DROPPED && job[k].slot == i -> owners++
			:: else
			fi
		}
		assert(owners == used[i])
	}
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
	:: s == NONE ->
		s = 0;
		do
		:: s < SLOTS && used[s] -> s++
		:: else -> break
		od;
		assert(s < SLOTS)       /* memory is bounded */
	:: else
	fi
}

inline maybe_keep() {
	if
	:: !kept -> kept = 1; old_worker = w; old_job = j; old_attempt = a; old_slot = s
	:: true
	fi
}

/* A third death at one job is that job's outcome, and no job has one without it. */
inline check_deaths() {
	for (i : 0 .. JOBS - 1) {
		if
		:: job[i].state == POISONED -> assert(killed[i] == MAX_DEATHS)
		:: job[i].state == PENDING || job[i].state == ISSUED -> assert(killed[i] < MAX_DEATHS)
		:: else
		fi
	}
}

/* --- the parent's end of one worker: orders out, results and deaths in */

proctype Link(byte w)
{
end:	do
	:: d_step {
		waiting && has_room(w) ->
		find_next(); j = found;
		check_lowest(j); find_slot(j);
		issue(w, j, s);
		inbox[w]!j, job[j].attempt, s;
		audit()
		}
	:: atomic {
		joined[w] && nempty(outbox[w]) ->
		outbox[w]?j, a, s, outcome;
		d_step { answer(w, j / TICKETS, j % TICKETS, a, s, outcome); audit() };
		maybe_keep()
		}
	:: atomic {
		joined[w] && status[w] == DOWN ->
		if                      /* the cause of a death is not always known */
		:: under_way[w] -> blamed = under_way[w] - 1
		:: blamed = NONE
		fi;
		d_step {
			if
			:: blamed != NONE && job[blamed].state == ISSUED -> killed[blamed]++
			:: else
			fi;
			a = (blamed == NONE -> 0 : job[blamed].attempt);
			died(w, blamed, a); audit(); check_deaths()
		};
		do                      /* what it had sent may come yet */
		:: nempty(outbox[w]) -> outbox[w]?j, a, s, outcome; maybe_keep()
		:: empty(outbox[w]) -> break
		od;
		d_step {
			do
			:: nempty(inbox[w]) -> inbox[w]?j, a, s
			:: empty(inbox[w]) -> break
			od;
			under_way[w] = 0; status[w] = GONE
		}
		}
	:: d_step { !joined[w] && status[w] == GONE -> status[w] = UP; joined[w] = 1 }
	od
}

proctype Worker(byte w)
{
end:	do
	:: d_step {
		status[w] == UP && !under_way[w] && nempty(inbox[w]) ->
		inbox[w]?<j, a, s>;
		assert(job[j].slot == s && job[j].worker == w);  /* it writes to no slot but its own */
		memory[s] = TORN; under_way[w] = j + 1
		}
	:: atomic {
		status[w] == UP && under_way[w] ->
		inbox[w]?j, a, s;
		assert(job[j].slot == s && job[j].worker == w);
		if
		:: outcome = READY; memory[s] = j + 1
		:: fails -> fails--; outcome = FAILED
		fi;
		outbox[w]!j, a, s, outcome;
		under_way[w] = 0
		}
	:: d_step { status[w] == UP && crashes -> crashes--; status[w] = DOWN }
	od
}

/* Results from the past, as often as they like. */
proctype Echo()
{
end:	do
	:: d_step { kept -> answer(old_worker, old_job / TICKETS, old_job % TICKETS, old_attempt, old_slot, READY);
		assert(!counted); audit() }
	od
}

proctype Consumer(byte l)
{
	byte slot, value, state;

	do
	:: d_step { !lane[l].closed && room(l) > 0 && lane[l].planned < TICKETS -> plan(l) }
	:: d_step { !lane[l].ended && lane[l].planned == TICKETS -> lane[l].ended = 1 }
	:: d_step {
		ready(l) && !value ->
		take(l);
		assert(found == index(l, got[l]));               /* in order, each once */
		assert(taken_state != READY || memory[taken_slot] == found + 1);
		got[l]++;
		slot = taken_slot; state = taken_state; value = found + 1;
		audit()
		}
	:: d_step {
		value ->
		assert(state != READY || memory[slot] == value); /* nobody wrote to it meanwhile */
		give_back(slot);
		slot = 0; state = 0; value = 0;
		audit()
		}
	:: d_step { closes && !lane[l].closed && !finished(l) -> closes--; close_lane(l); audit() }
	:: !value && lane[l].closed -> break
	:: !value && !lane[l].closed && finished(l) -> assert(got[l] == TICKETS); break
	od;
	consumers_done++
}

#ifdef BUG_NOT_DEAD_YET
#endif

init {
	atomic {
		for (i : 0 .. LANES - 1) { lane[i].ahead = AHEAD; run Consumer(i) };
		for (i : 0 .. WORKERS - 1) { run Link(i); run Worker(i) };
		run Echo()
	}
}

#ifdef LIVENESS
/* Deaths come to an end; then so does everything that was planned. */
ltl all_is_delivered { <> (consumers_done == LANES) }
#endif
