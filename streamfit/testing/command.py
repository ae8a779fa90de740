"""``python -m streamfit check package.module:object``: the checks from the command line.

Each target is checked in a process of its own (`testing/check_process.py`), so that a pipeline that ends the
program does not pass, and does not end the checks of others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from streamfit._base.names import did_you_mean
from streamfit.testing import check_process, package_listing
from streamfit.testing.check_runner import Battery
from streamfit.testing.checks.all_checks import CHECKS
from streamfit.testing.failure import brief_error
from streamfit.testing.reports.html_report import page
from streamfit.testing.reports.report_data import PipelineData, document, pipeline_data, unchecked
from streamfit.testing.reports.text_report import lines_of, summary_lines
from streamfit.testing.settings import SampleKey
from streamfit.testing.table import KINDS
from streamfit.testing.throughput import rates

FINE, FAILED, UNUSABLE = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Check the targets, each in a process of its own, and print a report.

    Args:
        options: What `add_arguments` declares.

    Returns:
        0 when all checks were made and none has failed, 1 when one has failed or could not be finished,
        2 when a target could not be checked, or there was none.
    """
    names = ("kind", "only", "expected_failure", "workers", "limit", "strict", "ragged", "key")
    settings: dict[str, object] = {name: getattr(options, name) for name in names}
    settings["throughput"] = bool(options.throughput or options.html or options.json)
    pipelines: list[PipelineData] = []
    statuses: list[int] = []
    printed = options.json != "-" and options.html != "-"
    for found in _listed(options.target):
        settings["several"] = found.several
        data, status = found.data, UNUSABLE if found.data and found.data["error"] else FINE
        if data is None:
            data, status = _checked(found.target, {**settings, "target": found.target, "root": found.root})
        elif data["error"]:
            _complain(data["error"] if data["name"] in data["error"] else f"{data['name']} {data['error']}")
        pipelines.append(data)
        statuses.append(status)
        if printed and data["kind"]:
            print(
                *lines_of(data, options.verbose, found.several),
                sep="\n",
                end="\n\n" if found.several else "\n",
                flush=True,
            )
    if printed and len(pipelines) > 1:
        print(*summary_lines(pipelines), sep="\n")
    try:
        _write(options.json, lambda: json.dumps(document(pipelines), indent=2, allow_nan=False) + "\n")
        _write(options.html, lambda: page(pipelines))
    except OSError as error:
        _complain(f"the report cannot be written: {error}")
        statuses.append(UNUSABLE)
    return FAILED if FAILED in statuses else UNUSABLE if UNUSABLE in statuses or not pipelines else FINE


@dataclass(frozen=True)
class Target:
    """One target: what it is called, where it is imported from, and its entry if it is not to be checked."""

    target: str
    root: str
    several: bool
    data: PipelineData | None = None


def _listed(targets: list[str]) -> Iterator[Target]:
    """List the targets; a folder or a module stands for all that it defines."""
    several = len(targets) > 1
    for target in targets:
        if not package_listing.is_package(target):
            yield Target(target, "", several)
            continue
        try:
            root, entries = package_listing.listed(target)
        except ValueError as error:
            yield Target(target, "", several, unchecked(target, f"ValueError: {error}"))
            continue
        if not entries:
            error_text = f"{target} defines no Sequence, data set, source or generator function"
            yield Target(target, root, several, unchecked(target, error_text))
        for entry in entries:
            stands = unchecked(entry["target"], entry["error"], entry["note"])
            yield Target(entry["target"], root, True, stands if entry["error"] or entry["note"] else None)


def _checked(target: str, settings: Mapping[str, object]) -> tuple[PipelineData, int]:
    """Check one target in a process of its own; return its results and the exit status."""
    outcome = check_process.run(__name__, settings)
    report = outcome.report
    if report is None:
        doing = outcome.doing or "it started"
        error = (
            f"{target} was not checked to the end: the process {outcome.ending} while {doing}. Does "
            "the pipeline, or a library that it uses, end the program (os._exit, os.exec), or crash it?"
        )
        _complain(error)
        return unchecked(target, error), FAILED
    for line in report["errors"]:
        _complain(line)
    data = cast("PipelineData | None", report["data"])
    if data is None:
        data = unchecked(target, " ".join(report["errors"]))
    if outcome.ending and report["status"] == FINE:
        error = f"all checks were made, but the process {outcome.ending} after them, when Python ended"
        _complain(error)
        data["note"] = error
        return data, FAILED
    return data, report["status"]


def _write(path: str | None, content: Callable[[], str]) -> None:
    if path == "-":
        sys.stdout.write(content())
    elif path:
        Path(path).write_text(content(), encoding="utf-8", errors="backslashreplace")


def _complain(text: str) -> None:
    print(f"streamfit check: {text}", file=sys.stderr, flush=True)


def serve(handle: int, request: check_process.Request) -> None:
    """Run the checks in the process that `run` started, and write the report."""
    result_file = check_process.begin(handle, request)
    result_file.write("it imported the target")
    try:
        report = _report(result_file, argparse.Namespace(**request["options"]))
    except KeyboardInterrupt:
        sys.exit(130)
    result_file.write("it ended", report)
    sys.exit(report["status"])


def _report(result_file: check_process.ResultFile, options: argparse.Namespace) -> check_process.Report:
    try:
        if options.root and options.root not in sys.path:
            sys.path.insert(0, options.root)
        battery, names = _battery(options)
    except (Exception, SystemExit) as error:  # the user's module runs while it is imported
        return {"status": UNUSABLE, "data": None, "errors": [brief_error(error)]}
    try:
        for name in names:
            result_file.write(f"it made the check {name!r}")
            battery.result(name)
        results = battery.results(names)
        result_file.write("it timed batches")
        found = rates(battery) if options.throughput else []
        data = pipeline_data(battery, results, options.target, found)
    except SystemExit as error:
        text = f"{options.target} ends the program: {brief_error(error)}"
        return {"status": FAILED, "data": None, "errors": [text]}
    finally:
        battery.close()
    others = [result for result in battery.failures if result.name not in names]
    errors = [f"{result.name!r}, which other checks need, fails: {result.message}" for result in others]
    return {"status": FAILED if battery.failures else FINE, "data": data, "errors": errors}


def _battery(options: argparse.Namespace) -> tuple[Battery, list[str]]:
    """Import the target; return its checks, and the names of those that were asked for."""
    thing = find(options.target)
    key = cast("SampleKey", find(options.key)) if options.key else None
    battery = Battery(
        thing,
        options.kind,
        limit=options.limit,
        workers=options.workers,
        strict=options.strict,
        ragged=options.ragged,
        key=key,
    )
    expected = dict(_reason(text) for text in options.expected_failure)
    only: list[str] = list(options.only)
    if options.several:  # of several kinds, each has checks that others do not have
        elsewhere = {check.name for check in CHECKS} - set(battery.checks)
        expected = {name: reason for name, reason in expected.items() if name not in elsewhere}
        only = [name for name in only if name not in elsewhere]
    battery.names(expected)
    battery.expected = expected
    return battery, battery.names(only if options.only else None)


def find(target: str) -> object:
    """Import the object that ``package.module:object`` names, also from the working directory.

    Raises:
        ValueError: The text has another form.
        ImportError: There is no such module.
        AttributeError: The module has no such object.

    Example:
        >>> find("math:tau") > 6
        True
    """
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise ValueError(f"{target!r} names nothing; write package.module:object")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    thing: object = importlib.import_module(module_name)
    for name in path.split("."):
        if not hasattr(thing, name):
            hint = did_you_mean(name, [known for known in dir(thing) if not known.startswith("_")])
            raise AttributeError(f"{target}: there is no {name!r}.{hint}")
        thing = getattr(thing, name)
    return thing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "target",
        nargs="+",
        metavar="package.module:object",
        help="an instance, a class or a factory; or a folder or a module, to check all that it defines",
    )
    parser.add_argument("--kind", choices=KINDS, default=None, help="what the target is, if it is not found")
    parser.add_argument("--only", action="append", metavar="NAME", default=[], help="run this check only")
    parser.add_argument(
        "--expected-failure",
        action="append",
        metavar="NAME[=REASON]",
        default=[],
        help="a check that is known to fail",
    )
    parser.add_argument("--workers", type=int, default=2, help="how many worker processes to use at most")
    parser.add_argument("--limit", type=int, default=32, help="how many batches a check looks at")
    parser.add_argument("--strict", action="store_true", help="count warnings as failures")
    parser.add_argument("--ragged", action="store_true", help="allow shapes that differ between batches")
    parser.add_argument(
        "--key",
        metavar="package.module:function",
        help="called as key(x, y) with a sample; returns what identifies it however it is augmented",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="list all checks with their times")
    parser.add_argument(
        "--throughput",
        action="store_true",
        help="measure batches a second by kind and number of workers (always with --json and --html)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON; - for the output")
    parser.add_argument("--html", metavar="FILE", help="write the results as a page; - for the output")


def _reason(text: str) -> tuple[str, str]:
    name, _, reason = text.partition("=")
    return name, reason or "expected to fail"
