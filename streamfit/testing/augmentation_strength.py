"""`check_augmentation`: how strong an augmentation is, and whether it keeps what it should."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.leaves import is_arraylike
from streamfit.testing.augmentation_draws import AugmentedSamples, Per, of_function, of_pipeline
from streamfit.testing.comparison import same_bits
from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.kinds import checked_object
from streamfit.testing.outcomes import ask
from streamfit.testing.result import Question, Result
from streamfit.testing.settings import CheckSettings, SampleKey
from streamfit.testing.table import Kind

_LEAST = 4  # samples whose distances say something
_STRONG, _MOSTLY = 0.9, 0.5
_RARELY = 0.95  # share of unchanged samples from which on something is likely wrong
_SCALE = 4.0  # times larger or smaller


def check_augmentation(
    augmented: object,
    data: object = None,
    *,
    originals: object = None,
    per: Per | None = None,
    mixes: bool = False,
    kind: Kind | None = None,
    key: SampleKey | None = None,
    samples: int = 128,
    strict: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Result]:
    """Check how far an augmentation moves samples, and that it keeps labels, values and the seed.

    Args:
        augmented: With `data`: a transform of `streamfit.augment`, a function ``f(x)``, ``f(x, rng)`` or
            ``f(x, y, rng)``, or a layer that is called with ``training=True``. Else a pipeline or whatever
            else `run_checks` takes, of which two epochs are held against each other.
        data: Samples as they are: x, or a tuple (x, y), arrays with the samples in the first axis.
        originals: For a pipeline: the same one without the augmentation, so that it gives the same samples.
        per: Whether a function takes a ``'sample'`` (if None) or a ``'batch'``.
        mixes: Whether labels change on purpose, as those that are mixed up do.
        kind: What a pipeline is, as for `run_checks`.
        key: Called as ``key(x, y)``; tells which sample of a pipeline it is, where batches are shuffled.
        samples: How many samples are looked at.
        strict: Whether warnings are failures.
        expected_failures: Names of checks that are known to fail or to warn, with the reason.

    Returns:
        The result of each check, with the numbers in its message, if none failed. `strength` is a distance
        relative to that of two samples: near 0 it changes little, at 1 a sample is as far from its original
        as from others.

    Raises:
        CheckFailure: It does nothing, or draws the same in each epoch, or changes labels, or makes NaN.
        TypeError: There is nothing that augments; or shapes differ.
        ValueError: `samples` is below 2, or no sample is known again.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 10))
        >>> results = check_augmentation(lambda x, rng: x + 0.1 * rng.normal(size=x.shape), x)
        >>> [result.message for result in results if result.name == "strength"]
        ['0.07 of the distance of two samples, 0% of the samples unchanged, 0% nearer to another sample']
    """
    if samples <= 1:
        raise ValueError(f"samples must be at least 2, got {samples}")
    if data is not None:
        x, y = data if isinstance(data, tuple) else (data, None)
        draws = of_function(
            augmented, np.asarray(x)[:samples], None if y is None else np.asarray(y)[:samples], per
        )
    else:
        if is_arraylike(augmented):
            raise TypeError("arrays augment nothing; pass a pipeline, or a function with data=x")
        settings = CheckSettings()
        plain = None if originals is None else checked_object(originals, None, settings)
        draws = of_pipeline(checked_object(augmented, kind, settings), plain, key, samples)
    questions = _Augmentation(draws, mixes).questions()
    return ask(draws.name, questions, strict=strict, expected_failures=expected_failures)


class _Augmentation:
    """What is asked of the draws of an augmentation."""

    def __init__(self, draws: AugmentedSamples, mixes: bool) -> None:
        self.draws, self.mixes, self.name = draws, mixes, draws.name

    def questions(self) -> list[Question]:
        drawn = (
            "def augment(x, rng):  # rng depends on seed, epoch and sample\n"
            "    return x + rng.normal(size=x.shape)"
        )
        each = "shift = rng.normal(size=(len(x), 1))  # one for each sample of a batch"
        scale = 'x = x.astype("float32") / 255  # before, and in validation too'
        pairs = "source(x, y).map(lambda x, y, rng: (augment(x, rng), y))  # y as it was"
        return [
            Question("finite", self.finite, "x = x / np.maximum(x.std(), 1e-6)"),
            Question("form_kept", self.form, scale),
            Question("range_kept", self.range, scale, "finite"),
            Question("labels_kept", self.labels, pairs),
            Question("epochs", self.epochs, drawn),
            Question("strength", self.strength, drawn, "epochs"),
            Question("each_sample", self.each_sample, each, "epochs"),
            Question("seeded", self.seeded, drawn),
        ]

    def finite(self) -> str | None:
        """Check that no NaN is made."""
        original, first = self.draws.original, self.draws.first
        rows = np.flatnonzero(~_finite_rows(first))
        if not len(rows):
            return None
        count = f"{len(rows)} of {len(first)} samples hold NaN or Inf, the first one is sample {rows[0]}"
        if original is not None and _finite_rows(original)[rows].any():
            fail(f"{self.name}: {count}, where the originals hold none: the loss becomes NaN in that batch")
        warn(f"{self.name}: {count}")

    def form(self) -> str | None:
        """Check that shape and dtype are kept."""
        original, first = self.draws.original, self.draws.first
        if original is None:
            skip("the originals are not known: originals=...")
        if original.dtype != first.dtype:
            warn(
                f"{self.name}: x is {original.dtype} ({_extent(original)}) and becomes {first.dtype} "
                f"({_extent(first)}); validation, which is not augmented, then differs from training"
            )
        if original.shape != first.shape:
            return f"samples of shape {original.shape[1:]} become {first.shape[1:]}"
        return None

    def range(self) -> str | None:
        """Check that values keep their scale."""
        original, first = self.draws.original, self.draws.first
        if original is None:
            skip("the originals are not known: originals=...")
        if self._scale_changes():
            warn(
                f"{self.name}: values are {_extent(original)} before and {_extent(first)} after; validation, "
                "which is not augmented, then has another scale than training"
            )
        return f"{_extent(original)} before, {_extent(first)} after"

    def _scale_changes(self) -> bool:
        arrays = [array for array in (self.draws.original, self.draws.first) if array is not None]
        sizes = [float(np.abs(np.nan_to_num(array.astype(np.float64))).max(initial=0.0)) for array in arrays]
        return min(sizes) > 0 and max(sizes) / min(sizes) > _SCALE

    def labels(self) -> str | None:
        """Check that y stays as it was."""
        before = self.draws.targets
        for epoch, after in enumerate((self.draws.first_targets, self.draws.second_targets)):
            if before is None or after is None:
                skip("there is no y")
            if len(after) != len(before) or (after.shape != before.shape and not self.mixes):
                fail(f"{self.name}: y has shape {before.shape} before and {after.shape} after")
            rows = (
                []
                if self.mixes
                else [at for at in range(len(before)) if not same_values(before[at], after[at])]
            )
            if rows:
                text = (
                    f"{self.name}: the label of {len(rows)} of {len(before)} samples changes (sample "
                    f"{rows[0]}: {before[rows[0]]!s:.40} becomes {after[rows[0]]!s:.40}, epoch {epoch}): "
                    "x and y no longer belong together; if labels change on purpose, say mixes=True"
                )
                classes = before.ndim == 1 and before.dtype.kind in "biuUSO"
                if classes and self.draws.certain:
                    fail(text)
                warn(text)
        return "labels are mixed" if self.mixes else None

    def epochs(self) -> str | None:
        """Check that it draws anew in each epoch, and does anything at all."""
        original, first, second = self.draws.original, self.draws.first, self.draws.second
        if original is not None and same_values(original, first) and same_values(original, second):
            fail(
                f"{self.name}: all {len(first)} samples are as they were: it does nothing. Is it switched on?"
            )
        if same_values(first, second):
            fail(
                f"{self.name}: all {len(first)} samples are the same in both epochs, so that training sees "
                "one variant of each sample. Draw from the rng that is passed, or from self.rng(index), "
                "which differ in each epoch"
            )
        return None

    def strength(self) -> str | None:
        """Measure how far samples are from themselves, relative to how far they are from one another."""
        first = self.draws.first
        other = self.draws.second if self.draws.original is None else self.draws.original
        if other.shape != first.shape or len(first) < _LEAST:
            skip("shapes differ, or there are too few samples")
        if self._scale_changes():
            skip("values get another scale, so that distances say nothing")
        ours, theirs = _flat(first), _flat(other)
        own = np.sqrt(((ours - theirs) ** 2).mean(axis=1))
        apart = _distances(ours, theirs)
        np.fill_diagonal(apart, np.nan)
        spread = float(np.nanmedian(apart))
        if not spread > 0:
            skip("all samples are equal")
        changed = own[own > 0]
        ratio, unchanged = float(np.median(changed)) / spread, 1 - len(changed) / len(own)
        nearer = float((np.nanmin(apart, axis=1) < own).mean())
        what = "of the distance of two samples" + (
            "" if self.draws.original is not None else ", between epochs"
        )
        text = (
            f"{ratio:.2f} {what}, {unchanged:.0%} of the samples unchanged, "
            f"{nearer:.0%} nearer to another sample"
        )
        if ratio >= _STRONG and nearer > _MOSTLY:
            warn(
                f"{self.name}: it is so strong that samples are as far from their originals as from other "
                f"samples: {text}. Labels may not fit any more; weaken it"
            )
        if unchanged >= _RARELY:
            warn(f"{self.name}: it hardly does anything: {text}. Is its probability too low?")
        return text

    def each_sample(self) -> str | None:
        """Check that the samples of a batch are not all changed by the same draw."""
        copies = self.draws.copies  # where one has left a sample as it was by chance, another has not
        other = self.draws.second if self.draws.original is None else self.draws.original
        if copies is not None:
            alike = all(same_values(batch[0], row) for batch in copies for row in batch)
            alike = alike and not all(same_values(batch[0], other[0]) for batch in copies)
        else:
            alike = self._same_moves(other)
        if alike:
            warn(
                f"{self.name}: all samples of a batch are changed by the same draw, so that a batch holds "
                "one variant only; draw for each sample"
            )
        return None

    def _same_moves(self, other: Array) -> bool:
        """Return whether in each batch all samples are moved by the same numbers."""
        first = self.draws.first
        if other.shape != first.shape:
            return False
        moves, batches = _flat(first) - _flat(other), self.draws.batches
        groups = [moves[batches == number] for number in np.unique(batches)]
        groups = [group for group in groups if len(group) > 1]
        moved = [group for group in groups if np.abs(group).max() > 0]
        size = float(np.abs(_flat(first)).max())
        return bool(moved) and all(np.ptp(group, axis=0).max() <= 1e-6 * max(size, 1e-30) for group in moved)

    def seeded(self) -> str | None:
        """Check that the same seed gives the same samples again."""
        if self.draws.again is None:
            skip("it takes no seed")
        if not same_values(self.draws.first, self.draws.again):
            fail(
                f"{self.name}: the same seed gives other samples the second time, so that a run cannot be "
                "repeated or resumed. Draw from the rng that is passed, or from self.rng(index)"
            )
        return None


def same_values(one: Array, other: Array) -> bool:
    """Return whether two arrays or single values are equal, whatever their dtypes; a NaN equals itself.

    Example:
        >>> same_values(np.array([1, 2]), np.array([1.0, 2.0]))
        True
    """
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return False
    return same_bits(one, other) or bool(
        np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")
    )


def _finite_rows(array: Array) -> Array:
    if array.dtype.kind != "f":
        return np.ones(len(array), bool)
    return np.asarray(np.isfinite(array).reshape(len(array), -1).all(axis=1))


def _flat(array: Array) -> Array:
    return np.nan_to_num(array.reshape(len(array), -1).astype(np.float64))


def _distances(one: Array, other: Array) -> Array:
    """Return the root of the mean square of the differences of all pairs of rows."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) / one.shape[1]))


def _extent(array: Array) -> str:
    return f"{float(np.nanmin(array)):.4g} to {float(np.nanmax(array)):.4g}"
