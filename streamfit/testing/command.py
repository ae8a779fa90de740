"""``python -m streamfit check package.module:object``: the checks from the command line.

They run in a process of their own (`testing/check_process.py`), so that a pipeline that ends the program does
not pass.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from streamfit._base.names import did_you_mean
from streamfit.testing import check_process
from streamfit.testing.check_runner import Battery
from streamfit.testing.failure import brief_error
from streamfit.testing.reports.text_report import lines_of

FINE, FAILED, UNUSABLE = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Check the target in a process of its own, and print a report.

    Args:
        options: `target`, `kind`, `only`, `expected_failure`, `workers` and `limit`, as the command line has
            them.

    Returns:
        0 when all checks were made and none has failed, 1 when one has failed or could not be finished,
        2 when there was nothing to check.
    """
    names = ("target", "kind", "only", "expected_failure", "workers", "limit")
    outcome = check_process.run(__name__, {name: getattr(options, name) for name in names})
    report = outcome.report
    if report is None:
        doing = outcome.doing or "it started"
        _complain(
            f"{options.target} was not checked to the end: the process {outcome.ending} while {doing}. Does "
            "the pipeline, or a library that it uses, end the program (os._exit, os.exec), or crash it?"
        )
        return FAILED
    for line in report["lines"]:
        print(line)
    for line in report["errors"]:
        _complain(line)
    if outcome.ending and report["status"] == FINE:
        _complain(f"all checks were made, but the process {outcome.ending} after them, when Python ended")
        return FAILED
    return report["status"]


def _complain(text: str) -> None:
    print(f"streamfit check: {text}", file=sys.stderr)


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
        thing = find(options.target)
        expected = dict(_reason(text) for text in options.expected_failure)
        limits = {"limit": options.limit, "workers": options.workers}
        battery = Battery(thing, options.kind, expected_failures=expected, **limits)
        names = battery.names(options.only or None)
    except (Exception, SystemExit) as error:  # the user's module runs while it is imported
        return {"status": UNUSABLE, "lines": [], "errors": [brief_error(error)]}
    try:
        for name in names:
            result_file.write(f"it made the check {name!r}")
            battery.result(name)
        results = battery.results(names)
        result_file.write("it timed a batch")
        lines = list(lines_of(battery, results))
    except SystemExit as error:
        text = f"{options.target} ends the program: {brief_error(error)}"
        return {"status": FAILED, "lines": [], "errors": [text]}
    finally:
        battery.close()
    others = [result for result in battery.failures if result.name not in names]
    errors = [f"{result.name!r}, which other checks need, fails: {result.message}" for result in others]
    return {"status": FAILED if battery.failures else FINE, "lines": lines, "errors": errors}


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
    parser.add_argument("target", metavar="package.module:object", help="an instance, a class or a factory")
    parser.add_argument(
        "--kind", choices=("sequence", "samples", "source", "generator", "stream"), default=None
    )
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


def _reason(text: str) -> tuple[str, str]:
    name, _, reason = text.partition("=")
    return name, reason or "expected to fail"
