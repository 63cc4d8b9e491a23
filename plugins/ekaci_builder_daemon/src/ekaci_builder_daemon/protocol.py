"""The numbers of the worker protocol, which Nix's clients and its daemon speak.

Nix documents none of it. The numbers stand in
https://github.com/NixOS/nix/blob/master/src/libstore/include/nix/store/worker-protocol.hh (before 2.29:
``src/libstore/worker-protocol.hh``), those of `BuildStatus` in ``build-result.hh`` beside it (as Nix 2.8 has it; they
are numbered anew inside newer ones, but not on the wire), those of `Level` in ``src/libutil/error.hh``. Lix froze the
protocol at 1.35.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs


@attrs.frozen(order=True)
class Version:
    """A version of the protocol; on the wire it is one number, the minor one in the lower eight bits."""

    major: int
    minor: int

    @classmethod
    def of_wire(cls, number: int) -> Version:
        """Read it."""
        return cls(number >> 8 & 0xFF, number & 0xFF)

    @property
    def on_wire(self) -> int:
        """The number to send."""
        return self.major << 8 | self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST: Final = Version(1, 33)
"""The oldest that is spoken here, that of Nix 2.4."""

NEWEST: Final = Version(1, 38)
"""The newest that is spoken here. What came later is negotiated by names of features, and none is asked for."""

WITH_RESULTS: Final = Version(1, 34)
"""From here on (Nix 2.8) builds have results; before that there are errors only."""

WITH_TRUST: Final = Version(1, 35)
"""From here on the daemon says whether it trusts its client."""

WITH_TIMES: Final = Version(1, 37)
"""From here on a result has processor times."""

WITH_FEATURES: Final = Version(1, 38)
"""From here on names of features are exchanged."""

HELLO: Final = 0x6E697863
"""What a client says first (``WORKER_MAGIC_1``)."""

HELLO_BACK: Final = 0x6478696F
"""What a daemon answers (``WORKER_MAGIC_2``)."""


class Told(enum.IntEnum):
    """What begins each message that comes while the daemon works (``STDERR_*``)."""

    NEXT = 0x6F6C6D67
    LAST = 0x616C7473
    ERROR = 0x63787470
    START_ACTIVITY = 0x53545254
    STOP_ACTIVITY = 0x53544F50
    RESULT = 0x52534C54


class Operation(enum.IntEnum):
    """What is asked of the daemon (``WorkerProto::Op``)."""

    BUILD_PATHS = 9
    ADD_TEMP_ROOT = 11
    ADD_INDIRECT_ROOT = 12
    SET_OPTIONS = 19
    QUERY_DERIVATION_OUTPUT_MAP = 41
    BUILD_PATHS_WITH_RESULTS = 46


class Field(enum.IntEnum):
    """Kinds of an activity's fields (``Logger::Field``)."""

    NUMBER = 0
    TEXT = 1


class Trust(enum.IntEnum):
    """What the daemon thinks of its client; it answers 0 where it does not know."""

    UNKNOWN = 0
    TRUSTED = 1
    NOT_TRUSTED = 2


class Level(enum.IntEnum):
    """How grave a message is (``Verbosity``)."""

    ERROR = 0
    INFO = 3


class BuildStatus(enum.IntEnum):
    """The statuses of a result that mean something here (``BuildResult::Status``); all others are failures."""

    BUILT = 0
    SUBSTITUTED = 1
    ALREADY_VALID = 2
    TIMED_OUT = 8
    DEPENDENCY_FAILED = 10
    NOT_DETERMINISTIC = 12
    RESOLVES_TO_ALREADY_VALID = 13
