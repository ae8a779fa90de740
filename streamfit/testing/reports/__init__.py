"""The results of the checks as text, JSON and a page."""

from __future__ import annotations
