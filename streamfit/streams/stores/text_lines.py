"""`text_lines`: the lines of files of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Spec
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.given import texts
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.record_scan import RecordForm
from streamfit.streams.stores.store import BYTES_OF_TEXT, StoreBlock
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.stores.text_store import TextStore


def text_lines(
    paths: Paths,
    *,
    encoding: str = "utf-8",
    skip_blank: bool = False,
    endings: Sequence[str] = (".txt", ".text"),
    name: str = "text_lines",
) -> Pipeline:
    r"""Make a pipeline of the lines of files of text; each is a `str` without its line end.

    A line ends with ``\n`` or ``\r\n``, or with the file. The files are read once when the pipeline is
    made, to find their lines. A line that is no valid text is a bad sample, which
    ``fit(on_bad_sample="skip")`` leaves out.

    Args:
        paths: A file, a glob, a folder (with the folders in it), or several of them.
        encoding: How they are encoded: UTF-8, or an encoding with one byte a letter.
        skip_blank: Whether lines that hold nothing but spaces and tabs are no samples.
        endings: How the names of files end that count in folders.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Lines cannot be found in this encoding.
        DataError: A file is compressed or no text, there are no lines, or one has more than 64 MiB.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "poem.txt")
        >>> _ = path.write_text("Tyger Tyger, burning bright,\nIn the forests of the night;\n", "utf-8")
        >>> lines = text_lines(path)
        >>> lines
        text_lines('text_lines', 1 file, 2 rows)
        >>> next(iter(lines.batch(2))).tolist()
        ['Tyger Tyger, burning bright,', 'In the forests of the night;']
        >>> holder.cleanup()
    """
    files = find_files(paths, texts(endings, "text_lines()", "endings"), "text_lines()")
    return Pipeline(StoreRows(TextLines(files, encoding, skip_blank, name)), name)


class TextLines(TextStore):
    """The lines of files; for the arguments see `text_lines`."""

    def __init__(self, files: Sequence[str], encoding: str, skip_blank: bool, name: str) -> None:
        form = RecordForm(blank="white" if skip_blank else "none")
        super().__init__(files, form, encoding, "text_lines()", name)
        self.cut()

    @property
    def specs(self) -> Element:
        """The spec of a line."""
        return Spec((), np.dtype(object))

    @property
    def row_bytes(self) -> int:
        """The bytes of a line, roughly."""
        return super().row_bytes + BYTES_OF_TEXT

    def read(self, block: int) -> StoreBlock:
        """Read a block of lines."""
        data = self.data(block)
        if b"\r\n" in data:
            data = data.replace(b"\r\n", b"\n")
        bad: dict[int, str] = {}
        try:
            lines = data.decode(self.encoding).split("\n")
        except UnicodeDecodeError:
            parts = data.split(b"\n")
            lines = [part.decode(self.encoding, "replace") for part in parts]
            if data.endswith(b"\n"):
                del parts[-1]
            if self.form.blank == "white":
                parts = [part for part in parts if part.strip(b" \t\r")]
            for row, part in enumerate(parts):
                try:
                    part.decode(self.encoding)
                except UnicodeDecodeError as error:
                    bad[row] = (
                        f"the line is no text in {self.encoding}: byte 0x{part[error.start]:02x} at "
                        f"place {error.start + 1:,} ({error.reason})"
                    )
        if not lines[-1]:
            del lines[-1]  # behind the last line end
        if self.form.blank == "white":
            lines = [line for line in lines if line.strip(" \t\r")]
        made = np.empty(len(lines), object)
        made[:] = lines
        return StoreBlock(made, bad)

    def identity(self) -> dict[str, object]:
        """Return names of files, lines and encoding."""
        return {**super().identity(), "encoding": self.encoding}
