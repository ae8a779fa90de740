"""`FaultPlan`: which load of which batch meets which fault, drawn from a seed, carried out for real.

Guarantees kept here: a plan is a pure function of its seed, so every run and the simulator meet the same
faults; a fault happens in worker processes only, so the same wrapped data loaded in this process are the
data without faults; the count of attempts lives in anonymous memory and leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from streamfit._base.keys import derive
from streamfit._base.names import did_you_mean
from streamfit.streams import Sequence, Source, Ticket
from streamfit.workers.contract import inside_worker

FaultKind = Literal["kill", "segfault", "abort", "exit", "out of memory", "slow", "stop", "raise"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
SURVIVED: tuple[FaultKind, ...] = ("kill", "segfault", "abort", "exit", "out of memory", "slow")
DEADLY: tuple[FaultKind, ...] = ("kill", "segfault", "abort", "exit", "out of memory")

_RECORD = struct.Struct("<qqq")
_NONE = -1
_MAX_BYTES = 64 << 20  # what "out of memory" takes before it gives up


class InjectedFault(Exception):  # noqa: N818
    """Raised by a load that a plan lets fail."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what happens to one load.

    Args:
        kind: ``'kill'`` (SIGKILL), ``'segfault'``, ``'abort'``, ``'exit'`` (with code 0), ``'out of memory'``
            (memory is taken up to a limit, then SIGKILL, as the system does), ``'slow'``, ``'stop'``
            (SIGSTOP; the pool needs a deadline to notice) or ``'raise'``.
        epoch: Number of the pass.
        batch: Number of the batch; the index for a `Sequence`.
        attempt: Which load of it: 1 for the first.
    """

    kind: FaultKind
    epoch: int
    batch: int
    attempt: int = 1

    def __str__(self) -> str:
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.kind} at epoch {self.epoch}, batch {self.batch}{again}"


class FaultPlan:
    """Plan faults for the loads of a pipeline.

    Args:
        seed: Where the draws start from.
        rate: How many of the loads meet a fault, from 0 to 1.
        kinds: Which faults are drawn.
        attempts: Loads of a batch beyond this number meet none. With 2, every batch survives: a pool
            gives up on a batch that has killed three workers.
        faults: Faults that are to happen for certain, on top of those that are drawn.
        seconds: How long a slow load sleeps.

    Raises:
        ValueError: A kind is unknown or a number out of range.

    Example:
        >>> plan = FaultPlan(4, rate=0.3, kinds=["kill", "slow"])
        >>> for fault in plan.schedule(epoch=0, batches=8):
        ...     print(fault)
        kill at epoch 0, batch 3
        slow at epoch 0, batch 3, attempt 2
        slow at epoch 0, batch 6
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        rate: float = 0.1,
        kinds: Iterable[FaultKind] = SURVIVED,
        attempts: int = 2,
        faults: Iterable[Fault] = (),
        seconds: float = 0.05,
    ) -> None:
        self.seed, self.rate, self.kinds, self.attempts = seed, rate, tuple(kinds), attempts
        self.seconds = seconds
        self.certain = {(fault.epoch, fault.batch, fault.attempt): fault for fault in faults}
        for kind in (*self.kinds, *(fault.kind for fault in self.certain.values())):
            if kind not in KINDS:
                hint = did_you_mean(str(kind), KINDS)
                raise ValueError(f"{kind!r} is no fault.{hint} The faults are: {', '.join(KINDS)}")
        if not 0 <= rate <= 1 or attempts < 0 or (rate and not self.kinds):
            raise ValueError(f"rate must be in [0, 1] and attempts at least 0, got {rate} and {attempts}")

    def fault(self, epoch: int, batch: int, attempt: int = 1) -> Fault | None:
        """Return what happens to one load; None for nothing."""
        known = self.certain.get((epoch, batch, attempt))
        if known is not None or attempt > self.attempts or not self.rate:
            return known
        if derive(self.seed, epoch, batch, attempt, "whether") / 2**64 >= self.rate:
            return None
        kind = self.kinds[derive(self.seed, epoch, batch, attempt, "which") % len(self.kinds)]
        return Fault(kind, epoch, batch, attempt)

    def schedule(self, epoch: int, batches: int) -> Iterator[Fault]:
        """List the faults that a pass meets: those of a batch until one of its loads goes through."""
        for batch in range(batches):
            attempt = 1
            while (fault := self.fault(epoch, batch, attempt)) is not None:
                yield fault
                if fault.kind not in DEADLY:
                    break
                attempt += 1

    @property
    def needs_deadline(self) -> bool:
        """Return whether a pool can only survive this plan with a deadline for loads."""
        certain = [fault.kind for fault in self.certain.values()]
        return "stop" in certain or (self.rate > 0 and "stop" in self.kinds)

    def describe(self, epoch: int = 0, batches: int = 20) -> str:
        """Write the plan and its faults in one pass as text.

        Example:
            >>> print(FaultPlan(rate=0, faults=[Fault("kill", 0, 3), Fault("kill", 0, 3, 2)]).describe())
            fault plan of seed 0, rate 0: 2 faults in 20 batches of epoch 0
              kill at epoch 0, batch 3
              kill at epoch 0, batch 3, attempt 2
        """
        faults = list(self.schedule(epoch, batches))
        needs = "; needs a pool with a deadline" if self.needs_deadline else ""
        count = f"{len(faults)} faults in {batches} batches"
        head = f"fault plan of seed {self.seed}, rate {self.rate:g}: {count}"
        return "\n".join([f"{head} of epoch {epoch}{needs}", *(f"  {fault}" for fault in faults)])

    def wrap(self, thing: Any) -> Any:
        """Return a `Sequence` or a `Source` whose loads in worker processes meet the faults.

        Args:
            thing: A `Sequence`, any object with ``__getitem__`` and ``__len__``, or a `Source`.

        Returns:
            The same data; its attribute `log` tells what has happened.
        """
        return FaultySource(thing, self) if isinstance(thing, Source) else FaultySequence(thing, self)


class FaultLog:
    """Count the loads of each batch over all processes, and tell what has happened to them.

    Every start of a load appends one record to anonymous memory of the main process, which workers open
    through ``/proc``: no file has a name, and a worker that is killed holds no lock.
    """

    def __init__(self) -> None:
        fd = os.memfd_create("streamfit-faults", os.MFD_CLOEXEC)
        self._path = f"/proc/{os.getpid()}/fd/{fd}"
        weakref.finalize(self, os.close, fd)

    def __deepcopy__(self, memo: dict[int, Any]) -> FaultLog:
        return self  # one log for all copies: the memory belongs to this one

    def start(self, epoch: int, batch: int, plan: FaultPlan) -> Fault | None:
        """Note that a load of a batch starts and return the fault that it meets."""
        attempt = 1 + sum((epoch, batch) == (e, b) for e, b, _ in self._records())
        fault = plan.fault(epoch, batch, attempt)
        code = _NONE if fault is None else KINDS.index(fault.kind)
        with open(self._path, "ab", buffering=0) as file:
            file.write(_RECORD.pack(epoch, batch, code))
        return fault

    def happened(self) -> list[Fault]:
        """List the faults that were met, by epoch, batch and attempt."""
        counts: dict[tuple[int, int], int] = {}
        faults = []
        for epoch, batch, code in self._records():
            counts[epoch, batch] = counts.get((epoch, batch), 0) + 1
            if code != _NONE:
                faults.append(Fault(KINDS[code], epoch, batch, counts[epoch, batch]))
        return sorted(faults, key=lambda fault: (fault.epoch, fault.batch, fault.attempt))

    def loads(self) -> int:
        """Count the loads that were started in worker processes."""
        return len(self._records())

    def _records(self) -> list[tuple[int, int, int]]:
        with open(self._path, "rb") as file:
            data = file.read()
        return [(int(e), int(b), int(c)) for e, b, c in _RECORD.iter_unpack(data)]


class FaultySequence(Sequence):
    """Give the batches of another sequence, and meet the faults of a plan while doing so."""

    def __init__(self, sequence: Any, plan: FaultPlan) -> None:
        super().__init__()
        self.sequence, self.plan, self.log, self.epoch = sequence, plan, FaultLog(), 0

    @property
    def stands_for(self) -> Any:
        """Return the sequence inside: its draws are the same with and without faults."""
        return getattr(self.sequence, "stands_for", self.sequence)

    @property
    def num_batches(self) -> int | None:
        """Count the batches of the sequence inside."""
        if hasattr(type(self.sequence), "num_batches"):
            count: int | None = self.sequence.num_batches
            return count
        return len(self.sequence)

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, index: int) -> Any:
        _meet(self.log, self.plan, self.epoch, index)
        return self.sequence[index]

    def on_epoch_begin(self) -> None:
        """Pass it on."""
        getattr(self.sequence, "on_epoch_begin", _nothing)()

    def on_epoch_end(self) -> None:
        """Pass it on, and count the pass: faults of the next one are others."""
        self.epoch += 1
        getattr(self.sequence, "on_epoch_end", _nothing)()


class FaultySource(Source):
    """Give the batches of another source, and meet the faults of a plan while doing so."""

    def __init__(self, source: Source, plan: FaultPlan) -> None:
        self.source, self.plan, self.log = source, plan, FaultLog()
        self.name, self.seed, self.remote, self.may_change = source.name, source.seed, True, source.may_change
        self.rewinds = source.rewinds
        if source.pulled:
            raise ValueError("a generator is pulled in the main process, where no fault can be met")

    @property
    def stands_for(self) -> Any:
        """Return what the source inside reads: its draws are the same with and without faults."""
        return getattr(self.source.producer, "stands_for", self.source.producer)

    def tickets(self, epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of the source inside."""
        return self.source.tickets(epoch, start)

    def load(self, ticket: Ticket) -> Any:
        """Load a batch of the source inside, unless something happens."""
        _meet(self.log, self.plan, ticket.epoch, ticket.number)
        return self.source.load(ticket)

    def batches(self, epoch: int) -> int | None:
        """Count the batches of the source inside."""
        return self.source.batches(epoch)

    def spec(self) -> Any:
        """Return the specs of the source inside."""
        return self.source.spec()

    def begin_pass(self, epoch: int) -> None:
        """Pass it on."""
        self.source.begin_pass(epoch)

    def end_pass(self, epoch: int) -> None:
        """Pass it on."""
        self.source.end_pass(epoch)

    def describe(self, ticket: Ticket) -> str:
        """Say which batch a ticket is for."""
        return self.source.describe(ticket)


def _nothing() -> None:
    pass


def _meet(log: FaultLog, plan: FaultPlan, epoch: int, batch: int) -> None:
    if inside_worker():
        fault = log.start(epoch, batch, plan)
        if fault is not None:
            carry_out(fault, plan.seconds)


def carry_out(fault: Fault, seconds: float) -> None:
    """Do to this process what a fault says; most of them do not return."""
    if fault.kind == "raise":
        raise InjectedFault(f"planned: {fault}")
    if fault.kind == "slow":
        time.sleep(seconds)
    elif fault.kind == "exit":
        os._exit(0)
    elif fault.kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif fault.kind == "out of memory":
        _exhaust()
    else:
        _crash(fault.kind)


def _crash(kind: FaultKind) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a file named core would be left behind
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "abort":
        os.abort()
    os.kill(os.getpid(), signal.SIGKILL)


def _exhaust() -> None:
    """Take memory up to a limit, then die as by the hand of the system."""
    taken = []
    try:
        for _ in range(_MAX_BYTES >> 20):
            taken.append(bytearray(1 << 20))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
