"""Errors that a person meets: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

from typing import ClassVar, Final

# Exit statuses of every command; `ekaci review` adds 1 and 4 for its verdict (model.verdict).
EXIT_USAGE: Final = 2
EXIT_INFRASTRUCTURE: Final = 3


class EkaciError(Exception):
    """Something a person must hear of. The command line prints it without a traceback."""

    exit_status: ClassVar[int] = EXIT_INFRASTRUCTURE

    def __init__(self, what: str, *, where: str | None = None, do: str | None = None) -> None:
        """Describe the fault.

        Args:
            what: one sentence without a full stop.
            where: the file, key, ref or program that it concerns.
            do: what the reader can do, as an imperative.
        """
        super().__init__(what)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class UsageFault(EkaciError):
    """What was asked cannot be done as asked: a wrong option, ref, path or configuration."""

    exit_status = EXIT_USAGE


class BadName(UsageFault):
    """A text that should name something does not."""

    def __init__(self, kind: str, text: str) -> None:
        shown = text if len(text) <= 120 else text[:117] + "..."  # noqa: PLR2004
        super().__init__(f"not a {kind}: {shown!r}")


class InfrastructureFault(EkaciError):
    """The machine, not the change, is at fault: no Nix, disk full, out of memory, daemon gone."""
