"""The form of batches: arrays, ranks, dtypes, shapes of samples; single samples where batches were expected.

Shapes that differ between batches may be meant: where each batch is padded to its own longest sample. What
varies in many batches is noted; what is odd in one batch is a mistake.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Sequence, Ticket
from streamfit.streams.pipeline_source import in_order
from streamfit.streams.stages import PaddedBatch, Stage
from streamfit.testing.checked_object import CheckedObject, Loads, data_of, place
from streamfit.testing.comparison import Form, form_of, parts_of
from streamfit.testing.failure import CheckFailure, fail, warn
from streamfit.testing.sample_batches import first_axes, sample_text

_CHANNELS = 4  # an axis of an image that is no longer counts colours
_Verdict = Literal["note", "warn", "fail"]
_Shapes = list[tuple[Ticket, tuple[int, ...]]]


def check_form(checked: CheckedObject) -> str | None:
    """Check that all batches have the same arrays, ranks and dtypes, and sample shapes if none is ragged."""
    loads = checked.expected()
    forms = [(ticket, form_of(value)) for ticket, value in loads]
    first, wanted = forms[0]
    for ticket, form in forms[1:]:
        if list(form) != list(wanted):
            fail(
                f"{checked.name}: {place(ticket)} holds {', '.join(form)}, "
                f"but {place(first)} holds {', '.join(wanted)}"
            )
        for name, now in form.items():
            found = _certain_difference(now, wanted[name])
            if found:
                what, new, old = found
                fail(
                    f"{checked.name}: in {place(ticket)} {name} has {what} {new}, but {old} in {place(first)}"
                )
    if checked.settings.ragged or _pads(checked):
        return None
    shapes = {name: [(ticket, form[name][0]) for ticket, form in forms] for name in wanted}
    ragged = {name: each for name, each in shapes.items() if len({shape for _, shape in each}) > 1}
    return _judged(checked, ragged, loads)


def _pads(checked: CheckedObject) -> bool:
    """Return whether the object is a pipeline of this library that pads its batches."""
    stage: object = getattr(checked.source(), "stage", None)
    return isinstance(stage, Stage) and any(isinstance(each, PaddedBatch) for each in in_order(stage))


def _certain_difference(now: Form, before: Form) -> tuple[str, object, object] | None:
    """Return the property that differs where it must not, with both values."""
    if len(now[0]) != len(before[0]):
        return "samples of shape", now[0], before[0]
    if now[1] != before[1]:
        return "dtype", now[1], before[1]
    return None


def _judged(checked: CheckedObject, ragged: dict[str, _Shapes], loads: Loads) -> str | None:
    """Fail, warn or note where the shapes of samples differ between batches."""
    dtypes = {name: dtype for name, (_, dtype) in form_of(loads[0][1]).items()}
    others = any(name.startswith("x") for name in ragged)
    verdicts = {
        name: "note"
        if _is_padded([dict(parts_of(value))[name] for _, value in loads], shapes)
        else _verdict(shapes, dtypes[name], alone=not name.startswith("x") and not others)
        for name, shapes in ragged.items()
    }
    for name, verdict in verdicts.items():
        if verdict == "fail":
            ticket, new, before, old = _odd_one(ragged[name])
            fail(
                f"{checked.name}: in {place(ticket)} {name} has samples of shape {new}, but {old} in "
                f"{place(before)}"
            )
    for name, verdict in verdicts.items():
        if verdict == "warn":
            ticket, new, before, old = _odd_one(ragged[name])
            warn(
                f"{checked.name}: in {place(ticket)} {name} has samples of shape {new}, but {old} in "
                f"{place(before)}: a model with weights for this axis cannot take both. If each batch is "
                "padded on its own, and that is meant, pass ragged=True"
            )
    notes = [f"{name} of shapes {_listed(shapes)}" for name, shapes in ragged.items()]
    if not notes:
        return None
    return f"samples differ in shape between batches ({'; '.join(notes)}); pass ragged=True if that is meant"


def _is_padded(arrays: list[Array], shapes: _Shapes) -> bool:
    """Return whether the arrays end in zeros as padded ones do: in some rows of most batches, never in all.

    Zeros among ones are no padding: columns that mark classes look like that.
    """
    if all(np.isin(array, (0, 1)).all() for array in arrays):
        return False
    varying = [axis for axis in range(1, arrays[0].ndim) if len({shape[axis - 1] for _, shape in shapes}) > 1]
    shorter = 0
    for array in arrays:
        for axis in varying:
            if array.shape[axis] == 0:
                return False
            last = np.take(array, -1, axis=axis).reshape(len(array), -1)
            empty = np.array([not row.astype(bool).any() for row in last])
            if empty.all():
                return False
            shorter += bool(empty.any())
    return 2 * shorter > len(arrays) * len(varying)


def _verdict(shapes: _Shapes, dtype: np.dtype[np.generic], *, alone: bool) -> _Verdict:
    """Judge an array by the axes of its samples that vary, and by how many batches they vary in.

    Args:
        shapes: The shape of its samples in each batch.
        dtype: Its dtype.
        alone: Whether it is a target, and no input varies: then its width is likely a number of classes.
    """
    rank = len(shapes[0][1])
    columns = [[shape[axis] for _, shape in shapes] for axis in range(rank)]
    varying = [axis for axis, sizes in enumerate(columns) if len(set(sizes)) > 1]
    return max(
        (_axis_verdict(columns[axis], axis, rank, varying, dtype, alone) for axis in varying),
        key=("note", "warn", "fail").index,
    )


def _axis_verdict(
    sizes: list[int], axis: int, rank: int, varying: list[int], dtype: np.dtype[np.generic], alone: bool
) -> _Verdict:
    """Judge one axis: time and space may vary in many batches, features and channels may not."""
    counts = Counter(sizes)
    odd = len(sizes) - counts.most_common(1)[0][1]
    if rank >= 3 and varying == [axis] and axis in (0, rank - 1) and max(sizes) <= _CHANNELS:
        return "fail"  # grey and coloured images
    if rank == 1 and alone:
        return "warn" if odd > 1 else "fail"
    steps = axis < rank - 1 or rank >= 3 or (rank == 1 and dtype.kind in "iu")  # time, space, token ids
    if steps:
        return "note" if odd > 1 or len(sizes) <= 3 else "warn"
    if odd == 1:
        return "fail"
    return "note" if len(counts) >= 3 else "warn"


def _odd_one(shapes: _Shapes) -> tuple[Ticket, tuple[int, ...], Ticket, tuple[int, ...]]:
    """Return a batch whose shape is rare, and one with the shape that most have, in the order of reading."""
    usual = Counter(shape for _, shape in shapes).most_common(1)[0][0]
    odd, shape = next((ticket, shape) for ticket, shape in shapes if shape != usual)
    other = next(ticket for ticket, each in shapes if each == usual)
    if odd.number < other.number:
        return other, usual, odd, shape
    return odd, shape, other, usual


def _listed(shapes: _Shapes) -> str:
    distinct = list(dict.fromkeys(shape for _, shape in shapes))
    return ", ".join(map(str, distinct[:3])) + (", ..." if len(distinct) > 3 else "")


_OF_SAMPLES = (
    "def __getitem__(self, index):\n"
    "    x = np.asarray(self.read(index), 'float32')  # one dtype and one shape for all samples\n"
    "    return x, self.labels[index]"
)
_OF_RAGGED_SAMPLES = (
    "train = streamfit.source(dataset).padded_batch(32)  # each batch is padded to its longest sample\n"
    "run_checks(dataset, kind='samples', ragged=True)"
)


def expected_loads(checked: CheckedObject) -> Loads:
    """Return the expected batches; a failure of single samples has a hint of its own."""
    try:
        return checked.expected()
    except CheckFailure as failure:
        if checked.kind == "samples":
            failure.hint = _OF_RAGGED_SAMPLES if "of one shape" in str(failure) else _OF_SAMPLES
        raise


# -- single samples ------------------------------------------------------------------------------------------


def refuse_samples(checked: CheckedObject) -> None:
    """Fail the check if the object gives one sample for an index, or for an item, and not a batch."""
    if checked.kind not in ("sequence", "generator"):
        return
    texts = _sample_texts(checked)
    certain, likely = next(texts, (None, None))
    if certain is not None:
        _refuse(checked, certain, sure=True)
    if likely is not None and [text for _, text in texts] == [likely] * 2:
        _refuse(checked, likely, sure=False)


def _sample_texts(checked: CheckedObject) -> Iterator[tuple[str | None, str | None]]:
    """Yield what three items are as single samples, for certain and likely; end where the user's code raises.

    Other checks report what is raised.
    """
    try:
        size: object = getattr(checked.original(), "batch_size", None)
        for item in itertools.islice(_items(checked), 3):
            if isinstance(size, int) and size > 1 and size in first_axes(item):
                return  # it does make batches, and one part of them is wrong
            yield sample_text(item), sample_text(item, likely=True)
    except Exception:  # the user's code runs here
        return


def _items(checked: CheckedObject) -> Iterator[object]:
    if checked.kind == "generator":
        yield from checked.iterable()
        return
    data = data_of(checked.source())
    if hasattr(data, "__getitem__"):
        yield from (data[number] for number in range(3))


def _refuse(checked: CheckedObject, shown: str, *, sure: bool) -> None:
    """Say that an item is one sample, and how to make batches of them."""
    gives = "gives" if sure else "likely gives"
    if checked.kind == "generator":
        foreign = type(checked.iterable()).__module__.startswith("tensorflow.")
        call = "dataset.batch(32)" if foreign else "streamfit.source(samples, kind='samples').batch(32)"
        fail(
            f"{checked.name}: it {gives} one sample at a time ({shown}), not a batch: train with {call}, or "
            "check it with kind='samples'",
            hint=f"train = {call}",
        )
    data = checked.original()
    judged = isinstance(data, Sequence) or hasattr(data, "on_epoch_end") or hasattr(data, "num_batches")
    call = "streamfit.source(dataset, kind='samples')" if judged else "streamfit.source(dataset)"
    fail(
        f"{checked.name}: it {gives} one sample for an index ({shown}), not a batch: check it with "
        f"kind='samples', and train with {call}.batch(32)",
        hint=f"run_checks(dataset, kind='samples')\ntrain = {call}.shuffle().batch(32)",
    )
