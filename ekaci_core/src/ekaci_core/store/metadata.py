"""Package metadata in the database: one row for each content, however many evaluations share it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

import attrs

from ekaci_core.model.package import PackageMeta
from ekaci_core.store.contract import MetaId

_ABSENT = PackageMeta()
_FIELDS = tuple((field.name, getattr(_ABSENT, field.name)) for field in attrs.fields(PackageMeta))
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DIGEST_BYTES = 16


def body_of(meta: PackageMeta) -> str:
    """Write what differs from the defaults, as JSON that is equal for equal metadata."""
    return _ENCODER.encode({name: value for name, absent in _FIELDS if (value := getattr(meta, name)) != absent})


def meta_of(body: str) -> PackageMeta:
    """Undo `body_of`."""
    said: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(body).items()
    }
    return PackageMeta(**said)


def digest_of(body: str) -> bytes:
    """Name a content."""
    return hashlib.blake2b(body.encode(), digest_size=_DIGEST_BYTES).digest()


def add(connection: sqlite3.Connection, bodies: Mapping[bytes, str]) -> None:
    """Store bodies by digest."""
    connection.executemany("INSERT OR IGNORE INTO meta (digest, body) VALUES (?, ?)", bodies.items())


def by_id(connection: sqlite3.Connection, ids: Collection[MetaId]) -> dict[MetaId, PackageMeta]:
    """Read metadata by number."""
    rows = connection.execute(
        "SELECT id, body FROM meta WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return {MetaId(number): meta_of(body) for number, body in rows}
