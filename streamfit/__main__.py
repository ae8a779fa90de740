"""The command line: ``python -m streamfit demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="streamfit", description="Train models on streams.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train on digits through workers, kill one, lose nothing")
    demo.add_argument("--output", default="demo-output", help="folder for the pictures")
    options = parser.parse_args(arguments)
    from streamfit.demo import run  # here, so that --help does not wait for scikit-learn and matplotlib

    return run(options.output)


if __name__ == "__main__":
    sys.exit(main())
