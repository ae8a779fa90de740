"""Files of data that Hypothesis draws, in the formats that `streamfit.files` reads."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from streamfit.testing.strategies.drawn_data import arrays
from streamfit.testing.strategies.hypothesis_package import st
from streamfit.testing.written_files import (
    ARRAY_FORMATS,
    Cell,
    ColumnKind,
    FileLayout,
    Format,
    TableColumn,
    WrittenFiles,
    installed_formats,
    write_arrays,
    write_lines,
    write_table,
)

_LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
_NAMES = st.sampled_from(["a", "price", "größe", "名前", "a b", "x,y"])
_CELLS: dict[ColumnKind, st.SearchStrategy[Cell]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "string": st.text(_LETTERS, max_size=6) | st.sampled_from(["NA", 'say "hi"', "a,b;c", " "]),
}


@st.composite
def files(
    draw: st.DrawFn,
    directory: str | Path | None = None,
    *,
    formats: Sequence[Format] | None = None,
    nulls: bool = True,
    most: int = 12,
) -> WrittenFiles:
    """Draw a data set, and write it as a file or as several, one of which may have no rows.

    Args:
        draw: Passed by Hypothesis.
        directory: Where to write them, in a new folder for each example; None for temporary folders, which
            are removed with the object.
        formats: Names of functions of `streamfit.files`; None for all whose packages are installed.
        nulls: Whether tables may have missing values.
        most: How many rows at most.

    Example:
        >>> from hypothesis import given
        >>> from streamfit.testing import assert_same_bits
        >>> @given(files(formats=["npy", "text_lines"]))
        ... def test_all_rows_are_read(written):
        ...     assert_same_bits(list(written.open()), written.rows)
    """
    chosen = draw(st.sampled_from(installed_formats() if formats is None else tuple(formats)))
    count = draw(st.integers(1, most))
    layout = FileLayout(
        tuple(draw(st.lists(st.integers(0, count), max_size=2))),
        draw(st.integers(1, 5)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from([",", ";", "\t"])),
        draw(st.sampled_from(["\n", "\r\n"])),
    )
    if chosen in ARRAY_FORMATS:
        odd = chosen in ("npy", "npz")
        x, y = draw(arrays(count, odd=odd)), draw(arrays(count, odd=odd))
        return _owned(write_arrays(chosen, _folder(directory), x, y, layout), directory)
    if chosen == "text_lines":
        lines = draw(st.lists(st.text(_LETTERS, max_size=8), min_size=count, max_size=count))
        return _owned(write_lines(_folder(directory), lines, layout), directory)
    columns = draw(st.lists(_columns(count, nulls), min_size=1, max_size=3, unique_by=lambda c: c.name))
    return _owned(write_table(chosen, _folder(directory), columns, layout), directory)


@st.composite
def _columns(draw: st.DrawFn, count: int, nulls: bool) -> TableColumn:
    name, kind = draw(_NAMES), draw(st.sampled_from(tuple(_CELLS)))
    cells = _CELLS[kind]
    if nulls and draw(st.booleans()):
        cells = cells | st.none()
    return TableColumn(name, kind, tuple(draw(st.lists(cells, min_size=count, max_size=count))))


def _folder(directory: str | Path | None) -> str:
    return tempfile.mkdtemp(prefix="streamfit-", dir=directory)


def _owned(written: WrittenFiles, directory: str | Path | None) -> WrittenFiles:
    """Let a temporary folder be removed with the object."""
    if directory is None:
        weakref.finalize(written, shutil.rmtree, written.path, ignore_errors=True)
    return written
