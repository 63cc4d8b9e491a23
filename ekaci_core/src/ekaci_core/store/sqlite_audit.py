"""Audit records over SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ekaci_core.model.forge import RepositoryId
from ekaci_core.store import audit_records
from ekaci_core.store.audit import AuditId, AuditRecord
from ekaci_core.store.database import Database

# Few enough that nobody who writes meanwhile has to wait long.
_PRUNED_AT_ONCE: Final = 500


class SqliteAudit:
    """Hands each call to `audit_records`, as one transaction; see `Audit` for what they mean."""

    _database: Database

    async def add_audit_records(self, records: Sequence[AuditRecord]) -> None:
        """See `Audit`."""
        await self._database.write(lambda tx: audit_records.add(tx, records))

    async def audit_records(
        self,
        *,
        subject: str | None = None,
        repository: RepositoryId | None = None,
        limit: int = 100,
        before: AuditId | None = None,
    ) -> Sequence[AuditRecord]:
        """See `Audit`."""
        return await self._database.read(
            lambda tx: audit_records.newest(tx, subject=subject, repository=repository, limit=limit, before=before)
        )

    async def prune_audit_records(self, *, before: float) -> int:
        """See `Audit`."""
        return await self._database.write_in_parts(
            lambda tx: audit_records.prune(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )
