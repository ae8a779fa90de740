"""`categories`: the different values of columns, from one reading."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.text import holds_text
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.elements import as_mapping, form_of

_ROWS = 1 << 14
_MOST = 1 << 24


def categories(data: Pipeline) -> dict[str, list[object]]:
    """Return the different values of each column of text, in order: for ``categories=`` of tables in files.

    The data are read once, in the caller's thread, in bounded memory: name only columns that you ask for.
    To find the most frequent values, or to leave rare ones out, use `StringLookup.adapt`.

    Args:
        data: Samples that are dictionaries of columns, such as ``files.parquet(path, ["job", "city"])``.

    Raises:
        DataError: The samples are no dictionaries, or a column has more than 16 million different values.

    Example:
        >>> from streamfit.streams import source
        >>> people = source({"job": ["nurse", "cook", "nurse"], "age": [31, 45, 27]})
        >>> categories(people)
        {'job': ['cook', 'nurse']}
    """
    found: dict[str, set[object]] = {}
    for element in data.batch(_ROWS).elements():
        columns = as_mapping(element[0] if isinstance(element, tuple) else element)
        if columns is None:
            raise DataError(
                f"categories() needs samples that are dictionaries of columns, got {form_of(element)}; name "
                "the columns in a list: files.parquet(path, ['job'])"
            )
        for name, values in columns.items():
            array = np.asarray(values)
            if not holds_text(array):
                continue
            known = found.setdefault(name, set())
            known.update(array.tolist())
            if len(known) > _MOST:
                raise DataError(
                    f"column {name!r} has more than {_MOST:,} different values; use a Hashing layer"
                )
    return {name: sorted(values, key=str) for name, values in found.items()}
