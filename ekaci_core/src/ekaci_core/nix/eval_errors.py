"""What Nix's error texts say: the kind of fault, the place, and whether the machine is at fault."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import FaultKind

_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_POSITION: Final = re.compile(
    r"^\s*at (?P<file>(?:/|\./|[^\s«(])[^\n]*?):(?P<line>\d+):(?P<column>\d+):?$", re.MULTILINE
)
_BEGIN: Final = re.compile(r"^error:", re.MULTILINE)
# Frames, the outermost first, then the error itself, all indented by seven spaces.
_TRACED: Final = re.compile(r"error:\s*\n(?P<frames> {7}… .*)\n(?P<error> {7}error: .*)\Z", re.DOTALL)
_FRAME: Final = re.compile(r"^(?= {7}… )", re.MULTILINE)
_TRUNCATED: Final = re.compile(r"^ *\(stack trace truncated;.*\)\n?", re.MULTILINE)
_MESSAGE_CHARACTERS: Final = 20_000

_KINDS: Final = (
    (re.compile(r"infinite recursion encountered"), FaultKind.INFINITE_RECURSION),
    (re.compile(r"error: stack overflow"), FaultKind.STACK_OVERFLOW),
    (re.compile(r"is an? [\w ]+, which is not supported"), FaultKind.NOT_A_PACKAGE),
)

# Each with what a person can do. Anchored in Nix's own wording, so that a package's `throw` does not look like it.
_MACHINE: Final = (
    (re.compile(r"^error: .*(No space left on device|database or disk is full|Disk quota exceeded)", re.MULTILINE),
     "free space for the Nix store"),
    (re.compile(r"^error: cannot (connect to|open connection to)", re.MULTILINE), "start the Nix daemon"),
    (re.compile(r"^error: .*\bdaemon\b.*(disconnected|closed)", re.MULTILINE), "look at the log of the Nix daemon"),
    (re.compile(r"^error: .*Too many open files", re.MULTILINE), "raise the limit of open files (`ulimit -n`)"),
    (re.compile(r"^error: .*'?/nix/(store|var)\S*'?: (Permission denied|Read-only file system)", re.MULTILINE),
     "run as a user who may write the Nix store, or start the Nix daemon"),
    (re.compile(r"^error: (\w+ SQLite statement|cannot open \w+ database|current Nix store schema)", re.MULTILINE),
     "run `nix-store --verify` and see what it says of the database of the Nix store"),
)  # fmt: skip


@attrs.frozen
class Home:
    """Names of the checkout, as they may stand in texts of Nix; texts are made relative to it.

    ``wrapper`` is the file that calls what is evaluated; what a trace says of it interests nobody.
    """

    paths: tuple[str, ...]
    wrapper: str | None = None

    @classmethod
    def of(cls, paths: Iterable[str], wrapper: str | None = None) -> Home:
        """Take the ways to write it, the longest first."""
        return cls(tuple(sorted({path.rstrip("/") for path in paths}, key=len, reverse=True)), wrapper)

    def relative(self, text: str) -> str:
        """Take the checkout's path out of a text, wherever it stands."""
        for path in self.paths:
            if path in text:
                text = text.replace(path + "/", "")
                text = re.sub(re.escape(path) + r"(?![\w.+-])", ".", text)
        return text


@attrs.frozen
class EvalError:
    """An error text, understood."""

    kind: FaultKind
    message: str
    position: str | None


def strip_colours(text: str) -> str:
    """Remove terminal escape sequences."""
    return _COLOURS.sub("", text)


def read_error(text: str, home: Home) -> EvalError:
    """Understand what Nix printed; lines in front of the error (traces, warnings) are left out.

    Raises:
        InfrastructureFault: the text says that the machine is at fault.
    """
    text = strip_colours(text)
    begin = _BEGIN.search(text)
    message = (text[begin.start() :] if begin else text).strip()
    check_machine(message)
    message = home.relative(_without_wrapper(message, home.wrapper))
    kind = next((kind for pattern, kind in _KINDS if pattern.search(message)), FaultKind.ERROR)
    position = position_in(message)
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[:_MESSAGE_CHARACTERS] + " …"
    return EvalError(kind, message or "error: Nix said nothing", position)


def _without_wrapper(message: str, wrapper: str | None) -> str:
    """Leave out a position in the wrapper, and those frames of a trace, as Nix 2.14 began to print it."""
    if wrapper is None:
        return message
    traced = _TRACED.match(message)
    if traced is None:
        # The position, an empty line, and lines of source behind a bar.
        return re.sub(rf"\n+ *at {re.escape(wrapper)}:\d+:\d+:?(\n *(\d* *\|.*)?)*$", "", message)
    frames = [frame for frame in _FRAME.split(_TRUNCATED.sub("", traced["frames"])) if frame.strip()]
    kept = [frame.rstrip() for frame in frames if wrapper not in frame]
    if not kept:
        return traced["error"].lstrip()
    return "\n\n".join(["error:\n" + "\n\n".join(kept), traced["error"]])


def check_machine(message: str) -> None:
    """Raise if a text of Nix speaks of the machine rather than of what was evaluated.

    Raises:
        InfrastructureFault: it does.
    """
    for pattern, do in _MACHINE:
        if found := pattern.search(message):
            line = next((line for line in message.splitlines() if found.group(0) in line), message.splitlines()[0])
            raise InfrastructureFault(line.removeprefix("error:").strip(), where="nix", do=do)


def position_in(message: str) -> str | None:
    """Return the innermost position that a message names, as ``file:line:column``: Nix prints it last.

    Positions in the checkout, which are relative, come before those elsewhere.
    """
    found = list(_POSITION.finditer(message))
    inside = [match for match in found if not match["file"].startswith("/")]
    for match in (inside or found)[-1:]:
        return f"{match['file']}:{match['line']}:{match['column']}"
    return None
