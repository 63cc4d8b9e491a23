"""Evaluations and their items in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import cast

import attrs

from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import (
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    EvaluationKey,
    FaultKind,
    NullAttribute,
    UnchangedAttribute,
)
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta
from ekaci_core.store import derivations, metadata
from ekaci_core.store.compact import drv_path, storable
from ekaci_core.store.contract import (
    DerivationId,
    EvaluationContents,
    EvaluationId,
    EvaluationRecord,
    EvaluationUse,
    MetaId,
    StoredAttribute,
    UnknownAttribute,
)
from ekaci_core.store.queries import query


def find(connection: sqlite3.Connection, key: EvaluationKey) -> EvaluationRecord | None:
    """Find the newest finished evaluation of a key."""
    row = connection.execute(query("find_evaluation"), attrs.asdict(key)).fetchone()
    if row is None:
        return None
    number, finished_at, gc_roots, duration = row
    return EvaluationRecord(EvaluationId(number), key, finished_at, gc_roots, duration)


def begin(connection: sqlite3.Connection, key: EvaluationKey, now: float, gc_roots: str) -> EvaluationId:
    """Insert an unfinished evaluation."""
    cursor = connection.execute(query("begin_evaluation"), {**attrs.asdict(key), "now": now, "gc_roots": gc_roots})
    return EvaluationId(cast("int", cursor.lastrowid))


def unfinished(connection: sqlite3.Connection, key: EvaluationKey) -> tuple[EvaluationUse, ...]:
    """List the unfinished evaluations of a key, the last used first."""
    return _uses(connection.execute(query("unfinished_evaluations"), attrs.asdict(key)))


def take_up(connection: sqlite3.Connection, evaluation: EvaluationId, now: float) -> bool:
    """Begin an unfinished evaluation once more, with the attributes it has; say whether it is there."""
    cursor = connection.execute(
        "UPDATE evaluation SET started_at = ?1, used_at = ?1, nulls = 0 WHERE id = ?2 AND finished_at IS NULL",
        (now, evaluation),
    )
    if cursor.rowcount != 1:
        return False
    connection.execute("DELETE FROM fault WHERE evaluation = ?", (evaluation,))
    return True


def finish(connection: sqlite3.Connection, evaluation: EvaluationId, now: float) -> None:
    """Make it visible."""
    connection.execute("UPDATE evaluation SET finished_at = ?1, used_at = ?1 WHERE id = ?2", (now, evaluation))


def use(connection: sqlite3.Connection, evaluation: EvaluationId, now: float) -> bool:
    """Note a use; say whether it is there and finished."""
    cursor = connection.execute(
        "UPDATE evaluation SET used_at = ? WHERE id = ? AND finished_at IS NOT NULL", (now, evaluation)
    )
    return cursor.rowcount == 1


def every(connection: sqlite3.Connection) -> tuple[EvaluationUse, ...]:
    """List all, the last used first."""
    return _uses(connection.execute(query("evaluations")))


def _uses(rows: Iterable[tuple[int, str, int, float, int]]) -> tuple[EvaluationUse, ...]:
    return tuple(
        EvaluationUse(EvaluationId(number), gc_roots, bool(finished), used_at, bool(obsolete))
        for number, gc_roots, finished, used_at, obsolete in rows
    )


def drop(connection: sqlite3.Connection, evaluations: Collection[EvaluationId]) -> None:
    """Delete evaluations with their attributes and faults."""
    connection.executemany("DELETE FROM evaluation WHERE id = ?", ((number,) for number in evaluations))


def add(
    connection: sqlite3.Connection,
    evaluation: EvaluationId,
    records: Sequence[DerivationRecord],
    items: Sequence[EvaluatedItem],
    earlier: EvaluationId | None = None,
) -> None:
    """Store derivations that are new, then items.

    Raises:
        UnknownDerivation: an input, or the derivation of an attribute, is not stored.
        UnknownAttribute: an attribute that is unchanged is not in the evaluation ``earlier``.
    """
    derivations.add(connection, records)
    last = {item.attr: item for item in items if isinstance(item, EvaluatedAttribute | UnchangedAttribute)}
    _add_attributes(connection, evaluation, [item for item in last.values() if isinstance(item, EvaluatedAttribute)])
    unchanged = [storable(item.attr) for item in last.values() if isinstance(item, UnchangedAttribute)]
    _copy_attributes(connection, evaluation, unchanged, earlier)
    _add_others(connection, evaluation, items)


def _add_others(connection: sqlite3.Connection, evaluation: EvaluationId, items: Sequence[EvaluatedItem]) -> None:
    connection.executemany(
        "INSERT INTO fault (evaluation, attr, kind, message, position) VALUES (?, ?, ?, ?, ?)",
        (
            (evaluation, storable(item.attr), item.kind.value, storable(item.message), storable(item.position))
            for item in items
            if isinstance(item, AttributeFault)
        ),
    )
    nulls = sum(isinstance(item, NullAttribute) for item in items)
    if nulls:
        connection.execute("UPDATE evaluation SET nulls = nulls + ? WHERE id = ?", (nulls, evaluation))


def _add_attributes(
    connection: sqlite3.Connection, evaluation: EvaluationId, attributes: Sequence[EvaluatedAttribute]
) -> None:
    ids = derivations.all_ids(connection, {item.drv for item in attributes})
    bodies = [None if item.meta is None else metadata.body_of(PackageMeta.from_json(item.meta)) for item in attributes]
    digests = [None if body is None else metadata.digest_of(body) for body in bodies]
    metadata.add(connection, {digest: body for digest, body in zip(digests, bodies, strict=True) if digest and body})
    connection.executemany(
        query("add_attribute"),
        (
            (
                evaluation,
                storable(item.attr),
                ids[item.drv],
                digest,
                storable(item.name),
                storable(item.system),
                storable(item.pname),
                storable(item.version),
                item.fingerprint,
            )
            for item, digest in zip(attributes, digests, strict=True)
        ),
    )


def _copy_attributes(
    connection: sqlite3.Connection, evaluation: EvaluationId, names: Sequence[str | None], earlier: EvaluationId | None
) -> None:
    copied = connection.executemany(query("copy_attribute"), [(evaluation, earlier, name) for name in names])
    if names and copied.rowcount != len(names):
        raise UnknownAttribute(f"{len(names) - copied.rowcount} of {len(names)} are not in evaluation {earlier}")


def fingerprints(connection: sqlite3.Connection, evaluation: EvaluationId) -> dict[AttrPath, bytes]:
    """Read the fingerprints of the attributes that have one."""
    rows = connection.execute(
        "SELECT attr, fingerprint FROM attribute WHERE evaluation = ? AND fingerprint IS NOT NULL", (evaluation,)
    )
    return {AttrPath(attr): fingerprint for attr, fingerprint in rows}


def evaluated_derivations(connection: sqlite3.Connection, evaluation: EvaluationId) -> frozenset[DrvPath]:
    """List the derivations of attributes."""
    return frozenset(drv_path(text) for (text,) in connection.execute(query("evaluated_derivations"), (evaluation,)))


def contents(connection: sqlite3.Connection, evaluation: EvaluationId) -> EvaluationContents:
    """Read all attributes and faults."""
    attributes = _attributes(connection.execute(query("contents"), (evaluation,)))
    faults = connection.execute(
        "SELECT attr, kind, message, position FROM fault WHERE evaluation = ? ORDER BY attr, id", (evaluation,)
    )
    nulls = connection.execute("SELECT nulls FROM evaluation WHERE id = ?", (evaluation,)).fetchone()
    return EvaluationContents(
        attributes={each.attr: each for each in attributes},
        faults=tuple(
            AttributeFault(None if attr is None else AttrPath(attr), FaultKind(kind), message, position)
            for attr, kind, message, position in faults
        ),
        nulls=nulls[0] if nulls else 0,
    )


def _attributes(rows: Iterable[tuple[str, int, str, str, int | None, str | None, str | None]]) -> list[StoredAttribute]:
    systems: dict[str, System] = {}
    return [
        StoredAttribute(
            AttrPath(attr),
            DerivationId(derivation),
            name,
            systems.get(system) or systems.setdefault(system, System(system)),
            None if meta is None else MetaId(meta),
            pname,
            version,
        )
        for attr, derivation, name, system, meta, pname, version in rows
    ]
