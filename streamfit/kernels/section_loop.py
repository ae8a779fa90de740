"""The native code of a team of threads: the call loop over sections, and the loop of the helpers.

A *section* is one block of calls, which the caller runs, or several blocks that may run at the same time.
Who is free takes the next block. The words of a team lie in memory that all its threads share
(`kernels/team.py` owns it), each in a cache line of its own where one thread writes while another reads:

* ``TICKET``: the number of the open section, how many helpers may take part, and how many of its blocks
  nobody has taken yet, in one word. To take a block is to replace it by the same word less one. So a helper
  that was interrupted before that finds the word changed and takes nothing: it never touches a section that
  has ended.
* ``PENDING``: how many blocks of the section are not done. The section ends when it is 0.
* ``THUNKS`` to ``BLOCKS``: where the calls of the section are. A helper reads them only once it has taken a
  block, and they do not change before that block is done; the same holds for all memory of a call list.
* ``CALLED_ON`` and ``HELPED_ON``: the processors of the caller and of the last helper. Who spins on the
  processor that the other one needs only keeps it from going on.
* ``OWNER``: 1 while a caller runs a step with the team. Another caller runs its step alone.

Threads that find nothing to do spin for a short time and then sleep, each on a word of its own. Whoever goes
to sleep says so first and then looks again, and whoever has something to do writes that first and then looks
who sleeps; so nobody sleeps on.

The other processors may be busy with other programs. Then the system likes to wake a helper on the processor
of its caller, where it can only interrupt it. So a helper that finds itself there sleeps at once and asks to
be woken on another processor; and where those who were woken did not help, nobody is woken for a while,
since that takes microseconds.
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.atomics import add, put_word, read, replace, word_at, write
from streamfit.kernels.call_loop import call_thunk
from streamfit.kernels.decorator import inlined, kernel
from streamfit.kernels.futex import (
    MASK_BYTES,
    get_affinity,
    nanoseconds,
    pause,
    processor,
    set_affinity,
    sleep,
    wake,
)

WORD, LINE = 8, 128  # bytes; processors fetch cache lines of 64 bytes in pairs
TICKET = 0
PENDING, WAITING, RAISED, HELPED_ON = (LINE + WORD * i for i in range(4))
THUNKS, STARTS, BOUNDS, RAISES, BLOCKS, CALLED_ON = (2 * LINE + WORD * i for i in range(6))
OWNER, STOP, SPIN, SECTION, REST, NO_WAKE_BEFORE = (3 * LINE + WORD * i for i in range(6))
FIRST_HELPER = 4 * LINE
ASLEEP, TAKEN, SLEEPS, AVOID = (WORD * i for i in range(4))  # words of each helper
ALLOWED, ALLOWED_ASLEEP, ALLOWED_NOW = (LINE + MASK_BYTES * i for i in range(3))  # its sets of processors
OF_HELPER = 4 * LINE
MOST_HELPERS, MOST_BLOCKS = (1 << 10) - 1, (1 << 20) - 1
_HELPERS_AT, _SECTION_AT = 20, 30  # bits of a ticket
_SECTIONS = (1 << 33) - 1
_PAUSES = 4  # between two looks
_AVOIDED = 100  # times to sleep; then it tries again whether that is needed
_FIRST_REST, _LONGEST_REST = 50_000, 2_000_000  # nanoseconds


@inlined
def run_calls(thunks: int, starts: int, begin: int, end: int) -> int:  # pragma: no cover - compiled only
    """Run the calls from `begin` to `end`; return the number of the one that raised, from 1, or 0."""
    for i in range(begin, end):
        if call_thunk(word_at(thunks + WORD * i), word_at(starts + WORD * i)) != 0:
            return i + 1
    return 0


@inlined
def is_open(team: int, helper: int) -> int:  # pragma: no cover - compiled only
    """Return the ticket if there is a block that a helper may take, else 0; helper 0 is the caller."""
    ticket = read(team + TICKET)
    if ticket & MOST_BLOCKS == 0 or helper > ticket >> _HELPERS_AT & MOST_HELPERS:
        return 0
    return ticket


@inlined
def take_blocks(team: int, helper: int) -> int:  # pragma: no cover - compiled only
    """Take blocks of the open section and run them until none is left; return how many."""
    taken = 0
    while True:
        ticket = is_open(team, helper)
        if ticket == 0:
            return taken
        if replace(team + TICKET, ticket, ticket - 1) != ticket:
            continue
        taken += 1
        if helper != 0:
            write(team + HELPED_ON, processor())
        block = word_at(team + BLOCKS) - (ticket & MOST_BLOCKS)
        bound = word_at(team + BOUNDS) + WORD * block
        raised = run_calls(
            word_at(team + THUNKS), word_at(team + STARTS), word_at(bound), word_at(bound + WORD)
        )
        if raised != 0:
            put_word(word_at(team + RAISES) + WORD * block, raised)
            write(team + RAISED, 1)
        if add(team + PENDING, -1) == 1 and helper != 0 and read(team + WAITING) != 0:
            wake(team + PENDING, 1)


@inlined
def keep_away(helper: int, other: int) -> int:  # pragma: no cover - compiled only
    """Let this helper use all its processors but one; return whether there are others."""
    if get_affinity(helper + ALLOWED) != 0 or other < 0 or other >= 8 * MASK_BYTES:
        return 0
    rest = 0
    for place in range(0, MASK_BYTES, WORD):
        processors = word_at(helper + ALLOWED + place)
        if place == other // 64 * WORD:
            processors &= ~(1 << other % 64)
        put_word(helper + ALLOWED_ASLEEP + place, processors)
        rest |= processors
    return 1 if rest != 0 and set_affinity(helper + ALLOWED_ASLEEP) == 0 else 0


@inlined
def come_back(helper: int) -> None:  # pragma: no cover - compiled only
    """Let this helper use all its processors again, unless somebody else has changed them meanwhile."""
    if get_affinity(helper + ALLOWED_NOW) != 0:
        return
    changed = 0
    for place in range(0, MASK_BYTES, WORD):
        changed |= word_at(helper + ALLOWED_NOW + place) ^ word_at(helper + ALLOWED_ASLEEP + place)
    if changed == 0:
        set_affinity(helper + ALLOWED)


@inlined
def sleep_until_woken(team: int, helper: int, words: int) -> None:  # pragma: no cover - compiled only
    """Sleep unless there is a block or the team stops; wake on another processor than that of the caller."""
    called_on = read(team + CALLED_ON)
    if processor() == called_on:
        put_word(words + AVOID, _AVOIDED)
    away, avoid = 0, word_at(words + AVOID)
    if avoid > 0:
        put_word(words + AVOID, avoid - 1)
        away = keep_away(words, called_on)
    write(words + ASLEEP, 1)
    if read(team + STOP) == 0 and is_open(team, helper) == 0:
        put_word(words + SLEEPS, word_at(words + SLEEPS) + 1)
        sleep(words + ASLEEP, 1)
    write(words + ASLEEP, 0)
    if away != 0:
        come_back(words)


@kernel
def help_team(team: int, helper: int) -> None:  # pragma: no cover - compiled only
    """Take blocks, spin and sleep in turns until the team stops; the whole life of a helper."""
    words = team + FIRST_HELPER + OF_HELPER * (helper - 1)
    until = nanoseconds() + word_at(team + SPIN)
    while read(team + STOP) == 0:
        taken = take_blocks(team, helper)
        if taken != 0:
            put_word(words + TAKEN, word_at(words + TAKEN) + taken)
            until = nanoseconds() + word_at(team + SPIN)
        for _ in range(_PAUSES):
            pause()
        if nanoseconds() > until or processor() == read(team + CALLED_ON):
            sleep_until_woken(team, helper, words)
            until = nanoseconds() + word_at(team + SPIN)


@kernel
def stop_team(team: int, helpers: int) -> None:  # pragma: no cover - compiled only
    """Let all helpers end as soon as they have no block."""
    write(team + STOP, 1)
    for helper in range(helpers):
        line = team + FIRST_HELPER + OF_HELPER * helper
        write(line + ASLEEP, 0)
        wake(line + ASLEEP, MOST_HELPERS)


@inlined
def wake_helpers(team: int, helpers: int) -> int:  # pragma: no cover - compiled only
    """Wake the first helpers, as far as they sleep and may be woken; return how many did."""
    woken = 0
    for helper in range(helpers):
        line = team + FIRST_HELPER + OF_HELPER * helper
        if read(line + ASLEEP) == 0:
            continue
        if woken == 0 and nanoseconds() < word_at(team + NO_WAKE_BEFORE):
            return 0
        if replace(line + ASLEEP, 1, 0) == 1:
            wake(line + ASLEEP, 1)
            woken += 1
    return woken


@inlined
def judge_waking(team: int, helped: int) -> None:  # pragma: no cover - compiled only
    """Wake nobody for a while, twice as long each time, if those who were woken did not help."""
    rest = 0
    if helped == 0 or read(team + HELPED_ON) == word_at(team + CALLED_ON):
        rest = min(2 * word_at(team + REST) + _FIRST_REST, _LONGEST_REST)
        put_word(team + NO_WAKE_BEFORE, nanoseconds() + rest)
    put_word(team + REST, rest)


@inlined
def wait_for_blocks(team: int) -> int:  # pragma: no cover - compiled only
    """Wait until all blocks of the open section are done; return whether it slept."""
    slept = 0
    until = nanoseconds() + word_at(team + SPIN)
    while read(team + PENDING) != 0:
        for _ in range(_PAUSES):
            pause()
        if nanoseconds() < until and processor() != read(team + HELPED_ON):
            continue
        write(team + WAITING, 1)
        pending = read(team + PENDING)
        if pending != 0:
            slept = 1
            sleep(team + PENDING, pending)
        write(team + WAITING, 0)
    return slept


@inlined
def run_together(  # pragma: no cover - compiled only
    team: int, helpers: int, thunks: int, starts: int, bounds: int, raises: int, blocks: int
) -> int:
    """Run a section with the team; return whether a call of it raised."""
    put_word(team + THUNKS, thunks)
    put_word(team + STARTS, starts)
    put_word(team + BOUNDS, bounds)
    put_word(team + RAISES, raises)
    put_word(team + BLOCKS, blocks)
    put_word(team + RAISED, 0)
    write(team + CALLED_ON, processor())
    write(team + HELPED_ON, -1)
    section = word_at(team + SECTION) + 1 & _SECTIONS
    put_word(team + SECTION, section)
    write(team + PENDING, blocks)
    write(team + TICKET, section << _SECTION_AT | helpers << _HELPERS_AT | blocks)
    woken = wake_helpers(team, min(helpers, blocks - 1))
    taken = take_blocks(team, 0)
    if read(team + PENDING) != 0:
        wait_for_blocks(team)
    if woken > 0:
        judge_waking(team, blocks - taken)
    return word_at(team + RAISED)


@inlined
def run_alone(
    thunks: int, starts: int, bounds: int, raises: int, blocks: int
) -> int:  # pragma: no cover - compiled only
    """Run a section without the team; return whether a call of it raised."""
    stopped = 0
    for block in range(blocks):
        bound = bounds + WORD * block
        raised = run_calls(thunks, starts, word_at(bound), word_at(bound + WORD))
        if raised != 0:
            put_word(raises + WORD * block, raised)
            stopped = 1
    return stopped


@inlined
def first_raise(raises: int, blocks: int) -> int:  # pragma: no cover - compiled only
    """Return the call that raised in the first block in which one did; forget all of them."""
    first = 0
    for block in range(blocks):
        raised = word_at(raises + WORD * block)
        put_word(raises + WORD * block, 0)
        if first == 0:
            first = raised
    return first


@inlined
def run_sections(  # pragma: no cover - compiled only
    thunks: int, starts: int, bounds: int, raises: int, firsts: int, sections: int, team: int, helpers: int
) -> int:
    """Run all sections once; return the number of the call that raised, from 1, or 0."""
    for section in range(sections):
        first = word_at(firsts + WORD * section)
        blocks = word_at(firsts + WORD * (section + 1)) - first
        bound, raised = bounds + WORD * first, raises + WORD * first
        if helpers > 0 and blocks > 1:
            stopped = run_together(team, helpers, thunks, starts, bound, raised, blocks)
        else:
            stopped = run_alone(thunks, starts, bound, raised, blocks)
        if stopped != 0:
            return first_raise(raised, blocks)
    return 0


@kernel
def section_loop(  # pragma: no cover - calls machine code, so it runs compiled only
    tables: Array,
    sections: int,
    words: Array,
    outcome: Array,
    threads: Array,
    moving: Array,
    strides: Array,
    asked: Array,
    steps: int,
) -> None:
    """Run all sections `steps` times, or fewer; after each time, add the strides to the words `moving`.

    Args:
        tables: Addresses of the calls' thunks; of the words of each call; of the first call of each block,
            and the number of calls; of a word for each block, zeros; of the first block of each section, and
            the number of blocks; of the team; int64 (6,).
        sections: How many.
        words: The words of all calls, int64.
        outcome: Gets the number of the call that raised, counted from 1, and the step; and how many times
            all sections were run, int64 (3,).
        threads: How many threads may take part, the caller among them; read before each time. int64 (1,).
        moving: Places in `words`, int64 (m,).
        strides: What to add there, int64 (m,).
        asked: Read after each time: not 0 where another thread waits for the end of a step, int64 (1,).
        steps: How many times.
    """
    thunks, starts, bounds, raises, firsts, team = (
        tables[0], tables[1], tables[2], tables[3], tables[4], tables[5],
    )  # fmt: skip
    outcome[0] = 0  # a signal handler may have raised before the last outcome was read
    for step in range(steps):
        helpers = min(threads[0] - 1, MOST_HELPERS)
        if helpers > 0 and replace(team + OWNER, 0, 1) != 0:
            helpers = 0
        raised = run_sections(thunks, starts, bounds, raises, firsts, sections, team, helpers)
        if helpers > 0:
            write(team + OWNER, 0)
        if raised != 0:
            outcome[0] = raised
            outcome[1] = step
            return
        for i in range(moving.shape[0]):
            words[moving[i]] += strides[i]
        if asked[0] != 0:
            outcome[2] = step + 1
            return
    outcome[2] = steps
