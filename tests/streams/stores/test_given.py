"""Arguments that all formats have: what is given wrongly is refused, not guessed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamfit import DataError, Input, Sequential, files, layers

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")
pytestmark = [pytest.mark.extras, pytest.mark.timeout(60)]


@pytest.fixture
def folder(tmp_path):
    """One small file of each format."""

    from pyarrow import feather, parquet

    table = pa.table({"id": range(4), "s": list("abab")})
    parquet.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, tmp_path / "a.feather")
    (tmp_path / "a.csv").write_text("id,s\n0,a\n1,b\n2,a\n3,b\n")
    (tmp_path / "a.jsonl").write_text('{"id": 0, "s": "a"}\n{"id": 1}\n{"id": 2}\n{"id": 3}\n')
    (tmp_path / "a.txt").write_text("0\n1\n2\n3\n")
    return tmp_path


FORMATS = {"parquet": "a.parquet", "arrow": "a.feather", "csv": "a.csv", "json_lines": "a.jsonl"}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("role", "wrong"), [("nulls", 0), ("categories", ["a", "b"]), ("casts", "float32")])
def test_rules_are_dictionaries_by_column(folder, name, role, wrong):
    with pytest.raises(TypeError, match=rf"{name}\(\): {role}=.*write a dictionary by column"):
        getattr(files, name)(folder / FORMATS[name], **{role: wrong})


def test_one_text_is_no_list_of_its_letters(folder):
    with pytest.raises(TypeError, match=r"null_values='NA': write a list, null_values=\['NA'\]"):
        files.csv(folder / "a.csv", null_values="NA")
    with pytest.raises(TypeError, match=r"column_names='xy': write a list"):
        files.csv(folder / "a.csv", column_names="xy")
    with pytest.raises(TypeError, match=r"endings='.csv': write a list, endings=\['.csv'\]"):
        files.text_lines(folder, endings=".csv")
    with pytest.raises(TypeError, match=r"null_values=3: write a list of texts"):
        files.csv(folder / "a.csv", null_values=3)
    with pytest.raises(TypeError, match=r"categories=\{'s': 'ab'\}: write a list of categories"):
        files.parquet(folder / "a.parquet", categories={"s": "ab"})
    with pytest.raises(TypeError, match=r"types=\['int8'\]: write a dictionary"):
        files.csv(folder / "a.csv", types=["int8"])


def test_lengths_and_types_are_checked_at_once(folder):
    with pytest.raises(ValueError, match=r"pad\['id'\] must be at least 1, got 0"):
        files.parquet(folder / "a.parquet", pad={"id": 0})
    with pytest.raises(TypeError, match=r"pad\['id'\] must be a whole number of at least 1, got '3'"):
        files.parquet(folder / "a.parquet", pad={"id": "3"})
    with pytest.raises(ValueError, match=r"casts=\{'id': .*no type of Arrow has that name"):
        files.parquet(folder / "a.parquet", casts={"id": np.float64})


def test_a_fill_that_a_column_cannot_hold_is_refused(tmp_path):
    made = pa.table({"i": pa.array([1, None], pa.int8()), "b": pa.array([True, None])})
    for wrong in (0.5, 300, "x"):
        with pytest.raises(DataError, match=r"nulls=\{'i': "):
            files.table(made, "i", nulls={"i": wrong})
    assert files.table(made, "i", nulls={"i": 2.0}).batch(2).peek().tolist() == [1, 2]
    with pytest.raises(DataError, match=r"nulls=\{'b': False\}"):
        files.table(made, "b")
    assert files.table(made, "b", nulls={"b": False}).batch(2).peek().tolist() == [True, False]


@pytest.mark.parametrize("name", [*FORMATS, "text_lines"])
def test_a_program_may_change_its_folder_before_it_reads(folder, monkeypatch, tmp_path_factory, name):
    monkeypatch.chdir(folder)
    file = FORMATS.get(name, "a.txt")
    made = getattr(files, name)(file, *(["id"] if name in FORMATS else []))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert [int(value) for value in itertools.chain(*made.batch(3))] == [0, 1, 2, 3]


def test_one_file_by_two_names_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match="is named twice"):
        files.parquet(["a.parquet", folder / "a.parquet"])


def test_what_is_no_path_is_refused(folder):
    with pytest.raises(TypeError, match=r"needs paths, got a dict; what is open or in memory goes to"):
        files.parquet({"a": [1]})
    with (folder / "a.parquet").open("rb") as file, pytest.raises(TypeError, match=r"needs a path.*got <_io"):
        files.parquet(file)
    with pytest.raises(TypeError, match=r"needs a path.*got b'a.parquet'"):
        files.parquet(b"a.parquet")
    with pytest.raises(FileNotFoundError, match=r"no file '~/a.csv'; write os.path.expanduser\('~/a.csv'\)"):
        files.csv("~/a.csv")
    with pytest.raises(FileNotFoundError, match=r"no file 's3://b/a.csv'; only files that the system shows"):
        files.csv("s3://b/a.csv")


@pytest.mark.parametrize(
    ("filters", "kind", "message"),
    [
        (
            [("i", ">", 1)],
            ValueError,
            r"FieldRef.Name\(i\); the columns are \[\('id', 'int64'\), ",
        ),
        ([("id", ">", "x")], ValueError, r"filters do not fit the columns: .*int64, string"),
        ([("id", "=>", 1)], ValueError, r"filters=\[\('id', '=>', 1\)\]: \"=>\" is not a valid operator"),
        (("id", ">", 1), TypeError, r"write a list such as \[\('age', '>', 30\)\]"),
        ("id > 1", TypeError, r"filters='id > 1': write a list"),
    ],
)
def test_filters_that_cannot_be_used_are_named(folder, filters, kind, message):
    with pytest.raises(kind, match=message):
        files.parquet(folder / "a.parquet", filters=filters)


def test_a_set_of_columns_has_no_order(folder):
    with pytest.raises(TypeError, match=r"target=\{'id'\}: write the name of a column, a list of names"):
        files.parquet(folder / "a.parquet", "s", {"id"})
    with pytest.raises(TypeError, match=r"columns=3: write the name of a column"):
        files.parquet(folder / "a.parquet", 3)


def test_columns_of_two_types_make_no_matrix(tmp_path):
    made = pa.table({"a": pa.array([1.0], "float32"), "b": pa.array([2], "int8")})
    with pytest.raises(DataError, match=r"make no matrix; .* casts=\{'b': 'float32'\} in tables"):
        files.table(made, {"x": ["a", "b"]})
    joined = files.table(made, {"x": ["a", "b"]}, casts={"b": "float32"})
    assert joined.peek()["x"].tolist() == [1.0, 2.0]


def test_a_run_goes_on_with_the_same_rows_alone(folder):
    def identity(**rules):
        return files.parquet(folder / "a.parquet", ["id", "s"], **rules).stage.identity()

    kept = identity(filters=[("id", "<", 2)])
    assert kept == identity(filters=[("id", "<", 2)])
    assert kept != identity(filters=[("id", ">=", 2)])  # as many rows
    words = identity(categories={"s": ["a", "b"]})
    assert words == identity(categories={"s": ["a", "b"]})
    assert words != identity(categories={"s": ["b", "a"]})
    assert set(identity()) == {"files", "rows", "bytes", "row groups", "columns"}


def test_columns_that_the_model_has_no_input_for_say_what_to_write(folder):
    model = Sequential([Input((2,), name="numbers"), layers.Dense(1)])
    model.compile("sgd", "mse")
    columns = files.parquet(folder / "a.parquet", ["id"], "id")
    with pytest.raises(DataError, match=r"one input of this name, columns=\{'numbers': "):
        model.fit(columns, verbose=0)
    with pytest.raises(ValueError, match=r"of a table name their columns: target=, weight="):
        model.fit(columns, np.zeros(4), verbose=0)


def test_folders_that_only_some_files_have(folder):
    (folder / "run=3").mkdir()
    (folder / "a.parquet").rename(folder / "run=3" / "a.parquet")
    (folder / "b.parquet").write_bytes((folder / "run=3" / "a.parquet").read_bytes())
    with pytest.raises(DataError, match=r"where such folders are no columns write partitions=False"):
        files.parquet(folder)
    assert len(files.parquet(folder, partitions=False)) == 8
