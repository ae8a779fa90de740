"""The command line: reports, exit codes, and messages about wrong targets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from oracles.scripts import environment

from streamfit.__main__ import main
from streamfit.testing.command import find

pytestmark = pytest.mark.timeout(60)


def check(*arguments: str) -> int:
    return main(["check", "--workers", "1", *arguments])


def test_good_pipeline_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Clean") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Clean (sequence), ")
    assert lines[0].endswith(" ms a batch")
    assert lines[1] == "  ok     length             The length is right and the last batch loads."
    assert lines[-1].startswith("17 passed, 4 skipped, ")


def test_mistake_exits_with_1_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting") == 1
    text = capsys.readouterr().out
    assert "  FAIL   repeatable         The same batch loaded twice has the same bits." in text
    assert "Counting: batch 0 changes when it is loaded twice: x[0, 0] is 1.0 at first and 2.0" in text
    assert " 1 failed, " in text


def test_announced_mistake_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting", "--expected-failure", "repeatable=it counts") == 0
    assert "1 failed as expected" in capsys.readouterr().out


def test_only_one_check_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:Counting", "--only", "form", "--only", "length", "--limit", "4") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:-1]] == ["length", "form"]


def test_batches_that_cannot_be_loaded_are_not_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("oracles.faulty:OneTooMany", "--only", "length") == 1
    assert "batches cannot be timed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["oracles.faulty"], "ValueError: 'oracles.faulty' names nothing; write package.module:object"),
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
