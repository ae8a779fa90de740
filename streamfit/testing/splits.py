"""`check_split`: whether a training and a validation set are apart, and are alike otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.outcomes import ask
from streamfit.testing.result import Question, Result
from streamfit.testing.settings import SampleKey
from streamfit.testing.split_side import SplitSide, equal_pairs
from streamfit.testing.table import Kind

_SECONDS = 0.8  # for each side
_SHOWN = 5
_FAR, _TIMES = 4.0, 5.0  # means apart in deviations, and how many times one deviation is the other
_LEAST = 16  # samples whose spread says something
_EXPECTED = 5.0  # samples of a class, if the sides were alike, from which on none of them is no chance
_RARE = 0.05
_GIVEN_Y = "x alone is compared, as there is no y"


def check_split(
    train: object,
    validation: object,
    *,
    kind: Kind | None = None,
    key: SampleKey | None = None,
    group: Callable[..., Hashable] | None = None,
    samples: int = 65_536,
    strict: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Result]:
    """Check that no sample or group is in both a training and a validation set, and that both are alike.

    Samples that are in both are counted against those that are equal within each set, so that data of few
    distinct rows does not raise a false alarm. It takes about two seconds at most.

    Args:
        train: A tuple of arrays (x, y) or (x, y, sample_weight), or what `run_checks` takes: a `Sequence`, a
            pipeline, a `Source`, or a function that makes one or a generator.
        validation: The same.
        kind: What both are, as for `run_checks`; None: found from each.
        key: Called as ``key(x, y)`` with one sample; returns what identifies it, such as its number. Needed
            where samples are augmented, as they are never equal then.
        group: Called as ``group(x, y)``; returns the group that must not be on both sides: the patient, the
            speaker, the day.
        samples: How many samples of each side are looked at.
        strict: Whether warnings are failures.
        expected_failures: Names of checks that are known to fail or to warn, with the reason.

    Returns:
        The result of each check, if none failed.

    Raises:
        CheckFailure: A side is empty, or samples or groups are in both.
        ValueError: `samples` is below 1, or a check is unknown.

    Example:
        >>> import numpy as np
        >>> x = np.arange(100.0)[:, None]
        >>> check_split((x[:80], x[:80]), (x[75:], x[75:]))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        streamfit.testing.failure.CheckFailure: split fails 1 of 9 checks:
        [overlap] split: 5 of 25 samples of validation are in train too: sample 0 of validation (batch 0, ...
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    one = SplitSide("train", train, kind, samples, _SECONDS, key, group)
    other = SplitSide("validation", validation, kind, samples, _SECONDS, key, group)
    return ask("split", _Split(one, other).questions(), strict=strict, expected_failures=expected_failures)


class _Split:
    """The two sides and what is asked of them."""

    def __init__(self, train: SplitSide, validation: SplitSide) -> None:
        self.train, self.validation = train, validation

    def questions(self) -> list[Question]:
        apart = "rows = np.random.default_rng(1).permutation(len(x))  # once, and then cut\n"
        cut = "train, validation = rows[:-1000], rows[-1000:]"
        groups = (
            "names = np.random.default_rng(1).permutation(np.unique(patients))\n"
            "held_out = np.isin(patients, names[:20])  # whole groups\n"
            "train, validation = x[~held_out], x[held_out]"
        )
        same = "scale = lambda x: x / 255  # one function for both\nscale(x_train), scale(x_validation)"
        whole = "def __len__(self):\n    return -(-len(self.x) // self.batch_size)  # rounded up"
        drawn = "train = source(x, y).map(augment)  # and validation without it"
        return [
            Question("samples", self.samples),
            Question("overlap", self.overlap, apart + cut, "samples"),
            Question("same_inputs", self.same_inputs, apart + cut, "samples"),
            Question("groups", self.groups, groups, "samples"),
            Question("forms", self.forms, same, "samples"),
            Question("ranges", self.ranges, same, "samples"),
            Question("classes", self.classes, apart + cut, "samples"),
            Question("validation_repeats", self.repeats, drawn, "samples"),
            Question("validation_whole", self.whole, whole, "samples"),
        ]

    def samples(self) -> str:
        """Check that both sides have samples."""
        for side in (self.train, self.validation):
            side.read()
            if not side.samples:
                fail(f"split: {side.role} has no samples at all")
        return f"looked at {self.train.looked_at()} and {self.validation.looked_at()}"

    def overlap(self) -> str | None:
        """Check that no sample is on both sides."""
        keyed = bool(self.train.keys)
        ours: Sequence[Hashable] = self.train.keys if keyed else self.train.samples
        theirs: Sequence[Hashable] = self.validation.keys if keyed else self.validation.samples
        first = {one: number for number, one in reversed(list(enumerate(ours)))}
        both = [number for number, one in enumerate(theirs) if one in first]
        if not both:
            if not keyed and self.train.draws():
                return "train draws its samples anew, so that they equal no others: pass key=lambda x, y: ..."
            return None
        count = f"{len(both)} of {len(theirs):,} samples of validation"
        if not keyed and self._by_chance(ours, theirs):
            within = Counter(ours)
            twins = sum(times for times in within.values() if times > 1)
            text = f"{count} equal one of train, and {twins} of {len(ours):,} of train equal another of train"
            if twins < _RARE * len(ours) or (self.train.fractions and len(within) > len(ours) / 4):
                warn(
                    f"split: {text}: the data holds samples twice, or is drawn with replacement, and some of "
                    "them are on both sides. Remove what is double before splitting: np.unique(x, axis=0)"
                )
            return f"{text}: rows have few distinct values, so that equal ones are no sign of a leak"
        shown = ", ".join(self._pair(first[theirs[number]], number) for number in both[:2])
        fail(
            f"split: {count} are in train too: {shown}. Validation then measures what the model remembers: "
            "its loss and early stopping are too hopeful"
        )

    def _pair(self, ours: int, theirs: int) -> str:
        here, there = self.validation.places[theirs], self.train.places[ours]
        return (
            f"sample {theirs} of validation (batch {here[0]}, row {here[1]}) is sample {ours} of train "
            f"(batch {there[0]}, row {there[1]})"
        )

    @staticmethod
    def _by_chance(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> bool:
        """Return whether as many pairs are equal across the sides as within them.

        Of a training set that repeats its samples on purpose, validation tells how many are equal by chance.
        """
        here, there = len(ours), len(theirs)
        chance = equal_pairs(ours) / max(1, here * (here - 1) / 2)
        within = there * (there - 1) / 2
        if chance * within >= _EXPECTED:
            chance = min(chance, equal_pairs(theirs) / within)
        expected = chance * here * there
        times = Counter(ours)
        found = sum(times[one] for one in theirs)
        return bool(found <= 2 * expected + 3 * expected**0.5)

    def same_inputs(self) -> str | None:
        """Check that no x is on both sides with another y."""
        if not any(name.startswith("y") for name in self.train.form):
            skip(_GIVEN_Y)
        ours, pairs = set(self.train.inputs), set(self.train.samples)
        sides = zip(self.validation.inputs, self.validation.samples, strict=True)
        wrong = [at for at, (x, both) in enumerate(sides) if x in ours and both not in pairs]
        if not wrong:
            return None
        count = f"{len(wrong)} of {len(self.validation.inputs):,} samples of validation"
        text = f"{count} have the x of one of train"
        if self._by_chance(self.train.inputs, self.validation.inputs):
            return f"{text}, as samples of train have among themselves"
        first = self.train.inputs.index(self.validation.inputs[wrong[0]])
        warn(f"split: {text} and another y: {self._pair(first, wrong[0])}. Which label is right?")

    def groups(self) -> str | None:
        """Check that no group is on both sides."""
        if not self.train.groups:
            skip("no groups are given: group=lambda x, y: ...")
        both = [name for name in self.validation.groups if name in self.train.groups]
        if both:
            shown = ", ".join(
                f"{name!r} ({self.train.groups[name]} in train, {self.validation.groups[name]} in validation)"
                for name in both[:_SHOWN]
            )
            fail(
                f"split: {len(both)} of {len(self.validation.groups)} groups of validation are in train too: "
                f"{shown}. Samples of a group resemble one another, so validation is too hopeful: split "
                "by group"
            )
        return f"{len(self.train.groups)} groups in train, {len(self.validation.groups)} in validation"

    def forms(self) -> str | None:
        """Check that both sides have the same arrays, shapes and dtypes."""
        ours, theirs = self.train.form, self.validation.form
        if list(ours) != list(theirs):
            warn(f"split: train holds {', '.join(ours)}, but validation holds {', '.join(theirs)}")
        for name, (shape, dtype) in ours.items():
            other_shape, other_dtype = theirs[name]
            if shape != other_shape:
                warn(
                    f"split: {name} has samples of shape {shape} in train, but {other_shape} in validation; "
                    "prepare both with the same function"
                )
            if dtype != other_dtype and dtype.kind not in "OUS":
                warn(
                    f"split: {name} has dtype {dtype} in train, but {other_dtype} in validation; prepare "
                    "both with the same function"
                )
        return None

    def ranges(self) -> str | None:
        """Check that the values of x have the same scale on both sides."""
        if min(len(self.train.samples), len(self.validation.samples)) < _LEAST:
            skip("too few samples")
        for name, ours in self.train.spreads.items():
            theirs = self.validation.spreads.get(name)
            if theirs is None or not ours.deviation or not theirs.deviation:
                continue
            times = max(ours.deviation / theirs.deviation, theirs.deviation / ours.deviation)
            apart = abs(ours.mean - theirs.mean) / max(ours.deviation, theirs.deviation)
            if times > _TIMES or apart > _FAR:
                warn(
                    f"split: {name} is between {ours.low:.4g} and {ours.high:.4g} in train (mean "
                    f"{ours.mean:.4g}), but between {theirs.low:.4g} and {theirs.high:.4g} in validation "
                    f"(mean {theirs.mean:.4g}). Is one of them not scaled as the other?"
                )
        return None

    def classes(self) -> str | None:
        """Check that the classes of validation are in train."""
        ours, theirs = self.train.labels, self.validation.labels
        if not ours or not theirs or len(ours) > max(2, len(self.train.samples) // 4):
            skip("y holds no classes")
        unknown = [label for label in theirs if label not in ours]
        if unknown and self.train.whole:
            warn(
                f"split: {_named(unknown)} in validation only, and never trained on. Shuffle before "
                "splitting, or split each class"
            )
        share = len(self.validation.samples) / len(self.train.samples)
        absent = [
            label for label, count in ours.items() if label not in theirs and count * share >= _EXPECTED
        ]
        if absent and self.validation.whole:
            warn(f"split: {_named(absent)} in train only, so that validation says nothing about them")
        return f"{len(ours)} classes in train, {len(theirs)} in validation"

    def repeats(self) -> str | None:
        """Check that validation has the same samples in each pass."""
        found = self.validation.draws()
        if found:
            warn(
                "split: the samples of validation change from pass to pass: they are augmented, or drawn "
                "anew. Then its loss varies by chance, and early stopping follows the draws"
            )
        return "too long to be compared between passes" if found is None else None

    def whole(self) -> str | None:
        """Check that validation leaves out no last batch."""
        rest = self.validation.beyond()
        if rest:
            warn(
                f"split: the last {rest} samples of validation are never used: its __len__ rounds down, "
                "though validation may end with a batch that is not full"
            )
        return None


def _named(labels: list[Hashable]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
    return f"class {shown} is" if len(labels) == 1 else f"classes {shown} are"
