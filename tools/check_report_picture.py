"""Draw the page of `streamfit check --html` for an example: ``docs/images/check-report.png``.

Run it after the page was changed, and look at the picture. It needs Chromium:

    .venv/bin/python tools/check_report_picture.py [path]
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from streamfit import Sequence
from streamfit.testing import Battery
from streamfit.testing.reports.html_report import page
from streamfit.testing.reports.report_data import pipeline_data
from streamfit.testing.throughput import rates

PATH = Path(__file__).resolve().parents[1] / "docs" / "images" / "check-report.png"
WIDTH, HEIGHT = 900, 1400


class Digits(Sequence):
    """Takes roots of negative numbers; shuffles x and forgets y."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.x, self.y = rng.normal(size=(1010, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 1010)
        self.shuffler = np.random.default_rng(1)

    def __len__(self) -> int:
        return len(self.x) // 32

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(32 * index, 32 * index + 32)
        return np.sqrt(self.x[rows]), self.y[rows]

    def on_epoch_end(self) -> None:
        """Shuffle."""
        self.shuffler.shuffle(self.x)


def main(path: Path = PATH) -> None:
    """Check the example and save a picture of its page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("this needs chromium")
    battery = Battery(Digits)
    results = battery.results()
    with tempfile.TemporaryDirectory() as folder:
        html, png = Path(folder, "report.html"), Path(folder, "report.png")
        html.write_text(page([pipeline_data(battery, results, "my_package.data:Digits", rates(battery))]))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run([chromium, *options, f"--screenshot={png}", html.as_uri()], check=True, timeout=60)
        picture = Image.open(io.BytesIO(png.read_bytes())).convert("RGB")
    rows = np.flatnonzero((np.asarray(picture) != picture.getpixel((5, HEIGHT - 5))).any(axis=(1, 2)))
    picture = picture.crop((0, 0, WIDTH, int(rows[-1]) + 30))
    picture.quantize(64).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
