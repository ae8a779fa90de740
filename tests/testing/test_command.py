"""The command line: reports, exit codes, and messages about wrong targets."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from oracles.scripts import environment

from streamfit.__main__ import main
from streamfit.testing import check_process, command, package_listing
from streamfit.testing.command import find

pytestmark = pytest.mark.timeout(60)


def check(*arguments: str) -> int:
    return main(["check", "--workers", "1", *arguments])


class NoFile(check_process.ResultFile):
    """The result file of checks that run in this process."""

    def __init__(self) -> None: ...

    def write(self, doing: str, report: check_process.Report | None = None) -> None: ...


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check in this process, for questions that no process of its own answers better."""

    in_another = check_process.run

    def run(module: str, options: Mapping[str, object]) -> check_process.CheckOutcome:
        if module != command.__name__:  # lists what a package defines
            return in_another(module, options)
        asked = argparse.Namespace(**json.loads(json.dumps(options)))
        report = json.loads(json.dumps(command._report(NoFile(), asked)))
        return check_process.CheckOutcome(report, "it ended", "")

    monkeypatch.setattr(check_process, "run", run)
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_good_pipeline_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Clean") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Clean (sequence), ")
    assert lines[0].endswith(" ms a batch")
    assert re.match(r"\d+ passed, \d+ do not apply, ", lines[-1])
    assert len(lines) == 2


@pytest.mark.usefixtures("in_this_process")
def test_mistake_exits_with_1_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting") == 1
    text = capsys.readouterr().out
    assert "  FAIL  repeatable: The same batch loaded twice has the same bits." in text
    assert "Counting: batch 0 changes when it is loaded twice: x[0, 0] is 1.0 at first and 2.0" in text
    assert re.search(r"^  wait  \d+ checks wait for `repeatable`: any_order, ", text, re.MULTILINE)
    assert re.search("^1 failed, ", text, re.MULTILINE)


@pytest.mark.usefixtures("in_this_process")
def test_announced_mistake_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting", "--expected-failure", "repeatable=it counts") == 0
    assert "1 failed as expected" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_only_one_check_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting", "--only", "form", "--only", "length", "--limit", "4", "-v") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[2:-1]] == ["length", "form"]


@pytest.mark.usefixtures("in_this_process")
def test_batches_that_cannot_be_loaded_are_not_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:OneTooMany", "--only", "length") == 1
    assert "batches cannot be timed" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["oracles.fulty"], "ValueError: 'oracles.fulty' names nothing; write package.module:object"),
        (["oracles.faulty:Claen"], "AttributeError: oracles.faulty:Claen: there is no 'Claen'. Did you mean"),
        (["oracles.no_such:Clean"], "ModuleNotFoundError: No module named 'oracles.no_such'"),
        (["oracles.faulty:OFFSET"], "TypeError: [0] holds data and gives no batches"),
        (["oracles.faulty:Clean", "--only", "lengt"], "ValueError: 'lengt' is no check for a sequence."),
        (["oracles.faulty:Clean", "--expected-failure", "x"], "ValueError: 'x' is no check for a sequence."),
    ],
)
def test_nothing_to_check_exits_with_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*arguments) == 2
    assert text in capsys.readouterr().err


def test_wrong_target_exits_with_2_from_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.no_such:Clean") == 2
    assert "ModuleNotFoundError: No module named 'oracles.no_such'" in capsys.readouterr().err


def test_missing_target_exits_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert ended.value.code == 2


def test_attributes_of_attributes_are_found() -> None:
    assert find("oracles.faulty:Clean.count") == 6


def test_script_in_the_working_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Mine:\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, index): return np.full((2, 2), index), np.zeros(2)\n"
    )
    command = [sys.executable, "-W", "error", "-m", "streamfit", "check", "mine:Mine", "--workers", "1"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Mine (sequence)")


PACKAGE = {
    "pack/__init__.py": "from pack.data import Digits",
    "pack/data.py": """
import numpy as np
from collections import OrderedDict
from streamfit import Sequence, source

class Digits(Sequence):
    def __len__(self): return 4
    def __getitem__(self, index): return np.arange(8.0).reshape(4, 2) + 8 * index, np.arange(4) + 4 * index

class Files(Digits):
    def __init__(self, path, size, workers=1): ...

class Counted(Digits):
    calls = 0
    def __getitem__(self, index):
        self.calls += 1
        return np.full((4, 2), self.calls), np.arange(4)

class Names(dict): ...
class _Hidden(Digits): ...

def batches():
    for at in range(4):
        yield np.full((4, 2), at), np.zeros(4)

def parse(line):
    yield line

def made() -> Digits:
    return Digits()

def helper(): raise SystemExit("must not be called")
train = source(np.arange(40.0)[:, None]).batch(8)
TABLE, ROWS = {"a": 1}, np.zeros(4)
""",
    "pack/broken.py": "import not_installed_anywhere",
    "pack/inner/__init__.py": "",
    "pack/inner/ends.py": "import os; os._exit(3)",
    "pack/test_data.py": "raise SystemExit('a test is no part of the package')",
    "outside.py": "from pack.data import Digits, train",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folder_stands_for_all_that_its_modules_define(folder: Path) -> None:
    root, entries = package_listing.listed("pack/")
    assert root == str(folder)
    assert {entry["target"]: entry["note"] or entry["error"] for entry in entries} == {
        "pack.broken": "cannot be imported: ModuleNotFoundError: No module named 'not_installed_anywhere'",
        "pack.data:Digits": "",
        "pack.data:Files": "needs path, size: write a function without arguments",
        "pack.data:Counted": "",
        "pack.data:batches": "",
        "pack.data:parse": "needs line: write a function without arguments",
        "pack.data:made": "",
        "pack.data:train": "",
        "pack.inner.ends": "cannot be imported: it ends the program (the process ended with exit status 3)",
    }


def test_module_that_defines_nothing_exits_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("outside") == 2
    assert "outside defines no Sequence, data set, source or generator" in capsys.readouterr().err


def test_crash_of_one_target_does_not_hide_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.py").write_text(
        "import os, signal\nfrom pack.data import Counted\n"
        "class Killed(Counted):\n"
        "    def __getitem__(self, index): os.kill(os.getpid(), signal.SIGKILL)\n"
        "class Last(Counted): ...\n"
    )
    assert check("two.py", "--only", "repeatable", "--json", "report.json") == 1
    out, err = capsys.readouterr()
    assert "two:Killed was not checked to the end: the process was ended by SIGKILL" in err
    assert re.search("^two:Last +sequence +1 +0 ", out, re.MULTILINE)
    read = json.loads((folder / "report.json").read_text())
    assert [pipeline["target"] for pipeline in read["pipelines"]] == ["two:Killed", "two:Last"]
    assert read["totals"]["failed"] == 1


@pytest.mark.usefixtures("in_this_process")
def test_options_reach_the_checks_and_json_goes_to_the_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.py").write_text(
        "import numpy as np\n"
        "def key(x, y): return int(y)\n"
        "class Padded:\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, index): return np.zeros((2, 4 + index)), np.arange(2) + 2 * index\n"
    )
    only = ["--only", "length", "--html", "page.html"]
    options = ["--ragged", "--strict", "--key", "mine:key", "--kind", "sequence", *only]
    assert check("mine:Padded", *options, "--json", "-") == 0
    read = json.loads(capsys.readouterr().out)
    assert read["pipelines"][0]["results"][0]["name"] == "length"
    assert read["pipelines"][0]["throughput"][0]["workers"] == "inline"
    assert "mine:Padded" in (folder / "page.html").read_text()
    assert check("mine:Padded", "--only", "length", "--html", "no/such/folder.html") == 2
    assert "the report cannot be written: " in capsys.readouterr().err
    assert check("mine:Padded", "--key", "mine:keys") == 2
    assert "there is no 'keys'. Did you mean 'key'?" in capsys.readouterr().err
