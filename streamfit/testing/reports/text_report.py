"""The report of the checks as text: failures first, then what may be a mistake, then what waits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from streamfit.testing.reports.report_data import PipelineData, ResultData, batch_time, totals, waiting
from streamfit.testing.result import Status
from streamfit.testing.throughput import rates_text

_MARKS: dict[Status, str] = {
    "fail": "FAIL",
    "warn": "warn",
    "expected": "known",
    "pass": "ok",
    "skip": "skip",
}
_WIDTH = 100
_INDENT = " " * 8


def lines_of(pipeline: PipelineData, verbose: bool = False, by_target: bool = False) -> Iterator[str]:
    """Write the report of one pipeline line by line.

    Args:
        pipeline: The results of its checks.
        verbose: Whether to list all checks, also those that pass.
        by_target: Whether to write the whole target instead of the name: for several pipelines.

    Example:
        >>> from streamfit.testing.check_runner import Battery
        >>> from streamfit.testing.reports.report_data import pipeline_data
        >>> import numpy as np
        >>> class Zeros:
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         return np.zeros(2), np.zeros(2)
        >>> battery = Battery(Zeros)
        >>> for line in lines_of(pipeline_data(battery, battery.results(only="form"))):
        ...     print(line.split(",")[0])
        Zeros (sequence)
        1 passed
    """
    if pipeline["error"] or pipeline["note"]:
        yield f"{pipeline['target']}: {pipeline['error'] or 'not checked'}"
        yield from _wrapped(pipeline["note"])
        return
    name = pipeline["target"] if by_target else pipeline["name"]
    yield f"{name} ({pipeline['kind']}), {batch_time(pipeline)}"
    if pipeline["throughput"]:
        yield rates_text(pipeline["throughput"])
    results = pipeline["results"]
    findings = [r for status in ("fail", "warn", "expected") for r in results if r["status"] == status]
    for result in findings:
        yield from _finding(result)
    if findings or verbose:
        yield ""
    for result in results:
        if verbose:
            yield from _entry(result)
        elif result["status"] == "pass" and result["message"]:
            yield from _wrapped(f"{result['name']}: {result['message']}", "  note  ")
    for first, names in waiting(results).items():
        verb = "check waits" if len(names) == 1 else "checks wait"
        yield from _wrapped(f"{len(names)} {verb} for `{first}`: {', '.join(names)}", "  wait  ")
    yield f"{totals(results)}, {pipeline['seconds']:.1f} s"


def summary_lines(pipelines: list[PipelineData]) -> Iterator[str]:
    """Write a table of several pipelines: name, kind, failures, warnings and time.

    Example:
        >>> from streamfit.testing.reports.report_data import unchecked
        >>> for line in summary_lines([unchecked("data:Digits", note="needs path")]):
        ...     print(line)
        target       kind  failures  warnings  seconds
        data:Digits  needs path
    """
    targets = [pipeline["target"] for pipeline in pipelines]
    wide = max(map(len, [*targets, "target"]))
    kinds = max(len(kind) for kind in [*(pipeline["kind"] for pipeline in pipelines), "kind"])
    yield f"{'target':{wide}}  {'kind':{kinds}}  failures  warnings  seconds"
    for pipeline in pipelines:
        reason = pipeline["error"] or pipeline["note"]
        if reason:
            brief = reason.removeprefix(f"{pipeline['target']} ").partition(". Does ")[0]
            yield f"{pipeline['target']:{wide}}  {brief}"
            continue
        failed, warned = (
            sum(result["status"] == status for result in pipeline["results"]) for status in ("fail", "warn")
        )
        row = f"{pipeline['target']:{wide}}  {pipeline['kind']:{kinds}}"
        yield f"{row}  {failed:8}  {warned:8}  {pipeline['seconds']:7.1f}"


def _finding(result: ResultData) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"{result['name']}: {result['sentence']}", f"  {_MARKS[result['status']]:5} ")
    yield from _wrapped(result["message"])
    if result["hint"]:
        yield ""
        for line in result["hint"].splitlines():
            yield f"{_INDENT}    {line}".rstrip()


def _entry(result: ResultData) -> Iterator[str]:
    mark = "wait" if result["waits_for"] else _MARKS[result["status"]]
    time = f" ({result['seconds']:.1f} s)" if result["seconds"] >= 0.1 else ""
    yield from _wrapped(f"{result['sentence']}{time}", f"  {mark:5} {result['name']:18} ")
    if result["status"] in ("pass", "skip") and not result["waits_for"]:
        yield from _wrapped(result["message"])


def _wrapped(text: str, first: str = _INDENT) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=_INDENT, break_on_hyphens=False
    )
