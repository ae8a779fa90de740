"""Tables where arrays were expected: what to write instead, known by their types alone."""

from __future__ import annotations

_READERS = ("RecordBatchReader", "Scanner")


def is_lazy(value: object) -> bool:
    """Return whether `value` is a query that was not run, such as a LazyFrame of polars."""
    kind = type(value)  # attributes of the object itself may run the query
    return "LazyFrame" in kind.__name__ and hasattr(kind, "collect")


def table_advice(value: object) -> str | None:
    """Return what to write for a table of another library, which must be told what x and y are; else None.

    Example:
        >>> table_advice([1, 2]) is None
        True
    """
    kind = type(value)
    package, name = kind.__module__.partition(".")[0], kind.__name__
    if is_lazy(value):
        return "it is a query that was not run: files.table(frame.collect(), target='...')"
    if package == "pyarrow" and name.endswith("Dataset"):
        return _of_files(
            getattr(value, "files", None), getattr(getattr(value, "format", None), "default_extname", "")
        )
    if package == "pyarrow" and name == "ParquetFile":
        return "name the columns and the path: files.parquet(path, columns=[...], target='...')"
    if package == "pyarrow" and name in _READERS:
        taken = "reader" if name == "RecordBatchReader" else "scanner.to_reader()"
        return f"name the columns: files.table({taken}, columns=[...], target='...')"
    if package in ("duckdb", "_duckdb") and "Relation" in name:
        return "name the columns: files.table(relation, columns=[...], target='...')"
    known = ("numpy", "pandas", "polars", "pyarrow")
    if package not in known and hasattr(kind, "__arrow_c_stream__") and not hasattr(kind, "to_numpy"):
        return "it is a table: files.table(frame, columns=[...], target='...')"
    return None


def _of_files(paths: object, ending: str) -> str:
    reader = "arrow" if ending in ("arrow", "feather", "ipc") else "parquet"
    first = paths[0] if isinstance(paths, list) and paths else "..."
    shown = repr(first) if isinstance(paths, list) and len(paths) == 1 else f"[{first!r}, ...]"
    return f"name the columns and its files: files.{reader}({shown}, columns=[...], target='...')"
