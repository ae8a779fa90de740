"""Files that were made to run code, to read other files or to exhaust memory: none of them succeeds.

Each file is made here, and all are opened in one child process with little memory, under an audit hook that
sees every import, every file that is opened and every program that is run.
"""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import environment

from streamfit import Input, Sequential, layers

h5py = pytest.importorskip("h5py")

Maker = Callable[[Path], None]
FILES: dict[str, Maker] = {}
VAST = 10**12
SECRET = "secret.txt"
MODULE = "module_that_no_file_may_import"
MAKES_A_FILE = {"class_name": "system", "config": "touch run", "module": "os"}

CHILD = """
import json, resource, sys
from pathlib import Path
import streamfit as sf
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
for name in ("good.streamfit", "good.keras", "good.h5"):
    sf.saving.load_model(folder / name)  # what is imported late is imported now
model = sf.Sequential([sf.Input((3,)), sf.layers.Dense(2, name="dense")])
for name in ("good.safetensors", "good.weights.h5"):
    model.load_weights(folder / name)
try:
    sf.layers.Dense(2, activation="unknown")
except ValueError:
    pass
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20), resource.RLIM_INFINITY))
events, watching = [], False
SEEN = ("import", "open", "exec", "compile", "os.", "subprocess.", "ctypes.", "socket.", "pickle.", "shutil.")
def hook(event, arguments):
    if watching and event.startswith(SEEN):
        events.append((event, str(arguments[0])[:200] if arguments else ""))
sys.addaudithook(hook)
found = {}
for path in sorted(folder.glob("hostile_*")):
    events.clear()
    before = set(sys.modules)
    watching = True
    try:
        if path.name.endswith((".safetensors", ".weights.h5")):
            model.load_weights(path)
        else:
            sf.saving.load_model(path)
        result, text = "opened", ""
    except Exception as error:
        result = "ValueError" if isinstance(error, ValueError) else type(error).__name__
        text = str(error)
    watching = False
    others = [event for event in events if event != ("open", str(path))]
    found[path.name] = [result, text, others, sorted(set(sys.modules) - before)]
print(json.dumps(found))
"""


def hostile(ending: str) -> Callable[[Maker], Maker]:
    """Add a file: the function writes it."""

    def add(make: Maker) -> Maker:
        FILES[f"hostile_{make.__name__}.{ending}"] = make
        return make

    return add


def small() -> Sequential:
    model = Sequential([Input((3,)), layers.Dense(2, name="dense")], name="small")
    model.compile("sgd", "mse")
    return model


def members(ending: str) -> dict[str, bytes]:
    """Return the members of a good file."""
    folder = Path(GOOD["folder"])
    with zipfile.ZipFile(folder / f"good.{ending}") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


GOOD: dict[str, str] = {}


def write_zip(path: Path, content: dict[str, bytes], **settings: Any) -> None:
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, settings.get("compression", zipfile.ZIP_STORED))


def described(path: Path, change: Callable[[Any], None]) -> None:
    """Write a good .streamfit file whose description was changed."""
    content = members("streamfit")
    description = json.loads(content["model.json"])
    change(description)
    write_zip(path, {**content, "model.json": json.dumps(description).encode()})


def described_keras(path: Path, change: Callable[[Any], None]) -> None:
    """Write a good .keras file whose description was changed."""
    content = members("keras")
    description = json.loads(content["config.json"])
    change(description)
    write_zip(path, {**content, "config.json": json.dumps(description).encode()})


def first_layer(description: Any) -> Any:
    model = description.get("model", description)
    return next(each for each in model["config"]["layers"] if each["class_name"] == "Dense")


def with_layer(name: str, config: dict[str, Any], **more: Any) -> tuple[Maker, Maker]:
    """Return makers of a .streamfit and a .keras file whose layer is another one."""

    def change(description: Any) -> None:
        layer = first_layer(description)
        layer.update({"class_name": name, "config": config, **more})

    return (lambda path: described(path, change)), (lambda path: described_keras(path, change))


def add_both(name: str, makers: tuple[Maker, Maker]) -> None:
    FILES[f"hostile_{name}.streamfit"], FILES[f"hostile_{name}.keras"] = makers


# -- members of archives ------------------------------------------------------------------------

for _label, _name in {
    "traversal": "../../escaped.json",
    "absolute": "/tmp/escaped.json",
    "backslashes": "..\\..\\escaped.json",
    "other_member": "model.json.py",
    "dots": "assets/../../escaped.txt",
}.items():
    for _ending in ("streamfit", "keras"):

        def _extra(path: Path, name: str = _name, ending: str = _ending) -> None:
            write_zip(path, {**members(ending), name: b"x"})

        FILES[f"hostile_{_label}.{_ending}"] = _extra


@hostile("streamfit")
def duplicate_entries(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members("streamfit").items():
            archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("model.json", b"{}")


@hostile("streamfit")
def link_to_a_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members("streamfit").items():
            info = zipfile.ZipInfo(name)
            if name == "model.json":
                info.external_attr, data = (stat.S_IFLNK | 0o777) << 16, SECRET.encode()
            archive.writestr(info, data)


@hostile("streamfit")
def bomb(path: Path) -> None:
    write_zip(
        path, {**members("streamfit"), "model.json": b" " * (1 << 25)}, compression=zipfile.ZIP_DEFLATED
    )


@hostile("keras")
def bomb_in_an_asset(path: Path) -> None:
    content = {**members("keras"), "assets/layers/x/vocabulary.txt": b"\n" * (1 << 25)}
    write_zip(path, content, compression=zipfile.ZIP_DEFLATED)


@hostile("streamfit")
def wrong_length(path: Path) -> None:
    write_zip(path, members("streamfit"))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 28] = (2**31 - 1).to_bytes(4, "little") * 2
    path.write_bytes(bytes(data))


@hostile("streamfit")
def overlapping_members(path: Path) -> None:
    write_zip(path, members("streamfit"))
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path.write_bytes(bytes(data))


@hostile("streamfit")
def encrypted(path: Path) -> None:
    write_zip(path, members("streamfit"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))


@hostile("streamfit")
def zero_in_a_name(path: Path) -> None:
    write_zip(path, {**members("streamfit"), "model.jsonXevil": b"{}"})
    path.write_bytes(path.read_bytes().replace(b"model.jsonXevil", b"model.json\x00evil"))


@hostile("streamfit")
def missing_members(path: Path) -> None:
    write_zip(path, {"model.json": members("streamfit")["model.json"]})


@hostile("keras")
def without_weights(path: Path) -> None:
    write_zip(path, {"config.json": members("keras")["config.json"]})


@hostile("streamfit")
def cut(path: Path) -> None:
    data = (Path(GOOD["folder"]) / "good.streamfit").read_bytes()
    path.write_bytes(data[: len(data) // 2])


@hostile("keras")
def pickled(path: Path) -> None:
    path.write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")


@hostile("streamfit")
def newer(path: Path) -> None:
    described(path, lambda description: description.update(version=2))


@hostile("streamfit")
def damaged_json(path: Path) -> None:
    write_zip(path, {**members("streamfit"), "model.json": b'{"format": "streamfit model", '})


@hostile("keras")
def json_list(path: Path) -> None:
    write_zip(path, {**members("keras"), "config.json": b"[1, 2]"})


# -- descriptions -------------------------------------------------------------------------------

add_both("os_system", with_layer("system", {"name": "touch run"}, module="os"))
add_both("builtin_eval", with_layer("eval", {"name": "1"}, module="builtins"))
add_both("import_function", with_layer("__import__", {"name": MODULE}, module="builtins"))
add_both("foreign_class", with_layer("Popen", {"args": ["touch", "run"]}, module="subprocess"))
add_both("own_module", with_layer("Evil", {}, module=MODULE, registered_name=f"{MODULE}>Evil"))
add_both("module_with_our_front", with_layer("os", {}, module="streamfit.kernels.private_files"))
add_both("module_with_dots", with_layer("Dense.__init__.__globals__", {}, module="streamfit.layers"))
add_both("lambda_layer", with_layer("Lambda", {"name": "l", "function": MAKES_A_FILE}))
add_both(
    "lambda_bytecode",
    with_layer("Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}}),
)
add_both("lambda_list", with_layer("Lambda", {"function": ["4wEAAAA=", None, None]}))
add_both("activation_function", with_layer("Dense", {"units": 2, "activation": MAKES_A_FILE}))
add_both(
    "function_of_a_module",
    with_layer(
        "Dense",
        {
            "units": 2,
            "activation": {
                "class_name": "function",
                "config": "system",
                "module": "os",
                "registered_name": "function",
            },
        },
    ),
)
add_both("function_text", with_layer("Dense", {"units": 2, "activation": "os.system"}))
add_both("initializer_of_a_module", with_layer("Dense", {"units": 2, "kernel_initializer": MAKES_A_FILE}))
add_both("vocabulary_path", with_layer("StringLookup", {"vocabulary": SECRET, "name": "dense"}))
add_both("number_path", with_layer("IntegerLookup", {"vocabulary": f"./{SECRET}", "name": "dense"}))
add_both("text_path", with_layer("TextVectorization", {"vocabulary": SECRET, "name": "dense"}))
add_both("vast_bins", with_layer("Discretization", {"num_bins": VAST, "name": "dense"}))
add_both("vast_codes", with_layer("CategoryEncoding", {"num_tokens": VAST, "name": "dense"}))
add_both("vast_hashes", with_layer("Hashing", {"num_bins": VAST, "output_mode": "one_hot", "name": "dense"}))
add_both("vast_axis", with_layer("Normalization", {"axis": VAST, "name": "dense"}))
add_both("vast_dense", with_layer("Dense", {"units": VAST, "name": "dense"}))
add_both("vast_embedding", with_layer("Embedding", {"input_dim": VAST, "output_dim": 4, "name": "dense"}))
add_both("vast_buckets", with_layer("StringLookup", {"num_oov_indices": VAST, "name": "dense"}))
add_both("negative_units", with_layer("Dense", {"units": -3, "name": "dense"}))
add_both("nan_units", with_layer("Dense", {"units": float("nan"), "name": "dense"}))
add_both("infinite_units", with_layer("Dense", {"units": float("inf"), "name": "dense"}))
add_both("no_config", with_layer("Dense", {}))
add_both(
    "array_of_objects",
    with_layer("Dense", {"units": {"class_name": "__numpy__", "config": {"value": [1], "dtype": "O"}}}),
)


def _nested(levels: int) -> Any:
    found: Any = {"class_name": "relu", "config": {}}
    for _ in range(levels):
        found = {"class_name": "Activation", "config": {"activation": found}, "module": "keras.layers"}
    return found


add_both("nested_layers", with_layer("Dense", {"units": 2, "activation": _nested(160)}))


@hostile("keras")
def nested_json(path: Path) -> None:
    deep = b'{"config":' * 100000 + b"1" + b"}" * 100000
    write_zip(path, {**members("keras"), "config.json": deep})


@hostile("streamfit")
def vast_metric(path: Path) -> None:
    auc = {"class_name": "AUC", "module": "streamfit.metrics", "config": {"num_thresholds": VAST}}
    described(path, lambda description: description["compile"].update(metrics=[auc]))


@hostile("keras")
def vast_operating_point(path: Path) -> None:
    config = {"precision": 0.5, "num_thresholds": VAST}
    metric = {"class_name": "RecallAtPrecision", "module": "keras.metrics", "config": config}
    described_keras(path, lambda description: description["compile_config"].update(metrics=[metric]))


@hostile("keras")
def array_of_long_texts(path: Path) -> None:
    array = {"class_name": "__numpy__", "config": {"value": ["a"] * 99, "dtype": "U99999999"}}
    described_keras(path, lambda description: description["compile_config"].update(loss_weights=array))


@hostile("keras")
def foreign_optimizer(path: Path) -> None:
    described_keras(path, lambda description: description["compile_config"].update(optimizer=MAKES_A_FILE))


@hostile("keras")
def foreign_loss(path: Path) -> None:
    described_keras(path, lambda description: description["compile_config"].update(loss="os.system"))


@hostile("keras")
def graph_without_end(path: Path) -> None:
    def change(description: Any) -> None:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["dense", 0, 0]}}
        layer = {**first_layer(description), "name": "dense", "inbound_nodes": [{"args": [tensor]}]}
        ends = [["dense", 0, 0]]
        config = {"layers": [layer], "input_layers": ends, "output_layers": ends}
        description.update(class_name="Functional", module="keras.models", config=config)

    described_keras(path, change)


@hostile("keras")
def operation_of_a_module(path: Path) -> None:
    def change(description: Any) -> None:
        layer = {
            "module": "keras.ops",
            "class_name": "system",
            "config": {},
            "name": "s",
            "inbound_nodes": [],
        }
        ends = [["s", 0, 0]]
        config = {"layers": [layer], "input_layers": ends, "output_layers": ends}
        description.update(class_name="Functional", module="keras.models", config=config)

    described_keras(path, change)


# -- safetensors --------------------------------------------------------------------------------


def _tensors(path: Path, header: Any, data: bytes = b"\0" * 32, size: int | None = None) -> None:
    text = json.dumps(header).encode()
    path.write_bytes((len(text) if size is None else size).to_bytes(8, "little") + text + data)


@hostile("safetensors")
def lying_length(path: Path) -> None:
    _tensors(path, {"0000/kernel": {"dtype": "F32", "shape": [VAST], "data_offsets": [0, 4 * VAST]}})


@hostile("safetensors")
def overlap(path: Path) -> None:
    one = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}
    _tensors(path, {"0000/kernel": one, "0001/bias": one})


@hostile("safetensors")
def vast_header(path: Path) -> None:
    _tensors(path, {}, size=2**62)


@hostile("safetensors")
def negative_shape(path: Path) -> None:
    _tensors(path, {"0000/kernel": {"dtype": "F32", "shape": [-8], "data_offsets": [0, 32]}})


@hostile("safetensors")
def unknown_dtype(path: Path) -> None:
    _tensors(path, {"0000/kernel": {"dtype": "OBJECT", "shape": [8], "data_offsets": [0, 32]}})


@hostile("streamfit")
def lying_weights(path: Path) -> None:
    header = {"weight/0000/kernel": {"dtype": "F32", "shape": [VAST], "data_offsets": [0, 4 * VAST]}}
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + b"\0" * 32
    write_zip(path, {**members("streamfit"), "weights.safetensors": data})


# -- HDF5 ---------------------------------------------------------------------------------------


def hdf5(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Add three files whose HDF5 content was changed: weights, a model of Keras 3, one of Keras 2."""

    def add(change: Callable[[Any], None]) -> Callable[[Any], None]:
        def changed(data: bytes) -> bytes:
            buffer = io.BytesIO(data)
            with h5py.File(buffer, "r+") as file:
                change(file)
            return buffer.getvalue()

        def whole(path: Path) -> None:
            content = members("keras")
            write_zip(path, {**content, "model.weights.h5": changed(content["model.weights.h5"])})

        def plain(ending: str) -> Maker:
            return lambda path: _put(path, changed((Path(GOOD["folder"]) / f"good.{ending}").read_bytes()))

        FILES[f"hostile_{name}.keras"] = whole
        FILES[f"hostile_{name}.weights.h5"] = plain("weights.h5")
        FILES[f"hostile_{name}.h5"] = plain("h5")
        return change

    return add


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _place(file: Any) -> tuple[Any, str]:
    """Return the group and the name of the kernel in a file of either form."""
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", ()) == (3, 2) else None)
    group, _, name = found[0].rpartition("/")
    return file[group], name


def _replaced(make: Callable[[Any, str], object]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        group, name = _place(file)
        del group[name]
        make(group, name)

    return change


hdf5("external_link")(
    _replaced(lambda group, name: group.__setitem__(name, h5py.ExternalLink("good.weights.h5", "/vars")))
)
hdf5("soft_link")(_replaced(lambda group, name: group.__setitem__(name, h5py.SoftLink("/elsewhere"))))
hdf5("external_storage")(
    _replaced(lambda g, n: g.create_dataset(n, (3, 2), "f4", external=[(SECRET, 0, h5py.h5f.UNLIMITED)]))
)


def _virtual(group: Any, name: str) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[...] = h5py.VirtualSource("good.weights.h5", "x", (3, 2))
    group.create_virtual_dataset(name, layout)


hdf5("virtual")(_replaced(_virtual))
hdf5("shape_bomb")(_replaced(lambda group, name: group.create_dataset(name, (VAST,), "f4", chunks=(1024,))))
hdf5("unwritten_bomb")(_replaced(lambda group, name: group.create_dataset(name, (VAST,), "f4")))
hdf5("compressed_bomb")(
    _replaced(
        lambda g, n: g.create_dataset(n, data=np.zeros(1 << 22, "f4"), compression="gzip", chunks=(1 << 20,))
    )
)
hdf5("objects")(
    _replaced(lambda group, name: group.create_dataset(name, data=["touch run"], dtype=h5py.string_dtype()))
)
hdf5("references")(_replaced(lambda group, name: group.create_dataset(name, (3, 2), dtype=h5py.ref_dtype)))
hdf5("compound")(
    _replaced(
        lambda group, name: group.create_dataset(name, data=np.zeros((3, 2), [("a", "f4"), ("b", "i4")]))
    )
)
hdf5("wrong_dtype")(
    _replaced(lambda group, name: group.create_dataset(name, data=np.zeros((3, 2), "complex64")))
)
hdf5("group_for_array")(_replaced(lambda group, name: group.create_group(name)))
hdf5("missing_array")(_replaced(lambda group, name: None))
hdf5("null_space")(_replaced(lambda group, name: group.create_dataset(name, dtype="f4")))


@hdf5("circle")
def circle(file: Any) -> None:
    group, _ = _place(file)
    group["again"] = file["/"]


@hdf5("named_type")
def named_type(file: Any) -> None:
    file["type"] = np.dtype("f8")


@hostile("h5")
def texts_that_repeat(path: Path) -> None:
    """Three thousand names of layers that are one long text in the file."""
    length, count, entry = 1 << 20, 3000, 16
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["x" * length, *(f"{i:04d}" for i in range(count))], object)
    data = path.read_bytes()
    size = length.to_bytes(4, "little")
    places = (at for at in range(len(data) - entry) if data[at : at + 4] == size)
    at = next(at for at in places if data[at + entry : at + entry + 4] == (4).to_bytes(4, "little"))
    end = at + entry * (count + 1)
    path.write_bytes(data[:at] + data[at : at + entry] * (count + 1) + data[end:])


@hostile("h5")
def legacy_lambda(path: Path) -> None:
    layer = {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None], "name": "l"}}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = [b"l"]


@hostile("h5")
def legacy_pickle(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = np.void(b"cos\nsystem\n(S'touch run'\ntR.")


@hostile("h5")
def legacy_names(path: Path) -> None:
    """Names of groups that lead out of the group."""
    path.write_bytes((Path(GOOD["folder"]) / "good.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["layer_names"] = [b"../../etc/passwd"]


@hostile("weights.h5")
def no_hdf5(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 4096)


@hostile("weights.h5")
def other_shape(path: Path) -> None:
    path.write_bytes((Path(GOOD["folder"]) / "good.weights.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group, name = _place(file)
        del group[name]
        group[name] = np.zeros((2, 3), "f4")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Make all files, and return what happened to each in the child."""
    folder = tmp_path_factory.mktemp("hostile")
    GOOD["folder"] = str(folder)
    for ending in ("streamfit", "keras", "h5"):
        small().save(folder / f"good.{ending}")
    for ending in ("safetensors", "weights.h5"):
        small().save_weights(folder / f"good.{ending}")
    (folder / SECRET).write_text("red\n")
    (folder / f"{MODULE}.py").write_text("open('run', 'w').close()\n")
    for name, make in FILES.items():
        make(folder / name)
    command = [sys.executable, "-c", CHILD, str(folder)]
    done = subprocess.run(
        command, env=environment(), cwd=folder, timeout=100, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (folder / "run").exists()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(120)
def test_no_hostile_file_succeeds(opened: dict[str, Any]) -> None:
    assert len(opened) == len(FILES) > 100
    wrong = {
        name: found
        for name, found in opened.items()
        if found[0] != "ValueError" or len(found[1]) < 20 or found[2] or found[3]
    }
    assert not wrong


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hostile_traversal.keras", "no model file has"),
        ("hostile_duplicate_entries.streamfit", "two members called 'model.json'"),
        ("hostile_link_to_a_file.streamfit", "no regular file"),
        ("hostile_bomb.streamfit", "compressed or encrypted"),
        ("hostile_newer.streamfit", "version 2"),
        ("hostile_vocabulary_path.keras", "opens no other file"),
        ("hostile_vast_dense.streamfit", "more than the whole file holds"),
        ("hostile_vast_metric.streamfit", "more than the whole file holds"),
        ("hostile_external_link.weights.h5", "is a link of kind ExternalLink"),
        ("hostile_virtual.h5", "values in another file"),
        ("hostile_external_storage.keras", "values in another file"),
        ("hostile_shape_bomb.keras", "more than the file's"),
        ("hostile_circle.h5", "under two names"),
        ("hostile_texts_that_repeat.h5", "more text than the file"),
        ("hostile_array_of_long_texts.keras", "more than the whole file holds"),
        ("hostile_own_module.keras", "Nothing that a file names is imported"),
    ],
)
def test_the_error_says_what_is_wrong(opened: dict[str, Any], name: str, message: str) -> None:
    assert message in opened[name][1]
