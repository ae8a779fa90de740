"""Where the boxes of a graph stand: in rows, so that edges lead from row to row and seldom cross.

The method of Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical System
Structures", 1981): the row of a box is that of the longest path to it; an edge over several rows gets a place
in each; rows are sorted by the mean place of their neighbours as long as there are fewer crossings. Then each
place moves towards its neighbours as far as the others in its row allow: least squares under order
constraints, solved exactly by pooling neighbours that collide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean

_SWEEPS, _MOVES = 12, 120  # over all rows: to sort them, and to move places
_WEIGHTS = (3.0, 1.0, 8.0)  # of two boxes, of a box and an inner place of a link, of two inner places

Point = tuple[float, float]
Link = tuple[int, int]
"""Numbers of the boxes at both ends."""


@dataclass(frozen=True)
class Layout:
    """Where everything is: across the direction of the edges, and along it.

    Attributes:
        centres: The centre of each box.
        paths: For each link, its points: straight in a row, bent between rows.
        size: How much room it takes across and along.
    """

    centres: list[Point]
    paths: list[list[Point]]
    size: Point


def layered_layout(sizes: Sequence[Point], links: Sequence[Link], gap: Point) -> Layout:
    """Find places for boxes.

    Args:
        sizes: The size of each box, across and along.
        links: From box to box; one from a box to itself or back to an earlier row leads backwards.
        gap: The room between boxes of a row, and between rows.

    Example:
        >>> found = layered_layout([(10, 4)] * 3, [(0, 1), (0, 2)], (2, 6))
        >>> found.centres
        [(11.0, 2.0), (5.0, 12.0), (17.0, 12.0)]
    """
    rows_of = _rows(len(sizes), links)
    chains, all_rows, short = _chains(rows_of, links)
    wide = [size[0] for size in sizes] + [0.0] * (len(all_rows) - len(sizes))
    rows: list[list[int]] = [[] for _ in range(max(all_rows, default=-1) + 1)]
    for place, number in enumerate(all_rows):
        rows[number].append(place)
    rows = _sorted_rows(rows, short, len(all_rows))
    across = _across(rows, short, chains, wide, gap[0])
    least = min((x - w / 2 for x, w in zip(across, wide, strict=True)), default=0.0)
    across = [x - least for x in across]
    tops: list[float] = []
    heights: list[float] = []
    along = 0.0
    for row in rows:
        heights.append(max((sizes[i][1] for i in row if i < len(sizes)), default=0.0))
        tops.append(along)
        along += heights[-1] + gap[1]
    centres = [(across[i], tops[r] + heights[r] / 2) for i, r in enumerate(rows_of)]
    paths = [_path(chain, across, all_rows, tops, heights) for chain in chains]
    width = max((x + w / 2 for x, w in zip(across, wide, strict=True)), default=0.0)
    return Layout(centres, paths, (width, max(0.0, along - gap[1])))


def _rows(count: int, links: Sequence[Link]) -> list[int]:
    """Return the row of each box; boxes are numbered such that those that a box reads come before it."""
    rows = [0] * count
    for box in range(count):
        before = [rows[source] + 1 for source, target in links if target == box and source < box]
        rows[box] = max(before, default=0)
    for box in reversed(range(count)):  # what has nothing above it stands right above what reads it
        if not any(target == box and source < box for source, target in links):
            behind = [rows[target] - 1 for source, target in links if source == box and target > box]
            rows[box] = min(behind, default=rows[box])
    return rows


def _chains(rows: Sequence[int], links: Sequence[Link]) -> tuple[list[list[int]], list[int], list[Link]]:
    """Give each link a place in each row that it crosses.

    Returns:
        The places of each link, the rows of all places, and links from row to row between them.
    """
    all_rows, chains, short = list(rows), [], []
    for source, target in links:
        step = 1 if rows[target] >= rows[source] else -1
        chain = [source]
        for row in range(rows[source] + step, rows[target], step):
            chain.append(len(all_rows))
            all_rows.append(row)
        chain.append(target)
        chains.append(chain)
        short += [(a, b) if step == 1 else (b, a) for a, b in pairwise(chain) if all_rows[a] != all_rows[b]]
    return chains, all_rows, short


def _neighbours(short: Sequence[Link], count: int) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in short:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _sorted_rows(rows: list[list[int]], short: Sequence[Link], count: int) -> list[list[int]]:
    """Sort rows by the mean place of their neighbours, and keep the order with the fewest crossings."""
    above, below = _neighbours(short, count)
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows, near = [list(row) for row in rows], above if down else below
        for row in rows if down else reversed(rows):
            place = {box: float(i) for each in rows for i, box in enumerate(each)}
            means = {box: fmean([place[other] for other in near[box] or [box]]) for box in row}
            row.sort(key=means.__getitem__)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    place = {box: i for row in rows for i, box in enumerate(row)}
    found = 0
    for row in rows:
        ends = [place[end] for box in row for end in sorted(below[box], key=place.__getitem__)]
        starts = [place[box] for box in row for _ in below[box]]
        found += sum(starts[i] < starts[j] and ends[i] > ends[j] for j in range(len(ends)) for i in range(j))
    return found


def _across(
    rows: Sequence[Sequence[int]],
    short: Sequence[Link],
    chains: Sequence[Sequence[int]],
    wide: Sequence[float],
    gap: float,
) -> list[float]:
    """Begin with rows whose middles are in one line; move each place towards its neighbours in turn."""
    above, below = _neighbours(short, len(wide))
    inner = {place for chain in chains for place in chain[1:-1]}
    across = [0.0] * len(wide)
    for row in rows:
        at = -sum(wide[i] + gap for i in row) / 2
        for i in row:
            across[i] = at + (wide[i] + gap) / 2
            at += wide[i] + gap
    for sweep in range(_MOVES):
        down, settling = sweep % 2 == 0, sweep >= _MOVES // 4
        for row in rows if down else reversed(rows):
            wanted, weights = [], []
            for i in row:  # the rows that were just moved count first; in the end those on both sides
                others = [*above[i], *below[i]] if settling else above[i] if down else below[i]
                near = [(across[j], _WEIGHTS[(i in inner) + (j in inner)]) for j in others]
                total = sum(weight for _, weight in near)
                wanted.append(sum(x * weight for x, weight in near) / total if near else across[i])
                weights.append(total if near else 0.01)
            for i, x in zip(row, _apart(wanted, weights, [wide[i] for i in row], gap), strict=True):
                across[i] = x
        if sweep % _SWEEPS == _SWEEPS - 1:
            _straighten(rows, chains, across, wide, gap)
    return across


def _straighten(
    rows: Sequence[Sequence[int]],
    chains: Sequence[Sequence[int]],
    across: list[float],
    wide: Sequence[float],
    gap: float,
) -> None:
    """Put the inner places of each link into one line, as far as there is room for it."""
    sides = {}
    for row in rows:
        for left, i, right in zip([None, *row], row, [*row[1:], None], strict=False):
            sides[i] = (left, right)
    for chain in chains:
        run: list[int] = []
        low, high = -inf, inf
        for i in chain[1:-1]:
            left, right = sides[i]
            least = -inf if left is None else across[left] + wide[left] / 2 + gap
            most = inf if right is None else across[right] - wide[right] / 2 - gap
            if max(low, least) > min(high, most):
                _align(run, across, low, high, across[chain[0]])
                run, low, high = [], -inf, inf
            run.append(i)
            low, high = max(low, least), min(high, most)
        _align(run, across, low, high, across[chain[-1]])


def _align(run: Sequence[int], across: list[float], low: float, high: float, end: float) -> None:
    if run and low <= high:
        middle = end if low <= end <= high else min(max(fmean([across[i] for i in run]), low), high)
        for i in run:
            across[i] = middle


def _apart(
    wanted: Sequence[float], weights: Sequence[float], wide: Sequence[float], gap: float
) -> list[float]:
    """Return the places nearest to those that are wanted at which nothing in a row overlaps."""
    offsets = [0.0]
    for left, right in pairwise(wide):
        offsets.append(offsets[-1] + (left + right) / 2 + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight and number of those that stand together
    for x, weight, offset in zip(wanted, weights, offsets, strict=False):
        mean, total, count = x - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, more, number = pools.pop()
            mean = (mean * total + other * more) / (total + more)
            total, count = total + more, count + number
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _path(
    chain: Sequence[int],
    across: Sequence[float],
    rows: Sequence[int],
    tops: Sequence[float],
    heights: Sequence[float],
) -> list[Point]:
    """Return the points of a link: where it enters and leaves the room of each row."""
    points: list[Point] = []
    downwards = rows[chain[-1]] >= rows[chain[0]]
    for number, place in enumerate(chain):
        top, bottom = tops[rows[place]], tops[rows[place]] + heights[rows[place]]
        enters, leaves = (top, bottom) if downwards else (bottom, top)
        if number:
            points.append((across[place], enters))
        if number < len(chain) - 1:
            points.append((across[place], leaves))
    return points


__all__ = ["Layout", "layered_layout"]
