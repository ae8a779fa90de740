"""What stands for ``keras.src.testing.test_utils``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

Case = dict[str, Any]


def named_product(*cases: Iterable[Case], **choices: Iterable[Any]) -> list[Case]:
    """Return all combinations of named cases and of values of arguments, named after all of their parts."""
    parts = [list(part) for part in cases]
    for name, values in choices.items():
        parts.append(
            [
                {"testcase_name": str(getattr(value, "__name__", value)).lower(), name: value}
                for value in values
            ]
        )
    combined = []
    for chosen in itertools.product(*reversed(parts)):
        own = list(reversed(chosen))
        name = "_".join(str(part["testcase_name"]) for part in own)
        combined.append({key: value for part in own for key, value in part.items()} | {"testcase_name": name})
    return combined


TEST_UTILS: dict[str, Any] = {"named_product": named_product}
