"""Workers: load tickets in threads or processes, deliver their values in order, survive deaths.

The rooms inside: `contract` (what every pool promises), `scheduler` (who loads what, as a pure state
machine), `inline`, `threads` and `processes` (which carry it out), `lanes` (what the last two share);
below `processes`: `interpreter`, `launcher`, `bootstrap`, `nursery` and `child` (how workers come to be and
what they do), `wire`, `outbox`, `slots`, `values` and `packing` (how values travel), `dataset`, `sharing` and
`culprit` (how loaders do, and why one cannot), `surroundings`, `settings`, `logs`, `briefing` and `reports`
(the state of this process there, and what workers tell), `faults` (how exceptions travel), `marker`,
`deadline` and `last_words` (what a worker is at, whether it hangs, how it died), `inquest` (which part of a
ticket cannot be loaded).
"""

from __future__ import annotations

from streamfit.workers.contract import Loaded, Loader, Pool, Run
from streamfit.workers.factory import check_init, live_pids, make_pool
from streamfit.workers.interpreter import hash_seed_of_program, hash_seed_of_run, keep_hash_seed

__all__ = [
    "Loaded",
    "Loader",
    "Pool",
    "Run",
    "check_init",
    "hash_seed_of_program",
    "hash_seed_of_run",
    "keep_hash_seed",
    "live_pids",
    "make_pool",
]
