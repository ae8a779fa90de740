"""Names that do nothing."""

from any_name import __getattr__  # noqa: F401
