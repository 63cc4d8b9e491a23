"""What is asked of the daemon, and the answers. Sans-IO.

The order of words is that of ``performOp`` and ``processConnection`` in
https://github.com/NixOS/nix/blob/master/src/libstore/daemon.cc, of values that of
https://github.com/NixOS/nix/blob/master/src/libstore/worker-protocol.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ekaci_builder_daemon.protocol import (
    HELLO,
    HELLO_BACK,
    NEWEST,
    OLDEST,
    WITH_FEATURES,
    WITH_TIMES,
    WITH_TRUST,
    BuildStatus,
    Level,
    Operation,
    Trust,
    Version,
)
from ekaci_builder_daemon.wire import Inbox, Reading, Unreadable, text, texts, word
from ekaci_core.api import DrvPath, StorePath, UsageFault

_SHORT_BYTES: Final = 4096
_ERROR_BYTES: Final = 64 * 1024
_MOST_FEATURES: Final = 1000
_MOST_OUTPUTS: Final = 10_000
_NORMAL_BUILD: Final = 0
_SUCCESSES: Final = (
    BuildStatus.BUILT,
    BuildStatus.SUBSTITUTED,
    BuildStatus.ALREADY_VALID,
    BuildStatus.RESOLVES_TO_ALREADY_VALID,
)


@attrs.frozen
class Greeting:
    """Who the daemon is: its Nix, the version that both speak, and whether it trusts its client."""

    nix: str
    version: Version
    trust: int = Trust.UNKNOWN


@attrs.frozen
class Options:
    """Settings for the builds of a connection, as Nix's client would send them.

    ``more`` are further settings by name; a daemon that does not trust its client keeps its own of most of them.
    """

    max_silent_seconds: int = 0
    cores: int = 0
    keep_failed: bool = False
    fallback: bool = False
    substitute: bool = True
    more: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class BuildResult:
    """What a build came to, in the daemon's words."""

    status: int
    error: str

    @property
    def is_success(self) -> bool:
        """Whether the outputs are valid."""
        return self.status in _SUCCESSES


def hello() -> bytes:
    """Begin."""
    return word(HELLO) + word(NEWEST.on_wire)


def hello_back(inbox: Inbox) -> Reading[Version]:
    """Read the daemon's beginning; return the version that both speak.

    Raises:
        Unreadable: it is no Nix daemon, or of another time.
    """
    if (yield from inbox.word()) != HELLO_BACK:
        raise Unreadable("it is no Nix daemon")
    theirs = Version.of_wire((yield from inbox.word()))
    if theirs.major != NEWEST.major or theirs < OLDEST:
        raise Unreadable(f"it speaks version {theirs} of the protocol, and {OLDEST} to {NEWEST} are understood")
    return min(theirs, NEWEST)


def introduction(version: Version) -> bytes:
    """Go on once the version is known: no features, and two words that mean nothing any more."""
    return (texts([]) if version >= WITH_FEATURES else b"") + word(0) + word(0)


def introduced(inbox: Inbox, version: Version) -> Reading[Greeting]:
    """Read the daemon's part of that. Messages follow, until the last one."""
    if version >= WITH_FEATURES:
        for _ in range((yield from inbox.count(_MOST_FEATURES, "features"))):
            yield from inbox.data(0)
    nix = yield from inbox.text(_SHORT_BYTES)
    trust = (yield from inbox.word()) if version >= WITH_TRUST else Trust.UNKNOWN
    return Greeting(nix, version, trust)


def set_options(options: Options) -> bytes:
    """Ask for settings; there is no answer but the messages."""
    words = (
        Operation.SET_OPTIONS,
        options.keep_failed,
        False,  # keep-going: there is one build only
        options.fallback,
        Level.INFO,
        1,  # max-jobs
        options.max_silent_seconds,
        True,  # three that mean nothing any more, but for the level of what a builder prints
        Level.ERROR,
        0,
        0,
        options.cores,
        options.substitute,
    )
    named = [each for pair in options.more.items() for each in pair]
    return b"".join(map(word, words)) + word(len(options.more)) + b"".join(map(text, named))


def build_with_result(drv: DrvPath) -> bytes:
    """Ask for all outputs of a derivation, from protocol 1.34 on."""
    return word(Operation.BUILD_PATHS_WITH_RESULTS) + texts([_all_outputs(drv)]) + word(_NORMAL_BUILD)


def built_with_result(inbox: Inbox, version: Version, drv: DrvPath) -> Reading[BuildResult | None]:
    """Read how it went; None where the daemon was stopped before it knew.

    Raises:
        Unreadable: it is the result of something else.
    """
    if not (yield from inbox.count(1, "results of one build")):
        return None
    path = yield from inbox.text(_SHORT_BYTES)
    if path != _all_outputs(drv):
        raise Unreadable(f"it sent the result of another build, {path[:200]!r}")
    status = yield from inbox.word()
    error = yield from inbox.text(_ERROR_BYTES)
    for _ in ("times built", "not deterministic", "start", "end"):
        yield from inbox.word()
    if version >= WITH_TIMES:
        for _ in ("user", "system"):
            if (yield from inbox.word()):
                yield from inbox.word()
    for _ in range((yield from inbox.count(_MOST_OUTPUTS, "outputs"))):
        yield from inbox.data(0)
        yield from inbox.data(0)
    return BuildResult(status, error)


def build(drv: DrvPath) -> bytes:
    """Ask for all outputs of a derivation in protocol 1.33; the answer is a word."""
    return word(Operation.BUILD_PATHS) + texts([_all_outputs(drv)]) + word(_NORMAL_BUILD)


def add_temp_root(path: str) -> bytes:
    """Ask that a path is kept from the garbage collector while the connection is open; the answer is a word."""
    return word(Operation.ADD_TEMP_ROOT) + text(path)


def add_indirect_root(link: str) -> bytes:
    """Ask that what a link points to is kept from the garbage collector; the answer is a word."""
    return word(Operation.ADD_INDIRECT_ROOT) + text(link)


def query_outputs(drv: DrvPath) -> bytes:
    """Ask where the outputs of a derivation are."""
    return word(Operation.QUERY_DERIVATION_OUTPUT_MAP) + text(drv)


def outputs(inbox: Inbox) -> Reading[Mapping[str, StorePath]]:
    """Read where outputs are, by name; those that are nowhere yet are left out.

    Raises:
        Unreadable: one is at no place in a store.
    """
    found: dict[str, StorePath] = {}
    for _ in range((yield from inbox.count(_MOST_OUTPUTS, "outputs"))):
        name, path = (yield from inbox.text(_SHORT_BYTES)), (yield from inbox.text(_SHORT_BYTES))
        if path:
            found[name] = _store_path(path)
    return found


def _store_path(path: str) -> StorePath:
    try:
        return StorePath.parse(path)
    except UsageFault as fault:
        raise Unreadable(str(fault)) from None


def _all_outputs(drv: DrvPath) -> str:
    # With "!", not with the "^" of newer command lines: the form since 1.30.
    return f"{drv}!*"
