"""Chains of stages that Hypothesis draws; they shrink to shorter chains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamfit import augment
from streamfit.streams import Pipeline
from streamfit.testing.pipeline_steps import BaseKind, DrawnPipeline, PipelineBase, PipelineStep
from streamfit.testing.plain_pipeline import PlainPipeline
from streamfit.testing.stage_functions import (
    as_many,
    backwards,
    increased,
    increased_in_place,
    negated,
    no_third,
    noisy,
)
from streamfit.testing.strategies.hypothesis_package import st

BASES: tuple[BaseKind, ...] = ("numbers", "pairs", "in order", "batches", "images")
MOST_SAMPLES = 200


@st.composite
def pipelines(
    draw: st.DrawFn, *, most: int = 6, bases: tuple[BaseKind, ...] = BASES, batched: bool = False
) -> DrawnPipeline:
    """Draw a chain of stages that is valid and has at least one element.

    The object makes the pipeline as often as it is asked to, knows what it must give, and is written as code.

    Args:
        draw: Passed by Hypothesis.
        most: How many stages at most, beside a last `batch`.
        bases: Where the samples may come from, see `PipelineBase`.
        batched: Whether the elements must be batches that a model can be given: a last `batch` is added
            where they are samples.

    Example:
        >>> from hypothesis import given
        >>> @given(pipelines())
        ... def test_my_reader(drawn):
        ...     assert drawn.problem(drawn.make().elements(0)) is None
    """
    chain = DrawnPipeline(PipelineBase(draw(st.sampled_from(bases)), draw(st.integers(1, 12))))
    made, plain = chain.make(), chain.plain()
    # A choice of its own for each stage, so that Hypothesis can delete any of them.
    while len(chain.steps) < most and draw(st.integers(0, 3)):
        valid = [name for name, (may, _) in STEPS.items() if may(made, plain)]
        step = STEPS[draw(st.sampled_from(valid))][1](draw, plain)
        then = step.plain(plain)
        if not len(then) or len(then.samples) > MOST_SAMPLES:
            continue
        chain, made, plain = chain.then(step), step.make(made), then
    if batched and not plain.batched:
        size = draw(st.integers(1, 5))
        chain = chain.then(PipelineStep("batch" if plain.alike else "padded_batch", (size,)))
    return chain


# -- which stage may come next, and its arguments -----------------------------------------------------------

Rule = Callable[[Pipeline, PlainPipeline], bool]
Draw = Callable[[st.DrawFn, PlainPipeline], PipelineStep]


def _always(made: Pipeline, plain: PlainPipeline) -> bool:
    return True


def _samples(made: Pipeline, plain: PlainPipeline) -> bool:
    return not plain.batched


def _batches(made: Pipeline, plain: PlainPipeline) -> bool:
    return plain.batched


def _countable(made: Pipeline, plain: PlainPipeline) -> bool:
    """Return whether the number of elements, and of samples in any of them, is known."""
    return plain.known == "order" or not plain.batched or len(set(plain.sizes or ())) == 1


def _whole(made: Pipeline, plain: PlainPipeline) -> bool:
    """Return whether it is known which samples come."""
    return plain.known != "part"


def _known_samples(made: Pipeline, plain: PlainPipeline) -> bool:
    return _whole(made, plain) and not plain.batched


def _stackable(made: Pipeline, plain: PlainPipeline) -> bool:
    return not plain.batched and plain.alike


def _ordered_samples(made: Pipeline, plain: PlainPipeline) -> bool:
    return plain.known == "order" and not plain.batched and plain.alike


def _reversible(made: Pipeline, plain: PlainPipeline) -> bool:
    return plain.batched and plain.known == "order"


def _numbers(plain: PlainPipeline) -> bool:
    return all(len(sample) == 1 and getattr(sample[0], "shape", None) == () for sample in plain.samples)


def _lengths(made: Pipeline, plain: PlainPipeline) -> bool:
    return not plain.batched and _numbers(plain)


def _images(made: Pipeline, plain: PlainPipeline) -> bool:
    shape = (2, 2, 1)
    return all(getattr(s[0], "shape", 0) == shape and _bytes(s[0]) and len(s) == 1 for s in plain.samples)


def _bytes(part: object) -> bool:
    return getattr(part, "dtype", None) == np.uint8


def _paddable(made: Pipeline, plain: PlainPipeline) -> bool:
    if plain.batched or not (plain.alike or plain.known == "order"):
        return False
    return all(len(sample) == 1 and getattr(sample[0], "ndim", 0) == 1 for sample in plain.samples)


def _drawable(made: Pipeline, plain: PlainPipeline) -> bool:
    traits = made.stage.traits
    stays = traits.seekable and traits.fixed_order and traits.fixed_ids
    return plain.known == "order" and not plain.batched and stays


def _joinable(made: Pipeline, plain: PlainPipeline) -> bool:
    return _whole(made, plain) and _numbers(plain)


def _mixable(made: Pipeline, plain: PlainPipeline) -> bool:
    return _joinable(made, plain) and (not plain.batched or plain.known == "order")


def _zippable(made: Pipeline, plain: PlainPipeline) -> bool:
    flat = not any(isinstance(part, tuple) for sample in plain.samples for part in sample)
    return plain.known == "order" and not plain.batched and flat  # models take no deeper structures


def _map(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    return PipelineStep("map", (draw(st.sampled_from([negated, increased, noisy, increased_in_place])),))


def _transform(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    return PipelineStep("map", (draw(st.sampled_from([augment.flip(), augment.rot90()])),))


def _map_samples(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    chosen = draw(st.sampled_from([negated, increased, noisy]))
    return PipelineStep("map", (chosen,), {"per": "sample"})


def _batch(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    drop = {"drop_remainder": True} if draw(st.booleans()) else {}
    return PipelineStep("batch", (draw(st.integers(1, 5)),), drop)


def _shuffle(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    return PipelineStep("shuffle", draw(st.sampled_from([(), (2,), (5,)])))


def _window(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    size, shift, stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)))
    return PipelineStep("window", (size, shift, stride))


def _shard(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    count = draw(st.integers(1, 3))
    return PipelineStep("shard", (count, draw(st.integers(0, count - 1))))


def _sample(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    count = len(plain)
    weights = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count).filter(any))
    return PipelineStep("sample", (weights,), {"size": sum(weights) * draw(st.integers(1, 2))})


def _counted(name: str, most: int) -> Draw:
    return lambda draw, plain: PipelineStep(name, (draw(st.integers(1, most)),))


def _named(name: str, *args: object) -> Draw:
    return lambda draw, plain: PipelineStep(name, args)


def _other(draw: st.DrawFn, plain: PlainPipeline, count: int | None = None) -> DrawnPipeline:
    samples = draw(st.integers(1, 6)) if count is None else count
    other = DrawnPipeline(PipelineBase("numbers", samples, 100))
    if count is None and draw(st.booleans()):
        other = other.then(draw(st.sampled_from([PipelineStep("shuffle"), PipelineStep("map", (noisy,))])))
    return other.then(PipelineStep("batch", (draw(st.integers(1, 3)),))) if plain.batched else other


def _joined(name: str) -> Draw:
    return lambda draw, plain: PipelineStep(name, (_other(draw, plain),))


def _interleave(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    return PipelineStep("interleave", (_other(draw, plain),), {"block_length": draw(st.integers(1, 3))})


def _zip(draw: st.DrawFn, plain: PlainPipeline) -> PipelineStep:
    return PipelineStep("zip", (_other(draw, plain, len(plain)),))


STEPS: dict[str, tuple[Rule, Draw]] = {
    "map": (_always, _map),
    "batch": (_stackable, _batch),
    "shuffle": (_always, _shuffle),
    "take": (_countable, _counted("take", 12)),
    "skip": (_countable, _counted("skip", 4)),
    "filter": (_known_samples, _named("filter", no_third)),
    "repeat": (_whole, _counted("repeat", 3)),
    "cache": (_always, _named("cache")),
    "unbatch": (_batches, _named("unbatch")),
    "backwards": (_reversible, _named("map", backwards)),
    "map samples": (_batches, _map_samples),
    "transform": (_images, _transform),
    "shard": (_countable, _shard),
    "concatenate": (_joinable, _joined("concatenate")),
    "interleave": (_joinable, _interleave),
    "mix": (_mixable, _joined("mix")),
    "zip": (_zippable, _zip),
    "window": (_ordered_samples, _window),
    "sample": (_drawable, _sample),
    "lengths": (_lengths, _named("map", as_many)),
    "padded batch": (_paddable, _counted("padded_batch", 4)),
}
"""The stages, the simplest first: for each which pipelines it may follow, and how its call is drawn."""
