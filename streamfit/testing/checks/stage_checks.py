"""Checks of each stage of a pipeline that is composed of several, and of sources that hold other ones.

Guarantee kept here: one mistake gives one failure. Where a check of the whole fails, its message names the
first stage with which it does; the check `stages` runs only where the whole holds, and looks into branches
that the first batches do not reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import CodeType

from streamfit.streams import Pipeline, Source
from streamfit.streams.pipeline_source import PipelineSource
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.checks.contents import (
    check_any_order,
    check_content,
    check_global_randomness,
    check_own_data,
    check_repeatable,
    kept_globals,
)
from streamfit.testing.failure import CheckFailure, CheckSkipped, CheckWarning, exits_are_failures, fail, skip
from streamfit.testing.stage_tree import StageNode, stage_tree
from streamfit.testing.table import Check, Kind

Question = Callable[[CheckedObject], str | None]
_SECONDS = 2.0  # to find the stage of one failure, or to check the branches of a pipeline
_IN_PARTS = ("content", "form", "finite", "input_dtype", "load_warnings", "pure_tickets", "resume")
_OF_LOADS = (
    "global_randomness",
    "repeatable",
    "any_order",
    "own_arrays",
    "own_data",
    "thread_safe",
    "picklable",
)
_PLACED = {*_IN_PARTS, *_OF_LOADS}  # checks that mean the same for a part; not those of orders or of workers
_QUESTIONS = {  # of each branch
    "content": check_content,
    "global_randomness": check_global_randomness,
    "own_data": check_own_data,
    "repeatable": check_repeatable,
    "any_order": check_any_order,
}
_COMPOSED: tuple[Kind, ...] = ("source", "stream")


def stage_text(checked: CheckedObject, check: Check, found: CheckFailure | CheckWarning) -> str:
    """Return a sentence with the first stage of a pipeline that breaks a rule; empty where it is not known.

    Args:
        checked: The whole pipeline.
        check: The check.
        found: What the check has found in the whole.
    """
    if checked.kind not in _COMPOSED or check.name not in _PLACED:
        return ""
    with kept_globals(), exits_are_failures():
        tree = _tree_of(checked)
        if tree is None:
            return ""
        node = _raised_in(tree, found) or _first_to_break(checked, tree, check.run, found)
    if node is None or not node.own or (node is tree and not _is_pipeline(tree)):
        return ""
    stop = "" if str(found).endswith((".", "?")) else "."
    return f"{stop} The first part that breaks this rule is {node.label}"


def _is_pipeline(tree: StageNode) -> bool:
    return isinstance(tree.data, (Pipeline, PipelineSource))


def _tree_of(checked: CheckedObject) -> StageNode | None:
    """Return the stages; None where they cannot be read again, each alone."""
    try:
        thing = checked.fresh()
        opened = checked.source()
    except Exception:  # the user's code runs here
        return None
    return stage_tree(thing) if opened.traits.rewinds else None


def _raised_in(tree: StageNode, found: BaseException) -> StageNode | None:
    """Return the stage whose code has raised the exception behind a failure."""
    codes = set(_frames(found.__cause__))
    nodes = [node for node in tree.all_nodes() if codes.intersection(node.code)]
    return nodes[0] if len({node.label for node in nodes}) == 1 else None


def _frames(error: BaseException | None) -> Iterator[CodeType]:
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            yield trace.tb_frame.f_code
            trace = trace.tb_next
        error = error.__cause__


def _first_to_break(
    checked: CheckedObject, tree: StageNode, run: Question, found: CheckFailure | CheckWarning
) -> StageNode | None:
    """Return the part that breaks a rule while all that it reads keep it."""
    until, node = time.monotonic() + _SECONDS, tree
    while True:
        broken = None
        for part in node.inputs:
            if time.monotonic() > until:
                return None
            holds = _holds(checked, part, run, found)
            if holds is None:
                return None
            if not holds:
                broken = part
                break
        if broken is None:
            return node
        node = broken


def _holds(
    checked: CheckedObject, node: StageNode, run: Question, found: CheckFailure | CheckWarning
) -> bool | None:
    """Return whether a part keeps a rule that the whole breaks; None where that cannot be told."""
    part = _checked_part(checked, node)
    try:
        run(part)
    except (CheckFailure, CheckWarning) as other:
        same = type(other) is type(found) and type(other.__cause__) is type(found.__cause__)
        return False if same else None
    except (CheckSkipped, Exception, SystemExit):  # the user's code runs here
        return None
    return True


def _checked_part(checked: CheckedObject, node: StageNode) -> CheckedObject:
    data: Pipeline | Source = node.data
    return CheckedObject(lambda: data, "source", checked.name, checked.settings, data)


def check_stages(checked: CheckedObject) -> str | None:
    """Check the branches of a pipeline, and the sources that a source holds, each alone."""
    tree = _tree_of(checked)
    if tree is None:
        skip("it has one part only, or reads what cannot be read again")
    branches = list(_branches(tree))
    if not branches:
        skip("its stages are one chain, which the other checks look at as a whole")
    until = time.monotonic() + _SECONDS
    for node in branches:
        part = _checked_part(checked, node)
        for name, run in _QUESTIONS.items():
            if time.monotonic() > until:
                return "its parts are too slow to look at all of them"
            _ask(checked, part, node, name, run)
    return None


def _branches(tree: StageNode) -> Iterator[StageNode]:
    """Yield the parts that are read beside others, and the sources that another one holds."""
    for node in tree.all_nodes():
        if len(node.inputs) > 1 or not _is_pipeline(tree):
            yield from node.inputs


def _ask(checked: CheckedObject, part: CheckedObject, node: StageNode, name: str, run: Question) -> None:
    """Ask one question about a branch; what has no form of a batch yet cannot be asked."""
    try:
        run(part)
    except CheckFailure as found:
        first = _raised_in(node, found) or _first_to_break(checked, node, run, found) or node
        if name == "content" and not first.code:
            return
        text = str(found).removeprefix(f"{checked.name}: ")
        fail(
            f"{checked.name}: {first.label}, breaks the rule {name!r} when it is read alone, which the first "
            f"batches of the whole do not show: {text}",
            found,
        )
    except (CheckSkipped, CheckWarning, Exception):
        return


CHECKS: tuple[Check, ...] = (
    Check(
        "stages",
        "Each branch of a pipeline, and each source that a source holds, keeps the rules alone.",
        check_stages,
        _COMPOSED,
        tuple(_QUESTIONS),
        hint="for branch in (left, right):\n    check_source(branch)  # before they are put together",
    ),
)
