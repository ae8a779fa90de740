"""The command line: ``python -m streamfit demo`` and ``python -m streamfit check package.module:object``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from streamfit.testing import command as check_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="streamfit", description="Train models on streams.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train on digits, kill workers and program, lose nothing")
    demo.add_argument("--output", default="demo-output", help="folder for the pictures")
    demo.add_argument("--short", action="store_true", help="train for a few epochs only")
    check_command.add_arguments(commands.add_parser("check", help="check a pipeline of your own"))
    options = parser.parse_args(arguments)
    if options.command == "check":
        return check_command.run(options)
    from streamfit.demo import run  # here, so that --help does not wait for scikit-learn and matplotlib

    return run(options.output, short=options.short)


if __name__ == "__main__":
    sys.exit(main())
