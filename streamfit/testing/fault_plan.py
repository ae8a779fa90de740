"""`FaultPlan`: draws from a seed which load of which batch fails and how, and makes these faults happen.

Guarantees kept here: a plan is a pure function of its seed, so every run and the simulator have the same
faults; a fault happens in worker processes only, so wrapped data loaded in this process have no faults; the
count of attempts is in anonymous memory, so no file remains.
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
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args, overload

from streamfit._base.keys import derive
from streamfit._base.names import did_you_mean
from streamfit.streams import Sequence, Source, Ticket
from streamfit.streams.items import Value
from streamfit.workers.contract import inside_worker

FaultKind = Literal["kill", "segfault", "abort", "exit", "out of memory", "slow", "stop", "raise"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
SURVIVED: tuple[FaultKind, ...] = ("kill", "segfault", "abort", "exit", "out of memory", "slow")
DEADLY: tuple[FaultKind, ...] = ("kill", "segfault", "abort", "exit", "out of memory")

_RECORD = struct.Struct("<qqq")
_NONE = -1
_MAX_BYTES = 64 << 20  # that "out of memory" takes before it kills


class Indexed(Protocol):
    """An object that gives batches by index, such as a `Sequence`."""

    def __len__(self) -> int:
        """Count the batches."""

    def __getitem__(self, index: int) -> object:
        """Return one batch."""


class InjectedFault(Exception):  # noqa: N818
    """Raised by a load that must fail by plan."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one load.

    Args:
        kind: ``'kill'`` (SIGKILL), ``'segfault'``, ``'abort'``, ``'exit'`` (with code 0), ``'out of memory'``
            (memory is taken up to a limit, then SIGKILL, as the system does), ``'slow'``, ``'stop'``
            (SIGSTOP; the pool needs a deadline to notice) or ``'raise'``.
        epoch: Number of the pass.
        batch: Number of the batch; the index for a `Sequence`.
        attempt: Which load of the batch; 1 for the first.
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
        seed: The seed of the draws.
        rate: The share of loads with a fault, from 0 to 1.
        kinds: Which faults are drawn.
        attempts: Loads of a batch beyond this number have no fault. With 2, every batch survives: a pool
            gives up on a batch that has killed three workers.
        faults: Faults that certainly happen, in addition to the drawn ones.
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
        """Return the fault of one load; None for no fault."""
        known = self.certain.get((epoch, batch, attempt))
        if known is not None or attempt > self.attempts or not self.rate:
            return known
        if derive(self.seed, epoch, batch, attempt, "whether") / 2**64 >= self.rate:
            return None
        kind = self.kinds[derive(self.seed, epoch, batch, attempt, "which") % len(self.kinds)]
        return Fault(kind, epoch, batch, attempt)

    def schedule(self, epoch: int, batches: int) -> Iterator[Fault]:
        """List the faults of a pass: for each batch, those until one of its loads succeeds."""
        for batch in range(batches):
            attempt = 1
            while (fault := self.fault(epoch, batch, attempt)) is not None:
                yield fault
                if fault.kind not in DEADLY:
                    break
                attempt += 1

    @property
    def needs_deadline(self) -> bool:
        """Return whether a pool needs a deadline for loads to survive this plan."""
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

    @overload
    def wrap(self, thing: Source) -> FaultySource: ...

    @overload
    def wrap(self, thing: Indexed) -> FaultySequence: ...

    def wrap(self, thing: Source | Indexed) -> FaultySource | FaultySequence:
        """Return a `Sequence` or a `Source` whose loads in worker processes have the faults.

        Args:
            thing: A `Sequence`, any object with ``__getitem__`` and ``__len__``, or a `Source`.

        Returns:
            The same data; its attribute `log` lists the faults that happened.
        """
        return FaultySource(thing, self) if isinstance(thing, Source) else FaultySequence(thing, self)


class FaultLog:
    """Count the loads of each batch over all processes, and list the faults that happened.

    Every start of a load appends one record to anonymous memory of the main process, which workers open
    through ``/proc``: no file has a name, and a worker that is killed holds no lock.
    """

    def __init__(self) -> None:
        fd = os.memfd_create("streamfit-faults", os.MFD_CLOEXEC)
        self._path = f"/proc/{os.getpid()}/fd/{fd}"
        weakref.finalize(self, os.close, fd)

    def __deepcopy__(self, memo: dict[int, object]) -> FaultLog:
        return self  # one log for all copies: this object owns the memory

    def start(self, epoch: int, batch: int, plan: FaultPlan) -> Fault | None:
        """Record that a load of a batch starts; return its fault."""
        attempt = 1 + sum((epoch, batch) == (e, b) for e, b, _ in self._records())
        fault = plan.fault(epoch, batch, attempt)
        code = _NONE if fault is None else KINDS.index(fault.kind)
        with open(self._path, "ab", buffering=0) as file:
            file.write(_RECORD.pack(epoch, batch, code))
        return fault

    def happened(self) -> list[Fault]:
        """List the faults that happened, by epoch, batch and attempt."""
        counts: dict[tuple[int, int], int] = {}
        faults = []
        for epoch, batch, code in self._records():
            counts[epoch, batch] = counts.get((epoch, batch), 0) + 1
            if code != _NONE:
                faults.append(Fault(KINDS[code], epoch, batch, counts[epoch, batch]))
        return sorted(faults, key=lambda fault: (fault.epoch, fault.batch, fault.attempt))

    def loads(self) -> int:
        """Count the loads that started in worker processes."""
        return len(self._records())

    def _records(self) -> list[tuple[int, int, int]]:
        with open(self._path, "rb") as file:
            data = file.read()
        return [(int(e), int(b), int(c)) for e, b, c in _RECORD.iter_unpack(data)]


class FaultySequence(Sequence):
    """Give the batches of another sequence, with the faults of a plan."""

    def __init__(self, sequence: Indexed, plan: FaultPlan) -> None:
        super().__init__()
        self.sequence, self.plan, self.log, self.epoch = sequence, plan, FaultLog(), 0

    @property
    def stands_for(self) -> object:
        """Return the wrapped sequence: its draws are the same with and without faults."""
        inner: object = getattr(self.sequence, "stands_for", self.sequence)
        return inner

    @property
    def num_batches(self) -> int | None:
        """Count the batches of the wrapped sequence."""
        if hasattr(type(self.sequence), "num_batches"):
            count: int | None = getattr(self.sequence, "num_batches")  # noqa: B009
            return count
        return len(self.sequence)

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, index: int) -> object:
        _start_load(self.log, self.plan, self.epoch, index)
        return self.sequence[index]

    def on_epoch_begin(self) -> None:
        """Call the hook of the wrapped data."""
        getattr(self.sequence, "on_epoch_begin", _nothing)()

    def on_epoch_end(self) -> None:
        """Call the hook of the wrapped data, and count the pass: the next one has other faults."""
        self.epoch += 1
        getattr(self.sequence, "on_epoch_end", _nothing)()


class FaultySource(Source):
    """Give the batches of another source, with the faults of a plan."""

    def __init__(self, source: Source, plan: FaultPlan) -> None:
        self.source, self.plan, self.log = source, plan, FaultLog()
        self.name, self.seed = source.name, source.seed
        self.traits = replace(
            source.traits, in_workers=True, one_layout=False, copies_rows=False, only_reads=False
        )
        if source.traits.pulled_ahead:
            raise ValueError("a generator is pulled in the main process, where no fault can be met")

    @property
    def stands_for(self) -> object:
        """Return the object that the wrapped source reads: its draws are the same with and without faults."""
        inner: object = getattr(self.source.producer, "stands_for", self.source.producer)
        return inner

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of the wrapped source."""
        return self.source.tickets(data_epoch, start)

    def load(self, ticket: Ticket) -> Value:
        """Load a batch of the wrapped source, unless its fault prevents that."""
        _start_load(self.log, self.plan, ticket.data_epoch, ticket.number)
        return self.source.load(ticket)

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches of the wrapped source."""
        return self.source.batches(data_epoch)

    def spec(self) -> Any:
        """Return the specs of the wrapped source."""
        return self.source.spec()

    def begin_pass(self, data_epoch: int) -> None:
        """Call the hook of the wrapped data."""
        self.source.begin_pass(data_epoch)

    def end_pass(self, data_epoch: int) -> None:
        """Call the hook of the wrapped data."""
        self.source.end_pass(data_epoch)

    def describe(self, ticket: Ticket) -> str:
        """Say which batch a ticket is for."""
        return self.source.describe(ticket)


def _nothing() -> None:
    pass


def _start_load(log: FaultLog, plan: FaultPlan, epoch: int, batch: int) -> None:
    if inside_worker():
        fault = log.start(epoch, batch, plan)
        if fault is not None:
            carry_out(fault, plan.seconds)


def carry_out(fault: Fault, seconds: float) -> None:
    """Make a fault happen in this process; most of them do not return."""
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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # leave no core file
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "abort":
        os.abort()
    os.kill(os.getpid(), signal.SIGKILL)


def _exhaust() -> None:
    """Take memory up to a limit, then die by SIGKILL, as when the system runs out of memory."""
    taken = []
    try:
        for _ in range(_MAX_BYTES >> 20):
            taken.append(bytearray(1 << 20))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
