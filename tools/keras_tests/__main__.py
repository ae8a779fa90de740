"""The command: ``python -m keras_tests [--write] [files]``, in the environment of the benchmarks."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from keras_tests.files import GROUPS, MUST_PASS
from keras_tests.left_out import read_list
from keras_tests.report import failures, group_table, reasons_table, replace_table, unused
from keras_tests.running import copy_tests, keras_package, run_files

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "keras.md"


def main() -> int:
    """Run the files; return 1 if a group that must pass has less than 90 percent of those that count."""
    options = _options()
    entries, package = read_list(), keras_package()
    wanted = [file for group in GROUPS.values() for file in group if _chosen(file, options.files)]
    with tempfile.TemporaryDirectory(prefix="keras-tests-") as name:
        folder = Path(name)
        copy_tests(package, wanted, folder)
        results = run_files(folder, wanted, options.processes, options.keyword)
        outputs = [path.read_text(errors="replace") for path in sorted(folder.glob("output*.txt"))]
    if options.output:
        options.output.write_text("\n".join(outputs), encoding="utf-8")
    parts, totals = [], []
    for group, files in GROUPS.items():
        own = [file for file in files if file in wanted]
        if own:
            table, total = group_table(own, results, entries)
            totals += [total] if group in MUST_PASS else []
            parts.append(f"### {group[0].upper()}{group[1:]}\n\n{table}")
    parts.append(f"### Not counted\n\n{reasons_table(results, entries)}")
    print(failures(results, entries, options.verbose))
    print("\n\n".join(parts))
    if not options.keyword and not options.files:
        for entry in unused(entries, results):
            print(f"left_out.toml names a test that there is not: {entry.file}::{entry.pattern}")
    if options.write:
        replace_table(PAGE, "\n\n".join(parts))
    return int(any(total.percent < 90.0 for total in totals))


def _chosen(file: str, patterns: list[str]) -> bool:
    return not patterns or any(pattern in file for pattern in patterns)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="keras_tests", description=__doc__)
    parser.add_argument("files", nargs="*", help="parts of the names of files; all by default")
    parser.add_argument("-k", dest="keyword", default="", help="only these tests, as for pytest")
    parser.add_argument("-v", dest="verbose", action="store_true", help="show all of why tests failed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="keep what pytest printed in this file")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/keras.md")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
