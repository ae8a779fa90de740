"""`json_lines`: tables in files of text whose lines are JSON objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ColumnRules
from streamfit.streams.stores.column_types import EXACT, ColumnTypes, rounded, types_named
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.given import by_column
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.record_scan import RecordForm, letters, scan
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.stores.text_table import MOST_BAD, TextTable, whole_parts
from streamfit.workers.contract import inside_worker

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

MOST_NESTED, MOST_KEYS = 16, 10_000
"""How deep objects and lists may lie in each other, and how many keys there may be, where types are inferred:
pyarrow has no limits of its own, neither to recursion nor to the memory that a column for each key takes.
"""
LINES = RecordForm(blank="white")
_LINES, _BYTES = 1024, 64 << 10  # what is inferred at once: few lines, for each may have columns of its own


def json_lines(
    paths: Paths,
    columns: Columns | None = None,
    target: Columns | None = None,
    weight: str | None = None,
    *,
    types: Mapping[str, str] | None = None,
    nulls: Mapping[str, object] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    pad: Mapping[str, int] | None = None,
    casts: Mapping[str, str] | None = None,
    name: str = "json_lines",
) -> Pipeline:
    r"""Make a pipeline of files with a JSON object in each line (JSON lines, NDJSON).

    A key is a column; an object without it has a missing value there. The files are read once when the
    pipeline is made, to find their rows and the types of the columns: int64, float64, bool, text, or lists of
    numbers, whichever holds all values of all files. Where `columns` is given and `types` names all that are
    used, only the lines are counted. `shuffle` permutes blocks of 4 MiB and shuffles within windows of them.

    Blank lines count for nothing. A line that is no object, or has a value that does not fit a type that was
    given, is a bad sample, which ``fit(on_bad_sample="skip")`` leaves out. Objects in objects make no column:
    write ``{"place.x": 1}`` instead of ``{"place": {"x": 1}}``. Needs the extra ``arrow``.

    Args:
        paths: A file, a glob, a folder (with the folders in it), or several of them.
        columns: What x is made of: a column; names of columns, for a dictionary of them; or a dictionary from
            inputs to columns, where several columns for one input become a matrix. None for a dictionary of
            all columns that are neither target nor weight.
        target: The column of y; several become a matrix, a dictionary one array for each output.
        weight: The column of sample_weight.
        types: Types of Arrow by column, such as ``{"age": "float32", "tags": "list<int64>"}``.
        nulls: What stands for a missing value, by column. Without it missing values are NaN in columns of
            floats, and an error in others.
        categories: The values of columns of text, by column; they become their places in this list, int32.
        pad: The length of columns of lists, by column: shorter ones are filled with 0, longer ones are an
            error. Without it they are arrays of different lengths, for `padded_batch`.
        casts: Types of Arrow by column, to which values are cast after they were read.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is not there, or an argument is none of these.
        DataError: A file is compressed or no text, a column holds numbers in one place and text in another,
            whole numbers would be rounded, there are no rows, or one has more than 64 MiB.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "people.jsonl")
        >>> _ = path.write_text('{"age": 31, "rich": 0}\n{"age": 45.5, "rich": 1}\n', "utf-8")
        >>> people = json_lines(path, "age", target="rich")
        >>> people
        json_lines('json_lines', 1 file, 2 rows)
        >>> next(iter(people.batch(2)))
        (array([31. , 45.5]), array([0, 1]))
        >>> holder.cleanup()
    """
    files = find_files(paths, (".jsonl", ".ndjson", ".json"), "json_lines()")
    rules = ColumnRules.given("json_lines()", nulls, categories, pad, casts)
    store = JsonStore(files, by_column(types, "json_lines()", "types", "{'age': 'float32'}"), name)
    store.find(columns, target, weight, rules)
    return Pipeline(StoreRows(store), name)


class JsonStore(TextTable):
    """The objects in lines of files; for the arguments see `json_lines`. `find` reads them for the first
    time.
    """

    def __init__(self, files: Sequence[str], types: Mapping[str, str], name: str) -> None:
        super().__init__(files, LINES, "utf-8", "json_lines()", name)
        self._given = types_named(types, "json_lines()", ())

    def find(
        self, columns: Columns | None, target: Columns | None, weight: str | None, rules: ColumnRules
    ) -> None:
        """Find rows and types.

        Raises:
            ValueError, DataError: As for `json_lines`.
        """
        types = ColumnTypes(self._given, "json_lines()", text=False)
        table = None
        if columns is not None and self._given:
            try:
                table = TableForm(list(self._given), columns, target, weight)
            except ValueError:  # other columns are needed, which have to be found
                table = None

        def examine(data: bytes, number: int, line: int, unclosed: bool) -> None:
            self._examine(data, f"{self.files[number]!r}, from line {line:,}", types)

        self.cut(None if table else examine)
        names = list(dict.fromkeys([*types.names, *self._given]))
        if not names:
            raise DataError(f"json_lines(): no line of {self.files[0]!r}, ... is a JSON object with keys")
        table = table or TableForm(names, columns, target, weight, f"{self.files[0]!r}")
        rules.check(names, "json_lines()")
        pa = arrow()
        self.use(pa.schema([(name, types.type_of(name)) for name in table.names]), table, rules)

    def _examine(self, data: bytes, where: str, types: ColumnTypes) -> None:
        """Take note of the types of a block, of the lines of it that can be read."""
        starts = self.starts(data)
        depths, keys = np.zeros((2, len(starts)), np.int64)
        nesting(letters(data), starts, depths, keys)
        usable = (depths <= MOST_NESTED) & (keys <= MOST_KEYS)
        if not usable.all():  # the others are read only where all types are known
            ends = np.append(starts[1:], len(data))
            data = b"".join(data[int(starts[row]) : int(ends[row])] for row in np.flatnonzero(usable))
            starts = self.starts(data)
        schema = arrow().schema(list(self._given.items())) if self._given else None
        broken, row = 0, 0

        def infer(part: bytes) -> pa.Table:
            return _table(part, schema, "infer")

        while row < len(starts) and broken <= MOST_BAD:
            end = int(np.searchsorted(starts, starts[row] + _BYTES))
            end = max(min(end, row + _LINES), row + 1)
            part = data[int(starts[row]) : int(starts[end]) if end < len(starts) else len(data)]
            places = [*(starts[row:end] - starts[row]).tolist(), len(part)]
            for first, last, found in whole_parts(part, starts[row:end] - starts[row], infer, end - row):
                if isinstance(found, str):
                    broken += 1
                    continue
                types.add(found, where)
                for name in rounded(found):
                    if _has_whole(part[places[first] : places[last]], name):
                        types.note_large(name, where)
            if len(types.names) > MOST_KEYS:
                raise DataError(
                    f"json_lines(): there are more than {MOST_KEYS:,} keys up to {where}; say which are "
                    "columns: columns=[...] and types={...}"
                )
            row = end

    def decode(self, data: bytes, number: int) -> pa.Table:
        """Return the rows of whole lines of a file."""
        return _table(data, self.schema, "ignore")


def _table(data: bytes, schema: pa.Schema | None, unexpected: str) -> pa.Table:
    """Return whole lines as a table.

    Each of them is an object from its first letter to its last one, so no value goes over several lines, and
    there are as many lines as rows only if each is one row. (And pyarrow 26 ends the process where the first
    value is ``null``.)
    """
    pa, reader = arrow(), arrow("json")
    data.decode()  # pyarrow checks neither keys nor columns that are left out
    starts = scan(data, LINES, final=True, starts=True, most=len(data)).starts
    framed = np.zeros(len(starts), np.uint8)
    braces(letters(data), starts, framed)
    if not framed.all():
        raise ValueError("it is no JSON object; each line must hold a whole one: {...}")
    threads = len(data) > _BYTES and not inside_worker()
    return reader.read_json(
        pa.BufferReader(data),
        read_options=reader.ReadOptions(use_threads=threads, block_size=len(data) + 1),
        parse_options=reader.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def _has_whole(lines: bytes, name: str) -> bool:
    """Return whether a column of some lines has whole numbers that float64 may not hold."""
    for line in lines.split(b"\n"):
        try:
            value = json.loads(line)[name]
        except (ValueError, KeyError):  # it is blank, or has no such key
            continue
        if isinstance(value, int) and abs(value) > EXACT:
            return True
    return False


@kernel
def braces(data: Array, starts: Array, framed: Array) -> None:
    """Write which lines begin and end with braces, without the spaces around them.

    Args:
        data: uint8 (n,): the text.
        starts: int64 (m,): where lines begin.
        framed: uint8 (m,), zeros: receives 1 for lines that do.
    """
    size, lines = data.shape[0], starts.shape[0]
    for line in range(lines):
        first, last = int(starts[line]), size - 1
        if line + 1 < lines:
            last = int(starts[line + 1]) - 1
        while first < last and (data[first] == 32 or data[first] == 9 or data[first] == 13):
            first += 1
        while last > first and (data[last] == 32 or data[last] == 9 or data[last] == 13 or data[last] == 10):
            last -= 1
        framed[line] = int(data[first] == 123 and data[last] == 125)


@kernel
def nesting(data: Array, starts: Array, depths: Array, keys: Array) -> None:
    """Write how deep objects and lists lie in each other in each line, and how many keys it has.

    Args:
        data: uint8 (n,): the text.
        starts: int64 (m,): where lines begin.
        depths: int64 (m,): receives the depth of each.
        keys: int64 (m,): receives its keys, those of inner objects too.
    """
    size, lines = data.shape[0], starts.shape[0]
    for line in range(lines):
        position, end = int(starts[line]), size
        if line + 1 < lines:
            end = int(starts[line + 1])
        depth, deepest, quoted, colons = 0, 0, 0, 0
        while position < end:
            byte = int(data[position])
            position += 1
            if byte == 34:
                quoted = 1 - quoted
            elif quoted == 1:
                if byte == 92:
                    position += 1
            elif byte == 123 or byte == 91:
                depth += 1
                deepest = max(deepest, depth)
            elif byte == 125 or byte == 93:
                depth -= 1
            elif byte == 58:
                colons += 1
        depths[line], keys[line] = deepest, colons
