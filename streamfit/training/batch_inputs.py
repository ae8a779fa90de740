"""From a batch as the user gave it to the arrays a program is fed, checked.

Inputs, targets and sample weights may be single arrays, lists or dictionaries by name. Here they become
lists in the model's order, of the model's shapes; nothing is broadcast and nothing is dropped. Class
weights and sample weights become one weight for each sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamfit._base.errors import DataError, ShapeError
from streamfit._base.exact import exact
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array, Shape, Spec, may_equal
from streamfit._base.text import TEXT, text_array
from streamfit.ops.core import Tensor
from streamfit.streams.objects import stack_hint
from streamfit.training.compile_config import OutputPlan
from streamfit.training.user_warnings import warn

_SYMBOLS = {"input": "x", "target": "y"}


def by_name(what: str, given: object, names: Sequence[str]) -> list[object]:
    """Spread a single array, a list or a dictionary over `names`.

    Raises:
        ValueError: A missing name or a list of another length.
    """
    if isinstance(given, (dict, Mapping)):
        return _from_dict(what, given, names)
    if isinstance(given, (list, tuple)):
        if len(given) == len(names):
            return list(given)
        if len(names) == 1 and len(given) and not hasattr(given[0], "shape"):
            return [np.asarray(given)]
        raise DataError(
            f"the list of {what} arrays is not the size the model expected: expected {len(names)} "
            f"({', '.join(names)}), got a list of {len(given)}{stack_hint(given, _SYMBOLS.get(what, what))}"
        )
    if len(names) != 1:
        raise DataError(
            f"the model has {len(names)} {what}s ({', '.join(names)}), but one array was given; "
            "pass a list in this order or a dict by name"
        )
    return [given]


def _from_dict(what: str, given: Mapping[str, object], names: Sequence[str]) -> list[object]:
    missing = [name for name in names if name not in given]
    if not missing:
        return [given[name] for name in names]
    hint = did_you_mean(missing[0], [str(key) for key in given]) if given else ""
    advice = ""
    if what == "input" and len(names) == 1 and not hint:
        advice = (
            f" Of several columns make one input of this name, columns={{{names[0]!r}: [...]}}, or name the "
            "inputs of the model as the columns: Input(..., name='...')"
        )
    raise DataError(
        f'No data provided for "{missing[0]}" among the {what}s. Need data for each key in: {list(names)}, '
        f"got keys {sorted(map(str, given))}.{hint}{advice}"
    )


def as_array(value: object, what: str) -> Array:
    """Return `value` as a numeric array.

    Raises:
        DataError: It holds something else than numbers.
    """
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise DataError(f"{what} must be numbers, got an array of dtype {array.dtype}; convert it first")
    return array


def input_array(value: object, dtype: np.dtype[np.generic], name: str) -> Array:
    """Return the data of one input: exactly what was given where the input is whole numbers or text.

    Args:
        value: An array, or what can be made one.
        dtype: That of the input. Numbers for an input of floats keep their dtype.
        name: The name of the input.

    Raises:
        DataError: The input cannot take it; it is a `SampleError` where a single value is wrong.
    """
    what = f"input {name!r}"
    if dtype.kind == "f":
        return as_array(value, what)
    if dtype == TEXT:
        return text_array(value, what)
    return exact(as_array(value, what), dtype, what)


class BatchInputs:
    """Turn batches into lists of arrays for one model.

    Args:
        inputs: The model's input tensors, with names.
        plans: One for each output; empty for prediction.
        specs: The spec of each output.
    """

    def __init__(self, inputs: Sequence[Tensor], plans: Sequence[OutputPlan], specs: Sequence[Spec]) -> None:
        self._inputs = [(tensor.name, tensor.shape, tensor.shape[1:], tensor.dtype) for tensor in inputs]
        self._names = [tensor.name for tensor in inputs]
        self._plans, self._specs = list(plans), list(specs)
        self._outputs = [plan.name for plan in plans]
        self._with_loss = [i for i, plan in enumerate(plans) if plan.loss is not None]
        self._tails: dict[tuple[int, Shape], tuple[int, ...]] = {}
        self._told_of_unread = False

    # -- inputs ---------------------------------------------------------------------------------

    def inputs(self, x: object) -> list[Array]:
        """Return one array for each input, each of shape (n, ...)."""
        if len(self._names) == 1 and isinstance(x, np.ndarray):
            given: Sequence[object] = (x,)
        else:
            given = by_name("input", x, self._names)
            if isinstance(x, Mapping) and len(x) > len(self._names) and not self._told_of_unread:
                self._tell_of_unread(x)
        arrays = []
        for value, (name, shape, tail, dtype) in zip(given, self._inputs, strict=True):
            array = input_array(value, dtype, name)
            if array.shape[1:] != tail and not may_equal(array.shape[1:], tail):
                array = self._fit_input(array, name, shape)
            arrays.append(array)
        if len(arrays) > 1:
            _same_length(arrays, self._names)
        return arrays

    def _tell_of_unread(self, x: Mapping[str, object]) -> None:
        """Warn once of data that no input reads; Keras does, too."""
        self._told_of_unread = True
        unread = [key for key in x if key not in self._names]
        warn(
            f"x holds {unread}, which the model does not read; its inputs are {self._names}. Leave them out, "
            "or give the model an input for each"
        )

    def _fit_input(self, array: Array, name: str, shape: Shape) -> Array:
        if array.ndim == 1 and shape == (None, 1):
            return array.reshape(-1, 1)
        if shape == (None,) and array.shape[1:] == (1,) and array.dtype.kind == "O":  # a column of texts
            return array.reshape(-1)
        one = array.shape == shape[1:]
        raise ShapeError(
            f"Error when checking input: expected {name} to have shape {shape[1:]} for each sample, "
            f"but got array with shape {array.shape[1:]} (the whole batch is {array.shape})"
            + ("; if it is one sample, give it the axis of the samples: x[None]" if one else "")
        )

    # -- targets --------------------------------------------------------------------------------

    def targets(self, y: object) -> list[Array | None]:
        """Return one array for each output, None for outputs without loss and metrics."""
        if y is None:
            wanted = [plan.name for plan in self._plans if plan.loss is not None or plan.metrics]
            if wanted:
                raise DataError(
                    f"the loss of output {wanted[0]!r} needs targets, but the data have none: pass y"
                    ", or name the column of a table: files.table(table, target='...')"
                )
            return [None] * len(self._plans)
        given = self._spread_targets(y)
        found: list[Array | None] = []
        for i, (value, plan) in enumerate(zip(given, self._plans, strict=True)):
            if plan.loss is None and not plan.metrics:
                found.append(None)
                continue
            array = as_array(value, f"target {plan.name!r}")
            found.append(array if plan.loss is None else self._fit_target(array, i))
        return found

    def _fit_target(self, array: Array, output: int) -> Array:
        """Give a target the shape its loss needs, where only an axis of length 1 makes the difference."""
        key = (output, array.shape[1:])
        tail = self._tails.get(key)
        if tail is None:
            plan = self._plans[output]
            assert plan.loss is not None
            spec = plan.loss.target_spec(self._specs[output], (None, *array.shape[1:]), plan.name)
            tail = self._tails[key] = tuple(length for length in spec.shape[1:] if length is not None)
        return array if array.shape[1:] == tail else array.reshape(len(array), *tail)

    def _spread_targets(self, y: object) -> list[object]:
        if len(self._outputs) == 1 and isinstance(y, np.ndarray):
            return [y]
        wanted = [plan.loss is not None or bool(plan.metrics) for plan in self._plans]
        if isinstance(y, Mapping):
            needed = [name for name, want in zip(self._outputs, wanted, strict=True) if want]
            values = dict(zip(needed, _from_dict("target", y, needed), strict=True))
            return [values.get(name) for name in self._outputs]
        if isinstance(y, (list, tuple)) and len(y) == sum(wanted) != len(wanted):
            values_left = iter(y)
            return [next(values_left) if want else None for want in wanted]
        return by_name("target", y, self._outputs)

    # -- weights --------------------------------------------------------------------------------

    def weights(
        self, given: object, targets: Sequence[Array | None], class_weight: object
    ) -> list[Array | None]:
        """Return one float64 array (n,) or (n, steps) for each output, None where all weigh 1."""
        spread = self._spread_weights(given)
        classes = self._spread_class_weights(class_weight)
        found = []
        for value, table, target, plan in zip(spread, classes, targets, self._plans, strict=True):
            weight = None if value is None or target is None else _sample_weights(value, target, plan)
            if table is not None and target is not None:
                by_class = class_weights(table, target, plan, weight)
                weight = by_class if weight is None else weight * by_class
            found.append(weight)
        return found

    def counted(self, inputs: list[Array], weights: Sequence[Array | None]) -> list[Array]:
        """Return the inputs with 0 for NaN and infinity in samples that weigh 0 in every loss.

        Such a sample adds nothing to the gradient of the outputs; but a layer multiplies that gradient by
        its inputs, and 0 times NaN is NaN.

        Args:
            inputs: From `inputs`.
            weights: From `weights`.
        """
        for i in self._with_loss:
            weight = weights[i]
            if weight is None or np.count_nonzero(weight) == weight.size:
                return inputs
        found = [weight for i in self._with_loss if (weight := weights[i]) is not None]
        unused = np.logical_and.reduce([(w == 0).reshape(len(w), -1).all(axis=1) for w in found])
        return [_cleared(array, unused) for array in inputs] if found and unused.any() else inputs

    def _spread_weights(self, given: object) -> list[object]:
        if given is None:
            return [None] * len(self._outputs)
        if isinstance(given, dict):
            unknown = [name for name in given if name not in self._outputs]
            if unknown:
                raise DataError(
                    f"sample_weight names unknown outputs {unknown}; the outputs are {self._outputs}"
                )
            return [given.get(name) for name in self._outputs]
        if isinstance(given, (list, tuple)) and len(given) == len(self._outputs) and len(given) > 1:
            return list(given)
        if isinstance(given, (list, tuple)) and len(given) == 1 and np.ndim(given[0]):
            return list(given)
        return [given] * len(self._outputs)

    def _spread_class_weights(self, given: object) -> list[object]:
        if given is None or (
            len(self._outputs) == 1 and not (isinstance(given, dict) and self._outputs[0] in given)
        ):
            return [given] * len(self._outputs)
        if isinstance(given, (list, tuple)):
            return by_name("class_weight", list(given), self._outputs)
        if isinstance(given, dict) and all(key in self._outputs for key in given):
            return [given.get(name) for name in self._outputs]
        raise DataError(
            f"class_weight for a model with outputs {self._outputs} must be a dict of dicts by output name "
            f"or a list of dicts, got {given!r}"
        )


def _cleared(array: Array, unused: Array) -> Array:
    if array.dtype.kind != "f" or len(array) != len(unused) or np.isfinite(array[unused]).all():
        return array
    cleared = array.copy()
    cleared[unused] = np.nan_to_num(array[unused], nan=0.0, posinf=0.0, neginf=0.0)
    return cleared


def check_lengths(inputs: Sequence[Array], targets: Sequence[Array | None]) -> None:
    """Check that a batch is not empty, and that inputs and targets have equally many samples.

    Raises:
        DataError: They have not.
    """
    samples = len(inputs[0])
    for target in targets:
        if target is not None and len(target) != samples:
            raise DataError(
                "Input arrays should have the same number of samples as target arrays. "
                f"Found {samples} input samples and {len(target)} target samples."
            )
    if not samples:
        raise DataError("Received an empty batch. Batches should contain at least one item.")


def _same_length(arrays: Sequence[Array], names: Sequence[str]) -> None:
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        pairs = ", ".join(f"{name} {len(array)}" for name, array in zip(names, arrays, strict=True))
        raise DataError(f"all inputs of a batch must have the same number of samples, got {pairs}")


def _sample_weights(value: object, target: Array, plan: OutputPlan) -> Array:
    weight = as_array(value, f"sample_weight of output {plan.name!r}").astype(np.float64, copy=False)
    if weight.ndim == 2 and weight.shape[1] == 1 and not plan.temporal:
        weight = weight[:, 0]
    if plan.temporal:
        _check_temporal(weight, target, plan)
    elif weight.ndim != 1:
        raise DataError(
            f"Found a sample_weight array with shape {weight.shape}. In order to use timestep-wise sample "
            'weights, you should specify sample_weight_mode="temporal" in compile(); for sample-wise weights '
            "pass a 1D array."
        )
    if len(weight) != len(target):
        raise DataError(
            f"sample_weight has {len(weight)} entries for {len(target)} samples of output {plan.name!r}"
        )
    return np.ascontiguousarray(weight)


def _check_temporal(weight: Array, target: Array, plan: OutputPlan) -> None:
    if target.ndim < 2 or weight.ndim != 2 or weight.shape[1] != target.shape[1]:
        raise DataError(
            f'sample_weight_mode="temporal" of output {plan.name!r} needs weights of shape (samples, steps), '
            f"got weights {weight.shape} for targets {target.shape}"
        )


def class_weights(
    table: object, target: Array, plan: OutputPlan, sample_weight: Array | None = None
) -> Array:
    """Look up the weight of each sample's class.

    Args:
        table: Weight by class number.
        target: Class numbers (n,) or (n, 1), or one-hot rows (n, classes).
        plan: The output.
        sample_weight: Weights of the samples; a sample that weighs 0 needs no class.

    Raises:
        DataError: A class has no weight, or targets are not classes.
    """
    if not isinstance(table, Mapping):
        hint = "; write dict(enumerate(class_weight))" if getattr(table, "ndim", 0) == 1 else ""
        raise DataError(f"class_weight must be a dict from class number to weight, got {table!r}{hint}")
    if target.ndim > 2:
        raise DataError("`class_weight` not supported for 3+ dimensional targets.")
    if target.ndim == 2 and target.shape[1] > 1 and plan.loss is not None and plan.loss.sparse:
        raise DataError(
            f"`class_weight` not supported for several classes a sample: the targets of output {plan.name!r} "
            f"have shape {target.shape}; pass sample_weight of that shape with sample_weight_mode='temporal'"
        )
    needed = np.ones(len(target), bool)
    if sample_weight is not None:
        needed = (sample_weight != 0).reshape(len(target), -1).any(axis=1)
    classes = _classes(target, needed, plan)
    found, places = np.unique(classes[needed], return_inverse=True)
    missing = {int(c) for c in found if c not in table}
    if missing:
        raise DataError(
            "`class_weight` must contain all classes in the data. "
            f"The classes {missing} exist in the data but not in `class_weight`."
        )
    weights = np.zeros(len(target))
    weights[needed] = np.array([float(table[c]) for c in found.tolist()])[places]
    return weights.reshape(-1, *[1] * (0 if sample_weight is None else sample_weight.ndim - 1))


def _classes(target: Array, needed: Array, plan: OutputPlan) -> Array:
    """Return the class of each sample.

    Raises:
        DataError: A row of targets is not one class.
    """
    advice = "`class_weight` needs one class for each sample; for anything else pass sample_weight"
    if target.ndim == 2 and target.shape[1] > 1:
        ones = target == 1
        others = [(ones | (target == other)).all(axis=1) for other in (0, -1)]
        wrong = needed & ~((ones.sum(axis=1) == 1) & (others[0] | others[1]))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"the targets of output {plan.name!r} are not one-hot: row {row} of the batch is "
                f"{_shown(target[row])}, which is not one class; {advice}"
            )
        return np.asarray(ones.argmax(axis=1))
    classes = target.reshape(len(target))
    with np.errstate(invalid="ignore"):
        wrong = needed & ~(np.isfinite(classes) & (classes == np.floor(classes)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            "`class_weight` must contain all classes in the data. The classes "
            f"{{{classes[row]}}} exist in the data but not in `class_weight`: row {row} of the targets of "
            f"output {plan.name!r} is {classes[row]}, and classes are whole numbers. {advice}"
        )
    return classes


def _shown(row: Array) -> str:
    text = ", ".join(map(str, row[:8].tolist()))
    return f"[{text}, ...]" if len(row) > 8 else f"[{text}]"
