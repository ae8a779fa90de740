"""The scan of JSON lines before they are parsed: braces, depth and keys, against Python's own parser."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamfit.streams.stores.json_lines import braces, nesting

TEXTS = st.text(st.sampled_from('a"\\\\{}[]:, '), max_size=5)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def scanned(lines: list[str]) -> tuple[list[bool], list[int], list[int]]:
    texts = [line.encode() + b"\n" for line in lines]
    starts = np.array([0, *itertools.accumulate(map(len, texts))][:-1], np.int64)
    data = np.frombuffer(bytearray(b"".join(texts)), np.uint8)
    framed, depths, keys = (np.zeros(len(lines), dtype) for dtype in (np.uint8, np.int64, np.int64))
    braces(data, starts, framed)
    nesting(data, starts, depths, keys)
    return framed.astype(bool).tolist(), depths.tolist(), keys.tolist()


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def keys_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(keys_in, value.values()))
    return sum(map(keys_in, value)) if isinstance(value, list) else 0


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_depths_and_keys_are_those_of_the_parsed_lines(values: list[Any]) -> None:
    framed, depths, keys = scanned([json.dumps(value, ensure_ascii=False) for value in values])
    assert framed == [isinstance(value, dict) for value in values]
    assert depths == [depth(value) for value in values]
    assert keys == [keys_in(value) for value in values]


def test_spaces_around_braces_do_not_count_and_text_beside_them_does() -> None:
    lines = ["  {} ", "\t{}\r", "{", "}", "{} x", "x {}", "[{}]", " "]
    assert scanned(lines)[0] == [True, True, False, False, False, False, False, False]
