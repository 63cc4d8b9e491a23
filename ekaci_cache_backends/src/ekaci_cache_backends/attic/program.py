"""Pushing to Attic with its own program, by a configuration file that nobody else reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ekaci_cache_backends.attic.destination import AtticDestination
from ekaci_cache_backends.judgement import Kind, Row, readable
from ekaci_core.api import Secret

# As its public source and its issues have them; the first that fits counts.
ATTIC_MESSAGES: Final[Sequence[Row]] = (
    Row.of(r"\bunauthorized\b|access ?error|http (401|403)\b", Kind.REFUSED, "the token is refused"),
    Row.of(r"nosuchcache|requested cache does not exist", Kind.LASTING, "there is no such cache"),
    Row.of(r"invalid cache reference|server \S+ does not exist", Kind.LASTING, "it does not know the cache"),
    Row.of(r"bad nar hash or size|bad chunk hash", Kind.ONE_PATH, "a path is not what the store has registered"),
    Row.of(r"is not valid|invalid ?store ?path|no such file", Kind.ONE_PATH, "a path cannot be read"),
    Row.of(r"internalservererror|incompletenar|databaseerror|storageerror", Kind.TRANSIENT, "the server is in trouble"),
    Row.of(r"requesterror|http 4(?!29|08)\d\d\b", Kind.LASTING, "the server does not accept it"),
    Row.of(r"unexpected argument|unrecognized subcommand", Kind.LASTING, "it does not know the command: it is too old"),
)

_PATH_LINE: Final = re.compile(r"^❌ (?P<name>[0-9a-df-np-sv-z]{32}-[^\s:]+): (?P<said>.*)$", re.MULTILINE)


def configuration(destination: AtticDestination, token: Secret) -> str:
    """Write ``config.toml`` of the program."""
    # A JSON text of printable ASCII is a text in TOML.
    return (
        f"default-server = {json.dumps(destination.server)}\n\n"
        f"[servers.{json.dumps(destination.server)}]\n"
        f"endpoint = {json.dumps(destination.endpoint.url)}\n"
        f"token = {json.dumps(token.reveal().strip())}\n"
    )


def told_paths(output: str) -> Mapping[str, str]:
    """Find what the program says of single paths that failed."""
    return {found["name"]: found["said"] for found in _PATH_LINE.finditer(readable(output))}
