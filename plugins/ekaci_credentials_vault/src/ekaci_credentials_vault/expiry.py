"""Times as Vault writes them."""

from __future__ import annotations

import datetime as dt
import re


def seconds_of(text: object) -> float | None:
    """Turn ``2026-01-02T03:04:05.123456789Z`` into seconds since the epoch; None for what is no time."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        return None
