"""What can go wrong at the other side, told apart by what it means for another attempt."""

from __future__ import annotations

import attrs

from ekaci_core.api import EkaciError, InfrastructureFault, PushFailed, UsageFault


@attrs.frozen
class Trouble(Exception):
    """A request, a program or a file failed.

    Attributes:
        reason: a phrase without secrets.
        do: what a person can do.
        transient: whether another attempt may go well.
        denied: whether the secrets were refused.
        retry_after_seconds: what the other side asks for.
        said: all that a program wrote, masked.
    """

    reason: str
    do: str
    transient: bool = False
    denied: bool = False
    retry_after_seconds: float | None = None
    said: str = attrs.field(default="", repr=False)

    def outcome(self, where: str) -> PushFailed:
        """As an outcome of a push."""
        return PushFailed(f"{where}: {self.reason}; {self.do}", self.transient, self.retry_after_seconds)

    def fault(self, where: str) -> EkaciError:
        """As what is raised where it is only asked."""
        kind = InfrastructureFault if self.transient else UsageFault
        return kind(self.reason, where=where, do=self.do)


def of_fault(fault: EkaciError) -> Trouble:
    """Return what a fault means for a push."""
    where = f"{fault.where}: " if fault.where else ""
    return Trouble(
        f"{where}{fault.what}", fault.do or "see the server's log", transient=not isinstance(fault, UsageFault)
    )
