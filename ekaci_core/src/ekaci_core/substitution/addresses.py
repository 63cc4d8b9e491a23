"""Addresses of substituters, as ``substituters`` in nix.conf has them."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import attrs

_HTTP: Final = ("http", "https")


@attrs.frozen
class CacheAddress:
    """A binary cache over HTTP or in a folder.

    ``url`` is without query and credentials and has no slash at its end, and is what people are shown. ``priority``
    is None where the cache itself says it. ``trusted`` caches need no signatures. ``credentials`` are a name and a
    password; they are never shown.
    """

    url: str
    priority: int | None = None
    trusted: bool = False
    credentials: tuple[str, str] | None = attrs.field(default=None, repr=False)

    @property
    def folder(self) -> str | None:
        """Where a ``file://`` cache is, None for others."""
        return unquote(self.url.removeprefix("file://")) if self.url.startswith("file://") else None

    @property
    def host(self) -> str:
        """The name of the machine."""
        return urlsplit(self.url).hostname or ""


def parse_address(text: str) -> CacheAddress | None:
    """Read an address; None where only Nix can ask it: ``s3://``, ``ssh://``, other stores, or none at all."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return None
    if parts.scheme not in (*_HTTP, "file") or (parts.scheme in _HTTP and not host):
        return None
    options = parse_qs(parts.query)
    priority = options.get("priority", [""])[-1]
    credentials = None
    if parts.username is not None:
        credentials = (unquote(parts.username), unquote(parts.password or ""))
    return CacheAddress(
        urlunsplit((parts.scheme, f"[{host}]{port}" if ":" in host else host + port, parts.path.rstrip("/"), "", "")),
        priority=int(priority) if priority.isdecimal() else None,
        trusted=options.get("trusted", [""])[-1] in ("1", "true"),
        credentials=credentials,
    )


def shown(text: str) -> str:
    """Return an address without what may be secret in it: credentials and options."""
    scheme, separator, rest = text.partition("://")
    return f"{scheme}{separator}{rest.partition('?')[0].rpartition('@')[2]}"
