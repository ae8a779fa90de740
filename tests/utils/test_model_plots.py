"""`plot_model` and `model_to_dot`: what of a model is shown, and the formats."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import streamfit as sf
from streamfit import layers, ops
from streamfit.utils import model_to_dot, plot_model
from streamfit.utils.drawn_model import drawn
from streamfit.utils.model_boxes import Shown, boxes_of


def branched() -> sf.Model:
    x = sf.Input((8, 8, 3), name="photo")
    table = sf.Input((4,), name="table")
    stem = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
    a = layers.Conv2D(4, 1, name="a")(stem)
    joined = layers.Add(name="joined")([a, stem])
    flat = layers.Flatten(name="flat")(joined)
    both = layers.Concatenate(name="both")([flat, layers.Dense(2, name="from_table")(table)])
    outputs = [layers.Dense(2, name="one")(both), layers.Dense(1, name="two")(both)]
    return sf.Model([x, table], outputs, name="branched")


def twins() -> sf.Model:
    encoder = sf.Sequential([sf.Input((6,), name="inner"), layers.Dense(3, name="code")], name="encoder")
    left, right = sf.Input((6,), name="left"), sf.Input((6,), name="right")
    distance = ops.abs(layers.Subtract(name="difference")([encoder(left), encoder(right)]))
    return sf.Model([left, right], layers.Dense(1, name="same")(distance), name="twins")


def edges(model: sf.Model, **shown: bool) -> set[tuple[str, str]]:
    graph = boxes_of(model, Shown(names=True, **shown))
    return {(graph.boxes[e.source].title, graph.boxes[e.target].title) for e in graph.edges}


def texts(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_branches_inputs_and_outputs_are_connected_as_in_the_model() -> None:
    assert edges(branched()) == {
        ("photo", "stem"),
        ("stem", "a"),
        ("a", "joined"),
        ("stem", "joined"),
        ("joined", "flat"),
        ("flat", "both"),
        ("table", "from_table"),
        ("from_table", "both"),
        ("both", "one"),
        ("both", "two"),
    }


def test_a_shared_layer_is_one_box_and_functions_of_ops_are_boxes() -> None:
    found = edges(twins())
    assert {("left", "encoder"), ("right", "encoder"), ("encoder", "difference")} <= found
    name = next(target for source, target in found if source == "difference")
    assert (name, "same") in found
    again = layers.Dense(4, name="again")
    x = sf.Input((4,), name="x")
    model = sf.Model(x, again(again(x)))
    assert edges(model) == {("x", "again"), ("again", "again")}
    drawing = drawn(boxes_of(model, Shown(names=True)), "TB")
    _, left, top, wide, high = drawing.boxes[1]
    tip = drawing.arrows[0][0]  # of the line from the box around its side
    assert tip == pytest.approx((left + wide, top + high / 4))
    assert all(x >= left + wide for _, points in drawing.lines[0] for x, _ in points)


def test_sequential_models_and_subclasses_are_shown() -> None:
    model = sf.Sequential([sf.Input((3,), name="x"), layers.Dense(2, name="a"), layers.ReLU(name="b")])
    assert edges(model) == {("x", "a"), ("a", "b")}

    class Own(sf.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layers.Dense(2, name="first"), layers.Dense(1, name="second")

        def call(self, inputs: object) -> object:
            return self.second(self.first(inputs))

    own = Own()
    with pytest.raises(ValueError, match="is not built"):
        boxes_of(own, Shown())
    own.compile("sgd", "mse")
    own.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    assert ("first", "second") in edges(own)


def test_boxes_say_what_was_asked_for(tmp_path: Path) -> None:
    model, path = branched(), tmp_path / "model.svg"
    model.get_layer("a").trainable = False
    plot_model(model, path)
    assert "Conv2D" in texts(path)
    assert "stem" not in texts(path)
    plot_model(
        model,
        path,
        show_shapes=True,
        show_dtype=True,
        show_layer_names=True,
        show_layer_activations=True,
        show_trainable=True,
    )
    found = texts(path)
    assert {"stem", "Conv2D", "activation: relu", "in: (None, 8, 8, 3)", "out: (None, 8, 8, 4)"} <= set(found)
    assert {"dtype: float32", "trainable", "not trainable"} <= set(found)
    assert "in: (None, 256), (None, 2)" in found
    assert found.count("trainable") == 4
    assert found.count("not trainable") == 1


def test_nested_models_are_a_box_or_a_frame_around_their_layers(tmp_path: Path) -> None:
    path = tmp_path / "model.svg"
    plot_model(twins(), path, show_layer_names=True)
    assert "code" not in texts(path)
    plot_model(twins(), path, show_layer_names=True, expand_nested=True)
    assert {"encoder (Sequential)", "inner", "code"} <= set(texts(path))
    for direction in ("TB", "LR", "BT", "RL"):
        drawing = drawn(boxes_of(twins(), Shown(names=True, nested=True)), direction)
        frames = {box.title: (left, top, wide, high) for box, left, top, wide, high in drawing.boxes}
        left, top, wide, high = frames["encoder (Sequential)"]
        for name in ("inner", "code"):
            x, y, w, h = frames[name]
            assert left < x < x + w < left + wide, direction
            assert top < y < y + h < top + high, direction


@pytest.mark.parametrize(
    ("direction", "axis", "sign"), [("TB", 1, 1), ("BT", 1, -1), ("LR", 0, 1), ("RL", 0, -1)]
)
def test_directions(direction: str, axis: int, sign: int) -> None:
    drawing = drawn(boxes_of(branched(), Shown(names=True)), direction)  # type: ignore[arg-type]
    at = {box.title: (left + w / 2, top + h / 2)[axis] for box, left, top, w, h in drawing.boxes}
    way = [at[name] for name in ("photo", "stem", "a", "joined", "flat", "both", "two")]
    assert way == sorted(way, reverse=sign < 0)
    for line, arrow in zip(drawing.lines, drawing.arrows, strict=True):
        tip, back = arrow[0][axis], arrow[1][axis]
        assert (tip - back) * sign > 0
        assert line[-1][1][-1][axis] == pytest.approx(back)
    for _, left, top, w, h in drawing.boxes:
        assert left >= -1e-6
        assert top >= -1e-6
        assert left + w <= drawing.size[0] + 1e-6
        assert top + h <= drawing.size[1] + 1e-6


def test_graphviz_gets_the_same_graph_with_nested_models_as_clusters(tmp_path: Path) -> None:
    text = model_to_dot(twins(), expand_nested=True, rankdir="LR", dpi=96).to_string()
    assert text.startswith('digraph "twins" {\n  graph [rankdir=LR, dpi=96, splines=ortho];')
    assert 'label="encoder (Sequential)"' in text
    labels = dict(re.findall(r'"(n[\d_]+)" \[label="([^"\\]+)', text))
    found = {(labels[a], labels[b]) for a, b in re.findall(r'"(n[\d_]+)" -> "(n[\d_]+)"', text)}
    assert {("left", "inner"), ("right", "inner"), ("inner", "code"), ("code", "difference")} <= found
    assert text.count("{") == text.count("}")
    assert model_to_dot(twins(), subgraph=True).to_string().startswith('subgraph "cluster_twins" {')
    plot_model(twins(), tmp_path / "model.dot", splines="curved")
    written = (tmp_path / "model.dot").read_text()
    assert "splines=curved" in written
    quoted = sf.Sequential([sf.Input((1,)), layers.Dense(1)], name='say "x"')
    assert r'digraph "say \"x\""' in model_to_dot(quoted).to_string()


def test_pictures_of_dots_are_as_large_as_asked_for(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    sizes = []
    for dpi in (48, 96):
        plot_model(branched(), tmp_path / "model.png", show_layer_names=True, dpi=dpi)
        with image.open(tmp_path / "model.png") as picture:
            sizes.append(picture.size)
            pixels = np.asarray(picture.convert("L"))
        assert pixels.min() < 120  # there are letters and lines
        assert (pixels > 250).mean() > 0.3  # on white
    assert np.allclose(np.array(sizes[1]), 2 * np.array(sizes[0]), atol=2)


def test_the_result_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    found = plot_model(branched(), str(tmp_path / "model.svg"))
    assert found._repr_svg_() == (tmp_path / "model.svg").read_text(encoding="utf-8")
    assert repr(found) == f"ModelPicture({found.size[0]} x {found.size[1]} pixels)"


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg"):
        plot_model(branched(), tmp_path / "model.bmp")
    with pytest.raises(ValueError, match="rankdir='up'"):
        model_to_dot(branched(), rankdir="up")
    with pytest.raises(ValueError, match="is not built"):
        plot_model(sf.Sequential([layers.Dense(1)]), tmp_path / "model.svg")
    assert list(tmp_path.iterdir()) == []
