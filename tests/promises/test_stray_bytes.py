"""Bytes that are not messages, and descriptors that user code closes: a new load, or a clear error."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import run
from oracles.strays import (
    Act,
    Data,
    close_all,
    put_a_file_over,
    put_a_socket_over,
    read_from,
    shut_down,
    write_one_byte,
    write_text,
    write_zeros,
)

import streamfit
from streamfit.testing import nothing_left_behind

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to find sockets"),
]

NAMED = "wrote to, or closed, file descriptors it did not open"
ACTS = [
    write_text,
    write_one_byte,
    write_zeros,
    close_all,
    put_a_file_over,
    put_a_socket_over,
    shut_down,
]


def numbers(data: Data, **how: Any) -> list[int]:
    with nothing_left_behind(), streamfit.stream(data, use_multiprocessing=True, **how) as batches:
        return [int(batch[0, 0]) for batch in batches]


@pytest.mark.parametrize("act", [*ACTS, read_from])
@pytest.mark.parametrize("workers", [1, 3])
def test_once_is_mended_and_told(
    act: Act, workers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "streamfit.workers"):
        assert numbers(Data(act, tmp_path / "done"), workers=workers) == list(range(20))
    if act not in (shut_down, read_from):
        assert NAMED in caplog.text


@pytest.mark.parametrize("act", ACTS)
def test_always_is_an_error_with_a_name_in_time(act: Act) -> None:
    began = time.monotonic()
    with pytest.raises(streamfit.WorkerError) as caught:
        numbers(Data(act), workers=2)
    assert time.monotonic() - began < 20
    if act is not shut_down:
        assert NAMED in str(caught.value)
        assert "index 7" in str(caught.value)


def test_fit_and_predict_go_on_after_it(tmp_path: Path) -> None:
    model = streamfit.Sequential([streamfit.layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    how: Any = {"workers": 2, "use_multiprocessing": True, "verbose": 0}
    expected = model.predict(Data(write_text), workers=0, verbose=0)
    got = model.predict(Data(write_text, tmp_path / "done"), **how)
    np.testing.assert_array_equal(got, expected)


DAEMON = """
import os
import numpy as np
import streamfit

class Data(streamfit.Sequence):
    def __len__(self):
        return 400
    def __getitem__(self, index):
        return np.full((2, 2), index)

got = []
try:
    with streamfit.stream(Data(), workers=2, use_multiprocessing=True) as batches:
        for batch in batches:
            got.append(int(batch[0, 0]))
            if len(got) == 5:
                os.closerange(3, 256)
except streamfit.WorkerError as error:
    print(f"WorkerError: {error}")
print(got == list(range(len(got))))
"""


def test_main_process_that_closes_our_descriptors_is_told(tmp_path: Path) -> None:
    code, out, err = run(DAEMON, "script", tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "True")
    # Nothing but what the log says of workers that were stopped before the end was known.
    assert [line for line in err.splitlines() if "file descriptors it did not open" not in line] == []
