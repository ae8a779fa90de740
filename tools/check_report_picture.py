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
WIDTH, HEIGHT = 900, 960


class Windows(Sequence):
    """Windows of a signal; the place is kept in an attribute, which all threads share."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = np.sin(np.arange(4000.0))

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.start = index * 256
        return self.window(), np.full(64, index)

    def window(self) -> np.ndarray:
        """Cut windows of 16 values."""
        return np.stack([self.signal[self.start + 4 * row :][:16] for row in range(64)])


def main(path: Path = PATH) -> None:
    """Check the example and save a picture of its page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("this needs chromium")
    battery = Battery(Windows)
    results = battery.results()
    with tempfile.TemporaryDirectory() as folder:
        html, png = Path(folder, "report.html"), Path(folder, "report.png")
        html.write_text(page([pipeline_data(battery, results, "my_package.data:Windows", rates(battery))]))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run([chromium, *options, f"--screenshot={png}", html.as_uri()], check=True, timeout=60)
        picture = Image.open(io.BytesIO(png.read_bytes())).convert("RGB")
    picture.quantize(64).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
