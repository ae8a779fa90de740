"""`TextTable`: the base of tables that are written as text, a record for each row.

Guarantee kept here: a row keeps its number whatever is wrong with the rows beside it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ArrowRows, ColumnRules, validate
from streamfit.streams.stores.columns import TableForm
from streamfit.streams.stores.store import StoreBlock
from streamfit.streams.stores.text_store import TextStore

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

MOST_BAD = 1000
"""How many records of a block are looked for that cannot be used; with more of them none of it is."""

Decode = Callable[[bytes], "pa.Table"]


class TextTable(TextStore):
    """The rows of a table. A class that derives from it decodes them, and calls `use` once it knows types."""

    table: TableForm
    """Which columns make a sample."""

    def use(self, schema: pa.Schema, table: TableForm, rules: ColumnRules) -> None:
        """Fix the types of the columns, and what becomes of them.

        Raises:
            DataError: A column has a type that makes no array.
        """
        self.table = table
        self.schema = arrow().schema([schema.field(name) for name in table.names])
        self._rows = ArrowRows(self.schema, table.names, rules, self.name)

    @abstractmethod
    def decode(self, data: bytes, number: int) -> pa.Table:
        """Return the rows of whole records of a file.

        Raises:
            ArrowException or ValueError: One of them is broken.
        """

    @property
    def specs(self) -> Element:
        """The specs of a row."""
        return self.table.specs(self._rows.specs)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, roughly."""
        return self._rows.row_bytes

    def read(self, block: int) -> StoreBlock:
        """Read and decode a block."""
        number = int(self._files[block])
        data, rows = self.data(block), int(self.lengths[block])
        bad: dict[int, str] = {}

        def decode(part: bytes) -> pa.Table:
            table = self.decode(part, number)
            validate(table, lambda: "its text")
            return table

        table = None if self.is_unclosed(block) else attempt(decode, data)
        if not isinstance(table, arrow().Table) or table.num_rows != rows:
            table, bad = self._good_rows(block, data, decode)
        return StoreBlock(self.table.element(self._rows.arrays(table, lambda: self.where(block))), bad)

    def _good_rows(self, block: int, data: bytes, decode: Decode) -> tuple[pa.Table, dict[int, str]]:
        """Return the rows of a block, with another row in the place of each that is broken."""
        starts = self.starts(data)
        rows, bad, tables = len(starts), {}, []
        source = np.zeros(rows, np.int64)
        if self.is_unclosed(block):
            bad[rows - 1] = "a quote that is opened in this record is never closed"
        good = 0
        for start, end, found in whole_parts(data, starts, decode, rows - len(bad)):
            if isinstance(found, str):
                bad[start] = found
                if len(bad) > MOST_BAD:
                    break
                continue
            tables.append(found)
            source[start:end] = np.arange(good, good + end - start)
            good += end - start
        if not good or len(bad) > MOST_BAD:
            row, reason = min(bad.items())
            count = "no record" if not good else f"more than {MOST_BAD:,} records"
            what = "can be used" if not good else "cannot be used"
            raise DataError(f"{self.where(block, row)}: {reason} ({count} of {rows:,} in this block {what})")
        return arrow().concat_tables(tables).take(source), dict(sorted(bad.items()))

    def identity(self) -> dict[str, object]:
        """Return names of files, rows and columns."""
        kinds = {field.name: str(field.type) for field in self.schema}
        return {**super().identity(), "columns": kinds}


def attempt(decode: Decode, data: bytes) -> pa.Table | str:
    """Return rows, or what is wrong with them."""
    try:
        return decode(data)
    except (arrow().ArrowException, ValueError) as error:
        text = " ".join(str(error).split())
        return text if len(text) <= 300 else text[:300] + "..."


def whole_parts(
    data: bytes, starts: Array, decode: Decode, count: int
) -> Iterator[tuple[int, int, pa.Table | str]]:
    """Decode as many records at once as can be: halves of halves, down to single records.

    Args:
        data: The text.
        starts: Where each record begins.
        decode: Decodes some of them.
        count: How many of them to decode.

    Yields:
        The first record, the one behind the last, and their rows or what is wrong with the only one.
    """
    ends = np.append(starts[1:], len(data))
    waiting = [(0, count)] if count else []
    while waiting:
        start, end = waiting.pop()
        found = attempt(decode, data[int(starts[start]) : int(ends[end - 1])])
        if not isinstance(found, str) and found.num_rows != end - start:
            found = f"it holds {found.num_rows} records"
        if isinstance(found, str) and end - start > 1:
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]
        else:
            yield start, end, found
