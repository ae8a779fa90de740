"""The picture of a model: boxes and lines at their places, written as SVG or drawn with matplotlib."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Literal

from streamfit._base.plotting import BLUE, SOFT, TEXT, Drawn, Picture, matplotlib_module
from streamfit.utils.layered_layout import Point, layered_layout
from streamfit.utils.model_boxes import Box, Boxes

Direction = Literal["TB", "LR", "BT", "RL"]
Step = tuple[Literal["M", "L", "C"], list[Point]]

_COLOURS = {"input": SOFT, "weights": BLUE, "plain": "#5f7d9c", "model": "#0f766e"}
_FRAME, _INSIDE, _LINE = "#9fb0c0", "#f4f7fa", "#54616e"
_TITLE, _FONT, _CHARACTER = 13.0, 11.5, 0.62  # sizes of letters in pixels, and their width
_HEAD, _ROW, _PAD = 24.0, 17.0, 12.0  # heights of the title and of a line; room at the sides
_GAP, _MARGIN, _ARROW = (26.0, 34.0), 16.0, 7.0
_INCH = 96.0  # pixels


@dataclass
class Drawing:
    """A graph whose boxes have places, in pixels from the upper left corner.

    Attributes:
        size: Width and height, without a margin.
        boxes: Each with left, top, width and height; a nested model comes before what is in it.
        lines: The steps of each line.
        arrows: The corners of each head of an arrow.
        inputs: Where lines enter, across the direction of the graph, for each input of the model.
        outputs: Where they leave, for each output.
    """

    size: Point
    boxes: list[tuple[Box, float, float, float, float]] = field(default_factory=list)
    lines: list[list[Step]] = field(default_factory=list)
    arrows: list[list[Point]] = field(default_factory=list)
    inputs: list[float] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)

    def moved(self, x: float, y: float) -> Drawing:
        """Return the same drawing at another place."""

        def at(points: Sequence[Point]) -> list[Point]:
            return [(a + x, b + y) for a, b in points]

        boxes = [(box, left + x, top + y, wide, high) for box, left, top, wide, high in self.boxes]
        lines: list[list[Step]] = [[(kind, at(points)) for kind, points in line] for line in self.lines]
        return Drawing(self.size, boxes, lines, [at(arrow) for arrow in self.arrows])


def drawn(graph: Boxes, direction: Direction) -> Drawing:
    """Find a place for everything."""
    flat, against = direction in ("LR", "RL"), direction in ("BT", "RL")
    insides = [None if box.inside is None else drawn(box.inside, direction) for box in graph.boxes]
    sizes = [_size(box, inside) for box, inside in zip(graph.boxes, insides, strict=True)]
    across_along = [(h, w) if flat else (w, h) for w, h in sizes]
    edges = [edge for edge in graph.edges if edge.source != edge.target]
    layout = layered_layout(across_along, [(edge.source, edge.target) for edge in edges], _GAP)
    whole = layout.size

    def put(point: Point) -> Point:
        across, along = point
        along = whole[1] - along if against else along
        return (along, across) if flat else (across, along)

    found = Drawing((whole[1], whole[0]) if flat else whole)

    def port(box: int, inside: Drawing, ports: list[float], number: int) -> float:
        low = layout.centres[box][0] - across_along[box][0] / 2
        return low + _offset(sizes[box], inside)[1 if flat else 0] + ports[min(number, len(ports) - 1)]

    for box, inside, centre, (wide, high) in zip(graph.boxes, insides, layout.centres, sizes, strict=True):
        x, y = put(centre)
        found.boxes.append((box, x - wide / 2, y - high / 2, wide, high))
        if inside is not None:
            right, down = _offset((wide, high), inside)
            moved = inside.moved(x - wide / 2 + right, y - high / 2 + down)
            found.boxes += moved.boxes
            found.lines += moved.lines
            found.arrows += moved.arrows
    for again in {edge.source for edge in graph.edges if edge.source == edge.target}:
        line, arrow = _loop(layout.centres[again], across_along[again], put)
        found.lines.append(line)
        found.arrows.append(arrow)
    for edge, path in zip(edges, layout.paths, strict=True):
        source, target = insides[edge.source], insides[edge.target]
        starts, ends = path[0][0], path[-1][0]
        if source is not None:
            starts = port(edge.source, source, source.outputs, edge.out)
        if target is not None:
            ends = port(edge.target, target, target.inputs, edge.into)
        sign = 1 if path[-1][1] >= path[0][1] else -1
        first = layout.centres[edge.source][1] + sign * across_along[edge.source][1] / 2
        last = layout.centres[edge.target][1] - sign * across_along[edge.target][1] / 2
        inner = [(starts, path[0][1]), *path[1:-1], (ends, path[-1][1])]
        found.lines.append(list(_steps([(starts, first), *inner, (ends, last - sign * _ARROW)], put)))
        wing = last - sign * _ARROW
        corners = [(ends, last), (ends - _ARROW / 2, wing), (ends + _ARROW / 2, wing)]
        found.arrows.append([put(corner) for corner in corners])
    found.inputs = [layout.centres[box][0] for box in graph.inputs]
    found.outputs = [layout.centres[box][0] for box in graph.outputs]
    return found


def _size(box: Box, inside: Drawing | None) -> Point:
    letters = max(len(box.title) * _TITLE * 1.05, *(len(line) * _FONT for line in box.lines), 0.0)
    wide, high = letters * _CHARACTER + 2 * _PAD, _HEAD + (_ROW * len(box.lines) + 7 if box.lines else 0)
    if inside is None:
        return wide, high
    return max(wide, inside.size[0] + 2 * _PAD), inside.size[1] + _HEAD + 1.5 * _PAD


def _offset(size: Point, inside: Drawing) -> Point:
    """Return where what is inside a nested model begins, from the corner of its frame."""
    return (size[0] - inside.size[0]) / 2, _HEAD + _PAD / 2


def _steps(points: Sequence[Point], put: Callable[[Point], Point]) -> Iterator[Step]:
    """Lead a line through points: straight in the rooms of rows, as a curve from row to row."""
    yield "M", [put(points[0])]
    for number, ((x, y), (next_x, next_y)) in enumerate(pairwise(points)):
        if number % 2 == 0:
            yield "L", [put((next_x, next_y))]
        else:
            middle = (y + next_y) / 2
            yield "C", [put((x, middle)), put((next_x, middle)), put((next_x, next_y))]


def _loop(centre: Point, size: Point, put: Callable[[Point], Point]) -> tuple[list[Step], list[Point]]:
    """Lead a line from a box around its side back into it: a layer that reads what it has made."""
    side, low, high = centre[0] + size[0] / 2, centre[1] + size[1] / 4, centre[1] - size[1] / 4
    away = side + _GAP[0] * 0.8
    curve = [(away, low), (away, high), (side + _ARROW, high)]
    line: list[Step] = [("M", [put((side, low))]), ("C", [put(point) for point in curve])]
    corners = [(side, high), (side + _ARROW, high - _ARROW / 2), (side + _ARROW, high + _ARROW / 2)]
    return line, [put(corner) for corner in corners]


# -- SVG ----------------------------------------------------------------------------------------------


def as_svg(drawing: Drawing) -> str:
    """Write a drawing as SVG."""
    wide, high = (length + 2 * _MARGIN for length in drawing.size)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.1f} {high:.1f}" font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">',
    ]
    for part in drawing.boxes:
        parts += _svg_box(*part)
    for line in drawing.lines:
        steps = " ".join(kind + " ".join(f"{x:.1f} {y:.1f}" for x, y in points) for kind, points in line)
        parts.append(f'<path d="{steps}" fill="none" stroke="{_LINE}" stroke-width="1.3"/>')
    for arrow in drawing.arrows:
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in arrow)
        parts.append(f'<polygon points="{corners}" fill="{_LINE}"/>')
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _svg_box(box: Box, left: float, top: float, wide: float, high: float) -> Iterator[str]:
    colour, fill = _COLOURS[box.kind], _INSIDE if box.inside is not None else "white"
    frame = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}"'
    yield f'<rect {frame} height="{high:.1f}" fill="{fill}" stroke="{_FRAME}"/>'
    yield f'<rect {frame} height="{_HEAD:.1f}" fill="{colour}"/>'
    middle = f'x="{left + wide / 2:.1f}" text-anchor="middle"'
    style = f'font-size="{_TITLE}" font-weight="bold" fill="white"'
    yield f'<text {middle} y="{top + _HEAD / 2 + 4.5:.1f}" {style}>{escape(box.title)}</text>'
    for number, line in enumerate(box.lines):
        y = top + _HEAD + _ROW * (number + 1) - 2
        yield f'<text {middle} y="{y:.1f}" font-size="{_FONT}" fill="{TEXT}">{escape(line)}</text>'


# -- matplotlib ---------------------------------------------------------------------------------------


def save_with_matplotlib(drawing: Drawing, path: str | os.PathLike[str], dpi: float) -> None:
    """Write a drawing in a format that matplotlib knows by the ending of the path.

    Raises:
        MissingExtraError: matplotlib is not installed (the extra `plot`).
    """
    wide, high = (length + 2 * _MARGIN for length in drawing.size)
    picture = Picture.empty(wide / _INCH, high / _INCH)
    picture.figure.set_layout_engine("none")
    axes = picture.figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-_MARGIN, wide - _MARGIN), ylim=(high - _MARGIN, -_MARGIN))
    axes.axis("off")
    patches, paths = matplotlib_module("patches", "plot"), matplotlib_module("path", "plot").Path
    for part in drawing.boxes:
        _draw_box(axes, patches, *part)
    codes = {"M": [paths.MOVETO], "L": [paths.LINETO], "C": [paths.CURVE4] * 3}
    for line in drawing.lines:
        points = [point for _, some in line for point in some]
        path_codes = [code for kind, _ in line for code in codes[kind]]
        axes.add_patch(patches.PathPatch(paths(points, path_codes), fill=False, edgecolor=_LINE, lw=1.0))
    for arrow in drawing.arrows:
        axes.add_patch(patches.Polygon(arrow, closed=True, color=_LINE, lw=0))
    picture.save(path, dpi)


def _draw_box(
    axes: Drawn, patches: Drawn, box: Box, left: float, top: float, wide: float, high: float
) -> None:
    fill = _INSIDE if box.inside is not None else "white"
    axes.add_patch(patches.Rectangle((left, top), wide, high, facecolor=fill, edgecolor=_FRAME, lw=0.8))
    axes.add_patch(patches.Rectangle((left, top), wide, _HEAD, facecolor=_COLOURS[box.kind], lw=0))
    points, middle = 72 / _INCH, left + wide / 2
    style = {"ha": "center", "va": "center_baseline", "parse_math": False}
    title = {"fontsize": 0.93 * _TITLE * points, "fontweight": "bold", "color": "white"}
    axes.text(middle, top + _HEAD / 2, box.title, **style, **title)
    for number, line in enumerate(box.lines):
        y = top + _HEAD + _ROW * (number + 0.5) + 2
        axes.text(middle, y, line, **style, fontsize=0.93 * _FONT * points, color=TEXT)


__all__ = ["Direction", "Drawing", "as_svg", "drawn", "save_with_matplotlib"]
