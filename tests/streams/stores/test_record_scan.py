"""The scan for records: against one that goes letter by letter, and wherever the text is cut."""

from __future__ import annotations

import csv
import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.streams.stores.record_scan import RecordForm, scan

COMMA = RecordForm(ord(","), ord('"'), returns=True, blank="empty")
LINES = RecordForm()
TEXTS = st.text(st.sampled_from('\n\r",a b'), max_size=40).map(str.encode)


def parts(data, form):
    """Return the records, without blank ones."""
    found = scan(data, form, final=True, starts=True)
    places = [*found.starts.tolist(), len(data)]
    assert found.records == len(found.starts)
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(
    st.lists(st.lists(st.text(st.sampled_from('\n\r",a é'), max_size=6), min_size=2, max_size=3), max_size=8)
)
def test_records_are_those_of_the_csv_module(table):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerows(table)
    found = parts(file.getvalue().encode(), COMMA)
    assert [next(csv.reader(io.StringIO(part.decode(), newline=""))) for part in found] == table


@given(TEXTS)
def test_lines_are_those_of_split(data):
    wanted = data.split(b"\n")
    wanted = [line + b"\n" for line in wanted[:-1]] + ([wanted[-1]] if wanted[-1] else [])
    assert parts(data, LINES) == wanted
    white = [line for line in wanted if line.strip(b" \t\r\n")]
    found = scan(data, RecordForm(blank="white"), final=True, starts=True)
    assert found.records == len(white)
    assert [data[start:].lstrip(b"\n") for start in found.starts.tolist()] == [
        data[start:] for start in found.starts.tolist()
    ]


@pytest.mark.parametrize("form", [COMMA, LINES, RecordForm(ord(";"), ord('"'), ord("\\"), returns=True)])
@given(data=TEXTS, cut=st.integers(0, 40))
def test_a_text_may_be_cut_behind_any_record(form, data, cut):
    whole = scan(data, form, final=True, starts=True)
    first = scan(data[:cut], form, final=cut >= len(data), starts=True)
    rest = scan(data[first.end :], form, final=True, starts=True)
    assert first.records + rest.records == whole.records
    assert first.lines + rest.lines == whole.lines
    assert (
        first.starts.tolist() + [first.end + start for start in rest.starts.tolist()] == whole.starts.tolist()
    )
    assert rest.unclosed == whole.unclosed or not rest.records


@pytest.mark.parametrize(
    ("text", "records", "lines"),
    [
        (b"", 0, 0),
        (b"a", 1, 0),
        (b"a\n", 1, 1),
        (b"a\r\nb\r\n", 2, 2),
        (b"a\rb\r", 2, 2),
        (b"\n\n\r\n", 0, 3),
        (b'x"y,"a"b"c"\n1,2\n', 2, 2),  # a quote inside of a field is a letter
        (b'"a""\n""b"\n', 1, 2),
        (b'"a\n', 1, 1),
        (b'a,""\n', 1, 1),
    ],
)
def test_records_of_csv(text, records, lines):
    found = scan(text, COMMA, final=True)
    assert (found.records, found.end, found.lines) == (records, len(text), lines)
    assert found.unclosed == (text == b'"a\n')


def test_an_escape_takes_the_meaning_from_the_next_letter():
    form = RecordForm(ord(","), ord('"'), ord("\\"), returns=True)
    assert parts(b'a\\\nb\n"c\\"\n"\nd', form) == [b"a\\\nb\n", b'"c\\"\n"\n', b"d"]


def test_a_carriage_return_at_the_end_waits_for_what_follows():
    assert scan(b"a\nb\r", COMMA, final=False)[:2] == (1, 2)
    assert scan(b"a\nb\r", COMMA, final=True)[:2] == (2, 4)


def test_it_stops_after_so_many_records():
    assert scan(b"a\nb\nc\n", LINES, final=True, most=2)[:3] == (2, 4, 2)
    assert np.array_equal(scan(b"a\nb\nc\n", LINES, final=True, most=2, starts=True).starts, [0, 2])
