"""`Sequence`s that other people have published: what is wrong, shown without the checks, and what is said."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamfit.testing import Result, run_checks

pytestmark = [
    pytest.mark.extras,
    pytest.mark.extras_only,
    pytest.mark.timeout(180),  # the first run fetches the packages
    pytest.mark.filterwarnings("ignore"),  # these packages are older than our NumPy
]
Import = Callable[..., ModuleType]


@pytest.fixture(autouse=True)
def two_hash_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load with two hash seeds, not four: each time, a process imports all of these packages."""
    monkeypatch.setattr("streamfit.testing.checks.process_state._HASH_SEEDS", (1, 2))


def judged(make: Callable[[], object], **options: Any) -> dict[str, Result]:
    return {result.name: result for result in run_checks(make, "sequence", workers=1, **options)}


def found(results: dict[str, Result], *statuses: str) -> set[str]:
    return {name for name, result in results.items() if result.status in (statuses or ("fail", "warn"))}


# -- csbdeep 0.8.2


def wrapped(module: ModuleType, length: int = 5) -> Any:
    rows = np.arange(40.0, dtype="float32")[:, None]
    return module.DataWrapper(rows, 2 * rows, 8, length=length)


def test_csbdeep_draws_its_order_at_the_first_load(published: Import) -> None:
    module = published("csbdeep", "csbdeep.internals.train")

    def by_a_worker(seed: int, index: int) -> list[float]:
        np.random.seed(seed)  # as two processes have it
        return wrapped(module)[index][0].ravel().tolist()

    once = [row for index in range(5) for row in by_a_worker(1, index)]
    assert sorted(once) == list(range(40))  # one process: each sample once
    shared = [row for index in range(5) for row in by_a_worker(index % 2, index)]
    assert len(set(shared)) < 35  # two processes: some twice, others never

    results = judged(lambda: wrapped(module))
    assert results["global_randomness"].status == "fail"
    assert "loading batch 0 draws from the global random state" in results["global_randomness"].message


# -- n2v 0.3.3


def flattened(patch: np.ndarray, coords: Any, dims: int, mask: Any) -> np.ndarray:
    return np.zeros(len(coords[0]), "float32")


def patches(module: ModuleType) -> Any:
    noisy = np.random.default_rng(0).normal(size=(20, 16, 16, 1)).astype("float32")
    return module.N2V_DataWrapper(
        noisy, noisy, 4, 5, perc_pix=1.6, shape=(8, 8), value_manipulation=flattened
    )


def test_n2v_fills_the_same_two_arrays_for_every_batch(
    published: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "product", np.prod, raising=False)  # its name in NumPy 1
    published("csbdeep", "csbdeep.internals.train")
    module = published("n2v", "n2v.internals.N2V_DataWrapper")
    sequence = patches(module)
    assert sequence[0][0] is sequence[1][0]

    results = judged(lambda: patches(module))
    assert {"global_randomness", "own_arrays", "picklable"} <= found(results, "fail")
    assert "batch 0 was overwritten by a later load" in results["own_arrays"].message
    assert "draws from the global random state of numpy.random" in results["global_randomness"].message
    assert "rand_float" in results["picklable"].message
    assert "generator already executing" in results["crashes"].message


# -- mltu 1.2.5

UNREADABLE = ("9", "10", "30")


def read(name: str, label: int) -> tuple[Any, Any]:
    """Read a file; None stands for one that cannot be read, as the package wants it."""
    return (None, None) if name in UNREADABLE else (np.full((3, 2), float(name), "float32"), label)


def provider(module: ModuleType, ready: bool = True) -> Any:
    files = [[str(number), number] for number in range(40)]
    made = module.DataProvider(files, data_preprocessors=[read], batch_size=8)
    if ready:
        made.start_executor()
    return made


def test_mltu_needs_its_first_batch_first(published: Import) -> None:
    module = published("mltu", "mltu.tensorflow.dataProvider")
    with pytest.raises(AttributeError, match="_executor"):
        provider(module, ready=False)[4]
    (order,) = run_checks(lambda: provider(module, ready=False), "sequence", only="any_order")
    assert order.status == "fail"
    assert "no attribute '_executor'" in order.message


def test_mltu_leaves_unreadable_files_out(published: Import) -> None:
    module = published("mltu", "mltu.tensorflow.dataProvider")
    assert [len(provider(module)[index][0]) for index in range(5)] == [8, 6, 8, 7, 8]
    names = ("length", "content", "batch_sizes", "global_use", "memory")
    results = judged(lambda: provider(module), only=names)
    assert found(results) == {"batch_sizes", "global_use"}
    assert "batches have 8, 6, 8, 7, 8 samples" in results["batch_sizes"].message
    assert "on_epoch_end draws from the global random state" in results["global_use"].message


def test_mltu_takes_a_file_that_was_read_twice_out_twice(published: Import) -> None:
    module = published("mltu", "mltu.tensorflow.dataProvider")
    sequence = provider(module)
    for index in (1, 1):  # as where Keras looks at a batch before it trains
        sequence[index]
    with pytest.raises(ValueError, match="not in list"):
        sequence.on_epoch_end()
    (hooks,) = run_checks(lambda: provider(module), "sequence", only="hooks", workers=1)
    assert hooks.status == "fail"
    assert "list.remove(x): x not in list" in hooks.message


# -- janggu 0.10.2


class Named:
    """The least that the package takes for a data set."""

    def __init__(self, name: str, values: np.ndarray) -> None:
        self.name, self.values = name, values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.values[rows]


def genome(module: ModuleType, shuffle: bool) -> Any:
    x, y = np.arange(80.0, dtype="float32").reshape(40, 2), np.arange(40)
    return module.JangguSequence(Named("x", x), Named("y", y), batch_size=8, shuffle=shuffle)


JANGGU = ("janggu/data/data.py",)


def test_janggu_in_order_is_right(published: Import) -> None:
    module = published("janggu", "janggu.data.data", only=JANGGU)
    assert not found(judged(lambda: genome(module, False)))


def test_janggu_shuffles_from_the_second_epoch_on(published: Import) -> None:
    module = published("janggu", "janggu.data.data", only=JANGGU)
    sequence = genome(module, True)
    assert sequence[0][1]["y"].tolist() == list(range(8))
    sequence.on_epoch_end()
    assert sequence[0][1]["y"].tolist() != list(range(8))
    results = judged(lambda: genome(module, True))
    assert found(results) == {"first_epoch", "global_use"}
    assert "self.indices is in order in the first epoch" in results["first_epoch"].message


# -- isolearn 0.2.1


def libraries(module: ModuleType, shuffle: bool) -> Any:
    """Make batches of a library of 46 sequences."""
    counts = np.arange(46.0, dtype="float32")[:, None]
    entry = {"source_type": "matrix", "source": "counts", "extractor": None, "transformer": None}
    columns = {"inputs": [{"id": "x", **entry}], "outputs": [{"id": "y", **entry}]}
    return module.DataGenerator(np.arange(46), {"counts": counts}, batch_size=8, shuffle=shuffle, **columns)


def test_isolearn_rounds_down(published: Import) -> None:
    file = "isolearn/generator/isolearn_generator.py"
    module = published("isolearn", "isolearn.generator.isolearn_generator", only=(file,))
    sequence = libraries(module, False)
    read_in_all = np.concatenate([sequence[index][0][0] for index in range(len(sequence))])
    assert read_in_all.ravel().tolist() == list(range(40))  # 40 .. 45 are never read

    names = ("length", "content", "form", "own_data", "no_repeats", "none_lost", "labels_stay")
    results = judged(lambda: libraries(module, False), only=names)
    assert found(results) == {"none_lost"}
    assert "index 5 would give 6 more samples" in results["none_lost"].message


# -- stellargraph 1.2.1

GRAPHS = (
    "stellargraph/random.py",
    "stellargraph/mapper/base.py",
    "stellargraph/mapper/knowledge_graph.py",
    "stellargraph/mapper/sequences.py",
    "stellargraph/mapper/sliding.py",
    "stellargraph/core/validation.py",
)
HOLLOW = (
    "networkx.py",
    "stellargraph/globalvar.py",
    "stellargraph/mapper/__init__.py",
    "stellargraph/data/unsupervised_sampler.py",
    "stellargraph/core/__init__.py",
    "stellargraph/core/experimental.py",
    "stellargraph/core/utils.py",
)


def test_stellargraph_slides_as_it_should(published: Import) -> None:
    module = published("stellargraph", "stellargraph.mapper.sliding", only=GRAPHS, hollow=HOLLOW)
    signal = np.arange(100.0, dtype="float32").reshape(2, 50)

    def windows() -> Any:
        places = {"window_size": 3, "target_distance": 1, "sequence_iloc_slice": slice(None)}
        return module.SlidingFeaturesNodeSequence(signal, batch_size=4, **places)

    results = judged(windows)
    assert not found(results)
    assert {results[name].status for name in ("thread_safe", "same_on_processes", "exactly_once")} == {"pass"}


def test_stellargraph_draws_other_negatives_each_time(
    published: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = published("stellargraph", "stellargraph.mapper.knowledge_graph", only=GRAPHS, hollow=HOLLOW)
    state = module.random_state.__globals__
    seeded = state["_seeded_state"]  # the standard library takes no NumPy integers as seeds any more
    monkeypatch.setitem(state, "_seeded_state", lambda seed: seeded(int(seed)))
    edges = np.arange(40)

    def triples() -> Any:
        places = {"source_ilocs": edges, "rel_ilocs": edges % 3, "target_ilocs": edges * 7 % 40}
        drawn = {"shuffle": True, "negative_samples": 2, "sample_strategy": "uniform", "seed": 7}
        return module.KGTripleSequence(max_node_iloc=50, batch_size=8, **places, **drawn)

    sequence = triples()
    assert (sequence[0][0][0] != sequence[0][0][0]).any()

    results = judged(triples)
    assert found(results) == {"repeatable", "picklable", "first_epoch"}
    assert "batch 0 changes when it is loaded twice" in results["repeatable"].message
    assert "_batch_sampler._lock is a _thread.lock" in results["picklable"].message


def test_stellargraph_shuffles_nodes_with_the_seed_of_the_program(published: Import) -> None:
    module = published("stellargraph", "stellargraph.mapper.sequences", only=GRAPHS, hollow=HOLLOW)
    features = np.arange(80.0, dtype="float32").reshape(40, 2)

    def sample(nodes: list[int], batch: int) -> list[np.ndarray]:
        return [features[nodes]]

    def nodes(seed: int | None) -> Any:
        return module.NodeSequence(sample, 8, list(range(40)), np.arange(40), seed=seed)

    assert not found(judged(lambda: nodes(7)))
    assert nodes(7).indices == nodes(7).indices
    assert nodes(None).indices != nodes(None).indices


# -- deepinterpolation 0.1.4

FILMS = ("deepinterpolation/generator_collection.py", "deepinterpolation/generic.py")
NOT_FILMS = (
    "tifffile.py",
    "nibabel.py",
    "s3fs.py",
    *(f"deepinterpolation/{name}_collection.py" for name in ("network", "trainor", "inferrence")),
    "deepinterpolation/__init__.py",
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write one film of eight frames, and what the generator wants to know about it."""
    h5py = pytest.importorskip("h5py")
    (tmp_path / "film" / "processed").mkdir(parents=True)
    with h5py.File(tmp_path / "film" / "processed" / "concat_31Hz_0.h5", "w") as file:
        file["data"] = np.random.default_rng(0).integers(1, 255, (8, 16, 16)).astype("float32")
    film = {"path": str(tmp_path / "film"), "frames": [2, 3, 4, 5], "mean": 0.0, "std": 1.0}
    (tmp_path / "films.json").write_text(json.dumps({"film": film}))
    settings = {"batch_size": 1, "steps_per_epoch": 2, "pre_post_frame": 1}
    (tmp_path / "settings.json").write_text(
        json.dumps({"train_path": str(tmp_path / "films.json"), **settings})
    )
    return tmp_path / "settings.json"


def test_deepinterpolation_runs_past_its_films(published: Import, recording: Path) -> None:
    module = published(
        "deepinterpolation", "deepinterpolation.generator_collection", only=FILMS, hollow=NOT_FILMS
    )
    sequence = module.MovieJSONGenerator(str(recording))
    empty = []
    for _ in range(3):
        empty.append([not sequence[index][0].any() for index in range(2)])
        sequence.on_epoch_end()
    assert empty == [
        [False, False],
        [False, False],
        [True, True],
    ]  # no film from the third epoch on

    names = ("length", "content", "form", "input_dtype", "none_lost")
    results = judged(lambda: module.MovieJSONGenerator(str(recording)), only=names)
    assert "x is float64" in results["input_dtype"].message
    assert results["none_lost"].status == "warn"
    assert "2 times the very same sample comes in their place" in results["none_lost"].message


# -- transformers-keras-dataloader 0.0.5


class Lengths:
    """Stands in for a language model: the embedding of a text is its length."""

    def prepare_embeddings(self, texts: Any, tokenizer: Any, model: Any) -> np.ndarray:
        return np.array([[len(text)] for text in texts], "float32")


def embedded(module: ModuleType, seed: int | None = None, sampler: str = "random") -> Any:
    texts, labels = np.array(["x" * number for number in range(1, 47)]), np.arange(46) % 2
    model = SimpleNamespace(config=SimpleNamespace(model_type="bert"))
    options = {"y": labels, "num_classes": 2, "sampler": sampler, "random_seed": seed}
    made = module.EmbeddingDataloader(
        "sentence", model, SimpleNamespace(max_len=512, is_fast=True), texts, 8, **options
    )
    made.embedder = Lengths()
    return made


def test_transformers_keras_dataloader_seeds_the_whole_program(published: Import) -> None:
    folder = "transformers_keras_dataloader"
    files = ("scripts/EmbeddingDataloader.py", "config/common_params.json", "config/model_vars_params.json")
    hollow = ("torch.py", f"{folder}/scripts/WordEmbedder.py", f"{folder}/scripts/SentenceEmbedder.py")
    module = published(
        "transformers-keras-dataloader",
        f"{folder}.scripts.EmbeddingDataloader",
        only=tuple(f"{folder}/{name}" for name in files),
        hollow=hollow,
    )
    np.random.seed(1)
    embedded(module, seed=5)
    drawn = np.random.rand()
    np.random.seed(2)
    embedded(module, seed=5)
    assert np.random.rand() == drawn  # whatever seed the program has set
    assert len(embedded(module)) * 8 == 40  # of 46

    names = ("length", "content", "form", "hooks", "no_repeats", "none_lost", "labels_stay", "made_alike")
    results = judged(lambda: embedded(module), only=names)
    assert found(results) == {"hooks", "made_alike"}
    assert "np.random.seed(None)" in results["made_alike"].message
    assert results["none_lost"].message == "6 samples are left out, others in each epoch"


# -- keras-batchflow 0.1.8


def test_keras_batchflow_in_order_is_right(published: Import) -> None:
    pandas = pytest.importorskip("pandas")
    module = published("keras-batchflow", "keras_batchflow.keras.batch_generators")
    table = pandas.DataFrame({"size": np.arange(42, dtype="float32"), "kind": np.arange(42) % 3})

    def batches(shuffle: bool = False) -> Any:
        return module.BatchGenerator(
            table, ("size", None), y_structure=("kind", None), batch_size=8, shuffle=shuffle
        )

    assert [len(batches()[index][0]) for index in range(6)] == [8, 8, 8, 8, 8, 2]
    names = ("length", "content", "form", "own_data", "none_lost", "no_repeats", "labels_stay", "memory")
    assert not found(judged(batches, only=names))


# -- talos 2.0.10


def test_talos_makes_its_class_in_a_function(published: Import) -> None:
    module = published("talos", "talos.utils.sequence_generator", only=("talos/utils/sequence_generator.py",))
    rows = np.arange(84, dtype="float32").reshape(42, 2)

    def batches() -> Any:
        return module.SequenceGenerator(rows, rows[:, 0], batch_size=8)

    with pytest.raises(AttributeError, match="local"):
        pickle.dumps(batches())  # so Keras cannot send it to worker processes that it spawns
    assert not found(judged(batches))


def test_generator_of_talos_is_right(published: Import) -> None:
    module = published("talos", "talos.utils.generator", only=("talos/utils/generator.py",))
    rows = np.arange(84, dtype="float32").reshape(42, 2)
    results = run_checks(lambda: module.generator(rows, rows[:, 0], 8), "generator")
    assert not [result for result in results if result.status in ("fail", "warn")]
