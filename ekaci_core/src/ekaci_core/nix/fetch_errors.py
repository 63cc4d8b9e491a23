"""What fetchers print when the network is at fault, and not what they fetch.

These are lines of a build's log, so they are evidence only where a build may use the network at all: of a fixed-output
derivation. Anything else that prints them says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# Of curl's codes, and so of Nix's own downloads: names that do not resolve, hosts that do not answer or hang up. Not
# among them: a page that is not there (22 with 404), a certificate that is wrong (60), a protocol nobody speaks (1).
_CODES: Final = r"\((?:5|6|7|16|18|28|35|52|55|56|92|95)\)"
_STATUSES: Final = r"\b(?:408|425|429|5\d\d)\b"

_TROUBLE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"curl: {_CODES}",
        rf"curl: \(22\) .*error: {_STATUSES}",
        rf"unable to download '.*': .*{_CODES}",
        rf"unable to download '.*': HTTP error {_STATUSES}",
        rf"HTTP request sent, awaiting response\.\.\. {_STATUSES}",  # wget
        r"Could not resolve (?:host|proxy|hostname)\b|unable to resolve host address",
        r"Temporary failure in name resolution|Name or service not known|dial tcp: lookup .*: no such host",
        r"Network is unreachable|No route to host",
        r"[Cc]onnection timed out|[Cc]onnection refused|[Cc]onnection reset by peer",
        r"TLS handshake timeout|: i/o timeout|gnutls_handshake\(\) failed",
        r"\b(?:EAI_AGAIN|ECONNRESET|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b",  # npm, yarn, node
        r"[Tt]he remote end hung up unexpectedly|fatal: early EOF|RPC failed; (?:curl|HTTP)",  # git
        r"warning: spurious network error",  # cargo
    )
)


def network_trouble(lines: Iterable[str]) -> str | None:
    """Return the last line that tells of the network, without escape sequences around it; None where there is none."""
    found = None
    for line in lines:
        if any(pattern.search(line) for pattern in _TROUBLE):
            found = line.strip()
    return found
