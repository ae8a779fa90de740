"""The pool of worker processes: carries out the scheduler's orders over sockets and shared memory.

Guarantees kept here, on top of those of `contract`: a worker that dies, for whatever reason, is replaced
and what it had not finished is loaded again; nothing is shared between workers, so a dead one harms only
its own socket; memory is bounded by the slots in flight, a few that are lent, and what the consumer keeps;
nothing outlives this process.
"""

from __future__ import annotations

import os
import select
import struct
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from streamfit._base.errors import WorkerError
from streamfit._base.telling import warn
from streamfit.workers import faults, last_words, wire
from streamfit.workers.briefing import Briefing
from streamfit.workers.contract import Describe, Init, Kind, Loader, Ticket, fresh_id
from streamfit.workers.crew import Crew, Link
from streamfit.workers.dataset import Dispatch, Parcel
from streamfit.workers.deadline import Deadline
from streamfit.workers.ending import HASTY_SECONDS
from streamfit.workers.exits import Parking, tell_at_exit
from streamfit.workers.inquest import CannotExamineError, Probe
from streamfit.workers.interpreter import check_platform, hash_seed_of_program
from streamfit.workers.lanes import LOOK_SECONDS, LanePool
from streamfit.workers.last_words import Death
from streamfit.workers.packing import Packed
from streamfit.workers.reports import KINDS as REPORTS
from streamfit.workers.scheduler import MAX_DEATHS, Job, Lane, Scheduler
from streamfit.workers.tally import Tally
from streamfit.workers.uninterrupted import uninterrupted
from streamfit.workers.wire import Frame

# A consumer that keeps more values than this gets the further ones as copies, so that slots stay few.
_MAX_LENT = 4
# A job takes in further tickets up to this time and this memory; beyond it, sending is next to nothing.
_JOB_NANOSECONDS = 2_000_000
_JOB_BYTES = 1 << 22
_REPORT_SECONDS = 5.0
_LOOK_MILLISECONDS = int(LOOK_SECONDS * 1000)
_IN, _OUT = select.POLLIN, select.POLLOUT


class ProcessPool(LanePool):
    """Loads in worker processes.

    Args:
        workers: number of processes.
        ahead: how many tickets may be out beyond the delivered one.
        timeout: seconds that a load may take; None judges by the loads before it.
        init: what each of them calls before its first load.
        hash_seed: that of all workers; None for that of the program.
    """

    kind: Kind = "processes"
    deaths = MAX_DEATHS

    def __init__(
        self,
        workers: int,
        ahead: int,
        timeout: float | None = None,
        *,
        init: Init | None = None,
        hash_seed: int | None = None,
    ) -> None:
        check_platform()
        super().__init__(workers, ahead)
        self._hash_seed = hash_seed_of_program() if hash_seed is None else hash_seed
        self._preload: tuple[str, ...] = ()
        self._dispatch = Dispatch()
        self._briefing = Briefing(self._dispatch, init)
        self._deadline = Deadline(timeout)
        self._crew: Crew | None = None
        self._poller = select.poll()
        self._finalizer: weakref.finalize[..., ProcessPool] | None = None
        self._tally = Tally()
        self._parking = Parking(self.lock)
        self._handlers: dict[int, Callable[[Link, Frame], None]] = {
            wire.TEMPLATE: Link.learn,
            wire.RESULT: self._on_result,
            wire.SKIPPED: self._on_skipped,
        }

    # -- the pool's public face -------------------------------------------------------------------------

    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the process that workers are forked from, unless it runs; return at once."""
        self.check_usable()
        with self.lock:
            self._preload = tuple(preload) or self._preload
            if self._crew is None:
                self._briefing.begin()
                try:
                    uninterrupted(self._engage)
                except BaseException:
                    self.stop_workers(HASTY_SECONDS)
                    raise

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have all workers hash with another seed; ends runs that are open if there is one already."""
        with self.lock:
            if hash_seed != self._hash_seed:
                self._hash_seed = hash_seed
                if self._crew is not None:
                    self.reset("This run was ended because its workers got another hash seed; open another.")

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are alive, waiting for those that are being born."""
        with self.lock:
            self.check_usable()
            while self._crew is not None and any(link.pid is None for link in self._crew.links.values()):
                self._collect(100)
            links = self._crew.links.values() if self._crew is not None else ()
            return [link.pid for link in links if link.pid is not None]

    def close(self) -> None:
        """Kill the workers; safe to call twice. Values already delivered stay valid."""
        super().close()
        self._dispatch.clear()
        self._briefing.clear()

    def end_with_interpreter(self) -> None:
        """Stop the workers under daemon threads that still use them, which sleep from now on."""
        crew = self._crew
        if crew is not None and os.getpid() == self._owner:
            self._parking.close(lambda: crew.close(HASTY_SECONDS))

    # -- orders of the runs -----------------------------------------------------------------------------

    def new_scheduler(self) -> Scheduler:
        """Return a scheduler on which the workers together can hold all tickets that are ahead."""
        return Scheduler(-(-self.ahead // self.workers) + 1, self.deaths)

    def adopt(self, loader: Loader) -> Parcel:
        """Pickle a loader, if that is needed, and have workers ready."""
        self._briefing.update()
        parcel = self.parcel_for(loader)
        # Ours are known to be safe to fork with; the user's own modules are imported in each worker.
        ours = [name for name in parcel.modules if name.partition(".")[0] == "streamfit"]
        self._live_crew().launcher.preload(ours)
        self._staff()
        return parcel

    def parcel_for(self, loader: Loader) -> Parcel:
        """Return a loader as it is sent to workers."""
        return self._dispatch.parcel_for(loader)

    def issue(self) -> None:
        """Send workers what the scheduler wants loaded."""
        crew = self._live_crew()
        self._take_back(crew)
        if crew.budget.any_large():
            for link in crew.trim(self.scheduler.free_slots()):
                self._flush(link)
        touched: dict[int, Link] = {}
        while jobs := self.scheduler.issue():  # what could not be sent together is issued again, one by one
            for job in jobs:
                link = touched[job.worker] = crew.links[job.worker]
                self._send(crew, link, job)
        for link in touched.values():
            self._flush(link)

    def step(self, *, wait: bool) -> None:
        """Take in what workers and the nursery report."""
        if wait:
            self._parking.look()
        self.sweep()
        self._collect(_LOOK_MILLISECONDS if wait else 0)
        self.issue()
        self._briefing.reports.pass_on()

    def values_of(self, job: Job) -> list[Any]:
        """Return the values as views of the job's slot, or as copies if many slots are lent already."""
        packed = job.outcome
        if not isinstance(packed, Packed):
            self.scheduler.give_back(job.slot)
            return []
        crew = self._live_crew()
        self._take_back(crew)  # what was given up is not lent any more
        slot = crew.slot(job.slot)
        slot.attach(packed.capacity)
        memory = slot.bytes(max(packed.used, 1))
        crew.budget.note(job.slot, packed.capacity, packed.used)
        if packed.used and self.scheduler.lent(job.slot) <= _MAX_LENT:
            crew.lend(job.slot, memory)
            return packed.values(memory, apart=False)
        try:
            return packed.values(memory, apart=True)
        finally:
            self.scheduler.give_back(job.slot)

    def failure_of(self, job: Job) -> Death | Exception:
        """Return what the loader raised, or how the last worker ended."""
        outcome = job.outcome
        if isinstance(outcome, Death | Exception):
            return outcome
        packed: Packed = outcome
        return faults.unpack(packed.failure)

    @contextmanager
    def probing(self, loader: Loader, cargo: Parcel, describe: Describe) -> Iterator[Probe]:
        """Return what loads tickets in a worker set aside for it."""
        with _Sacrifice(cargo, self) as pool:

            def probe(ticket: Ticket) -> Any:
                run = None
                try:
                    with pool.open(loader, [ticket], describe=describe) as run:
                        return next(run).value
                except Exception as error:
                    if run is not None and run.failed:
                        raise
                    text = f"what cannot be loaded could not be examined: {error}"
                    raise CannotExamineError(text) from error

            yield probe

    def size_after(self, job: Job, size: int) -> int:
        """Return how many tickets fit a job: several where loads are so quick and small sending tells."""
        packed: Packed = job.outcome
        count = len(job.tickets)
        quick = _JOB_NANOSECONDS * count // max(packed.nanoseconds, 1)
        small = _JOB_BYTES * count // max(packed.used, 1)
        return max(1, min(quick, small, 2 * size, self.ahead // (self.workers + 2)))

    def drop(self, scheduler: Scheduler, lane: Lane) -> None:
        """Close a lane; its tickets that still wait in workers are not loaded."""
        if scheduler is self.scheduler and self._crew is not None:
            for worker in scheduler.close_lane(lane):
                link = self._crew.links[worker]
                link.channel.put(wire.CANCEL, lane=lane.key)
                self._flush(link)

    def stop_workers(self, grace: float) -> None:
        """Have all workers end, and kill those that have not after `grace` seconds.

        What they have logged until now is handled, what they have loaded is not wanted.
        """
        reports = self._briefing.reports
        if self._crew is not None:
            for link in self._crew.links.values():
                reports.take_last(link.pid, link.channel)
            self._crew.close(grace)  # not by way of the finalizer, which is spent when it is interrupted
        if self._finalizer is not None:
            self._finalizer.detach()
        self._crew = self._finalizer = None
        reports.pass_on_records()

    # -- workers come and go ----------------------------------------------------------------------------

    def _engage(self) -> None:
        self._crew = crew = Crew(self._preload, self._hash_seed)
        self._finalizer = weakref.finalize(self, crew.close)
        self._finalizer.atexit = False  # see `end_with_interpreter`
        tell_at_exit(self)
        self._poller = _listening_to(crew)

    def _live_crew(self) -> Crew:
        if self._crew is None:
            raise WorkerError("The workers of this pool were stopped; open another run.")
        return self._crew

    def _staff(self) -> None:
        """Have as many workers as there should be."""
        crew = self._live_crew()
        if len(crew.links) < self.workers:
            uninterrupted(lambda: self._hire(crew))

    def _hire(self, crew: Crew) -> None:
        while len(crew.links) < self.workers:
            key = fresh_id()
            link = crew.links[key] = Link(key, crew.launcher.spawn(key))
            self._poller.register(link.channel, _IN)
            self._briefing.greet(link)
            self.scheduler.join(key)

    def _lose(self, crew: Crew, link: Link, death: Death, *, blame: bool = False) -> Death:
        """Take in the end of a worker: first what it had finished, then what it had not.

        Returns:
            how it ended, as far as that is known then.
        """
        while not link.channel.ended:
            frames = link.channel.receive(wait=False)
            if not frames and not link.channel.ended:
                break
            self._handle(link, frames)
        if link.ended_at is None:
            self._poller.unregister(link.channel)
        del crew.links[link.key]
        stray = link.stray()
        loading: tuple[int, int, int] | None = link.marker.under_way() if blame else None
        if stray:  # it was written before the next answer, however far the worker has come since
            loading = self.scheduler.first_of(link.key)
            death = replace(death, stray=stray)
        in_vain = stray or not link.marker.begun() or (loading is None and not link.answered)
        self._tally.worker(in_vain=bool(in_vain))
        link.close()
        self.scheduler.died(link.key, death, loading)
        if death.pid is not None:
            hit = self.scheduler.find(*loading[:2]) if loading else None
            last_words.tell(death, self.describe(hit) if hit else "", self.restarts)
        return death

    def _on_death(self, crew: Crew, frame: Frame) -> None:
        link = crew.links.get(frame.number)
        if link is not None:
            death = last_words.death_of(link.pid, frame.extra, frame.body, link.marker.fd, link.overdue)
            death = self._lose(crew, link, death, blame=True)
            self.restarts += 1
            self._tally.check(death)
            self._staff()

    def _on_unborn(self, crew: Crew, frame: Frame) -> None:
        link = crew.links.get(frame.number)
        if link is not None:
            self._lose(crew, link, Death())
        message = f"a worker process could not be started ({frame.body.decode()})"
        if not crew.links:
            raise WorkerError(f"{message}; use fewer workers, or threads (use_multiprocessing=False)")
        warn(f"{message}; going on with {len(crew.links)}", RuntimeWarning, stacklevel=2)

    def _nursery_lost(self, crew: Crew) -> None:
        """The nursery died, and the workers with it: start both again."""
        crew.launcher.check_start()
        self._tally.nursery()
        crew.launcher.close()
        for link in list(crew.links.values()):
            self._lose(crew, link, Death(pid=link.pid))
            self.restarts += 1
        uninterrupted(crew.relaunch)
        self._poller = _listening_to(crew)
        self._staff()

    # -- frames out -------------------------------------------------------------------------------------

    def _send(self, crew: Crew, link: Link, job: Job) -> None:
        slot = crew.slot(job.slot)
        self._briefing.send(link)
        link.send_slot(job.slot, slot)
        link.send_parcel(job.cargo)
        try:
            link.send_job(job, slot)
        except Exception as error:  # surfaces at its place in the order
            if len(job.tickets) > 1:
                self.scheduler.withdraw(job)
                return
            failed = self.scheduler.failed(job.worker, job.lane, job.number, job.attempt, job.slot)
            if failed is not None:
                failed.outcome = error

    def _flush(self, link: Link) -> None:
        """Send what the worker's socket takes; the rest goes when it has room."""
        blocked = not link.channel.flush()
        if blocked != link.blocked and link.ended_at is None:
            link.blocked = blocked
            self._poller.modify(link.channel, _IN | _OUT if blocked else _IN)

    def _take_back(self, crew: Crew) -> None:
        """Free the slots of values that were given up, and have workers forget loaders that were."""
        while crew.returned:
            slot = crew.returned.popleft().slot
            del crew.loans[slot]
            self.scheduler.give_back(slot)
        while self._dispatch.retired:
            key = self._dispatch.retired.popleft()
            for link in crew.links.values():
                link.forget_parcel(key)

    # -- frames in --------------------------------------------------------------------------------------

    def _collect(self, timeout: int) -> None:
        """Read what is there, waiting for something for `timeout` milliseconds."""
        crew = self._live_crew()
        gone = [at for link in crew.links.values() for at in (link.ended_at, link.watch.stopped) if at]
        if gone and time.monotonic() > min(gone) + _REPORT_SECONDS:  # the nursery is stopped or hangs
            return self._nursery_lost(crew)
        for link in crew.links.values() if gone else ():
            if link.lives_on(time.monotonic()):
                crew.launcher.kill(link.key)
        by_fd = {link.channel.fileno(): link for link in crew.links.values()}
        control = crew.launcher.channel.fileno()
        before = time.monotonic()
        found = self._poller.poll(timeout)
        if not found and timeout:
            # Longer than a look only if this process was stopped, and perhaps the workers: it does not count.
            passed = min(time.monotonic() - before, LOOK_SECONDS)
            crew.stop_hung(self.scheduler.holds, self._deadline, passed)
        for fd, events in found:
            if fd == control:
                return self._on_control(crew)  # workers may come and go: what else is ready is seen next time
            self._on_events(crew, by_fd[fd], events)
        return None

    def _on_events(self, crew: Crew, link: Link, events: int) -> None:
        if events & _OUT:
            self._flush(link)
        if events & ~_OUT:
            self._handle(link, link.channel.receive())
            if link.channel.ended and link.ended_at is None:
                self._hang_up(crew, link)

    def _hang_up(self, crew: Crew, link: Link) -> None:
        """See to a worker whose socket has ended: the nursery reports its death, or it dies soon."""
        self._poller.unregister(link.channel)
        link.ended_at = time.monotonic()
        if link.channel.stray:
            crew.launcher.kill(link.key)

    def _on_control(self, crew: Crew) -> None:
        channel = crew.launcher.channel
        for frame in crew.launcher.frames():
            if frame.kind == wire.BORN:
                if frame.number in crew.links:
                    crew.links[frame.number].pid = frame.extra
            elif frame.kind == wire.UNBORN:
                self._on_unborn(crew, frame)
            elif frame.kind == wire.DEAD:
                self._on_death(crew, frame)
        if channel.ended:
            self._nursery_lost(crew)

    def _handle(self, link: Link, frames: list[Frame]) -> None:
        link.heard += len(frames)
        for frame in frames:
            if frame.kind in REPORTS:
                self._briefing.reports.take(link.pid, frame)
                continue
            handler = self._handlers.get(frame.kind)
            if handler is None:
                link.channel.give_up(f"a message of kind {frame.kind} came, which is none of ours")
                return
            try:
                handler(link, frame)
            except (LookupError, ValueError, struct.error) as error:
                link.channel.give_up(f"a message came that cannot be read ({type(error).__name__}: {error})")
                return

    def _on_result(self, link: Link, frame: Frame) -> None:
        packed = Packed(frame.body, link.readers)
        link.answered += 1
        answer = self.scheduler.failed if packed.failure else self.scheduler.done
        job = answer(link.key, frame.lane, frame.number, frame.attempt, frame.slot)
        if job is not None:
            job.outcome = packed
            self._deadline.note(packed.nanoseconds)
            self._tally.progress()

    def _on_skipped(self, link: Link, frame: Frame) -> None:
        self.scheduler.done(link.key, frame.lane, frame.number, frame.attempt, frame.slot)


def _listening_to(crew: Crew) -> select.poll:
    poller = select.poll()
    poller.register(crew.launcher.channel, _IN)
    return poller


class _Sacrifice(ProcessPool):
    """One worker for tickets that may kill it; the first death is told and nothing is tried again.

    Args:
        parcel: the loader as the other workers got it, however the original has changed since.
        pool: the one that it serves.
    """

    examines = False
    deaths = 1

    def __init__(self, parcel: Parcel, pool: ProcessPool) -> None:
        super().__init__(workers=1, ahead=1, hash_seed=pool._hash_seed)
        self._parcel, self._deadline = parcel, pool._deadline
        self._briefing = pool._briefing.for_one_more(self._dispatch)

    def parcel_for(self, loader: Loader) -> Parcel:
        """Return the other pool's."""
        return self._parcel
