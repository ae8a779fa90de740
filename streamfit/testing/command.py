"""``python -m streamfit check package.module:object``: the checks from the command line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

from streamfit._base.names import did_you_mean
from streamfit.testing.battery import Battery
from streamfit.testing.failure import brief_error
from streamfit.testing.report import lines_of

FINE, FAILED, UNUSABLE = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Check what was named and print a report.

    Args:
        options: `target`, `only`, `expected_failure`, `workers` and `limit`, as the command line gives them.

    Returns:
        0 when nothing has failed, 1 when something has, 2 when there was nothing to check.
    """
    try:
        thing = find(options.target)
        expected = dict(_reason(text) for text in options.expected_failure)
        limits = {"limit": options.limit, "workers": options.workers}
        battery = Battery(thing, options.kind, expected_failures=expected, **limits)
        names = battery.names(options.only or None)
    except Exception as error:  # the user's module runs while it is imported
        print(f"streamfit check: {brief_error(error)}", file=sys.stderr)
        return UNUSABLE
    results = battery.results(names)
    for line in lines_of(battery, results):
        print(line)
    battery.close()
    return FAILED if any(result.status == "fail" for result in results) else FINE


def find(target: str) -> Any:
    """Import what ``package.module:object`` names; modules in the working directory are found, too.

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
    thing: Any = importlib.import_module(module_name)
    for name in path.split("."):
        if not hasattr(thing, name):
            hint = did_you_mean(name, [known for known in dir(thing) if not known.startswith("_")])
            raise AttributeError(f"{target}: there is no {name!r}.{hint}")
        thing = getattr(thing, name)
    return thing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("target", metavar="package.module:object", help="an instance, a class or a factory")
    parser.add_argument("--kind", choices=("sequence", "source", "generator", "stream"), default=None)
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
