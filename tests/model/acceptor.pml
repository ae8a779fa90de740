/* Is a log of the real scheduler a run of the specification?
 *
 * A log is a process that sends its events, one by one, without buffers; the acceptor takes an event only if
 * the specification allows it in its state, with just these results. A log that is not accepted leaves both
 * waiting for ever, which the verifier reports as an invalid end state.
 * The logs (all of them in one array: compiled as statements they would take a minute), the numbers of their
 * events, and the `init` that starts the acceptor with one of them are written by traces.py.
 */

#define freed(s) skip
#include "scheduler.pml"

chan log = [0] of { byte, byte, byte, byte, byte, byte, byte };

/* Sends what was told from one place to another. */
proctype Trace(short at, last)
{
	byte event, x1, x2, x3, x4, x5, x6;

	do
	:: atomic { at < last ->
		c_code {
			const unsigned char *row = told[PTrace->at];
			PTrace->event = row[0]; PTrace->x1 = row[1]; PTrace->x2 = row[2]; PTrace->x3 = row[3];
			PTrace->x4 = row[4]; PTrace->x5 = row[5]; PTrace->x6 = row[6];
		};
		at++;
		log!event(x1, x2, x3, x4, x5, x6) }
	:: at == last -> break
	od
}

proctype Acceptor()
{
	byte x1, x2, x3, x4, x5, x6;

end:	do
	:: atomic { log?open_event(x1, x2, _, _, _, _) ->
		!queue[x1].ahead; queue[x1].ahead = x2; x1 = 0; x2 = 0 }
	:: atomic { log?plan_event(x1, x2, x3, _, _, _) ->                                /* queue, number, size */
		room(x1) >= x3 && queue[x1].planned == x2; d_step { plan(x1, x3); x1 = 0; x2 = 0; x3 = 0 } }
	:: atomic { log?end_event(x1, _, _, _, _, _) ->
		d_step { queue[x1].ended = 1; x1 = 0 } }
	:: atomic { log?issue_event(x1, x2, x3, x4, x5, x6) ->            /* worker, queue, number, attempt, slot, size */
		d_step { find_next(); x6 = (found == index(x2, x3) && size_of(found) == x6 -> found : NONE) };
		has_room(x1) && x6 != NONE && job[x6].attempt == x4 &&
			(job[x6].slot == x5 || (job[x6].slot == NONE && !used[x5]));
		d_step { issue(x1, x6, x5); x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0; x6 = 0 } }
	:: atomic { log?withdraw_event(x1, x2, _, _, _, _) ->                                  /* queue, number */
		x1 = index(x1, x2);
		job[x1].state == ISSUED && size_of(x1) > 1;
		d_step { withdraw(x1); x1 = 0; x2 = 0 } }
	:: atomic { log?settled_event(_, _, _, _, _, _) ->                    /* nothing more could have been issued */
		d_step {
			x1 = 0;
			for (i : 0 .. WORKERS - 1) {
				if
				:: has_room(i) -> x1 = 1
				:: else
				fi
			};
			skip
		};
		!waiting || !x1; x1 = 0 }
	:: atomic { log?answer_event(x1, x2, x3, x4, x5, x6) ->   /* worker, queue, number, attempt, slot, outcome + 8 * counted */
		d_step { answer(x1, x2, x3, x4, x5, (x6 % 8)); x6 = (counted == x6 / 8) };
		x6; d_step { x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0; x6 = 0 } }
	:: atomic { log?death_event(x1, x2, x3, _, _, _) ->                     /* worker, blamed ticket, its attempt */
		joined[x1]; d_step { died(x1, x2, x3); x1 = 0; x2 = 0; x3 = 0 } }
	:: atomic { log?join_event(x1, _, _, _, _, _) ->
		!joined[x1]; d_step { joined[x1] = 1; x1 = 0 } }
	:: atomic { log?take_event(x1, x2, x3, x4, x5, _) ->                  /* queue, number, slot, state, size */
		ready(x1) && queue[x1].delivered == x2;
		d_step { take(x1); x5 = (taken_slot == x3 && taken_state == x4 && taken_size == x5) };
		x5; d_step { x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0 } }
	:: atomic { log?return_event(x1, _, _, _, _, _) ->
		leased[x1]; d_step { give_back(x1); x1 = 0 } }
	:: atomic { log?close_event(x1, _, _, _, _, _) ->
		!queue[x1].closed; d_step { close_queue(x1); x1 = 0 } }
	:: atomic { log?job_event(x1, x2, x3, x4, x5, x6) ->     /* queue, number, state, slot, attempt, deaths + 16 * size */
		x1 = index(x1, x2);
		job[x1].state == x3 && job[x1].slot == x4 && job[x1].attempt == x5 &&
			job[x1].deaths + 16 * size_of(x1) == x6;
		d_step { x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0; x6 = 0 } }
	:: atomic { log?queue_event(x1, x2, x3, x4, x5, _) ->             /* queue, room, ready, finished, retried */
		room(x1) == x2 && ready(x1) == x3 && finished(x1) == x4 && queue[x1].retried == x5;
		d_step { x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0 } }
	od
}
