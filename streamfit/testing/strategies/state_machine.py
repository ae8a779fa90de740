"""`StreamMachine`: any sequence of actions on a source, drawn by Hypothesis."""

from __future__ import annotations

from streamfit.testing.checked_reader import CheckedReader, WorkerKind
from streamfit.testing.strategies.hypothesis_package import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    st,
)


class StreamMachine(RuleBasedStateMachine):
    """Read your source by any sequence of actions; every batch must come in order, exactly once.

    Derive from it and define `make_source`. The actions: read some batches, read the rest of an epoch, leave
    the loop early, continue with other workers, stop and resume with a source that is made again, end an
    epoch and go on with other workers, read a part with a second reader, and load two batches at once, where
    one load stops before a drawn line of your code: that finds races between threads, and shrinks to the
    first line that matters. Worker processes are killed, if `kinds` has them. The batches of a `Sequence`
    come in their own order or shuffled.

    Attributes:
        kinds: The kinds of workers to use.
        resumes: Whether the source may be made again in the middle, which replays its hooks.

    Example:
        >>> class MyMachine(StreamMachine):
        ...     def make_source(self):
        ...         return KnownSequence([2, 2, 1])
        >>> TestMine = MyMachine.TestCase
    """

    kinds: tuple[WorkerKind, ...] = ("inline", "threads")
    resumes = True

    def make_source(self) -> object:
        """Make the data: a `Source`, a `Sequence`, or anything that `streamfit.source` takes.

        Raises:
            TypeError: The subclass does not define it.
        """
        raise TypeError(f"{type(self).__name__} must define make_source(), which returns the data")

    @initialize(seed=st.integers(0, 2**32), shuffle=st.booleans())
    def begin(self, seed: int, shuffle: bool) -> None:
        """Open the source."""
        self.reader = CheckedReader(self.make_source, seed, shuffle=shuffle, replays_hooks=self.resumes)

    @rule(count=st.integers(1, 6))
    def deliver(self, count: int) -> None:
        """Read some batches."""
        self.reader.deliver(count)

    @rule()
    def next_epoch(self) -> None:
        """Read the rest of the epoch."""
        self.reader.next_epoch()

    @rule(count=st.integers(1, 4))
    def leave_early(self, count: int) -> None:
        """Leave the loop while batches are in flight."""
        self.reader.leave_early(count)

    @rule(data=st.data(), workers=st.integers(1, 3), ahead=st.integers(1, 5))
    def change_workers(self, data: st.DataObject, workers: int, ahead: int) -> None:
        """Continue with other workers."""
        self.reader.change_workers(data.draw(st.sampled_from(self.kinds)), workers, ahead)

    @rule()
    def resume(self) -> None:
        """Stop and continue with a source that is made again."""
        if self.resumes:
            self.reader.resume()

    @rule()
    def resume_from_state(self) -> None:
        """Stop, save the place, and continue from it with a source that is made again."""
        if self.resumes:
            self.reader.resume_from_state()

    @rule(data=st.data(), workers=st.integers(1, 3))
    def next_epoch_with_other_workers(self, data: st.DataObject, workers: int) -> None:
        """End the epoch, so that hooks run, with other workers on either side."""
        self.reader.deliver(1)
        self.reader.change_workers(data.draw(st.sampled_from(self.kinds)), workers)
        self.reader.next_epoch()

    @rule(first=st.integers(0, 3), second=st.integers(0, 3), line=st.integers(0, 30))
    def load_two_at_once(self, first: int, second: int, line: int) -> None:
        """Load two batches; one stops before each line of your code up to `line` while the other loads."""
        self.reader.load_two(first, second, line)

    @rule(count=st.integers(1, 4))
    def read_beside(self, count: int) -> None:
        """Read the beginning of the epoch again with a second reader."""
        self.reader.read_beside(count)

    @precondition(lambda self: "processes" in self.kinds)
    @rule(number=st.integers(0, 2))
    def kill_worker(self, number: int) -> None:
        """Kill a worker process."""
        self.reader.kill_worker(number)

    @invariant()
    def in_order_and_exactly_once(self) -> None:
        """Compare the number of batches with the place that the reader has reached."""
        if hasattr(self, "reader"):
            epoch, number = self.reader.due
            passed = sum(len(self.reader.expected(before)) for before in range(epoch))
            assert self.reader.delivered == passed + number

    def teardown(self) -> None:
        """Stop the workers."""
        if hasattr(self, "reader"):
            self.reader.close()
