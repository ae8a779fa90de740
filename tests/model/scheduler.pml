/* The scheduler as a specification: its state, and what each call may do to it.
 *
 * Shared by pool.pml, which runs it against every fault there is, and by acceptor.pml, which compares it
 * with logs of the real one. It allows more than the real one does: any worker with room may get the next
 * job, and any free slot will do.
 *
 * A job of several tickets goes by its first ticket, which has its size, slot, attempt and worker; the others
 * are INSIDE until it is taken, or taken apart.
 *
 * Sizes come from the command line: WORKERS, QUEUES, TICKETS (in each queue), SLOTS, DEPTH, MAX_DEATHS, LARGEST
 * (tickets of a job).
 * -DBUG_... plants a fault; the tests expect every one of them to be found.
 */

#ifndef LARGEST
#define LARGEST 1
#endif
#define JOBS (QUEUES * TICKETS)
#define NONE 255

/* the states of a job; an outcome is one of READY, FAILED, POISONED */
#define ABSENT 0
#define PENDING 1
#define ISSUED 2
#define READY 3
#define FAILED 4
#define POISONED 5
#define DROPPED 6
#define TAKEN 7
#define INSIDE 8

typedef Job {
	byte state; byte slot; byte attempt; byte deaths; byte worker
#if LARGEST > 1
	; byte size
#endif
};
typedef TicketQueue {
	byte ahead; byte planned; byte delivered; bit ended; bit closed
#ifdef COUNT_RETRIED
	; byte retried
#endif
};

Job job[JOBS];
TicketQueue queue[QUEUES];
bit joined[WORKERS];
byte holds[WORKERS];            /* jobs that a worker has not answered yet */
byte waiting;                   /* jobs that are PENDING */
bit used[SLOTS];
bit leased[SLOTS];

/* Results and counters of the inlines below. Every use assigns them first, so they are no part of the state. */
hidden byte i, k, found, part, other, blame, taken_slot, taken_state, taken_size;
hidden byte counted;

#if LARGEST > 1
#define size_of(j) job[j].size
#define set_size(j, m) job[j].size = (m)
#else
#define size_of(j) 1
#define set_size(j, m) skip
#endif

#ifdef COUNT_RETRIED
#define count_retried(j) queue[(j) / TICKETS].retried++
#else
#define count_retried(j) skip
#endif

#define index(l, n) ((l) * TICKETS + (n))

#ifdef BUG_AHEAD_UNBOUNDED
#define room(l) (queue[l].ended -> 0 : TICKETS - queue[l].planned)
#else
#define room(l) (queue[l].ended -> 0 : queue[l].delivered + queue[l].ahead - queue[l].planned)
#endif

#ifdef BUG_END_ONE_SHORT
#define finished(l) (queue[l].ended && queue[l].delivered + 1 >= queue[l].planned)
#else
#define finished(l) (queue[l].ended && queue[l].delivered == queue[l].planned)
#endif

#define has_outcome(j) (job[j].state >= READY && job[j].state <= POISONED)
#define ready(l) (!queue[l].closed && queue[l].delivered < TICKETS && has_outcome(index(l, queue[l].delivered)))
#define has_room(w) (joined[w] && holds[w] < DEPTH)

#ifdef BUG_STALE_HEADER
#define same_attempt(j, a) true
#else
#define same_attempt(j, a) (job[j].attempt == (a))
#endif

inline forget(j) {
	job[j].state = ABSENT; job[j].slot = 0; job[j].attempt = 0; job[j].deaths = 0; job[j].worker = 0;
	set_size(j, 0)
}

inline release(j) {
	if
	:: job[j].slot != NONE -> used[job[j].slot] = 0; freed(job[j].slot); job[j].slot = NONE
	:: else
	fi
}

/* The next m tickets of a queue, as one job. */
inline plan(l, m) {
	k = index(l, queue[l].planned);
	job[k].state = PENDING; job[k].slot = NONE; job[k].attempt = 1; job[k].deaths = 0; job[k].worker = NONE;
	set_size(k, m);
#if LARGEST > 1
	for (part : 1 .. (m) - 1) { job[k + part].state = INSIDE };
#endif
#ifdef BUG_PLANNED_COUNTS_JOBS
	queue[l].planned++; waiting++
#else
	queue[l].planned = queue[l].planned + (m); waiting++
#endif
}

/* A job becomes one job for each of its tickets, all as it was; the first keeps the slot. */
inline apart(j) {
#if LARGEST > 1
	for (part : 1 .. size_of(j) - 1) {
		other = j + part;
		job[other].state = job[j].state; job[other].attempt = job[j].attempt; job[other].deaths = 0;
		job[other].worker = job[j].worker; job[other].size = 1;
#ifdef BUG_PARTS_SHARE_SLOT
		job[other].slot = job[j].slot
#else
		job[other].slot = NONE
#endif
	};
#ifdef BUG_FORGET_LAST_PART
	if
	:: size_of(j) > 1 -> forget(j + size_of(j) - 1)
	:: else
	fi;
#endif
	set_size(j, 1)
#else
	skip
#endif
}

/* found = the pending job with the lowest (number, queue), or NONE */
inline find_next() {
	found = NONE;
	for (i : 0 .. TICKETS - 1) {
		for (k : 0 .. QUEUES - 1) {
			if
#ifdef BUG_HIGHEST_FIRST
			:: job[index(k, i)].state == PENDING -> found = index(k, i)
#else
			:: job[index(k, i)].state == PENDING && found == NONE -> found = index(k, i)
#endif
			:: else
			fi
		}
	}
}

/* The caller has seen that j is the next, that w has room, and that s is free or already the job's. */
inline issue(w, j, s) {
	job[j].slot = s; used[s] = 1;
	job[j].state = ISSUED; job[j].worker = w;
	holds[w]++; waiting--
}

/* counted = whether the result of (w, l, n, a, s) is that of a load which is wanted */
inline answer(w, l, n, a, s, outcome) {
	counted = 0;
	if
	:: (l) < QUEUES && (n) < TICKETS ->
		k = index(l, n);
		if
		:: joined[w] && job[k].worker == (w) && (job[k].state == ISSUED || job[k].state == DROPPED) &&
			same_attempt(k, a) && job[k].slot == (s) ->
			holds[w]--;
			job[k].worker = NONE;
			if
			:: job[k].state == DROPPED -> release(k); forget(k)
			:: else -> job[k].state = outcome; counted = 1
			fi
		:: else
		fi
	:: else
	fi
}

/* A job that could not be sent as one goes by its tickets; it has never been with the worker. */
inline withdraw(j) {
	holds[job[j].worker]--;
#ifdef BUG_WITHDRAWN_IS_LOST
	apart(j);
#endif
	job[j].state = PENDING; job[j].worker = NONE;
	waiting = waiting + size_of(j);
	apart(j)
}

/* Any free slot will do. */
inline find_free() {
	found = 0;
	do
	:: found < SLOTS && used[found] -> found++
	:: else -> break
	od;
	assert(found < SLOTS)           /* memory is bounded */
}

/* blamed: the ticket and the attempt that the worker was at, or NONE */
inline died(w, blamed, a) {
	blame = blamed;
	for (i : 0 .. JOBS - 1) {
		if
		:: job[i].worker == (w) && job[i].state == DROPPED -> release(i); forget(i)
		:: job[i].worker == (w) && job[i].state == ISSUED ->
#ifdef BUG_BLAME_FIRST
			if
			:: blame > i && blame < i + size_of(i) -> blame = i
			:: else
			fi;
#endif
#ifdef BUG_STALE_WHOLE
			if
			:: size_of(i) > 1 -> job[i].attempt--
			:: else
			fi;
#endif
#ifndef BUG_RETRY_WHOLE
			apart(i);               /* the other tickets come next in this loop */
#endif
			job[i].worker = NONE;
			if
#if defined(BUG_BLAME_ALL)
			:: blame != NONE -> job[i].deaths++
#elif !defined(BUG_DEATHS_NOT_COUNTED)
			:: i == blame && job[i].attempt == (a) -> job[i].deaths++
#endif
			:: else
			fi;
			if
			:: job[i].deaths >= MAX_DEATHS ->
				job[i].state = POISONED;
#ifndef BUG_OUTCOME_WITHOUT_SLOT
				if
				:: job[i].slot == NONE -> find_free(); job[i].slot = found; used[found] = 1
				:: else
				fi
#endif
			:: else ->
				job[i].attempt++; count_retried(i);
#ifndef BUG_LOSE_JOBS
				job[i].state = PENDING; waiting++;
#endif
#ifdef BUG_RETRY_IN_NEW_SLOT
				job[i].slot = NONE;
#endif
			fi
		:: else
		fi
	}
	joined[w] = 0; holds[w] = 0
}

/* taken_slot and taken_state tell what was taken; found is the job */
inline take(l) {
	found = index(l, queue[l].delivered);
#ifdef BUG_OUT_OF_ORDER
	for (i : 0 .. TICKETS - 1) {
		if
		:: has_outcome(index(l, i)) -> found = index(l, i)
		:: else
		fi
	}
#endif
	taken_slot = job[found].slot; taken_state = job[found].state; taken_size = size_of(found);
#ifdef BUG_DELIVERED_COUNTS_JOBS
	queue[l].delivered++;
#else
	queue[l].delivered = queue[l].delivered + taken_size;
#endif
#ifdef BUG_DELIVER_TWICE
	if                              /* a job that was loaded again may be taken once more */
	:: job[found].attempt > 1 -> job[found].attempt = 1; queue[l].delivered--
	:: else -> forget(found); job[found].state = TAKEN
	fi;
#else
	for (part : 1 .. taken_size) { forget(found + part - 1); job[found + part - 1].state = TAKEN };
#endif
#ifdef BUG_FREE_TOO_EARLY
	used[taken_slot] = 0
#else
	leased[taken_slot] = 1
#endif
}

inline give_back(s) {
	leased[s] = 0; used[s] = 0; freed(s)
}

inline close_queue(l) {
	for (i : index(l, 0) .. index(l, TICKETS - 1)) {
		if
#ifdef BUG_FREE_WHILE_LOADING
		:: job[i].state >= PENDING && job[i].state <= POISONED ->
#else
		:: job[i].state == ISSUED -> job[i].state = DROPPED
		:: job[i].state == PENDING || has_outcome(i) ->
#endif
			if
			:: job[i].state == PENDING -> waiting--
			:: else
			fi;
#ifndef BUG_LEAK_ON_CLOSE
			release(i);
#endif
			forget(i)
		:: job[i].state == INSIDE -> forget(i)
		:: else
		fi
	}
	queue[l].ended = 1; queue[l].closed = 1
}
