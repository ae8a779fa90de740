"""What the reports are made from: the results of the checks of one pipeline as values for JSON.

The format of ``--json`` is `ReportDocument`. Its `version` grows when a field changes its meaning or is
taken away; fields may be added without that, so readers should ignore those that they do not know.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

from streamfit.testing.check_runner import Battery
from streamfit.testing.failure import exits_are_failures
from streamfit.testing.result import Result, Status
from streamfit.testing.throughput import Rate

FORMAT: Literal["streamfit-check"] = "streamfit-check"
VERSION = 1


class ResultData(TypedDict):
    """How one check ended: the fields of `Result`, and the rule as a sentence."""

    name: str
    sentence: str
    status: Status
    message: str
    hint: str
    seconds: float
    waits_for: str


class PipelineData(TypedDict):
    """The checks of one pipeline.

    `error` is the reason why it was not checked, or not to the end; else it is empty. `kind` is empty for
    what was not checked, and `batch_seconds` is None where a batch cannot be loaded.
    """

    target: str
    name: str
    kind: str
    batch_seconds: float | None
    throughput: list[Rate]
    results: list[ResultData]
    seconds: float
    error: str
    note: str


class ReportDocument(TypedDict):
    """The content of a file of ``--json``."""

    format: Literal["streamfit-check"]
    version: int
    pipelines: list[PipelineData]
    totals: dict[str, int]


def pipeline_data(
    battery: Battery, results: Iterable[Result], target: str = "", rates: Sequence[Rate] = ()
) -> PipelineData:
    """Return the results of the checks as values for JSON.

    Args:
        battery: Where the results come from.
        results: The results of the checks.
        target: The name under which the pipeline was asked for.
        rates: How many batches a second are loaded.

    Example:
        >>> import numpy as np
        >>> battery = Battery(lambda: iter([np.zeros(2)]))
        >>> data = pipeline_data(battery, battery.results(only="end"))
        >>> data["kind"], [result["name"] for result in data["results"]]
        ('generator', ['end'])
    """
    listed: list[ResultData] = [
        {
            "name": result.name,
            "sentence": battery.checks[result.name].sentence,
            "status": result.status,
            "message": result.message,
            "hint": result.hint,
            "seconds": result.seconds,
            "waits_for": result.waits_for,
        }
        for result in results
    ]
    return {
        "target": target,
        "name": battery.checked.name,
        "kind": battery.kind,
        "batch_seconds": _batch_seconds(battery),
        "throughput": list(rates),
        "results": listed,
        "seconds": sum(result["seconds"] for result in listed),
        "error": "",
        "note": "",
    }


def unchecked(target: str, error: str = "", note: str = "") -> PipelineData:
    """Return the entry of what was not checked: by an error, or since it needs arguments (`note`)."""
    return {
        "target": target,
        "name": target,
        "kind": "",
        "batch_seconds": None,
        "throughput": [],
        "results": [],
        "seconds": 0.0,
        "error": error,
        "note": note,
    }


def document(pipelines: list[PipelineData]) -> ReportDocument:
    """Return the content of a file of ``--json``.

    Example:
        >>> document([])["totals"]["failed"]
        0
    """
    together = [result for pipeline in pipelines for result in pipeline["results"]]
    return {"format": FORMAT, "version": VERSION, "pipelines": pipelines, "totals": counts(together)}


def counts(results: Iterable[ResultData]) -> dict[str, int]:
    """Count results by how they ended; those that wait for another check are counted by themselves."""
    found = dict.fromkeys(("failed", "warned", "failed_as_expected", "waiting", "passed", "not_applying"), 0)
    names: dict[Status, str] = {
        "fail": "failed",
        "warn": "warned",
        "expected": "failed_as_expected",
        "pass": "passed",
        "skip": "not_applying",
    }
    for result in results:
        found["waiting" if result["waits_for"] else names[result["status"]]] += 1
    return found


def totals(results: Iterable[ResultData]) -> str:
    """Write the counts as text; those of nothing are left out.

    Example:
        >>> totals([])
        'no checks'
    """
    words = {
        "failed": "failed",
        "warned": "warned",
        "failed_as_expected": "failed as expected",
        "waiting": "waiting",
        "passed": "passed",
    }
    found = counts(results)
    parts = [f"{found[name]} {word}" for name, word in words.items() if found[name]]
    if left := found["not_applying"]:
        parts.append(f"{left} {'does' if left == 1 else 'do'} not apply")
    return ", ".join(parts) or "no checks"


def waiting(results: list[ResultData]) -> dict[str, list[str]]:
    """List the checks that wait, by the check that has to hold first and does not wait itself."""
    waits = {result["name"]: result["waits_for"] for result in results}
    found: dict[str, list[str]] = {}
    for name, first in waits.items():
        if first:
            while waits.get(first):
                first = waits[first]
            found.setdefault(first, []).append(name)
    return found


def batch_time(pipeline: PipelineData) -> str:
    """Write how long the load of a batch takes."""
    seconds = pipeline["batch_seconds"]
    return "batches cannot be timed" if seconds is None else f"{1e3 * seconds:.3g} ms a batch"


def _batch_seconds(battery: Battery) -> float | None:
    """Measure the time to load one batch in this process."""
    checked = battery.checked
    try:
        with exits_are_failures():
            source = checked.source()
            tickets = itertools.islice(checked.tickets(source), 8)
            marks = [time.perf_counter()]
            for ticket in tickets:  # a generator makes its batch with the ticket
                source.load(ticket)
                marks.append(time.perf_counter())
            return statistics.median(after - before for before, after in itertools.pairwise(marks))
    except (Exception, SystemExit):  # user code runs here, and the checks report its mistakes
        return None
