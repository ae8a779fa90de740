"""Hypothesis, an optional package: imported here only, after the message that names what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamfit._base.optional import require

require("hypothesis", "testing")
from hypothesis import strategies as st  # noqa: E402 - after `require`
from hypothesis.stateful import (  # noqa: E402
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

if TYPE_CHECKING:  # the others import these names from here
    __all__ = ["RuleBasedStateMachine", "initialize", "invariant", "precondition", "rule", "st"]
