"""`mix`: the elements of several inputs in a random order of inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from streamfit._base.checks import number as checked_number
from streamfit._base.keys import derive, seed_from, uniforms
from streamfit._base.specs import Array
from streamfit.streams.stages.branches import Reading
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.joined import Joined
from streamfit.streams.stages.mix_draws import Draws, choose
from streamfit.streams.stages.recent import Recent
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage, known_size, parts_of

_CHUNK = 1024


class Mix(Joined):
    """Draw for each position the input that gives the next element, until all have ended.

    Args:
        stages: The inputs.
        weights: How often each is drawn; None for equally often. The inputs that have not ended share out
            what the others leave.
        seed: A seed for the draws; None follows the run.

    An element is found by drawing for all positions before it, once in a pass; so to shuffle, write
    ``mix([a.shuffle(), b.shuffle()])``, which is quick from the first batch on.
    """

    def __init__(
        self, stages: Sequence[Stage], weights: Sequence[float] | None = None, seed: int | None = None
    ) -> None:
        super().__init__(stages, "mix()")
        self.traits = replace(self.traits, fixed_order=False)
        self.weights = _checked(weights, len(stages))
        self.own_seed = None if seed is None else seed_from(seed)
        self._draws = Recent()

    def __repr__(self) -> str:
        given = f"[{', '.join(stage.text() for stage in self.inputs)}]"
        if len(set(self.weights.tolist())) > 1:
            given += f", weights={self.weights.tolist()}"
        return f"mix({given}{'' if self.own_seed is None else f', seed={self.own_seed}'})"

    def text(self) -> str:
        """Return the pipeline up to this stage, as it is written."""
        return repr(self)

    def _key(self, p: Pass) -> int:
        if self.own_seed is not None:
            return derive(self.own_seed, p.number, "mix")
        return p.key("mix", self.salt)

    def locate(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the input at each position, and the position in it."""
        return self._draws.get(p, lambda: self._drawn(p)).locate(positions)

    def _drawn(self, p: Pass) -> Draws:
        sizes = np.array([known_size(stage, p) for stage in self.inputs], np.int64)
        return Draws(sizes, self.weights, self._key(p))

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read the inputs that are drawn; the place is the number of the draw and all their places."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        number, places = parts_of(place, 0, None)
        reading = Reading([(stage, p) for stage in self.inputs], places, runner)
        key, first, draws = self._key(p), number, _draws_from(self._key(p), number)
        try:
            while left := reading.left:
                if number == first + _CHUNK:
                    first, draws = number, _draws_from(key, number)
                drawn = choose(self.weights, draws[number - first : number - first + 1], np.array(left))
                found = reading.take(int(drawn[0]))
                if found is not None:  # else the same draw chooses among the others
                    number += 1
                    yield self.checked(int(drawn[0]), found[0]), (number, tuple(reading.places))
        finally:
            reading.close()


def _draws_from(key: int, number: int) -> Array:
    return uniforms(key, np.arange(number, number + _CHUNK))


def _checked(weights: Sequence[float] | None, count: int) -> Array:
    if weights is None:
        return np.ones(count)
    found = [checked_number(f"weights[{at}]", weight, 0.0) for at, weight in enumerate(weights)]
    if len(found) != count:
        raise ValueError(f"mix() of {count} inputs was given {len(found)} weights; write one for each input")
    if not all(0 < weight < float("inf") for weight in found):
        raise ValueError(
            f"weights={found}: each must be finite and above 0, as every element comes once; leave out the "
            "input that you do not want"
        )
    return np.array(found)
