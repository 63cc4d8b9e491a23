"""A record of what ran with an operator's secrets, or was kept from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import DrvPath, StorePath

AuditId = NewType("AuditId", int)


@attrs.frozen(kw_only=True)
class AuditRecord:
    """One thing that happened.

    Attributes:
        at: when, in seconds since the epoch.
        event: what, in a word for machines: ``hook_execution_start``.
        subject: what ran: ``cache:ID`` or ``hook:NAME``.
        repository: for which repository, None where it was for none.
        derivation: for which derivation.
        path: the one store path that it is about, if it is about one.
        outcome: what came of it, in a word or two.
        detail: the rest, for people; without secrets.
        id: its number, None until it is stored.
    """

    at: float
    event: str
    subject: str
    repository: RepositoryId | None = None
    derivation: DrvPath | None = None
    path: StorePath | None = None
    outcome: str = ""
    detail: str = ""
    id: AuditId | None = None


class Audit(Protocol):
    """The part of a store that holds them."""

    async def add_audit_records(self, records: Sequence[AuditRecord]) -> None:
        """Store some, in their order."""
        ...

    async def audit_records(
        self,
        *,
        subject: str | None = None,
        repository: RepositoryId | None = None,
        limit: int = 100,
        before: AuditId | None = None,
    ) -> Sequence[AuditRecord]:
        """Return the newest first, of one subject and of one repository where they are given."""
        ...

    async def prune_audit_records(self, *, before: float) -> int:
        """Forget those of before a time; returns how many. It works in several transactions."""
        ...
