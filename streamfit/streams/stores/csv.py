"""`csv`: tables in files of text whose fields are parted by a comma or another letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamfit._base.errors import DataError
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ColumnRules
from streamfit.streams.stores.column_types import EXACT, ColumnTypes, rounded, types_named
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.given import by_column, texts
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.record_scan import RecordForm, scan
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.stores.text_store import BLOCK_BYTES, BOM, MOST_BYTES, Start, lines_in
from streamfit.streams.stores.text_table import MOST_BAD, TextTable, attempt, whole_parts
from streamfit.workers.contract import inside_worker

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

NULL_VALUES = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""What is written in the place of a missing number."""
MOST_COLUMNS = 100_000


def csv(
    paths: Paths,
    columns: Columns | None = None,
    target: Columns | None = None,
    weight: str | None = None,
    *,
    types: Mapping[str, str] | None = None,
    column_names: Sequence[str] | None = None,
    delimiter: str = ",",
    quote: str | None = '"',
    escape: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    null_values: Sequence[str] = NULL_VALUES,
    null_text: bool = False,
    nulls: Mapping[str, object] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    casts: Mapping[str, str] | None = None,
    name: str = "csv",
) -> Pipeline:
    """Make a pipeline of the rows of CSV files.

    The files are read once when the pipeline is made, to find their rows and the types of the columns that
    `types` does not name: int64, float64, bool or text, whichever holds all values of all files. Dates are
    text. Numbers with leading zeros are numbers: say ``types={"zip": "string"}`` for such names. With types
    for all columns that are used only the rows are counted. `shuffle` permutes blocks of 4 MiB and shuffles
    within windows of them.

    A record with too few or too many fields, or with a value that does not fit a type that was given, is a
    bad sample, which ``fit(on_bad_sample="skip")`` leaves out. Needs the extra ``arrow``.

    Args:
        paths: A file, a glob, a folder (with the folders in it), or several of them.
        columns: What x is made of: a column; names of columns, for a dictionary of them; or a dictionary from
            inputs to columns, where several columns for one input become a matrix. None for a dictionary of
            all columns that are neither target nor weight.
        target: The column of y; several become a matrix, a dictionary one array for each output.
        weight: The column of sample_weight.
        types: Types of Arrow by column, such as ``{"age": "float32", "zip": "string"}``.
        column_names: The columns of files whose first line is no header.
        delimiter: The letter between fields.
        quote: The letter around fields that hold delimiters or line ends; two of them inside stand for one.
            None for files without quotes.
        escape: The letter that takes from the next one its meaning, None if there is none.
        decimal: The decimal point.
        encoding: How the files are encoded: UTF-8, or an encoding with one byte a letter.
        null_values: What is written in the place of a missing value, in columns of numbers.
        null_text: Whether these, without quotes, are missing values in columns of text too.
        nulls: What stands for a missing value, by column. Without it missing values are NaN in columns of
            floats, and an error in others.
        categories: The values of columns of text, by column; they become their places in this list, int32.
        casts: Types of Arrow by column, to which values are cast after they were read: ``{"when": "int64"}``
            for a column with ``types={"when": "timestamp[s]"}``.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is not there, or an argument is none of these.
        DataError: A file is compressed or no text, its columns differ from those of the first one, whole
            numbers would be rounded, there are no rows, or one has more than 64 MiB.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "people.csv")
        >>> _ = path.write_text("age,job,rich\\n31,cook,0\\n45.5,nurse,1\\n", "utf-8")
        >>> people = csv(path, target="rich", types={"age": "float32"})
        >>> people
        csv('csv', 1 file, 2 rows)
        >>> next(iter(people.batch(2)))
        ({'age': array([31. , 45.5], dtype=float32), 'job': array(['cook', 'nurse'], dtype=object)},
         array([0, 1]))
        >>> holder.cleanup()
    """
    files = find_files(paths, (".csv", ".tsv", ".txt"), "csv()")
    rules = ColumnRules.given("csv()", nulls, categories, None, casts)
    missing = texts(null_values, "csv()", "null_values")
    dialect = Dialect(delimiter, quote, escape, decimal, missing, null_text)
    names = None if column_names is None else texts(column_names, "csv()", "column_names")
    known = by_column(types, "csv()", "types", "{'age': 'float32'}")
    store = CsvStore(files, dialect, encoding, names, known, name)
    store.find(columns, target, weight, rules)
    return Pipeline(StoreRows(store), name)


@dataclass(frozen=True)
class Dialect:
    """How fields are written; for the arguments see `csv`."""

    delimiter: str
    quote: str | None
    escape: str | None
    decimal: str
    null_values: tuple[str, ...]
    null_text: bool

    def __post_init__(self) -> None:
        given = []
        for role in ("delimiter", "quote", "escape", "decimal"):
            letter = getattr(self, role)
            if letter is None and role in ("quote", "escape"):
                continue
            if not isinstance(letter, str) or len(letter) != 1 or not letter.isascii() or letter in "\r\n\0":
                raise ValueError(f"csv(): {role}={letter!r}: write one letter of ASCII that is no line end")
            given.append(letter)
        if len(set(given)) < len(given):
            raise ValueError(
                f"csv(): delimiter={self.delimiter!r}, quote={self.quote!r}, escape={self.escape!r} and "
                f"decimal={self.decimal!r} must differ; files with a decimal comma have delimiter=';'"
            )

    def form(self) -> RecordForm:
        """Return what ends a record."""
        quote, escape = (-1 if letter is None else ord(letter) for letter in (self.quote, self.escape))
        return RecordForm(ord(self.delimiter), quote, escape, returns=True, blank="empty")

    def table(
        self,
        data: bytes,
        names: Sequence[str] | None,
        wanted: Sequence[str] | None = None,
        types: Mapping[str, pa.DataType] | None = None,
    ) -> pa.Table:
        """Return records as a table; 0 and 1 are truth values where a type says so.

        Args:
            data: The records, in UTF-8.
            names: The names of the fields; None if the first record holds them.
            wanted: The columns that are wanted; None for all.
            types: The types of columns; others are inferred.
        """
        pa, reader = arrow(), arrow("csv")
        if data.startswith(BOM):
            data = BOM + data  # one is taken away, and this one is text
        return reader.read_csv(
            pa.BufferReader(data),
            read_options=reader.ReadOptions(
                use_threads=not inside_worker(), block_size=len(data) + 1, column_names=names
            ),
            parse_options=reader.ParseOptions(
                delimiter=self.delimiter,
                quote_char=False if self.quote is None else self.quote,
                escape_char=False if self.escape is None else self.escape,
                newlines_in_values=True,
            ),
            convert_options=reader.ConvertOptions(
                column_types=dict(types or {}),
                include_columns=wanted,
                null_values=list(self.null_values),
                strings_can_be_null=self.null_text,
                quoted_strings_can_be_null=not self.null_text,
                true_values=["true", "True", "TRUE", *(["1"] if types else ())],
                false_values=["false", "False", "FALSE", *(["0"] if types else ())],
                decimal_point=self.decimal,
            ),
        )


class CsvStore(TextTable):
    """The rows of CSV files; for the arguments see `csv`. `find` reads them for the first time."""

    def __init__(
        self,
        files: Sequence[str],
        dialect: Dialect,
        encoding: str,
        column_names: Sequence[str] | None,
        types: Mapping[str, str],
        name: str,
    ) -> None:
        super().__init__(files, dialect.form(), encoding, "csv()", name)
        self._dialect, self._given_names, self._types = dialect, column_names, types
        self._heads = [self._head(number) for number in range(len(self.files))]
        headers = [names for _, names in self._heads if names]
        if not headers:
            raise DataError(f"csv(): there is nothing in {len(self.files):,} files ({self.files[0]!r}, ...)")
        self._names = headers[0]

    def find(
        self, columns: Columns | None, target: Columns | None, weight: str | None, rules: ColumnRules
    ) -> None:
        """Find rows and types.

        Raises:
            ValueError, DataError: As for `csv`.
        """
        form = TableForm(self._names, columns, target, weight, f"{self.files[0]!r}")
        self._check_names(form.names if columns is not None else self._names, columns is None)
        rules.check(self._names, "csv()")
        given = types_named(self._types, "csv()", self._names)
        types = ColumnTypes(given, "csv()", text=True)

        def examine(data: bytes, number: int, line: int, unclosed: bool) -> None:
            wanted = [name for name in form.names if types.is_open(name)]
            if unclosed:  # the record that is not closed says nothing about types
                data = data[: int(self.starts(data)[-1])]
            if wanted and data:
                self._examine(data, number, f"{self.files[number]!r}, from line {line:,}", wanted, types)

        self.cut(examine)
        pa = arrow()
        self.use(pa.schema([(name, types.type_of(name)) for name in form.names]), form, rules)

    def _head(self, number: int) -> tuple[Start, list[str]]:
        """Return where the rows of a file begin, and the names of its fields; none if it is empty."""
        start, path = super().start_of(number), self.files[number]
        if self._given_names is not None:
            return start, self._unique(list(self._given_names), "column_names")
        size = BLOCK_BYTES
        while True:
            with open(path, "rb") as file:
                file.seek(start.byte)
                data = file.read(size)
            first = scan(data, self.form, final=len(data) < size, most=1)
            if first.records or len(data) < size:
                break
            if size >= MOST_BYTES:
                raise DataError(f"csv(): the header of {path!r} does not end within {MOST_BYTES:,} bytes")
            size *= 2
        if not first.records:
            return start, []
        if first.unclosed:
            raise DataError(f"csv(): the header of {path!r} opens a quote that is never closed")
        data = data[: first.end]
        if data.count(self._dialect.delimiter.encode()) > MOST_COLUMNS:
            raise DataError(f"csv(): the header of {path!r} has more than {MOST_COLUMNS:,} columns")
        try:
            names = self._dialect.table(self._utf8(data), None).column_names
        except (arrow().ArrowException, ValueError) as error:
            raise DataError(f"csv(): the header of {path!r} cannot be read: {error}") from None
        lines = start.lines + lines_in(data, self.form)
        return Start(start.byte + first.end, lines), self._unique(names, f"the header of {path!r}")

    def _unique(self, names: list[str], what: str) -> list[str]:
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise DataError(f"csv(): {what} names {twice} more than once; give every column its own name")
        return names

    def _check_names(self, needed: Sequence[str], exact: bool) -> None:
        first = next(path for path, (_, names) in zip(self.files, self._heads, strict=True) if names)
        for path, (_, names) in zip(self.files, self._heads, strict=True):
            lacking = [name for name in needed if name not in names] if names else []
            extra = [name for name in names if name not in needed] if exact else []
            if lacking:
                raise DataError(f"csv(): {path!r} has no columns {lacking}, which {first!r} has")
            if extra:
                raise DataError(
                    f"csv(): {path!r} has the columns {extra}, which {first!r} has not; say which are "
                    "wanted: columns=[...]"
                )

    def _examine(self, data: bytes, number: int, where: str, wanted: list[str], types: ColumnTypes) -> None:
        """Take note of the types of a block, of the records of it that can be read."""
        names, broken = self._heads[number][1], 0

        def infer(part: bytes) -> pa.Table:
            return self._dialect.table(self._utf8(part, "replace"), names, wanted)

        def note(part: bytes, table: pa.Table) -> None:
            types.add(table, where)
            for name in rounded(table):
                kinds = {name: arrow().string()}
                written = self._dialect.table(self._utf8(part, "replace"), names, [name], kinds)
                if _has_whole(written.column(name)):
                    types.note_large(name, where)

        whole = attempt(infer, data)
        if not isinstance(whole, str):
            note(data, whole)
            return
        starts = self.starts(data)
        places = [*starts.tolist(), len(data)]
        for start, end, found in whole_parts(data, starts, infer, len(starts)):
            if not isinstance(found, str):
                note(data[places[start] : places[end]], found)
                continue
            broken += 1
            if broken > MOST_BAD:  # then the block is never read
                break

    def start_of(self, number: int) -> Start:
        """Return where the rows of a file begin: behind its header."""
        return self._heads[number][0]

    def decode(self, data: bytes, number: int) -> pa.Table:
        """Return the rows of whole records of a file."""
        types = {field.name: field.type for field in self.schema}
        return self._dialect.table(self._utf8(data), self._heads[number][1], self.table.names, types)

    def _utf8(self, data: bytes, errors: str = "strict") -> bytes:
        return data if self.encoding == "utf-8" else data.decode(self.encoding, errors).encode()


def _has_whole(written: pa.ChunkedArray) -> bool:
    """Return whether texts have whole numbers that float64 may not hold."""
    whole = arrow("compute").match_substring_regex(written, r"^\s*[+-]?\d{16,400}\s*$")
    return any(abs(int(text)) > EXACT for text in written.filter(whole).to_pylist())
