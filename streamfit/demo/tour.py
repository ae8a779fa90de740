"""The demo: train with worker processes, kill one, kill the program, resume it, and compare the bits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from streamfit.demo.digits import AugmentedDigits, open_digits, write_digits
from streamfit.demo.pictures import draw_curves, draw_samples
from streamfit.demo.training import BATCH_SIZE, WORKERS, TrainingResult, digest_of, say, train

EPOCHS, SHORT_EPOCHS = 30, 6
TO_REACH, TO_REACH_SHORT = 0.97, 0.85


def run(output: str | Path = "demo-output", *, short: bool = False) -> int:
    """Run the demo.

    Args:
        output: Folder for the pictures; created if missing.
        short: Whether to train for a few epochs only.

    Returns:
        0 if nothing was lost, the bits are those of an undisturbed run and the accuracy was reached, else 1.
    """
    started = time.perf_counter()
    epochs, to_reach = (SHORT_EPOCHS, TO_REACH_SHORT) if short else (EPOCHS, TO_REACH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_digits(folder)
        say(f"1,797 digits are on disk; a program trains on them through {WORKERS} worker processes")
        resumed = _run_program(folder, epochs)
        if resumed is None:
            return 1
        result: TrainingResult = json.loads((folder / "result.json").read_text())
        say("the same training once more, without workers and without kills, to compare the bits")
        undisturbed, _ = train(folder, epochs, 0, [])
        same = result["digest"] == digest_of(undisturbed)
        pictures = _draw(folder, Path(output), result["history"])
    good = _verdict(result, same=same, resumed=resumed, to_reach=to_reach, started=started)
    print(f"Pictures: {', '.join(map(str, pictures))}")
    return 0 if good else 1


def _run_program(folder: Path, epochs: int) -> int | None:
    """Run the program until it is done; return how often it was resumed, or None if it failed."""
    start = "import sys; from streamfit.demo.training import main; sys.exit(main())"
    command = [sys.executable, "-c", start, str(folder), "--epochs", str(epochs)]
    kills = ["--kill-worker", str(epochs // 6), "--kill-program", str(epochs // 2)]
    status = subprocess.call([*command, *kills])
    resumed = 0
    if status == -signal.SIGKILL:
        say("the program is dead, and its workers with it; it is started again")
        resumed = 1
        status = subprocess.call(command)
    if status:
        print(f"the program ended with status {status}", file=sys.stderr)
        return None
    return resumed


def _draw(folder: Path, pictures: Path, history: dict[str, list[float]]) -> list[Path]:
    pictures.mkdir(parents=True, exist_ok=True)
    images, labels = open_digits(folder)
    curves, samples = pictures / "curves.png", pictures / "augmented.png"
    draw_curves(history, curves)
    draw_samples(AugmentedDigits(images, labels, BATCH_SIZE), images, samples)
    return [curves, samples]


def _verdict(result: TrainingResult, *, same: bool, resumed: int, to_reach: float, started: float) -> bool:
    """Print the verdict; return whether everything is right."""
    receipts = result["receipts"]
    planned, delivered, retried, restarts = (
        sum(receipt[name] for receipt in receipts) for name in ("planned", "delivered", "retried", "restarts")
    )
    accuracy = result["history"]["val_accuracy"][-1]
    lines = {
        "every batch once": (planned == delivered, f"{delivered:,} of {planned:,} batches trained on"),
        "worker killed": (restarts >= 1, f"{restarts} replaced, {retried} batches loaded again"),
        "program killed": (resumed == 1, f"resumed {resumed} time from its backup"),
        "same bits": (same, f"weights {result['digest']}, as without workers and kills"),
        "accuracy": (
            accuracy >= to_reach,
            f"{accuracy:.2%} on images kept apart (to reach: {to_reach:.0%})",
        ),
    }
    good = all(right for right, _ in lines.values())
    seconds = time.perf_counter() - started
    print(f"\nVerdict: {'nothing was lost' if good else 'SOMETHING IS WRONG'}, {seconds:.1f} s")
    for name, (right, words) in lines.items():
        print(f"  {'ok ' if right else 'NO '} {name:17} {words}")
    return good
