"""Supervision of worker processes: how they come and go, and what passes between them and the pool.

Guarantees kept here: a worker that dies, for whatever reason, is replaced and what it had not finished is
loaded again; nothing is shared between workers, so a dead one harms only its own socket.
"""

from __future__ import annotations

import os
import select
import struct
import time
import weakref
from collections.abc import Callable
from dataclasses import replace

from streamfit._base.errors import WorkerError
from streamfit._base.telling import warn
from streamfit.workers import last_words, wire
from streamfit.workers.briefing import Briefing
from streamfit.workers.contract import Init, fresh_id
from streamfit.workers.crew import Crew, Link
from streamfit.workers.dataset import Dispatch
from streamfit.workers.deadline import Deadline
from streamfit.workers.ending import HASTY_SECONDS
from streamfit.workers.exits import Parking, tell_at_exit
from streamfit.workers.interpreter import hash_seed_of_program
from streamfit.workers.lanes import LOOK_SECONDS, LanePool
from streamfit.workers.last_words import Death
from streamfit.workers.packing import Packed
from streamfit.workers.reports import KINDS as REPORTS
from streamfit.workers.scheduler import Job
from streamfit.workers.tally import Tally
from streamfit.workers.uninterrupted import uninterrupted
from streamfit.workers.wire import Frame

_REPORT_SECONDS = 5.0
_IN, _OUT = select.POLLIN, select.POLLOUT


class SupervisedPool(LanePool):
    """A pool whose workers are processes: it starts them, hears them, and replaces those that die.

    Args:
        workers: number of processes.
        ahead: how many tickets may be out beyond the delivered one.
        timeout: seconds that a load may take; None judges by the loads before it.
        init: what each of them calls before its first load.
        hash_seed: that of all workers; None for that of the program.
    """

    def __init__(
        self,
        workers: int,
        ahead: int,
        timeout: float | None = None,
        *,
        init: Init | None = None,
        hash_seed: int | None = None,
    ) -> None:
        super().__init__(workers, ahead)
        self._hash_seed = hash_seed_of_program() if hash_seed is None else hash_seed
        self._preload: tuple[str, ...] = ()
        self._dispatch = Dispatch()
        self._briefing = Briefing(self._dispatch, init)
        self._deadline = Deadline(timeout)
        self._crew: Crew | None = None
        self._poller = select.poll()
        self._finalizer: weakref.finalize[..., SupervisedPool] | None = None
        self._tally = Tally()
        self._parking = Parking(self.lock)
        self._handlers: dict[int, Callable[[Link, Frame], None]] = {
            wire.TEMPLATE: Link.learn,
            wire.RESULT: self._on_result,
            wire.SKIPPED: self._on_skipped,
        }

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

    def end_with_interpreter(self) -> None:
        """Stop the workers under daemon threads that still use them, which sleep from now on."""
        crew = self._crew
        if crew is not None and os.getpid() == self._owner:
            self._parking.close(lambda: crew.close(HASTY_SECONDS))

    # -- frames out -------------------------------------------------------------------------------------

    def _send(self, crew: Crew, link: Link, job: Job) -> None:
        slot = crew.slot(job.slot)
        if link.state != self._briefing.state:
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
            handler = self._handlers.get(frame.kind)
            if handler is None and frame.kind in REPORTS:
                self._briefing.reports.take(link.pid, frame)
                continue
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
