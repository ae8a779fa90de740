"""The structure of the library: its layers, its rules, and a report of both.

Run as a program, it prints for each rule how many offences there are, then the sizes and the number of
`Any`; it ends with status 1 if a rule is broken. ``tests/test_architecture.py`` runs the same rules.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from source_tree import Import, Module, SourceTree, circles, decorators

ROOT = Path(__file__).resolve().parent.parent

# The layers of the architecture, the lowest first. A package imports itself and packages of lower layers.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_base",),
    ("kernels", "workers"),
    ("augment", "ops", "streams"),
    ("activations", "constraints", "initializers", "preprocessing", "regularizers"),
    ("layers", "losses", "optimizers"),
    ("metrics",),
    ("program",),
    ("distribute", "storage", "training"),
    ("export",),
    ("models",),
    ("backend", "callbacks", "datasets", "demo", "files", "plots", "saving", "testing", "utils"),
)
DATA_SIDE = {"workers", "streams", "preprocessing"}
MATH_SIDE = {
    *("kernels", "ops", "program", "layers", "losses", "metrics", "optimizers"),
    *("activations", "constraints", "initializers", "regularizers"),
}
# Inside `workers`, the lowest first; `contract` is below all of them. One import comes late: `factory` makes
# pools of processes, which most programs never need.
WORKERS_LAYERS = ("transport", "recovery", "pool", "processes")
WORKERS_LATE = {("streamfit.workers.pool.factory", "processes")}
# What the data side may use of the kernels: the decorator, arrays as machine code takes them, reads ahead.
BRIDGES = {f"streamfit.kernels.{module}" for module in ("arguments", "cache_lines", "decorator")}

MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES, MOST_ANY = 450, 80, 10, 550

# Names that were given up for the field's own terms: they must not come back.
RETIRED_CLASSES = {
    *("Crew", "Death", "Dispatch", "Inquest", "Intake", "Lane", "LanePool", "LaneRun", "Launcher", "Link"),
    *("Loan", "Marker", "Nursery", "Parcel", "Registrar", "Scoreboard", "Shelf", "_Sacrifice", "_Walk"),
}
RETIRED_WORDS = re.compile(
    r"\b(?:CLOCK|[Cc]rew|inquest|last_words|museum|nurser(?:y|ies)|parcels?|scoreboard|cargo)\b"
)
# Keras gives a layer, its operation, a loss and its metric one name; so do we.
KERAS_FAMILIES = (MATH_SIDE - {"kernels", "program"}) | {"augment"}
# Files whose name says the same wherever they are.
COMMON_FILES = {"__init__", "base", "checks", "lookup", "exponentials"}
DECORATOR = "streamfit.kernels.decorator"
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
IMPORT_NAMES = {"scikit-learn": "sklearn", "pillow": "PIL"}
BUILT_ON_NUMBA = {"llvmlite"}  # comes with Numba; the native loop over calls is written with it


def layer_of(package: str) -> int:
    """Return the number of a package's layer; an unknown package is above all layers."""
    return next((number for number, packages in enumerate(LAYERS) if package in packages), len(LAYERS))


def is_facade(module: Module) -> bool:
    """Return whether a module may see everything: the package itself and its command line."""
    return module.package in ("", "__main__")


def place(module: Module, found: Import) -> str:
    return f"{module.name}:{found.line} imports {found.dotted}"


# --- the rules: each yields one line of text for each offence


def unknown_packages(tree: SourceTree) -> Iterator[str]:
    known = {package for packages in LAYERS for package in packages}
    yield from (f"{package} is in no row of LAYERS" for package in tree.packages if package not in known)


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
        if module.name == DECORATOR:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
                named = {alias.name for alias in node.names} & COMPILERS
            else:
                named = {node.attr} & COMPILERS if isinstance(node, ast.Attribute) else set()
            if named and isinstance(node, (ast.ImportFrom, ast.Attribute)):
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
    """Return whether a name comes from ``kernels``, or from the kernels of images, which are one family."""
    return found.module.split(".")[1:2] in (["kernels"], ["augment"])


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


def workers_order(tree: SourceTree) -> Iterator[str]:
    """Find imports inside `workers` that go up: ``transport`` never knows ``recovery``, and so on."""
    for module in tree.modules.values():
        for target, found in tree.edges(module):
            own, other = workers_layer(module.name), workers_layer(target)
            if own is None or other is None or (module.name, WORKERS_LAYERS[other]) in WORKERS_LATE:
                continue
            if other > own:
                yield place(module, found)


def workers_layer(name: str) -> int | None:
    parts = name.split(".")
    inside = parts[1:2] == ["workers"] and parts[2:3] and parts[2] in WORKERS_LAYERS
    return WORKERS_LAYERS.index(parts[2]) if inside else None


def retired_names(tree: SourceTree) -> Iterator[str]:
    """Find names and words that were replaced by the field's terms."""
    for module in tree.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name in RETIRED_CLASSES:
                yield f"{module.name}:{node.lineno} defines {node.name}"
        for number, line in enumerate(module.source.splitlines(), start=1):
            yield from (f"{module.name}:{number} says {word!r}" for word in RETIRED_WORDS.findall(line))


def doubled_names(tree: SourceTree) -> Iterator[str]:
    """Find classes and files of one name in two places, where Keras does not ask for it."""
    classes: dict[str, set[str]] = defaultdict(set)
    files: dict[str, set[str]] = defaultdict(set)
    for module in tree.modules.values():
        files[module.path.stem].add(module.name)
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].add(module.name)
    for name in COMMON_FILES:
        files.pop(name, None)
    for kind, homes in (("class", classes), ("file", files)):
        for name, modules in sorted(homes.items()):
            packages = {tree.modules[module].package for module in modules}
            if len(modules) > 1 and not packages <= KERAS_FAMILIES:
                yield f"the {kind} {name} stands in {', '.join(sorted(modules))}"


def too_many_any(tree: SourceTree) -> Iterator[str]:
    count = any_count(tree)
    if count > MOST_ANY:
        yield f"the word Any stands {count} times in {tree.package}, more than {MOST_ANY}"


def any_count(tree: SourceTree) -> int:
    return sum(len(re.findall(r"\bAny\b", module.source)) for module in tree.modules.values())


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
    workers_order,
    retired_names,
    doubled_names,
    too_many_any,
)


# --- the report


def report(tree: SourceTree) -> bool:
    """Print what each rule finds, sizes, and the number of `Any`; return whether all rules hold."""
    broken = False
    for rule in (*RULES, declared_dependencies):
        offences = list(rule(tree))
        broken = broken or bool(offences)
        print(f"{rule.__name__.replace('_', ' '):24} {len(offences) or 'none'}")
        for offence in offences:
            print(f"    {offence}")
    modules = tree.modules.values()
    largest = max(modules, key=lambda module: module.lines)
    functions = [(module.name, function) for module in modules for function in module.functions]
    home, longest = max(functions, key=lambda entry: entry[1].length)
    lines = sum(module.lines for module in modules)
    print(f"{'modules':24} {len(modules)} in {len(tree.packages)} packages, {lines} lines")
    print(f"{'largest module':24} {largest.name}, {largest.lines} of at most {MODULE_LINES} lines")
    print(
        f"{'longest function':24} {home}.{longest.name}, {longest.length} of at most {FUNCTION_LINES} lines"
    )
    middle = statistics.median(function.code for _, function in functions)
    print(f"{'median function':24} {middle:g} lines of code")
    print(f"{'the word Any':24} {any_count(tree)} of at most {MOST_ANY}")
    return not broken


def declared_dependencies(tree: SourceTree) -> Iterator[str]:
    yield from stray_dependencies(tree, *declared(ROOT / "pyproject.toml"))


if __name__ == "__main__":
    sys.exit(0 if report(SourceTree(ROOT / "streamfit")) else 1)
