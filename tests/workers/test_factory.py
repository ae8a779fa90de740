"""Pools by kind."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from streamfit._base.errors import WorkerError
from streamfit.workers import contract, make_pool


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_kind_is_what_was_asked_for_and_no_workers_is_inline(kind: contract.Kind) -> None:
    assert make_pool(kind, 2).kind == kind
    assert make_pool(kind, 0).kind == "inline"


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ValueError, match=r"'thread' is none of.*Did you mean 'threads'"):
        make_pool("thread", 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="workers=-1"):
        make_pool("threads", -1)
    with pytest.raises(ValueError, match="ahead=0"):
        make_pool("threads", 1, 0)


@pytest.mark.parametrize(("owner", "name"), [(os, "fork"), (socket, "AF_UNIX")])
def test_system_without_fork_is_told_to_use_threads(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(WorkerError, match=f"{name}.*use threads"):
        make_pool("processes", 1)


def test_interpreter_without_a_path_is_told_to_use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(WorkerError, match=r"sys\.executable"):
        make_pool("processes", 1)
