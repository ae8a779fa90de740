"""The tool that runs Keras' unit tests: what it counts, which names it finds, what may be left out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from keras_tests import importing, missing
from keras_tests.files import GROUPS, MUST_PASS
from keras_tests.left_out import REASONS, Entry, read_list, reason_for
from keras_tests.named_product import named_product
from keras_tests.report import BEGIN, END, count, failures, group_table, replace_table, unused
from keras_tests.running import Result, copy_tests

import streamfit

ENTRIES = [Entry("a_test.py", "*sparse*", "sparse tensors"), Entry("b_test.py", "Case::test_x", "LoRA")]
RESULTS = [
    Result("a_test.py::Case::test_one", "passed"),
    Result("a_test.py::Case::test_two", "passed", other_words=2),
    Result("a_test.py::Case::test_three", "failed", "somewhere:\nE   ValueError: no\nE   more"),
    Result("a_test.py::Case::test_four", "skipped"),
    Result("a_test.py::Case::test_sparse_one", "failed", "E   no"),
    Result("b_test.py::Case::test_x", "passed"),
]


def test_a_test_counts_unless_it_is_left_out() -> None:
    found = count(RESULTS, ENTRIES)
    assert (found.passed, found.failed, found.left_out, found.other_words) == (2, 2, 2, 1)
    assert found.percent == 50.0
    assert count([], ENTRIES).percent == 0.0
    assert count(RESULTS[-1:], ENTRIES).percent == 100.0


def test_a_table_has_a_row_for_each_file_and_their_sum() -> None:
    table, total = group_table(["a_test.py", "b_test.py"], RESULTS, ENTRIES)
    rows = table.splitlines()
    assert rows[2] == "| `a_test.py` | 2 | 2 | 1 | 50 % | 1 |"
    assert rows[3] == "| `b_test.py` | 0 | 0 | 1 | 100 % | 0 |"
    assert rows[4] == "| **all** | 2 | 2 | 2 | 50 % | 1 |"
    assert total.left_out == 2


def test_failures_are_those_that_count_with_their_first_line() -> None:
    assert failures(RESULTS, ENTRIES).splitlines() == [
        "a_test.py::Case::test_three",
        "    ValueError: no",
        "a_test.py::Case::test_four",
        "    it skipped itself",
    ]


def test_entries_that_name_nothing_are_found() -> None:
    assert unused([*ENTRIES, Entry("a_test.py", "*gone*", "LoRA")], RESULTS) == [
        Entry("a_test.py", "*gone*", "LoRA")
    ]


def test_the_list_has_only_the_reasons_that_are_allowed(tmp_path: Path) -> None:
    entries = read_list()
    assert {entry.reason.partition(":")[0] for entry in entries} <= set(REASONS)
    known = {file for group in GROUPS.values() for file in group}
    assert {entry.file for entry in entries} <= known
    assert reason_for("layers/core/embedding_test.py::EmbeddingTest::test_correctness", entries) is None
    wrong = tmp_path / "list.toml"
    wrong.write_text('["a_test.py"]\n"*" = "too hard"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="another reason"):
        read_list(wrong)


def test_all_groups_but_the_last_must_pass() -> None:
    assert (*MUST_PASS, "other") == tuple(GROUPS)


def test_tables_stand_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n", encoding="utf-8")
    replace_table(page, "new \\1")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nnew \\1\n{END}\nbehind\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold the lines"):
        replace_table(page, "new")


def test_named_product_is_that_of_the_parts_in_order() -> None:
    found = named_product([{"testcase_name": "int", "mode": 1}], size=(4, 5), kind=[float])
    assert found == [
        {"testcase_name": "int_4_float", "mode": 1, "size": 4, "kind": float},
        {"testcase_name": "int_5_float", "mode": 1, "size": 5, "kind": float},
    ]


def test_files_are_copied_with_the_data_beside_them(tmp_path: Path) -> None:
    source = tmp_path / "keras" / "src" / "saving"
    (source / "test_data").mkdir(parents=True)
    (source / "a_test.py").write_text("pass", encoding="utf-8")
    (source / "test_data" / "x.bin").write_bytes(b"x")
    copy_tests(tmp_path / "keras", ["saving/a_test.py"], tmp_path / "copy")
    assert (tmp_path / "copy" / "saving" / "a_test.py").exists()
    assert (tmp_path / "copy" / "saving" / "test_data" / "x.bin").exists()


@pytest.fixture
def keras_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in ("layers/core/dense.py", "layers/__init__.py", "ops/__init__.py", "fancy.py"):
        place = tmp_path / "src" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("raise RuntimeError('its code must not run')", encoding="utf-8")
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "keras"]:
        monkeypatch.delitem(sys.modules, name)
    importing.install(tmp_path, {"ops": {"ones": "ours"}})
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "keras"]:
        del sys.modules[name]


def test_names_of_keras_lead_to_streamfit(keras_folder: Path) -> None:
    find = importlib.import_module
    assert find("keras.src.layers.core.dense").Dense is streamfit.layers.Dense
    assert find("keras").Sequential is streamfit.Sequential
    assert find("keras.src.ops").ones == "ours"
    assert find("keras.src.ops").abs is streamfit.ops.abs
    assert isinstance(find("keras.src").fancy.name, missing.Missing)
    with pytest.raises(ModuleNotFoundError):
        find("keras.src.not_there")


def test_what_is_missing_fails_only_tests_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = missing.Missing("keras.layers.Gone")

    class Derived(gone):  # type: ignore[misc, valid-type]
        """Made while a file is imported."""

    @gone.decorator
    def function() -> int:
        return 1

    assert function() == 1
    assert isinstance(gone("package").more, missing.Missing)
    monkeypatch.setattr(missing.phase, "running", True)
    uses = [
        lambda: gone(),
        lambda: gone.attribute,
        lambda: bool(gone),
        lambda: list(gone),
        lambda: Derived(),
        lambda: isinstance(1, gone),  # type: ignore[arg-type]
    ]
    for use in uses:
        with pytest.raises(missing.MissingError, match=r"streamfit has no keras\.layers\.Gone"):
            use()
