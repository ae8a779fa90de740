"""Checks that labels stay with their samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from streamfit.testing.census import Census, SamplePlace, census_of
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.held_arrays import HeldArray
from streamfit.testing.table import KINDS, Check

_LEAST = 8  # pairs of rows from which an offset is judged
Pairs = list[tuple[Hashable, Hashable, SamplePlace]]


def check_labels_stay(checked: CheckedObject) -> str | None:
    """Check that a sample has the same label in each epoch, and the one at its place in the data."""
    census = census_of(checked)
    if not census.passes[0].batches or census.passes[0].batches[0].y is None:
        skip("it gives no labels")
    _compare_with_held(checked, census)
    if len(census.passes) < 2:
        return None
    by = "key" if census.known_by() == "key" else "x"
    if by == "x" and census.draws:
        skip("x is drawn anew in each epoch, so that no sample is known again; pass key=")
    first, second = (_labels(census, number, by) for number in (0, 1))
    moved = [one for one in first if one in second and first[one][0] != second[one][0]]
    if not moved:
        return None
    again = sum(one in second for one in first)
    if by == "x" and again < len(first) / 2:
        return f"{again} of {len(first)} samples come again, {len(moved)} with another label, as where mixed"
    before, after = first[moved[0]][1], second[moved[0]][1]
    text = (
        f"{checked.name}: {len(moved)} samples have another label in the next epoch: x in {before} comes "
        f"again in {after} of pass 1, with another y."
    )
    labels = [Counter(y for y, _ in _pairs_of(census, number)) for number in (0, 1)]
    if census.whole and labels[0] == labels[1]:
        fail(
            f"{text} All labels are there, but they were left behind when the samples were shuffled, so that "
            "training learns noise: shuffle x and y by one order"
        )
    warn(f"{text} Is that meant? If x is shuffled and y is not, training learns noise")


def _pairs_of(census: Census, number: int) -> list[tuple[Hashable, SamplePlace]]:
    return census.samples(number, "y")


def _labels(census: Census, number: int, by: str) -> dict[Hashable, tuple[Hashable, SamplePlace]]:
    """Return the label and the place of each sample that comes once in a pass."""
    samples, labels = census.samples(number, by), census.samples(number, "y")
    times = Counter(one for one, _ in samples)
    return {one: (y, at) for (one, at), (y, _) in zip(samples, labels, strict=False) if times[one] == 1}


def _compare_with_held(checked: CheckedObject, census: Census) -> None:
    """Compare the rows of x and y in the arrays that hold them: in one distance, whichever that is."""
    xs = [(held, rows) for held in census.held.x if (rows := _rows(census, held, "x")) is not None]
    ys = [(held, rows) for held in census.held.y if (rows := _rows(census, held, "y")) is not None]
    worst: tuple[HeldArray, HeldArray, list[int], list[int]] | None = None
    for x, x_rows in xs:
        for y, y_rows in ys:
            if len({there - here for here, there in zip(x_rows, y_rows, strict=True)}) == 1:
                return
            if x.same != y.same and len(x.rows) == len(y.rows) and sorted(x_rows) == sorted(y_rows):
                worst = worst or (x, y, x_rows, y_rows)
    if worst is not None:
        x, y, x_rows, y_rows = worst
        at = next(at for at, (here, there) in enumerate(zip(x_rows, y_rows, strict=True)) if here != there)
        fail(
            f"{checked.name}: {census.samples(0, 'x')[at][1]} pairs row {x_rows[at]} of {x.name} with row "
            f"{y_rows[at]} of {y.name}: labels do not belong to their samples. Take both by the same order"
        )


def _rows(census: Census, held: HeldArray, by: str) -> list[int] | None:
    """Return the row of each sample of pass 0 in an array whose rows all differ; None if one is not there."""
    places = held.places()
    rows = [places.get(one, -1) for one, _ in census.samples(0, by)]
    return rows if len(rows) >= _LEAST and min(rows) >= 0 else None


CHECKS: tuple[Check, ...] = (
    Check(
        "labels_stay",
        "Samples keep their labels when they are shuffled.",
        check_labels_stay,
        KINDS,
        ("content", "own_arrays", "own_batches", "own_data"),
        hint=(
            "order = self.generator.permutation(len(self.x))\n"
            "self.x, self.y = self.x[order], self.y[order]  # one order for both"
        ),
    ),
)
