"""Statements of more than a line, one a file."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    """Return the statement in ``<name>.sql``."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
