"""Names and passwords of private caches, from the ``netrc-file`` of Nix's settings."""

from __future__ import annotations

import netrc
from collections.abc import Callable
from pathlib import Path

Credentials = Callable[[str], tuple[str, str] | None]
"""Finds name and password for a host; None where there are none."""


def read_netrc(path: str) -> Credentials:
    """Read the file; one that is missing or cannot be read gives no credentials, as with Nix."""
    if not path or not Path(path).is_file():
        return lambda _: None
    try:
        known = netrc.netrc(path)
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return lambda _: None

    def find(host: str) -> tuple[str, str] | None:
        entry = known.authenticators(host)
        return (entry[0], entry[2] or "") if entry else None

    return find
