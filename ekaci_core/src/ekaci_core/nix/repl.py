"""The conversation with a piped ``nix repl``: what is sent, and what its stderr means. No I/O here.

Everything that matters comes back on stderr, in order: ``builtins.trace`` writes one line there at once, errors are
printed there. Lines of ours begin with a mark that the evaluated code cannot know. A command is followed by three
lines: a trace that says it is done, a lone parenthesis, and a trace that says that the two are in step again. The
parenthesis is an error that clears the input: a syntax error at the end of *any* file makes the repl wait for the
rest of its own input, and it would swallow all further commands.

Commands are short, and hand over what is long in files: the repl reads its input with several system calls per
character, which was a fifth of the time of an evaluation.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

_TRACE: Final = "trace: "
_UNCLOSED: Final = ")"
_DONE: Final = "d"
_STEP: Final = "s"


@attrs.frozen
class Record:
    """What a command reported: a list in JSON. ``text`` is what follows the number of the command in it."""

    command: int
    text: str

    @property
    def content(self) -> list[Any]:
        """The list without the number of the command, decoded."""
        content: list[Any] = json.loads(f"[{self.text}")
        return content


@attrs.frozen
class Done:
    """A command has ended. ``text`` is what was printed since the last record: the error that ended it, if any."""

    command: int
    text: str


@attrs.frozen
class Stuck:
    """A command ended because a file it read ends too early; nothing says which file."""

    command: int


ReplEvent = Record | Done | Stuck


def nix_string(text: str) -> str:
    """Quote ``text`` as a Nix string of one line."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + quoted.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def nix_json(value: Any) -> str:
    """Return a Nix expression of one line, in ASCII, for a string that holds ``value`` as JSON."""
    return nix_string(json.dumps(value, separators=(",", ":")))


class ReplDialogue:
    """One side of one conversation: numbers the commands and reads the answers."""

    def __init__(self) -> None:
        self.mark: Final = f"@{secrets.token_hex(8)}@"
        self._ours: Final = _TRACE + self.mark
        self._text: list[str] = []
        self._done: int | None = None

    def opening(self) -> bytes:
        """Return the lines that come before all others."""
        return b"".join(
            self.binding(name, f"n: builtins.trace ({nix_string(self.mark + word)} + toString n) null")
            for name, word in ((_DONE, "done "), (_STEP, "step "))
        )

    def command(self, number: int, expression: str) -> bytes:
        """Return the lines that evaluate ``expression``, which may use `mark` to report, and tell when it ended."""
        return f"{expression}\n{_DONE} {number}\n{_UNCLOSED}\n{_STEP} {number}\n".encode()

    @staticmethod
    def binding(name: str, expression: str) -> bytes:
        """Return the line that gives a name to a value, which is then evaluated once, when it is needed."""
        return f"{name} = {expression}\n".encode()

    def read(self, lines: Iterable[str]) -> Iterator[ReplEvent]:
        """Take lines of stderr, without their ends, and yield what they mean."""
        for line in lines:
            if not line.startswith(self._ours):
                if self._done is None:
                    self._text.append(line)
                continue
            said = line[len(self._ours) :]
            if said.startswith("done "):
                self._done = int(said[5:])
                yield Done(self._done, self._take_text())
            elif said.startswith("step "):
                number = int(said[5:])
                if self._done != number:
                    self._take_text()
                    yield Stuck(number)
                self._done = None
            else:
                self._text.clear()
                number_text, _, rest = said[1:].partition(",")
                yield Record(int(number_text), rest)

    def rest(self) -> str:
        """Return what was printed last, for a repl that died."""
        return self._take_text()

    def _take_text(self) -> str:
        text = "\n".join(self._text)
        self._text.clear()
        return text
