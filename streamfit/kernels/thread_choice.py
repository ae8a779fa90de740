"""How many threads run a step: chosen by measured times, and measured again, so that it follows the machine.

Another program may take a core at any time, and give it back. Two threads of which one waits for a core are
slower than one thread. So no fixed number is right, and none is computed from a model of the machine.
"""

from __future__ import annotations

import math

SHORTEST = 50e-6
"""Steps shorter than this stay on one thread: to wake another one costs about as much as it could save."""
_SMOOTHED_OVER = 0.1  # seconds of steps
_PROBE_EVERY = 0.75  # seconds of steps
_WARM_UP, _PROBE_SECONDS = 0.01, 0.02  # of a probe, at least; helpers have moved to a free core after that
_WARM_STEPS, _PROBE_STEPS = 1, 3
_LOSS = 0.03  # the share of the time that probes may cost
_MOST_LOSS = 0.015  # seconds by which a probe may be slower before it ends early
_HICCUP = 10.0  # a time that is as many times the best one was interrupted, and counts as so much
_CLEARLY = 0.97  # a number of threads that is faster by less is not worth a change
_SAME_FOR, _PROBE_LOOK = 0.01, 0.001  # seconds of steps between two looks at the time
_MOST_STEPS = 100_000  # between two looks, however short they are


class ThreadChoice:
    """Choose the number of threads for the steps of one call list.

    The numbers to choose from are 1, 2, 4 and so on, and `most`. The time of a step is known for each that
    was tried, smoothed over 0.1 s of steps, and the fastest is used. Every 0.75 s of steps (later where that
    would cost more than 3 % of the time) a neighbour of the fastest is tried for some steps. So the choice
    follows a core that becomes busy within some tenths of a second, and one that becomes free within 2 s
    where a step takes up to 10 ms.

    There is no clock inside: the caller runs `steps` steps with `threads` threads and gives their time to
    `add`.

    Args:
        most: The largest number of threads.
        shortest: Steps that take less on one thread, in seconds, stay there.

    Raises:
        ValueError: `most` is less than 1.

    Example:
        >>> choice = ThreadChoice(2)
        >>> for _ in range(1000):
        ...     choice.add(0.001 / choice.threads * choice.steps, choice.steps)
        >>> choice.fastest
        2
    """

    def __init__(self, most: int, shortest: float = SHORTEST) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}: one thread always runs the step")
        powers = [1 << i for i in range(most.bit_length()) if 1 << i < most]
        self.numbers = (*powers, most)
        self.shortest = shortest
        self.threads = 1
        self.fastest = 1
        self._times: dict[int, float] = {}
        self._probe = _Probe(None)  # the first steps of all
        self._probing = True
        self._until_probe = 0.0
        self._upwards = True

    @property
    def is_short(self) -> bool:
        """Whether steps are too short for several threads."""
        return self._times.get(1, math.inf) < self.shortest

    @property
    def steps(self) -> int:
        """How many steps to run before the next `add`: 1 where their time is not known."""
        known = self._probe.time if self._probing else self._times.get(self.threads)
        if not known:
            return 1
        seconds = _PROBE_LOOK if self._probing else _SAME_FOR
        return max(1, int(min(seconds / known, _MOST_STEPS)))

    def add(self, seconds: float, steps: int = 1) -> None:
        """Take the time of the last steps.

        Args:
            seconds: Of all of them together.
            steps: How many.
        """
        best = min(self._times.values(), default=math.inf)
        time = min(seconds / steps, _HICCUP * best)
        if self._probing:
            self._probe.add(seconds, steps, time)
            if self._probe.is_done:
                self._end_probe()
            return
        weight = 1 - math.exp(-seconds / _SMOOTHED_OVER)
        before = self._times[self.threads]
        self._times[self.threads] = before + weight * (time - before)
        self._until_probe -= seconds
        self._choose()
        if self._until_probe <= 0 and not self.is_short:
            self._begin_probe()

    def _choose(self) -> None:
        """Use the fastest number from now on."""
        best = min(self._times, key=self._times.__getitem__)
        if self.is_short:
            best = 1
        elif self._times[best] > _CLEARLY * self._times[self.fastest]:
            best = self.fastest
        self.fastest = self.threads = best

    def _begin_probe(self) -> None:
        number = self._neighbour()
        if number != self.fastest:
            self.threads, self._probing = number, True
            self._probe = _Probe(self._times[self.fastest])

    def _neighbour(self) -> int:
        """Return the next number above or below the fastest, in turns."""
        place = self.numbers.index(self.fastest)
        around = [self.numbers[i] for i in (place - 1, place + 1) if 0 <= i < len(self.numbers)]
        self._upwards = not self._upwards
        return around[-1 if self._upwards else 0] if around else self.fastest

    def _end_probe(self) -> None:
        first = not self._times
        before, time = self.fastest, self._probe.time or 0.0
        known = self._times.get(self.threads, time)
        self._times[self.threads] = min(time, (time + known) / 2)  # interruptions only make steps longer
        self._probing = False
        self._until_probe = max(_PROBE_EVERY, self._probe.loss / _LOSS)
        self._choose()
        if first or self.fastest > before:  # go on upwards at once
            self._upwards, self._until_probe = False, 0.0
            if not self.is_short and self.fastest != self.numbers[-1]:
                self._begin_probe()
            else:
                self._until_probe = _PROBE_EVERY


class _Probe:
    """The times of some steps with another number of threads.

    Args:
        usual: The time of a step with the number that is used now; None if there is none yet.
    """

    def __init__(self, usual: float | None) -> None:
        self._usual = usual
        self._seconds, self._steps = 0.0, 0
        self._warm_seconds, self._warm_steps, self._sum = 0.0, 0, 0.0
        self._last = 0.0

    def add(self, seconds: float, steps: int, time: float) -> None:
        """Take the time of some steps: of all, and of one without interruptions."""
        if self._steps >= _WARM_STEPS and self._seconds >= _WARM_UP:
            self._warm_seconds += seconds
            self._warm_steps += steps
            self._sum += time * steps
        self._seconds += seconds
        self._steps += steps
        self._last = time

    @property
    def time(self) -> float | None:
        """The time of a step once all is warm; of the last step before that."""
        if self._warm_steps == 0:
            return self._last if self._steps else None
        return self._sum / self._warm_steps

    @property
    def loss(self) -> float:
        """By how much these steps were slower than usual, in seconds; 0 if they were not."""
        return 0.0 if self._usual is None else max(0.0, self._seconds - self._usual * self._steps)

    @property
    def is_done(self) -> bool:
        """Whether this is enough, or already too slow."""
        enough = self._warm_steps >= _PROBE_STEPS and self._warm_seconds >= _PROBE_SECONDS
        return enough or self.loss > _MOST_LOSS
