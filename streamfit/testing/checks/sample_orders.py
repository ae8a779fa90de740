"""Checks of the order of samples: batches that are all alike, sizes, groups that never change, the first
epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from streamfit.testing.census import BatchSamples, Census, PassSamples, census_of, chance_of_equality
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.table import KINDS, Check

_UNLIKELY = 0.01
_SHOWN = 8
_LEAST = 8  # samples whose order is judged


def check_batches_differ(checked: CheckedObject) -> str | None:
    """Check that batches hold different samples."""
    census = census_of(checked)
    batches = census.passes[0].batches
    same = equal_batches(census)
    if not same:
        return None
    endless = _begins_again(census.passes[0])
    if len(same) == len(batches) - 1 and len(batches) > 2:
        text = f"{checked.name}: all {len(batches)} batches that were looked at hold the very same samples"
        if endless or len(set(batches[0].all)) == 1:
            return f"all {len(batches)} batches that were looked at hold the very same samples"
        if checked.kind in ("sequence", "samples"):
            fail(
                f"{text}: the index is ignored, and all other data are never trained on. Use it in "
                "__getitem__"
            )
        warn(f"{text}; all other data are never trained on")
    if endless:
        return None  # an endless generator begins again
    pairs = ", ".join(f"{first} and {again}" for again, first in list(same.items())[:_SHOWN])
    warn(f"{checked.name}: batches {pairs} hold the very same data. Their samples count twice in this epoch")


def _begins_again(one: PassSamples) -> bool:
    """Return whether a pass has no end that anybody knows of, so that data come again in it."""
    return not one.counted and not one.whole


def equal_batches(census: Census) -> dict[int, int]:
    """Return the batches of pass 0 that repeat an earlier one, with that one; none where chance explains
    it.
    """
    seen: dict[tuple[Hashable, ...], int] = {}
    same: dict[int, int] = {}
    for batch in census.passes[0].batches:
        first = seen.setdefault(tuple(batch.all), batch.number)
        if first != batch.number:
            same[batch.number] = first
    batches = census.passes[0].batches
    if len(same) == len(batches) - 1:
        return same
    alike = {batch.number for batch in batches if len(set(batch.x)) == 1}  # where a measurement stands still
    same = {again: first for again, first in same.items() if again not in alike}
    size = len(batches[0].all) if batches else 1
    chance = chance_of_equality(census.values) ** size * len(batches) ** 2 / 2
    return same if chance < _UNLIKELY and size > 1 else {}


def check_batch_sizes(checked: CheckedObject) -> str | None:
    """Check that all batches but the last one have as many samples."""
    census = census_of(checked)
    one = census.passes[0]
    sizes = one.sizes()
    middle = sizes[:-1] if one.whole else sizes
    if len(set(middle)) < 2:
        return None
    shown = ", ".join(map(str, sizes[:_SHOWN])) + (", ..." if len(sizes) > _SHOWN else "")
    if census.ours:
        return f"batches have {shown} samples"
    usual = Counter(middle).most_common(1)[0][0]
    if _rest_moves(census, usual):
        return f"one batch has {min(sizes)} samples, in another place in each epoch"
    odd = next(number for number, size in enumerate(middle) if size != usual)
    ends = middle[odd :: odd + 1]
    if _begins_again(one) and set(ends) == {middle[odd]} and len(middle) - middle.count(usual) == len(ends):
        return f"one of {odd + 1} batches has {middle[odd]} samples, as if the data began again after it"
    warn(
        f"{checked.name}: batches have {shown} samples: batch {odd} has {middle[odd]} where most have "
        f"{usual}. Only the last batch should be smaller: are samples that cannot be read left out without "
        "a message? Each sample of a small batch counts more than one of a full batch"
    )


def _rest_moves(census: Census, usual: int) -> bool:
    """Return whether one batch holds the rest, and batches change places between epochs."""
    if not census.whole:
        return False
    first, second = (one.sizes() for one in census.passes)
    rest = [size for size in first if size != usual]
    return len(rest) == 1 and rest[0] < usual and sorted(first) == sorted(second) and first != second


def check_groups_change(checked: CheckedObject) -> str | None:
    """Check that batches of shuffled samples hold other groups of samples in each epoch."""
    census = census_of(checked)
    by = _known(census)
    first, second = (
        [frozenset(Counter(_ids(batch, by)).items()) for batch in one.batches] for one in census.passes
    )
    sizes = census.passes[0].sizes()
    if len(first) < 3 or max(sizes) < 2 or len(set(first)) < len(first):
        return None
    orders = [[one for one, _ in census.samples(number, by)] for number in (0, 1)]
    if orders[0] == orders[1]:
        return None  # nothing is shuffled, as in validation
    if set(first) == set(second) and not census.ours:
        moved = "batches change places" if first != second else "the rows of batches change places"
        warn(
            f"{checked.name}: {moved} between epochs, but each batch always holds the same group of samples: "
            f"batch 0 comes again as batch {second.index(first[0])} of the next epoch. Gradients are then "
            "averages over the same groups in all epochs: shuffle the samples, not the batches"
        )
    return None


def _known(census: Census) -> str:
    """Return what samples are known by in two whole passes; skip the check where they are not."""
    if len(census.passes) < 2:
        skip("the next epoch cannot be read without changing the object")
    if not census.whole:
        skip("a pass is too long or too slow to be read whole twice")
    by = census.known_by()
    if not by:
        skip("samples are drawn anew in each epoch, and nothing tells which is which; pass key=")
    return by


def _ids(batch: BatchSamples, by: str) -> list[Hashable]:
    return {"key": batch.keys, "y": batch.y, "all": batch.all}[by] or []


def check_first_epoch(checked: CheckedObject) -> str | None:
    """Check that the first epoch is shuffled if the later ones are."""
    census = census_of(checked)
    if len(census.passes) < 2:
        skip("the next epoch cannot be read without changing the object")
    before, after = census.indices
    advice = (
        "It has the order of the files, often one class after another: call self.on_epoch_end() at the end "
        "of __init__, too"
    )
    for name, numbers in before.items():
        later = after.get(name, numbers)
        if len(numbers) < _LEAST:
            continue  # a shuffled order of so few may be that one
        if numbers == sorted(set(numbers)) and later != numbers and sorted(later) == numbers:
            warn(
                f"{checked.name}: {name} is in order in the first epoch and shuffled only after it: it "
                f"begins with {_first(numbers)}, and with {_first(later)} in the next one. {advice}"
            )
    for held in () if census.draws else census.held.x:  # else loads choose the rows, not the order
        if not (held.increasing or held.name in census.kept):
            continue  # shuffled in place, and perhaps before the first epoch too
        places = held.places()
        orders = [[places.get(x, -1) for x, _ in census.samples(number, "x")] for number in (0, 1)]
        rows = orders[0]
        if len(rows) < _LEAST or rows != list(range(rows[0], rows[0] + len(rows))) or rows[0] < 0:
            continue
        if orders[1] != rows and len(set(orders[1]) & set(rows)) > len(rows) // 2:
            warn(
                f"{checked.name}: the first epoch gives the rows of {held.name} in their order; only the "
                f"next ones are shuffled. {advice}"
            )
    return None


def _first(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:4]))


CHECKS: tuple[Check, ...] = (
    Check(
        "batches_differ",
        "No two batches of an epoch hold the same samples.",
        check_batches_differ,
        KINDS,
        ("content", "own_arrays", "own_batches"),
        hint=(
            "rows = slice(index * self.batch_size, (index + 1) * self.batch_size)\n"
            "return self.x[rows], self.y[rows]"
        ),
    ),
    Check(
        "batch_sizes",
        "All batches but the last one have as many samples.",
        check_batch_sizes,
        KINDS,
        ("content",),
        hint=(
            "self.files = [file for file in files if readable(file)]  # once, in __init__\n"
            "rows = self.files[index * self.batch_size : (index + 1) * self.batch_size]"
        ),
    ),
    Check(
        "groups_change",
        "Where samples are shuffled, batches hold other groups of samples in each epoch.",
        check_groups_change,
        needs=("content", "own_arrays", "own_data"),
        hint=(
            "def on_epoch_end(self):\n"
            "    self.generator.shuffle(self.order)  # numbers of samples, which __getitem__ slices"
        ),
    ),
    Check(
        "first_epoch",
        "The first epoch is shuffled if the later ones are.",
        check_first_epoch,
        needs=("content", "own_arrays", "own_data"),
        hint="def __init__(self, ...):\n    ...\n    self.on_epoch_end()  # shuffles for the first epoch",
    ),
)
