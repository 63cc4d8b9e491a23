"""What went wrong between this machine and another, from what Nix and ssh say of it, as one table."""

from __future__ import annotations

import re
from typing import Final

import attrs

from ekaci_core.api import BuildInterrupted, BuildState, TransientKind

_REASON_CHARACTERS: Final = 300


@attrs.frozen
class Trouble:
    """A kind of fault.

    Attributes:
        reason: one sentence, without the machine's name.
        transient: its kind, where it may pass.
        lost: whether the machine could not be talked to, which its circuit counts.
        collected: whether it no longer has what it was given.
        lied: whether it does not build what it was said to.
    """

    reason: str
    transient: TransientKind | None = None
    lost: bool = False
    collected: bool = False
    lied: bool = False

    def interruption(self, name: str, detail: str = "") -> BuildInterrupted:
        """Return the outcome of an attempt on the machine of this name."""
        reason = f"{name}: {self.reason}" + (f" ({detail})" if detail else "")
        return BuildInterrupted(
            BuildState.PROCESS_DEATH, reason[:_REASON_CHARACTERS], infrastructure=True, transient=self.transient
        )


LEFT_ALONE: Final = Trouble("did not answer and is left alone for a while", TransientKind.BUILDER_LOST)
SILENT: Final = Trouble("did not answer in time", TransientKind.BUILDER_LOST, lost=True)

_LOST: Final = Trouble("the connection failed", TransientKind.BUILDER_LOST, lost=True)
_FULL: Final = Trouble("no space left on its disk or on this machine's", TransientKind.DISK)
LIED: Final = Trouble("does not build for this platform or these features", TransientKind.BUILDER_LOST, lied=True)
_COLLECTED: Final = Trouble("no longer has what was copied there", TransientKind.BUILDER_LOST, collected=True)

# What ssh itself says; earlier lines are more telling.
_SSH: Final[tuple[tuple[re.Pattern[str], Trouble], ...]] = tuple(
    (re.compile(pattern), trouble)
    for pattern, trouble in (
        (
            r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S+ host key is known",
            Trouble("its host key is not the one that is expected", TransientKind.SSH, lost=True),
        ),
        (
            r"Permission denied \(|Too many authentication failures|bad permissions|error in libcrypto",
            Trouble("it does not accept the key", TransientKind.SSH, lost=True),
        ),
        (
            r"(?:nix-daemon|nix-store): (?:command )?not found|nix-(?:daemon|store).*No such file",
            Trouble("Nix is not found there", TransientKind.SSH, lost=True),
        ),
        (
            (
                r"Connection (?:refused|reset|timed out|closed)|No route to host|unreachable|Could not resolve"
                r"|not known|kex_exchange|Broken pipe|not responding|Timeout|banner exchange"
            ),
            _LOST,
        ),
    )
)

# What Nix says, quoted names taken out.
_NIX: Final[tuple[tuple[re.Pattern[str], Trouble], ...]] = tuple(
    (re.compile(pattern), trouble)
    for pattern, trouble in (
        (r"No space left on device|disk is full|Disk quota exceeded|lack of free disk space", _FULL),
        (r"is required to build|Required system:|required system or feature not available", LIED),
        (
            r"lacks a (?:valid )?signature|lacks a signature|not (?:a )?trusted|not privileged|are not allowed",
            Trouble("does not trust what is copied: its user must be one of `trusted-users`, on either side"),
        ),
        (
            (
                r"cannot open connection to remote store|cannot connect to ''|failed to start SSH connection"
                r"|unexpected end-of-file|[Bb]roken pipe|Connection (?:reset|refused)|disconnected unexpectedly"
                r"|Connection closed|protocol mismatch|cannot build on ''"
            ),
            _LOST,
        ),
        (r"unable to start any build", LIED),
        (
            r"path '' (?:is not valid|does not exist)|cannot build missing derivation|is not in the Nix store",
            _COLLECTED,
        ),
    )
)


def trouble_in(said: str, ssh: str = "") -> Trouble | None:
    """Find what is wrong.

    Args:
        said: errors of Nix itself, without copies of a build's log.
        ssh: what ssh printed; only explains why a connection failed, and decides nothing else.
    """
    said, ssh = _without_names(said), _without_names(ssh)
    found = _first(_NIX, said)
    if found is None or found is _LOST:
        return (_first(_SSH, ssh) if found or not said.strip() else None) or found
    return found


def detail_of(text: str) -> str:
    """Return the most telling line of what was printed."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("copying ", "warning:"))]
    found = [line for line in telling if _first(_SSH, line)] or [line for line in telling if "error:" in line]
    return (found or telling or [""])[0].removeprefix("error: ")


def _without_names(text: str) -> str:
    # A derivation chooses its name and those of its files; they must not look like a lost connection.
    return re.sub(r"'[^'\n]*'", "''", text)


def _first(table: tuple[tuple[re.Pattern[str], Trouble], ...], text: str) -> Trouble | None:
    return next((trouble for pattern, trouble in table if pattern.search(text)), None)
