"""The package as users get it: the wheel, installed into an environment of its own, far from the sources.

The wheel is built from the sdist, as an installer does that finds no wheel. The environment takes its
dependencies from the one that runs the tests, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import numpy as np
import streamfit
from streamfit import Sequence, Sequential, layers

class Data(Sequence):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        x = self.rng(index).normal(size=(8, 3))
        return x, x.sum(axis=1, keepdims=True)

model = Sequential([layers.Dense(1, input_shape=(3,))])
model.compile("sgd", "mse")
history = model.fit(Data(), epochs=2, workers=2, use_multiprocessing=True, verbose=0)
print(streamfit.__file__, [receipt.delivered for receipt in history.receipts])
"""
DATA = """
import numpy as np

class Squares:
    def __len__(self):
        return 4
    def __getitem__(self, index):
        x = np.arange(8.0).reshape(4, 2) + 8 * index
        return x, x**2
"""


class Installed:
    """An environment with the wheel in it.

    Args:
        folder: Where to make it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "elsewhere"
        self.folder.mkdir()
        self._environment = folder / "environment"
        venv.create(self._environment, with_pip=False)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(self._environment)}))
        (site / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
        self._install(_wheel(folder))

    def _install(self, wheel: Path) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self._environment / "bin" / "python")]
        options = ["--quiet", "--no-index", "--no-deps", "--force-reinstall", "--disable-pip-version-check"]
        subprocess.run(
            [*command, "install", *options, str(wheel)], check=True, capture_output=True, timeout=60
        )

    def run(self, *command: str, limit: float = 60) -> tuple[int, str]:
        """Run a command of the environment in a folder without sources; return status and output."""
        program, *arguments = command
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [str(self._environment / "bin" / program), *arguments],
            cwd=self.folder,
            env=inherited | {"MPLBACKEND": "Agg"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit,
        )
        return done.returncode, done.stdout


def _wheel(folder: Path) -> Path:
    """Build the sdist from the sources, and the wheel from what the sdist holds."""
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sdist:
        sdist.extractall(folder / "sdist", filter="data")
    (sources,) = (folder / "sdist").iterdir()
    subprocess.run([*build, "-t", "wheel"], cwd=sources, check=True, capture_output=True, timeout=60)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if not (Path(sys.prefix) / "bin").is_dir():
        pytest.skip("the layout of environments is another one here")
    return Installed(tmp_path_factory.mktemp("installed"))


def test_a_fit_on_processes_runs_from_the_wheel(installed: Installed) -> None:
    (installed.folder / "program.py").write_text(PROGRAM)
    status, output = installed.run("python", "program.py")
    assert status == 0, output
    assert str(ROOT / "streamfit") not in output
    assert output.splitlines()[-1].endswith("[4, 4]")


def test_the_command_line_checks_a_pipeline(installed: Installed) -> None:
    (installed.folder / "squares.py").write_text(DATA)
    status, output = installed.run("streamfit", "check", "squares:Squares")
    assert status == 0, output
    assert "FAIL" not in output


def test_the_demo_loses_nothing(installed: Installed) -> None:
    pytest.importorskip("sklearn", reason="the demo needs the extra 'demo'")
    pytest.importorskip("matplotlib", reason="the demo needs the extra 'demo'")
    status, output = installed.run("streamfit", "demo", "--short")
    assert status == 0, output
    epochs = re.findall(r"^epoch +(\d+)/6 .*\| 45 of 45 batches", output, re.MULTILINE)
    assert epochs == list("123456")
    assert len(re.findall("kill -9 of", output)) == 2
    assert re.search(r"resumed in epoch 4 after batch \d+", output)
    verdict = output[output.index("Verdict: nothing was lost") :].splitlines()
    assert [line[:5] for line in verdict[1:6]] == ["  ok "] * 5
    assert sorted(path.name for path in (installed.folder / "demo-output").iterdir()) == [
        "augmented.png",
        "curves.png",
    ]
