"""The rules of the architecture hold: layers, sides, circles, names, sizes, dependencies.

The rules are in ``tools/structure.py``. The second part plants each kind of offence in a small tree and
expects the rule to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from source_tree import SourceTree
from structure import (
    DATA_SIDE,
    FUNCTION_LINES,
    LAYERS,
    MATH_SIDE,
    MODULE_LINES,
    MOST_ANY,
    ROOT,
    RULES,
    declared,
    doubled_names,
    far_calls,
    foreign_compilers,
    import_circles,
    long_winded,
    missing_modules,
    oversized,
    private_imports,
    report,
    retired_names,
    rising_imports,
    side_crossings,
    stray_dependencies,
    too_many_any,
    unknown_packages,
    unmarked_folders,
    workers_order,
)

# --- the library keeps them


@pytest.fixture(scope="module")
def tree() -> SourceTree:
    return SourceTree(ROOT / "streamfit")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_keeps_the_rule(tree: SourceTree, rule: Callable[[SourceTree], Iterator[str]]) -> None:
    offences = list(rule(tree))
    assert not offences, "\n" + "\n".join(offences)


def test_package_imports_only_what_it_declares_and_optional_packages_in_one_file(tree: SourceTree) -> None:
    offences = list(stray_dependencies(tree, *declared(ROOT / "pyproject.toml")))
    assert not offences, "\n" + "\n".join(offences)


def test_sides_are_packages_of_the_table() -> None:
    assert {package for packages in LAYERS for package in packages} >= DATA_SIDE | MATH_SIDE
    assert not DATA_SIDE & MATH_SIDE


# --- and the rules see what they should: one planted offence each


def build(folder: Path, **files: str) -> SourceTree:
    """Lay out a small tree: ``ops__relu`` is ``streamfit/ops/relu.py``, ``ops`` its ``__init__.py``."""
    root = folder / "streamfit"
    for name, source in files.items():
        inside = name.replace("__", "/")
        path = root / (f"{inside}.py" if "/" in inside else f"{inside}/__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    for package in {path.parent for path in root.rglob("*.py")} | {root}:
        (package / "__init__.py").touch()
    return SourceTree(root)


UPWARD = {
    "plain": "import streamfit.layers.dense\n",
    "from": "from streamfit.layers.dense import Dense\n",
    "relative": "from ..layers.dense import Dense\n",
    "in a function": "def f():\n    from streamfit.layers import dense\n",
    "for types": "import typing\nif typing.TYPE_CHECKING:\n    from streamfit.layers.dense import Dense\n",
    "by string": "import importlib\nimportlib.import_module('streamfit.layers.dense')\n",
    "facade": "import streamfit\n",
}


@pytest.mark.parametrize("source", UPWARD.values(), ids=UPWARD.keys())
def test_upward_import_is_found(tmp_path: Path, source: str) -> None:
    tree = build(tmp_path, ops__relu=source, layers__dense="class Dense: ...\n")
    assert [line.split(":")[0] for line in rising_imports(tree)] == ["streamfit.ops.relu"]


def test_import_on_the_same_layer_is_found_and_downward_is_fine(tmp_path: Path) -> None:
    tree = build(
        tmp_path,
        losses__mse="from streamfit.metrics import mean\n",
        metrics__mean="from streamfit.ops import total\nfrom streamfit._base.errors import DataError\n",
        ops__total="",
        _base__errors="class DataError(Exception): ...\n",
    )
    assert list(rising_imports(tree)) == ["streamfit.losses.mse:1 imports streamfit.metrics.mean"]


@pytest.mark.parametrize(
    ("package", "source"),
    [("streams", "from streamfit.kernels import matrix\n"), ("ops", "from streamfit.workers import pool\n")],
)
def test_knowledge_of_the_other_side_is_found(tmp_path: Path, package: str, source: str) -> None:
    files = {
        f"{package}__order": source,
        "kernels__matrix": "",
        "kernels__decorator": "",
        "workers__pool": "",
    }
    tree = build(tmp_path, **files)
    assert len(list(side_crossings(tree))) == 1


def test_bridge_between_the_sides_is_open(tmp_path: Path) -> None:
    tree = build(
        tmp_path,
        streams__order="from streamfit.kernels.decorator import kernel\n",
        kernels__decorator="kernel = 1\n",
    )
    assert not list(side_crossings(tree))
    assert not list(rising_imports(tree))


@pytest.mark.parametrize(
    "back", ["from streamfit.ops import a\n", "def f():\n    from streamfit.ops.a import x\n"]
)
def test_circle_is_found(tmp_path: Path, back: str) -> None:
    tree = build(
        tmp_path, ops__a="from streamfit.ops import b\n", ops__b=back, ops__c="from streamfit.ops import a\n"
    )
    assert list(import_circles(tree)) == ["streamfit.ops.a <-> streamfit.ops.b"]


def test_circle_through_a_package_is_found(tmp_path: Path) -> None:
    tree = build(tmp_path, ops="from streamfit.ops.a import x\n", ops__a="from streamfit.ops import y\n")
    assert list(import_circles(tree)) == ["streamfit.ops <-> streamfit.ops.a"]


def test_oversized_function_and_module_are_found(tmp_path: Path) -> None:
    body = "    x = 1\n"
    longest = "def fits():\n" + body * (FUNCTION_LINES - 1)
    tree = build(
        tmp_path,
        ops__a=longest + "def too_long():\n" + body * FUNCTION_LINES,
        ops__b="\n" * MODULE_LINES,
        ops__c="\n" * (MODULE_LINES + 1),
    )
    assert [line.split(" has ")[0] for line in oversized(tree)] == [
        "streamfit.ops.a:81 too_long",
        "streamfit.ops.c",
    ]
    assert list(long_winded(tree))


def test_docstring_is_not_code(tmp_path: Path) -> None:
    tree = build(tmp_path, ops__a='def f():\n    """One.\n' + "\n" * 20 + '    """\n    return 1\n')
    assert not list(long_winded(tree))


def test_private_names_of_other_packages_are_found(tmp_path: Path) -> None:
    tree = build(
        tmp_path,
        ops__a="from streamfit.kernels.matrix import _add\n",
        ops__b="from streamfit.ops.a import _inner\nfrom streamfit._base.errors import DataError\n",
        kernels__matrix="",
        _base__errors="",
    )
    assert list(private_imports(tree)) == ["streamfit.ops.a:1 imports streamfit.kernels.matrix._add"]


@pytest.mark.parametrize(
    "source",
    [
        "import numba\n@numba.njit\ndef f(): ...\n",
        "from numba import njit\n",
        "from streamfit.kernels.decorator import kernel\n@kernel(parallel=True)\ndef f(): ...\n",
    ],
)
def test_numba_options_outside_the_decorator_are_found(tmp_path: Path, source: str) -> None:
    tree = build(
        tmp_path, ops__a=source, kernels__decorator="import numba\nkernel = numba.njit(cache=True)\n"
    )
    assert len(list(foreign_compilers(tree))) == 1


def test_kernel_that_calls_another_packages_function_is_found(tmp_path: Path) -> None:
    head = "from streamfit.kernels.decorator import kernel\n"
    call = head + "from streamfit.{} import add\n@kernel\ndef f(x):\n    add(x)\n"
    tree = build(
        tmp_path,
        ops__near=call.format("kernels.matrix"),
        ops__far=call.format("ops.sums"),
        ops__sums="",
        kernels__matrix="",
        kernels__decorator="",
    )
    assert list(far_calls(tree)) == ["streamfit.ops.far:4 f calls add"]


def test_stray_and_doubled_dependencies_are_found(tmp_path: Path) -> None:
    tree = build(
        tmp_path,
        ops__a="import numpy, json\nimport torch\n",
        ops__b="def f(): require('matplotlib.pyplot', 'plot')\n",
        ops__c="def f():\n    import matplotlib\n",
    )
    found = list(stray_dependencies(tree, {"numpy"}, {"matplotlib"}))
    assert found == [
        "streamfit.ops.a:2 imports torch, which pyproject.toml does not declare",
        "the optional matplotlib is imported in more than one file: streamfit.ops.b, streamfit.ops.c",
    ]


def test_folder_that_is_no_package_is_found(tmp_path: Path) -> None:
    tree = build(tmp_path, ops__a="")
    assert not list(unmarked_folders(tree))
    (tmp_path / "streamfit" / "ops" / "__init__.py").unlink()
    assert list(unmarked_folders(tree)) == ["ops has no __init__.py"]


def test_unknown_package_and_missing_module_are_found(tmp_path: Path) -> None:
    tree = build(tmp_path, cellar__wine="", ops__a="from streamfit.kernels.gone import add\n")
    assert list(unknown_packages(tree)) == ["cellar is in no row of LAYERS"]
    assert list(missing_modules(tree)) == ["streamfit.ops.a:1 imports streamfit.kernels.gone.add"]


def test_upward_import_inside_workers_is_found(tmp_path: Path) -> None:
    tree = build(
        tmp_path,
        workers__transport__wire="from streamfit.workers.recovery import deadline\n",
        workers__recovery__deadline="from streamfit.workers.transport import wire\n",
        workers__pool__factory="from streamfit.workers.processes.pool import ProcessPool\n",
        workers__processes__pool="class ProcessPool: ...\n",
    )
    assert list(workers_order(tree)) == [
        "streamfit.workers.transport.wire:1 imports streamfit.workers.recovery.deadline"
    ]


def test_retired_names_are_found(tmp_path: Path) -> None:
    tree = build(tmp_path, workers__a="class Crew: ...\n# asks the nursery\n", ops__b="crewed = 1\n")
    assert list(retired_names(tree)) == [
        "streamfit.workers.a:1 defines Crew",
        "streamfit.workers.a:1 says 'Crew'",
        "streamfit.workers.a:2 says 'nursery'",
    ]


def test_doubled_names_are_found(tmp_path: Path) -> None:
    keras = "class Hinge: ...\n"
    tree = build(
        tmp_path,
        losses__hinge=keras,
        metrics__hinge=keras,
        workers__state="class State: ...\n",
        streams__state="class State: ...\n",
    )
    both = "streamfit.streams.state, streamfit.workers.state"
    expected = [f"the {kind} stands in {both}" for kind in ("class State", "file state")]
    assert list(doubled_names(tree)) == expected


def test_any_is_counted(tmp_path: Path) -> None:
    few = build(tmp_path / "few", ops__a="x: Any\n" * MOST_ANY + "Anybody = 1\n")
    assert not list(too_many_any(few))
    many = build(tmp_path / "many", ops__a="x: Any\n" * (MOST_ANY + 1))
    expected = f"the word Any stands {MOST_ANY + 1} times in streamfit, more than {MOST_ANY}"
    assert list(too_many_any(many)) == [expected]


def test_report_names_each_rule_and_says_whether_all_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(build(tmp_path / "good", ops__a="def f():\n    return 1\n"))
    assert "import circles" in capsys.readouterr().out
    assert not report(build(tmp_path / "bad", ops__a="def f():\n    x: Any = Crew\n"))
    assert "streamfit.ops.a:2 says 'Crew'" in capsys.readouterr().out
