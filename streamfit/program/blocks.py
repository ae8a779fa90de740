"""Into how many blocks of rows a batch is cut, and which nodes and tensors the blocks share.

The number depends on the graph and on the size of the batch alone: on the work of a step against what it
costs to add up the gradients of the blocks, which also take no more than half the memory of what nodes
make. It is a power of two, at most 16; small steps are not cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import prod

from streamfit._base.specs import Spec
from streamfit.ops.core import Node, Tensor
from streamfit.program.lifetimes import view_roots

MOST_BLOCKS = 16
_FLOPS = 100e9  # a second, of one core: only the order of magnitude counts
_ELEMENTS = 2e9  # a second, of operations on single elements
_BYTES = 10e9  # a second, of the parts of gradients
_SHORTEST = 60e-6  # seconds of work that a block should have
_SHARE_FOR_SUMS = 0.05  # of the work, that adding the parts may cost
_LITTLE = 1 << 24  # bytes that all parts of gradients may have in any case


def is_rowwise(node: Node) -> bool:
    """Return whether each row of a node's outputs depends on the same row of its batched inputs alone."""
    return (
        node.op.rowwise
        and bool(node.outputs)
        and all(tensor.spec.batched for tensor in node.outputs)
        and any(tensor.spec.batched for tensor in node.inputs)
    )


def block_rows(nodes: Sequence[Node], known: Mapping[Tensor, Spec], size: int, training: bool) -> list[slice]:
    """Return the rows of each block; one block of all rows where cutting is not worth it.

    Args:
        nodes: The operations.
        known: The specs of all tensors, with known lengths.
        size: The size of the batch.
        training: Whether there is a backward pass.
    """
    work, parts, made = _costs([node for node in nodes if is_rowwise(node)], known)
    if training:
        work *= 3
    blocks = 1
    while 2 * blocks <= min(MOST_BLOCKS, size // 4):
        sums = (2 * blocks - 1) * parts / _BYTES if training else 0.0
        too_large = training and 2 * blocks * parts > max(made // 2, _LITTLE)
        if too_large or work / (2 * blocks) < _SHORTEST or sums > _SHARE_FOR_SUMS * work:
            break
        blocks *= 2
    bounds = [number * size // blocks for number in range(blocks + 1)]
    return [slice(first, last) for first, last in pairwise(bounds)]


def _costs(nodes: Iterable[Node], known: Mapping[Tensor, Spec]) -> tuple[float, int, int]:
    """Return the seconds of a forward pass, the bytes of what all rows share (the weights), and of
    outputs.
    """
    seconds, made = 0.0, 0
    shared: dict[Tensor, int] = {}
    for node in nodes:
        if node.op.is_view:
            continue
        size = sum(_size(known[tensor]) for tensor in node.outputs)
        seconds += size / _ELEMENTS
        made += sum(_size(known[tensor]) * tensor.dtype.itemsize for tensor in node.outputs)
        for tensor in node.inputs:
            spec = known[tensor]
            if not tensor.spec.batched and spec.dtype.kind == "f":
                shared[tensor] = _size(spec) * spec.dtype.itemsize
                if spec.rank >= 2:  # a matrix or a kernel: its last axis is that of the output
                    seconds += 2 * _size(spec) * (size / (spec.shape[-1] or 1)) / _FLOPS
    return seconds, sum(shared.values()), made


def _size(spec: Spec) -> int:
    return prod(length for length in spec.shape if length is not None)


def blocked_tensors(nodes: Sequence[Node], kept: Iterable[Tensor]) -> set[Tensor]:
    """Find the tensors that blocks alone use, so that each block has an array of its own.

    A view is where its input is.
    """
    roots = view_roots(nodes)
    whole: set[Tensor] = set()
    tensors: dict[Tensor, None] = {}
    for node in nodes:
        own = [*node.inputs, *node.outputs]
        tensors.update(dict.fromkeys(own))
        if not is_rowwise(node):
            whole.update(roots.get(tensor, tensor) for tensor in own)
    whole.update(roots.get(tensor, tensor) for tensor in kept)
    return {
        tensor
        for tensor in tensors
        if (root := roots.get(tensor, tensor)) not in whole
        and root.node is not None
        and root.spec.batched
        and is_rowwise(root.node)
    }
