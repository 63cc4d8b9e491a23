"""Audit records in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import StorePath
from ekaci_core.store import repositories
from ekaci_core.store.audit import AuditId, AuditRecord
from ekaci_core.store.compact import drv_path, path_text, storable
from ekaci_core.store.queries import query


def add(connection: sqlite3.Connection, records: Sequence[AuditRecord]) -> None:
    """Store some, in their order."""
    named = {each.repository for each in records if each.repository is not None}
    numbers = {each: repositories.number_of(connection, each) for each in named}
    connection.executemany(
        "INSERT INTO audit_record (at, event, subject, repository, derivation, path, outcome, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                each.at,
                storable(each.event),
                storable(each.subject),
                None if each.repository is None else numbers[each.repository],
                None if each.derivation is None else path_text(each.derivation),
                each.path,
                storable(each.outcome),
                storable(each.detail),
            )
            for each in records
        ],
    )


def newest(
    connection: sqlite3.Connection,
    *,
    subject: str | None,
    repository: RepositoryId | None,
    limit: int,
    before: AuditId | None,
) -> list[AuditRecord]:
    """Read the newest first."""
    conditions = ["TRUE"]
    if subject is not None:
        conditions.append("a.subject = :subject")
    if repository is not None:
        conditions.append("a.repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path)")
    if before is not None:
        conditions.append("a.id < :before")
    values = {
        "subject": storable(subject),
        "forge": repository.forge if repository else None,
        "path": repository.path if repository else None,
        "before": before,
        "limit": limit,
    }
    rows = connection.execute(
        f"{query('audit_records')} WHERE {' AND '.join(conditions)} ORDER BY a.id DESC LIMIT :limit", values
    )
    return [_record(row) for row in rows]


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that are old; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM audit_record WHERE id IN (SELECT id FROM audit_record WHERE at < ? LIMIT ?) RETURNING id",
        (before, limit),
    )
    return len(rows.fetchall())


def _record(row: tuple[Any, ...]) -> AuditRecord:
    number, at, event, subject, forge, repository, derivation, path, outcome, detail = row
    return AuditRecord(
        id=AuditId(number),
        at=at,
        event=event,
        subject=subject,
        repository=None if forge is None else RepositoryId(forge, repository),
        derivation=None if derivation is None else drv_path(derivation),
        path=None if path is None else StorePath(path),
        outcome=outcome,
        detail=detail,
    )
