"""Damage files of each format a thousand times, read them, and print what became of it.

    python tools/soak_files.py                 1,000 damaged files of each format
    python tools/soak_files.py --count 100     fewer

A damaged file may be read or be refused, with an error of the library. Anything else is counted apart: other
exceptions, the death of the process, a hang, more memory than is allowed. Each format is read in a process of
its own, so that a death is counted and not suffered.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COUNT, SECONDS, MOST_DATA = 1_000, 1.0, 4 << 30
OUTCOMES = ("read", "refused", "foreign", "deaths", "hangs")


def main() -> int:
    """Try all formats, or be the process that tries one; return 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description="Damage files of each format, and read them.")
    parser.add_argument("--count", type=int, default=COUNT, help=f"files of each format (default {COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.format:
        print(json.dumps(damaged(options.format, options.count, options.seed)))
        return 0
    formats = importlib.import_module("oracles.formats").FORMATS
    clean = True
    print("| format | " + " | ".join(OUTCOMES) + " |\n" + "|---" * (1 + len(OUTCOMES)) + "|")
    for name, form in formats.items():
        if any(importlib.util.find_spec(package) is None for package in form.needs):
            print(f"| {name} | needs {', '.join(form.needs)} |", flush=True)
            continue
        found = _tried(name, options.count, options.seed)
        clean = clean and not any(found.get(bad) for bad in ("foreign", "deaths", "hangs"))
        print(f"| {name} | " + " | ".join(str(found.get(each, 0)) for each in OUTCOMES) + " |", flush=True)
    return 0 if clean else 1


def _tried(name: str, count: int, seed: int) -> dict[str, int]:
    """Damage files of one format in a process of its own."""
    command = [sys.executable, __file__, "--format", name, "--count", str(count), "--seed", str(seed)]
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    # The default allocator of Arrow reserves much memory that it does not use.
    environment = os.environ | {"PYTHONPATH": paths, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60 + SECONDS * count,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"hangs": 1}
    if done.returncode:
        print(f"{name}: ended with code {done.returncode}", file=sys.stderr)
        return {"deaths": 1}
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def damaged(name: str, count: int, seed: int) -> dict[str, int]:
    """Write, damage and read files of one format; return how often what happened."""
    import numpy as np

    from streamfit import DataError

    mutated = importlib.import_module("oracles.mutations").mutated

    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA, MOST_DATA))
    found: Counter[str] = Counter()
    form = importlib.import_module("oracles.formats").FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{form.ending}"
        form.write(path, np.arange(23), False)
        good = path.read_bytes()
        for number, data in enumerate(mutated(good, count, seed)):
            path.write_bytes(data)
            try:
                for _ in form.open(path).shuffle(8).batch(5):
                    pass
            except DataError:
                found["refused"] += 1
            except Exception as error:
                # A name of a column may be what was damaged.
                if isinstance(error, ValueError) and (str(path) in str(error) or "()" in str(error)):
                    found["refused"] += 1
                    continue
                found["foreign"] += 1
                print(f"{name}, file {number}: {type(error).__name__}: {error}", file=sys.stderr)
            else:
                found["read"] += 1
    return dict(found)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests")]
    sys.exit(main())
