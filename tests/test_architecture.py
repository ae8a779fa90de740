"""The package rules, checked on the source itself: layers, sides, circles, sizes, dependencies.

The rules are the tables below; ``tools/source_tree.py`` reads the source. The last part plants each kind of
offence in a small tree and expects it to be found.
"""

from __future__ import annotations

import ast
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from source_tree import Import, Module, SourceTree, circles, decorators

ROOT = Path(__file__).resolve().parent.parent

# From the ground up. A room may import packages of the rows above its own in this table, and itself.
# The third floor has steps: layers are put together from initializers, metrics average losses.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_base",),
    ("kernels", "workers"),
    ("ops", "streams"),
    ("activations", "augment", "constraints", "initializers", "regularizers"),
    ("layers", "losses", "optimizers"),
    ("metrics",),
    ("program",),
    ("distribute", "saving", "training"),
    ("models",),
    ("callbacks", "demo", "testing", "utils"),
)
DATA_SIDE = {"workers", "streams", "augment"}
MATH_SIDE = {
    *("kernels", "ops", "program", "layers", "losses", "metrics", "optimizers"),
    *("activations", "constraints", "initializers", "regularizers"),
}
BRIDGES = {"streamfit.kernels.decorator"}  # the decorator: jitted order and augmentation are kernels too

MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES = 450, 80, 10
POLICY = "streamfit.kernels.decorator"
COMPILERS = {"cfunc", "generated_jit", "guvectorize", "jit", "jitclass", "njit", "stencil", "vectorize"}
OPTIONS = {
    "boundscheck",
    "cache",
    "error_model",
    "fastmath",
    "forceobj",
    "inline",
    "nogil",
    "nopython",
    "parallel",
}
IMPORT_NAMES = {"scikit-learn": "sklearn"}
BUILT_ON_NUMBA = {"llvmlite"}  # comes with Numba; the native walk over calls is written with it


def layer_of(package: str) -> int:
    """Count the layers below a room; one that is in no row stands above the roof."""
    return next((number for number, packages in enumerate(LAYERS) if package in packages), len(LAYERS))


def is_facade(module: Module) -> bool:
    """Return whether a module may see everything: the package itself and its command line."""
    return module.package in ("", "__main__")


def place(module: Module, found: Import) -> str:
    return f"{module.name}:{found.line} imports {found.dotted}"


# --- the rules: each yields one line of text for each offence


def unknown_packages(tree: SourceTree) -> Iterator[str]:
    known = {package for packages in LAYERS for package in packages}
    yield from (f"{package} is in no row of FLOORS" for package in tree.packages if package not in known)


def unmarked_folders(tree: SourceTree) -> Iterator[str]:
    folders = {module.path.parent for module in tree.modules.values()}
    yield from (
        f"{folder.name} has no __init__.py" for folder in folders if not (folder / "__init__.py").exists()
    )


def rising_imports(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        if is_facade(module):
            continue
        for target, found in tree.edges(module):
            package = tree.modules[target].package if target in tree.modules else target.partition(".")[2]
            if package != module.package and (not package or layer_of(package) >= layer_of(module.package)):
                yield place(module, found)


def side_crossings(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        other = (
            MATH_SIDE if module.package in DATA_SIDE else DATA_SIDE if module.package in MATH_SIDE else set()
        )
        for target, found in tree.edges(module):
            if target.split(".")[1:2] and target.split(".")[1] in other and target not in BRIDGES:
                yield place(module, found)


def import_circles(tree: SourceTree) -> Iterator[str]:
    yield from (" <-> ".join(knot) for knot in circles(tree.graph()))


def missing_modules(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        yield from (
            place(module, found) for target, found in tree.edges(module) if target not in tree.modules
        )


def private_imports(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        for _, found in tree.edges(module):
            parts = found.dotted.split(".")[1:]
            hidden = [part for part in parts[1:] if part.startswith("_") and not part.endswith("__")]
            if hidden and parts[0] != module.package:
                yield place(module, found)


def oversized(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        if module.lines > MODULE_LINES:
            yield f"{module.name} has {module.lines} lines, more than {MODULE_LINES}"
        for function in module.functions:
            if function.length > FUNCTION_LINES:
                where = f"{module.name}:{function.line} {function.name}"
                yield f"{where} has {function.length} lines, more than {FUNCTION_LINES}"


def long_winded(tree: SourceTree) -> Iterator[str]:
    lengths = [function.code for module in tree.modules.values() for function in module.functions]
    middle = statistics.median(lengths) if lengths else 0
    if middle >= MEDIAN_LINES:
        yield f"half of the functions have {middle} lines of code or more, not below {MEDIAN_LINES}"


def foreign_compilers(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        if module.name == POLICY:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
                named = {alias.name for alias in node.names} & COMPILERS
            else:
                named = {node.attr} & COMPILERS if isinstance(node, ast.Attribute) else set()
            if named:
                yield f"{module.name}:{node.lineno} names numba's {', '.join(sorted(named))}; use @kernel"
        for mark in decorators(module.tree):
            given = {word.arg for word in mark.keywords if word.arg} if isinstance(mark, ast.Call) else set()
            options = ", ".join(sorted(given & OPTIONS))
            if options:
                yield f"{module.name}:{mark.lineno} names numba's options {options}"


def far_calls(tree: SourceTree) -> Iterator[str]:
    """Find kernels that call a function of another file outside ``kernels``: families stand by themselves."""
    for module in tree.modules.values():
        foreign = {
            found.name for _, found in tree.edges(module) if found.name and not target_in_kernels(found)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef) and is_kernel(node):
                called = {call.func.id for call in calls_in(node) if isinstance(call.func, ast.Name)}
                yield from (
                    f"{module.name}:{node.lineno} {node.name} calls {name}" for name in called & foreign
                )


def target_in_kernels(found: Import) -> bool:
    return found.module.split(".")[1:2] == ["kernels"]


def is_kernel(node: ast.FunctionDef) -> bool:
    return any(
        isinstance(mark, ast.Name) and mark.id in ("kernel", "inlined", "exact")
        for mark in node.decorator_list
    )


def calls_in(node: ast.AST) -> Iterator[ast.Call]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def declared(pyproject: Path) -> tuple[set[str], set[str]]:
    """Return the import names of the core dependencies and those of the extras."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return {import_name(line) for line in project["dependencies"]}, {import_name(line) for line in extras}


def import_name(requirement: str) -> str:
    name = requirement.split(";")[0].split("[")[0]
    name = name.rstrip("<>=!~.0123456789, ") if any(mark in name for mark in "<>=!~") else name.strip()
    return IMPORT_NAMES.get(name, name.replace("-", "_"))


def stray_dependencies(tree: SourceTree, core: set[str], extras: set[str]) -> Iterator[str]:
    """Find packages that nothing declares, and optional ones that more than one file imports."""
    homes: dict[str, set[str]] = defaultdict(set)
    for module in tree.modules.values():
        for found in module.imports:
            top = found.module.split(".")[0]
            if top in sys.stdlib_module_names | core | BUILT_ON_NUMBA or tree.is_own(found.module):
                continue
            if top not in extras:
                yield f"{place(module, found)}, which pyproject.toml does not declare"
            homes[top].add(module.name)
    for top, modules in sorted(homes.items()):
        if len(modules) > 1:
            yield f"the optional {top} is imported in more than one file: {', '.join(sorted(modules))}"


RULES: tuple[Callable[[SourceTree], Iterator[str]], ...] = (
    unknown_packages,
    unmarked_folders,
    missing_modules,
    rising_imports,
    side_crossings,
    import_circles,
    private_imports,
    oversized,
    long_winded,
    foreign_compilers,
    far_calls,
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
def test_numba_options_outside_the_policy_are_found(tmp_path: Path, source: str) -> None:
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
    assert list(unknown_packages(tree)) == ["cellar is in no row of FLOORS"]
    assert list(missing_modules(tree)) == ["streamfit.ops.a:1 imports streamfit.kernels.gone.add"]
