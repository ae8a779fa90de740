"""`Sequence` is the one of this library, as for users who move here."""

from any_name import __getattr__  # noqa: F401

from streamfit import Sequence  # noqa: F401
