"""What Nix tells while it works, as whoever talks to it directly hears it. Numbers are Nix's own.

They stand in https://github.com/NixOS/nix/blob/master/src/libutil/include/nix/util/logging.hh. Who hears such things
passes them on as they come: which of them matter, and what they mean, is the core's to say.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class NixStarted:
    """An activity began. ``kind`` is an ``ActivityType``; ``fields`` say of what, as the kind has it."""

    activity: int
    kind: int
    fields: tuple[int | str, ...] = ()


@attrs.frozen
class NixStopped:
    """An activity ended, well or not."""

    activity: int


@attrs.frozen
class NixResult:
    """An activity has something to show, such as a line of a build's log. ``kind`` is a ``ResultType``.

    ``cut`` is set where a field was too long to keep whole.
    """

    activity: int
    kind: int
    fields: tuple[int | str, ...] = ()
    cut: bool = False


@attrs.frozen
class NixMessage:
    """A message, with escape sequences. ``level`` is a ``Verbosity``: 0 errors, 1 warnings, 3 information.

    ``is_error`` marks the error that ended the work, which no build can forge.
    """

    level: int
    text: str
    is_error: bool = False


NixEvent = NixStarted | NixStopped | NixResult | NixMessage
