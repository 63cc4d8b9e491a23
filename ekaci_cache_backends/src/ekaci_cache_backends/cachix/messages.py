"""What messages of the program ``cachix`` mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from ekaci_cache_backends.judgement import Kind, Row
from ekaci_core.api import StorePath, WriteLog

# Of 1.x, as its public source and its issues have them; the first that fits counts.
CACHIX_MESSAGES: Final[Sequence[Row]] = (
    Row.of(r"auth token has expired|you need a token|you don't have access", Kind.REFUSED, "the token is refused"),
    Row.of(r"status(code)? = (401|403)\b|not authorized|unauthorized|forbidden", Kind.REFUSED, "the token is refused"),
    Row.of(r"neither auth token nor signing key|signing key not found", Kind.LASTING, "it has no token"),
    Row.of(r"binary cache \S+ does not exist|status(code)? = 404\b", Kind.LASTING, "there is no such cache"),
    Row.of(r"invalid (signing key|signature)|signature mismatch", Kind.LASTING, "the signing key is not the cache's"),
    Row.of(r"status(code)? = (402|413)\b|quota|storage limit|usage limit", Kind.LASTING, "the cache takes no more"),
    Row.of(r"status(code)? = 4(?!29|08)\d\d\b", Kind.LASTING, "the cache does not accept it"),
    Row.of(r"nar ?hash ?mismatch|nar hash", Kind.ONE_PATH, "a path is not what the store has registered"),
    Row.of(r"narstreamingerror|invalidpath|is not valid|no such path", Kind.ONE_PATH, "a path cannot be read"),
    Row.of(r"invalid option|unrecognized|usage: cachix|missing: ", Kind.LASTING, "it does not know the command"),
)

_SKIPPED: Final = re.compile(rb"([0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]+)(?: is not valid|:).*, skipping")
_LINE_BYTES: Final = 16 * 1024


class SkippedPaths:
    """Listens to the program: paths that it leaves out are told in warnings only, and the status is 0."""

    def __init__(self, log: WriteLog) -> None:
        """Write on to ``log``."""
        self._log = log
        self._line = bytearray()
        self._names: set[str] = set()

    def write(self, chunk: bytes) -> None:
        """Take what the program writes."""
        self._log(chunk)
        self._line += chunk
        *lines, rest = bytes(self._line).split(b"\n")
        self._names.update(found[1].decode() for line in lines if (found := _SKIPPED.search(line)))
        self._line = bytearray(rest[-_LINE_BYTES:])

    def found(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Return which of these were left out."""
        return frozenset(path for path in paths if path.base_name in self._names)
