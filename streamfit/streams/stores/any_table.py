"""`table`: data frames, Arrow tables and results of queries, as arrays in memory or batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard

from streamfit._base.specs import Array
from streamfit.streams.arrays import ArraySource
from streamfit.streams.frames import DataFrame, is_frame
from streamfit.streams.pipeline import Pipeline, source
from streamfit.streams.stages.bases import ArrayRows
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ArrowRows, ColumnRules, validate
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.frame_columns import frame_arrays, frame_columns
from streamfit.streams.table_advice import is_lazy

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa


def table(
    frame: object,
    columns: Columns | None = None,
    target: Columns | None = None,
    weight: str | None = None,
    *,
    nulls: Mapping[str, object] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    pad: Mapping[str, int] | None = None,
    casts: Mapping[str, str] | None = None,
    name: str = "table",
) -> Pipeline:
    """Make a pipeline of the rows of a table in memory.

    The columns that are used become arrays once, so `shuffle` is a full permutation. Anything that batches
    are pulled from (a ``RecordBatchReader``) is read once and in order instead, and may be larger than
    memory: its length is not known, `shuffle(buffer_size)` shuffles blocks of rows, and a second epoch needs
    a new reader.

    Args:
        frame: A data frame of pandas or polars, a Table or a RecordBatch of pyarrow, a relation of DuckDB, a
            frame of narwhals, or another object with ``__arrow_c_stream__``; or a RecordBatchReader, such as
            ``relation.to_arrow_reader(100_000)``. Only frames of pandas do without the extra ``arrow``.
        columns: What x is made of, as for `parquet`.
        target: The column of y; several become a matrix, a dictionary one array for each output.
        weight: The column of sample_weight.
        nulls: What stands for a missing value, by column, as for `parquet`.
        categories: The values of columns of text, by column; they become their places in this list, int32.
        pad: The length of columns of lists, by column: shorter ones are filled with 0, longer ones are an
            error.
        casts: Types of Arrow by column, such as ``{"price": "float64"}`` for decimal numbers.
        name: What to call the data in messages.

    Raises:
        TypeError: `frame` is no table, or a query that was not run.
        ValueError: A column is not there, or an argument is none of these.
        DataError: A column makes no array, or values are missing that no rule names.

    Example:
        >>> import pyarrow
        >>> people = pyarrow.table({"age": [31.0, 45.0], "job": ["cook", "nurse"], "rich": [0, 1]})
        >>> rows = table(people, target="rich", categories={"job": ["cook", "nurse"]})
        >>> next(iter(rows.batch(2)))
        ({'age': array([31., 45.]), 'job': array([0, 1], dtype=int32)}, array([0, 1]))
    """
    rules = ColumnRules.given("table()", nulls, categories, pad, casts)
    frame = _native(frame)
    if is_lazy(frame):
        raise TypeError(
            f"table(): a {type(frame).__name__} is a query that was not run; write "
            "files.table(frame.collect(), ...)"
        )
    if isinstance(frame, Mapping) or not (is_frame(frame) or _has_arrow(frame)):
        raise TypeError(
            f"table() needs a data frame or an object with __arrow_c_stream__, got a {type(frame).__name__}; "
            "arrays in a dictionary are source(x, y), files are files.parquet(paths), files.arrow(paths)"
        )
    if is_frame(frame) and (_is_pandas(frame) or not _has_arrow(frame)):
        names = frame_columns(frame)
        form = TableForm(names, columns, target, weight, "the frame")
        rules.check(names, "table()")
        return _in_memory(form, frame_arrays(frame, form.names, rules), name)
    if hasattr(frame, "__next__"):
        batches = TableBatches(frame, columns, target, weight, rules, name)
        return source(batches, kind="batches", name=name).unbatch()
    pa = arrow()
    try:
        whole = pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise TypeError(f"table(): the {type(frame).__name__} makes no table: {error}") from None
    form, rows = _forms(whole.schema, columns, target, weight, rules, name)
    validate(whole.select(form.names), lambda: name)
    _refuse_lengths(rows)
    return _in_memory(form, rows.arrays(whole, lambda: name), name)


def _refuse_lengths(rows: ArrowRows) -> None:
    """Refuse lists of different lengths, which are no array in memory."""
    for column, spec in rows.specs.items():
        if None in spec.shape:
            raise ValueError(
                f"column {column!r} of the table holds lists of different lengths; write their length, to "
                f"which they are filled with 0: pad={{{column!r}: ...}}"
            )


def _forms(
    schema: pa.Schema,
    columns: Columns | None,
    target: Columns | None,
    weight: str | None,
    rules: ColumnRules,
    name: str,
) -> tuple[TableForm, ArrowRows]:
    names = schema.names
    if len(set(names)) < len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise ValueError(f"the table has two columns {twice!r}; names must differ")
    form = TableForm(schema.names, columns, target, weight, "the table")
    rules.check(schema.names, "table()")
    return form, ArrowRows(schema, form.names, rules, name)


def _in_memory(form: TableForm, arrays: Mapping[str, Array], name: str) -> Pipeline:
    made = form.element(arrays)
    x, y, weight = (*made, None)[:3] if isinstance(made, tuple) else (made, None, None)
    return Pipeline(ArrayRows(ArraySource(x, y, weight, shuffle=False, name=name, text=True)), name)


class TableBatches:
    """The batches of a reader, pulled once, in order.

    A reader is an iterator over a resource outside of Python, so it stays in the process that made it.
    """

    def __init__(
        self,
        reader: object,
        columns: Columns | None,
        target: Columns | None,
        weight: str | None,
        rules: ColumnRules,
        name: str,
    ) -> None:
        self._reader: pa.RecordBatchReader = arrow().RecordBatchReader.from_stream(reader)
        self._form, self._rows = _forms(self._reader.schema, columns, target, weight, rules, name)
        self._name, self._count = name, 0

    def __iter__(self) -> Iterator[Element]:
        return self

    def __next__(self) -> Element:
        while True:
            batch = next(self._reader)
            number, self._count = self._count, self._count + 1
            if len(batch):
                break
        where = f"{self._name!r}, record batch {number}"
        batch = arrow().Table.from_batches([batch]).select(self._form.names)
        validate(batch, lambda: where)
        return self._form.element(self._rows.arrays(batch, lambda: where))


class _Narwhals(Protocol):
    def to_native(self) -> object:
        """Return the frame that it wraps."""


def _native(frame: object) -> object:
    """Return the frame inside of a frame of narwhals, else the frame itself."""
    return frame.to_native() if _is_narwhals(frame) else frame


def _is_narwhals(frame: object) -> TypeGuard[_Narwhals]:
    return type(frame).__module__.partition(".")[0] == "narwhals" and hasattr(frame, "to_native")


def _is_pandas(frame: DataFrame) -> bool:
    return type(frame).__module__.partition(".")[0] == "pandas"


def _has_arrow(frame: object) -> TypeGuard[Iterable[object]]:
    return hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__")
