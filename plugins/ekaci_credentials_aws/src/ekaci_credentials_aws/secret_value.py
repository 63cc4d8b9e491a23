"""What a secret of a manager says: an object of JSON, lines ``KEY=VALUE``, the same as bytes, or one value."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.api import NotKeyValues, Secret, parse_key_values

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]+")


def secrets_in(content: str | bytes, name: str) -> dict[str, Secret]:
    """Read a secret. One value gets the last part of its name as a variable: ``eka-ci/cache-token`` is ``CACHE_TOKEN``.

    Raises:
        NotKeyValues: it begins like JSON and is none, is empty, or is no text.
    """
    try:
        text = (content.decode() if isinstance(content, bytes) else content).lstrip("\ufeff").strip()
    except UnicodeDecodeError:
        raise NotKeyValues("it is no text") from None
    if not text:
        raise NotKeyValues("it is empty")
    if text.startswith("{"):
        return parse_key_values(text)
    try:
        found = parse_key_values(text)
    except NotKeyValues:
        found = {}
    if found and all(secret.reveal().strip("=") for secret in found.values()):
        return found
    return {_variable(name): Secret(text)}


def _variable(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return _NOT_IN_NAMES.sub("_", last).strip("_").upper() or "SECRET"
