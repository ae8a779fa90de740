"""Layer 0: errors, specs, names, keys and settings. Every package may use it; it uses no other package."""

from __future__ import annotations
