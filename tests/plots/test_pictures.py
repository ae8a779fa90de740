"""Pictures: that they show what they are given; how they look is for eyes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamfit import History, augment, plots, source
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.preprocessing.image import ImageDataGenerator, save_img


@pytest.fixture(scope="module")
def images() -> Array:
    return np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3)).astype(np.uint8)


def shown(picture: plots.Picture, place: int) -> Array:
    return np.asarray(picture.figure.axes[place].images[0].get_array())


class TestPreview:
    @pytest.mark.parametrize("batched", [False, True])
    def test_rows_are_the_same_samples_before_and_in_each_pass(self, images: Array, batched: bool) -> None:
        pipeline = source(images, np.arange(6), seed=3).shuffle().map(augment.flip())
        picture = plots.preview(pipeline.batch(4) if batched else pipeline, count=5, passes=2)
        axes = picture.figure.axes
        assert len(axes) == 15
        order = [int(axis.get_title()) for axis in axes[:5]]
        for column, name in enumerate(order):
            before = images[name] / 255
            np.testing.assert_array_equal(shown(picture, column), before)
            for number in range(2):
                after = shown(picture, 5 * (number + 1) + column)
                assert any(np.array_equal(after, each) for each in (before, before[:, ::-1]))
        rows = [[shown(picture, 5 * row + column).tobytes() for column in range(5)] for row in range(3)]
        assert rows[1] != rows[2] != rows[0]

    def test_what_training_is_given_is_shown(self, images: Array) -> None:
        pipeline = source(images, np.arange(6), seed=3).shuffle().map(augment.flip()).batch(3)
        picture = plots.preview(pipeline, count=3, passes=1)
        x, y = next(pipeline.elements(0))
        assert [int(axis.get_title()) for axis in picture.figure.axes[:3]] == y.tolist()
        for column in range(3):
            np.testing.assert_array_equal(shown(picture, 3 + column), x[column] / 255)

    def test_labels_that_move_are_drawn(self, images: Array) -> None:
        boxes = np.tile(np.array([[1, 2, 4, 5], [-1, -1, -1, -1]], np.float32), (6, 1, 1))
        masks = np.zeros((6, 8, 10), np.uint8)
        masks[:, 2:5, 1:4] = 1
        points = np.tile(np.array([[1.5, 2.5], [30, 2]], np.float32), (6, 1, 1))
        moves = augment.chain(augment.flip(p=1), labels={"b": "boxes", "m": "mask", "p": "points"})
        picture = plots.preview(source(images, {"b": boxes, "m": masks, "p": points}).map(moves), 1, 1)
        for place, left, x in ((0, 1, 1.5), (1, 6, 8.5)):
            axes = picture.figure.axes[place]
            (box,) = axes.patches
            assert box.get_bbox().bounds == (left, 2, 3, 3)
            assert axes.images[1].get_array()[3].mask.tolist() == [
                not left <= column < left + 3 for column in range(10)
            ]
            assert axes.lines[0].get_xydata().tolist() == [[x, 2.5]]

    def test_generators_arrays_and_dictionaries(self, images: Array) -> None:
        batches = ((images[at : at + 2], np.eye(3)[[0, 2]]) for at in range(0, 6, 2))
        picture = plots.preview(source(batches), 3)
        assert len(picture.figure.axes) == 3
        assert plots.preview(images, 2).figure.axes[0].images
        named = source({"id": np.arange(6), "photo": images}, np.array([0.25, 1, 2, 3, 4, 5]))
        picture = plots.preview(named, 2, class_names=["a", "b"])
        assert picture.figure.axes[0].get_title() == "a"
        with pytest.raises(DataError, match="image='phot': x has the keys"):
            plots.preview(named, 2, image="phot")
        with pytest.raises(DataError, match=r"shape \(3,\)"):
            plots.preview(np.zeros((4, 3)))

    def test_iterators_of_generators_are_shown_before_and_in_each_pass(self, images: Array) -> None:
        flow = ImageDataGenerator(vertical_flip=True, rescale=1 / 255).flow(images, np.arange(6), 2, seed=1)
        picture = plots.preview(flow, 4, 2)
        axes = picture.figure.axes
        assert [axis.get_ylabel() for axis in axes[::4]] == ["before", "pass 0", "pass 1"]
        x, y = next(flow)
        assert [int(axis.get_title()) for axis in axes[:2]] == y.tolist()
        for column in range(2):
            np.testing.assert_array_equal(shown(picture, column), images[y[column]] / 255)
            np.testing.assert_allclose(shown(picture, 4 + column), x[column], atol=1e-6)
        rows = [[shown(picture, 4 * row + column).tobytes() for column in range(4)] for row in range(3)]
        assert rows[1] != rows[2] != rows[0]

    def test_names_of_the_classes_of_a_folder(self, images: Array, tmp_path: Path) -> None:
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / name).mkdir()
            save_img(tmp_path / name / "0.png", images[number])
        flow = ImageDataGenerator().flow_from_directory(tmp_path, (8, 10), shuffle=False)
        assert [axis.get_title() for axis in plots.preview(flow, passes=1).figure.axes[:2]] == ["cat", "dog"]

    def test_labels_stand_again_where_a_row_changes_them(self, images: Array) -> None:
        pipeline = source(images, np.eye(6, dtype=np.float32), seed=3).batch(6).map(augment.mixup(1.0))
        axes = plots.preview(pipeline, 6, 1).figure.axes
        assert [axis.get_title() for axis in axes[:6]] == list("012345")
        assert all("%, " in axis.get_title() for axis in axes[6:])
        unmixed = plots.preview(source(images, np.arange(6)).map(augment.flip()), 6, 1)
        assert not any(axis.get_title() for axis in unmixed.figure.axes[6:])

    def test_series_are_curves_and_images_without_a_number_are_empty(self) -> None:
        series = np.sin(np.arange(64, dtype=np.float32)).reshape(2, 16, 2)
        axes = plots.preview(series, 2).figure.axes[1]
        assert [line.get_ydata().tolist() for line in axes.lines] == series[1].T.tolist()
        assert plots.preview(np.full((1, 4, 4), np.nan, np.float32)).figure.axes[0].images

    def test_file(self, images: Array, tmp_path: Path) -> None:
        picture = plots.preview(images[:, :, :, :1], 2, path=tmp_path / "p.png")
        assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG" == picture._repr_png_()[:4]


class TestLearningCurves:
    def test_curves_and_best_epochs(self) -> None:
        history = History()
        for epoch, (loss, accuracy) in enumerate([(1.0, 0.5), (0.5, 0.75), (0.25, 0.8)]):
            logs = {"loss": loss, "accuracy": accuracy, "val_loss": loss + [0, 0, 1][epoch], "lr": 0.1}
            history.on_epoch_end(epoch, logs | {"learning_rate": 0.1, "counts": np.zeros(3)})
        history.history["val_accuracy"] = [0.4, 0.3]
        picture = history.plot()
        loss, accuracy, rate = picture.figure.axes
        assert [axes.get_title(loc="left") for axes in (loss, accuracy, rate)] == [
            "loss",
            "accuracy",
            "learning rate",
        ]
        assert loss.lines[1].get_ydata().tolist() == [1.0, 0.5, 1.25]
        assert [text.get_text() for text in loss.texts] == ["0.5"]
        assert accuracy.lines[1].get_xdata().tolist() == [2, 3]
        assert [text.get_text() for text in accuracy.texts] == ["0.4"]
        assert not rate.texts

    def test_one_epoch_has_no_parts(self) -> None:
        assert plots.learning_curves({"loss": [1.0]}).figure.axes[0].get_xticks().tolist() == [1]

    def test_names_and_nothing_to_draw(self) -> None:
        assert len(plots.learning_curves({"loss": [1.0], "mae": [2.0]}, ["mae"]).figure.axes) == 1
        with pytest.raises(DataError, match="no log 'mse'"):
            plots.learning_curves({"loss": [1.0]}, ["mse"])
        with pytest.raises(DataError, match="no curves"):
            plots.learning_curves({})


class TestConfusionMatrix:
    @pytest.mark.parametrize(
        "predicted",
        [
            [0, 1, 0, 2],
            np.eye(3)[[0, 1, 0, 2]],
            np.array([[3.0, 1, 0], [0, 2, 1], [5, 4, 3], [-3, -2, -1]]),
        ],
    )
    def test_counts(self, predicted: object) -> None:
        picture = plots.confusion_matrix(np.array([[0], [1], [2], [2]]), predicted, ["a", "b", "c"])
        axes = picture.figure.axes[0]
        cells = {text.get_position(): text.get_text() for text in axes.texts}
        assert cells == {(0, 0): "1", (1, 1): "1", (0, 2): "1", (2, 2): "1"}
        np.testing.assert_array_equal(axes.images[0].get_array(), [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]])
        assert axes.get_title(loc="left") == "3 of 4 right (75.0 %)"
        assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]

    def test_shares_and_probabilities_of_one_class(self) -> None:
        picture = plots.confusion_matrix([0, 0, 1], [[0.2], [0.7], [0.5]], normalize="true")
        cells = {text.get_position(): text.get_text() for text in picture.figure.axes[0].texts}
        assert cells == {(0, 0): "50%", (1, 0): "50%", (1, 1): "100%"}

    def test_long_names_leave_room_for_the_title(self) -> None:
        picture = plots.confusion_matrix([0, 1], [0, 1], ["a name that is rather long", "b"])
        picture._repr_png_()
        (axes,) = picture.figure.axes
        assert axes._left_title.get_window_extent().x1 < picture.figure.bbox.x1  # as in short names

    def test_errors(self) -> None:
        with pytest.raises(DataError, match="2 samples and y_pred 1"):
            plots.confusion_matrix([0, 1], [1])
        with pytest.raises(DataError, match="class 2 has no name"):
            plots.confusion_matrix([0, 2], [1, 1], ["a", "b"])
        with pytest.raises(ValueError, match="normalize='rows'"):
            plots.confusion_matrix([0], [0], normalize="rows")  # type: ignore[arg-type]
        with pytest.raises(DataError, match="class -1"):
            plots.confusion_matrix([-1], [0])
