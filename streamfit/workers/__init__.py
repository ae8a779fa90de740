"""Workers: load tickets in threads or processes, deliver their values in order, survive deaths.

Four subpackages:

- `transport`: how values and loaders travel (frames, slots, shared memory, pickled loaders).
- `recovery`: handles loads that hang, crash their worker, or fail.
- `pool`: the scheduler as a pure state machine, ordered runs, inline and threads.
- `processes`: worker processes, the fork server that starts them, and the state that they take over.
"""

from __future__ import annotations

from streamfit.workers.contract import Loaded, Loader, Pool, Run
from streamfit.workers.pool.factory import check_init, live_pids, make_pool
from streamfit.workers.processes.interpreter import hash_seed_of_program, hash_seed_of_run, keep_hash_seed
from streamfit.workers.transport.scratch import empty

__all__ = [
    "Loaded",
    "Loader",
    "Pool",
    "Run",
    "check_init",
    "empty",
    "hash_seed_of_program",
    "hash_seed_of_run",
    "keep_hash_seed",
    "live_pids",
    "make_pool",
]
