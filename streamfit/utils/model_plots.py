"""`plot_model` and `model_to_dot`: the graph of a model as a picture, or in the language of Graphviz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from streamfit.models.graph_model import GraphModel
from streamfit.utils.drawn_model import Direction, Drawing, as_svg, drawn, save_with_matplotlib
from streamfit.utils.model_boxes import Box, Boxes, Shown, boxes_of

_DRAWN = (".png", ".pdf")  # by matplotlib


class ModelPicture:
    """A drawn model: a notebook shows it.

    Args:
        drawing: Where everything is.
    """

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the graph in pixels."""
        return round(self._drawing.size[0]), round(self._drawing.size[1])

    def _repr_svg_(self) -> str:
        """Return the picture for a notebook."""
        return as_svg(self._drawing)

    def __repr__(self) -> str:
        return f"ModelPicture({self.size[0]} x {self.size[1]} pixels)"


class ModelDot:
    """The graph of a model in the language of Graphviz.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def to_string(self) -> str:
        """Return the text."""
        return self._text

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the text to a file."""
        Path(path).write_text(self._text, encoding="utf-8")


def plot_model(
    model: GraphModel,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> ModelPicture:
    """Draw the layers of a model and how they are connected.

    Nothing has to be installed for SVG; a PNG or PDF is drawn by matplotlib. A shared layer is one box. A
    ``.dot`` file holds the graph for Graphviz, if you want its layout: ``dot -Tsvg model.dot``.

    Args:
        model: A model that is built.
        to_file: Where to write; its ending says the format: ``.svg``, ``.png``, ``.pdf``, ``.dot``, ``.gv``.
        show_shapes: Whether boxes say the shapes that go in and come out; those of several calls stand
            between ``|``.
        show_dtype: Whether they say the dtype of the layer.
        show_layer_names: Whether they say the name of the layer above its class.
        rankdir: From top to bottom 'TB', left to right 'LR', or 'BT' or 'RL'.
        expand_nested: Whether the layers of models inside the model are shown, in a frame.
        dpi: Dots in an inch of a PNG; the picture has 96 pixels of SVG in an inch.
        show_layer_activations: Whether boxes say the activation, where a layer has one.
        show_trainable: Whether they say if the weights are trained.
        splines: How Graphviz is to draw edges, in a ``.dot`` file; without effect on other formats.

    Returns:
        The picture, which notebooks show.

    Raises:
        ValueError: The model is not built, or an argument or the ending of the path is not known.
        MissingExtraError: A PNG or PDF is wanted and matplotlib is not installed (the extra `plot`).
    """
    path = Path(to_file)
    kind = path.suffix.lower()
    if kind not in (".svg", ".dot", ".gv", *_DRAWN):
        raise ValueError(
            f"to_file={str(to_file)!r}: the format is not known by its ending; write .svg, .png, .pdf, .dot "
            "or .gv"
        )
    shown = Shown(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested
    )
    graph, direction = boxes_of(model, shown), _direction(rankdir)
    drawing = drawn(graph, direction)
    if kind == ".svg":
        path.write_text(as_svg(drawing), encoding="utf-8")
    elif kind in _DRAWN:
        save_with_matplotlib(drawing, path, dpi)
    else:
        _dot(model.name, graph, direction, dpi, splines, subgraph=False).write(path)
    return ModelPicture(drawing)


def model_to_dot(
    model: GraphModel,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> ModelDot:
    """Describe the layers of a model and how they are connected in the language of Graphviz.

    Args:
        model: A model that is built.
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi: As in `plot_model`.
        subgraph: Whether to return a cluster to put into another graph, and not a whole graph.
        show_layer_activations, show_trainable, splines: As in `plot_model`.

    Returns:
        An object with `to_string()` and `write(path)`; ``pydot.graph_from_dot_data`` reads its text.

    Raises:
        ValueError: The model is not built, or `rankdir` is not known.

    Example:
        >>> import streamfit as sf
        >>> layers = [sf.Input((3,), name="x"), sf.layers.Dense(2, name="a")]
        >>> print(model_to_dot(sf.Sequential(layers, name="small")).to_string())
        digraph "small" {
          graph [rankdir=TB, dpi=200, splines=ortho];
          node [shape=box, fontname="Helvetica"];
          "n0" [label="x\\nInputLayer"];
          "n1" [label="a\\nDense"];
          "n0" -> "n1";
        }
    """
    shown = Shown(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested
    )
    return _dot(model.name, boxes_of(model, shown), _direction(rankdir), dpi, splines, subgraph=subgraph)


def _direction(rankdir: str) -> Direction:
    if rankdir not in get_args(Direction):
        raise ValueError(f"rankdir={rankdir!r}: write one of 'TB', 'LR', 'BT' and 'RL'")
    return cast("Direction", rankdir)


# -- Graphviz -------------------------------------------------------------------------------------------


def _dot(name: str, graph: Boxes, rankdir: str, dpi: int, splines: str, *, subgraph: bool) -> ModelDot:
    head = f"subgraph {_quoted(f'cluster_{name}')}" if subgraph else f"digraph {_quoted(name)}"
    lines = [
        f"{head} {{",
        f"  graph [rankdir={rankdir}, dpi={dpi}, splines={splines}];",
        '  node [shape=box, fontname="Helvetica"];',
        *(f"  {line}" for line in _dot_lines(graph, "n")),
        "}",
    ]
    return ModelDot("\n".join(lines))


def _dot_lines(graph: Boxes, prefix: str) -> Iterator[str]:
    for number, box in enumerate(graph.boxes):
        if box.inside is None:
            yield f"{_quoted(f'{prefix}{number}')} [label={_label(box)}];"
            continue
        yield f"subgraph {_quoted(f'cluster_{prefix}{number}')} {{"
        yield f"  label={_label(box)};"
        yield from (f"  {line}" for line in _dot_lines(box.inside, f"{prefix}{number}_"))
        yield "}"
    for edge in graph.edges:
        source = _end(graph, edge.source, prefix, outputs=True, number=edge.out)
        target = _end(graph, edge.target, prefix, outputs=False, number=edge.into)
        yield f"{_quoted(source)} -> {_quoted(target)};"


def _end(graph: Boxes, box: int, prefix: str, *, outputs: bool, number: int) -> str:
    """Return the name of a box, or of the box inside a nested model at which an edge ends."""
    inside = graph.boxes[box].inside
    if inside is None:
        return f"{prefix}{box}"
    ends = inside.outputs if outputs else inside.inputs
    return _end(inside, ends[min(number, len(ends) - 1)], f"{prefix}{box}_", outputs=outputs, number=0)


def _label(box: Box) -> str:
    return _quoted("\n".join([box.title, *box.lines]))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


__all__ = ["ModelDot", "ModelPicture", "model_to_dot", "plot_model"]
