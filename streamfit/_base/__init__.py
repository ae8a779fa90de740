"""Floor 0: what every room may use and what uses no room: errors, specs, names, keys, settings."""

from __future__ import annotations
