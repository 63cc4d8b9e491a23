"""Credentials that are refused, and faults as outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ekaci_core.api import EkaciError, HeldCredentials, InfrastructureFault, Lease, PushFailed, UsageFault

Value = TypeVar("Value")


class CredentialsRefused(UsageFault):
    """The cache does not accept the secrets; others may do."""


class CacheBusy(InfrastructureFault):
    """The cache asks to be left alone for a while."""

    def __init__(self, what: str, *, where: str, seconds: float | None) -> None:
        super().__init__(what, where=where, do="it is tried again")
        self.seconds = seconds


async def with_lease(credentials: HeldCredentials, attempt: Callable[[Lease], Awaitable[Value]]) -> Value:
    """Attempt something with the secrets, and once more with new ones where they are refused.

    Raises:
        CredentialsRefused: the new ones are refused too.
        EkaciError: there are no secrets, and whatever else the attempt raises.
    """
    lease = await credentials.resolve()
    try:
        return await attempt(lease)
    except CredentialsRefused:
        return await attempt(await credentials.renew(lease))


def failed(fault: EkaciError) -> PushFailed:
    """Turn a fault into the outcome of a path."""
    reason = f"{fault}; {fault.do}" if fault.do else str(fault)
    seconds = fault.seconds if isinstance(fault, CacheBusy) else None
    return PushFailed(reason, transient=isinstance(fault, InfrastructureFault), retry_after_seconds=seconds)
