"""Derivations in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ekaci_core.graph.dag import Dag
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import DrvPath, System
from ekaci_core.store.compact import (
    drv_path,
    features_of,
    features_text,
    outputs_of,
    outputs_text,
    packed,
    path_text,
    storable,
    unpacked,
)
from ekaci_core.store.contract import DerivationId, UnknownDerivation
from ekaci_core.store.numbered import NumberedRecord
from ekaci_core.store.queries import query


def ids(connection: sqlite3.Connection, paths: Iterable[DrvPath]) -> dict[DrvPath, DerivationId]:
    """Find the numbers of those that are stored."""
    by_text = {path_text(path): path for path in paths}
    rows = connection.execute(query("derivation_ids"), (json.dumps(list(by_text)),))
    return {by_text[text]: DerivationId(number) for text, number in rows}


def all_ids(connection: sqlite3.Connection, paths: Collection[DrvPath]) -> dict[DrvPath, DerivationId]:
    """Find the numbers of all.

    Raises:
        UnknownDerivation: one is not stored.
    """
    found = ids(connection, paths)
    for path in paths:
        if path not in found:
            raise UnknownDerivation(path)
    return found


def paths(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, DrvPath]:
    """Find paths by number."""
    rows = connection.execute(query("derivation_paths"), (json.dumps(list(numbers)),))
    return {number: drv_path(text) for number, text in rows}


def add(connection: sqlite3.Connection, records: Sequence[DerivationRecord]) -> int:
    """Store those that are new, inputs before dependents, and return how many were.

    Raises:
        UnknownDerivation: an input is neither stored nor earlier among ``records``.
    """
    mentioned = {record.path for record in records}
    mentioned.update(path for record in records for path in record.inputs)
    known = ids(connection, mentioned)
    following = (connection.execute("SELECT max(id) FROM derivation").fetchone()[0] or 0) + 1
    first = following
    rows = []
    for record in records:
        if record.path not in known:
            rows.append(_row(DerivationId(following), record, known))
            known[record.path] = DerivationId(following)
            following += 1
    connection.executemany(query("add_derivation"), rows)
    return following - first


def _row(number: DerivationId, record: DerivationRecord, known: Mapping[DrvPath, DerivationId]) -> tuple[object, ...]:
    try:
        inputs = sorted(known[path] for path in record.inputs)
    except KeyError as missing:
        raise UnknownDerivation(f"{missing.args[0]}, an input of {record.path}") from None
    name = record.name
    return (
        number,
        path_text(record.path),
        packed(inputs),
        record.system,
        outputs_text(record.outputs, name),
        None if name == record.path.name else storable(name),
        storable(record.pname),
        storable(record.version),
        features_text(record.features),
        record.prefer_local,
    )


def by_id(connection: sqlite3.Connection, numbers: Collection[DerivationId]) -> dict[DerivationId, DerivationRecord]:
    """Read whole derivations."""
    return {number: each.record for number, each in numbered(connection, numbers).items()}


def numbered(connection: sqlite3.Connection, numbers: Collection[DerivationId]) -> dict[DerivationId, NumberedRecord]:
    """Read whole derivations, and the numbers of their inputs."""
    rows = connection.execute(query("derivations"), (json.dumps(list(numbers)),)).fetchall()
    inputs_of = {row[0]: unpacked(row[2]) for row in rows}
    path_of = {row[0]: drv_path(row[1]) for row in rows}
    others = {number for inputs in inputs_of.values() for number in inputs} - path_of.keys()
    path_of.update(paths(connection, others))
    return {
        row[0]: NumberedRecord(
            _record(row, path_of[row[0]], tuple(path_of[number] for number in inputs_of[row[0]])), inputs_of[row[0]]
        )
        for row in rows
    }


def _record(row: tuple[object, ...], path: DrvPath, inputs: tuple[DrvPath, ...]) -> DerivationRecord:
    _, _, _, system, outputs, own_name, pname, version, features, prefer_local = row
    name = path.name if own_name is None else str(own_name)
    return DerivationRecord(
        path=path,
        name=name,
        system=System(system),
        inputs=inputs,
        outputs=outputs_of(str(outputs), name),
        pname=None if pname is None else str(pname),
        version=None if version is None else str(version),
        features=features_of(None if features is None else str(features)),
        prefer_local=bool(prefer_local),
    )


def inputs(connection: sqlite3.Connection, numbers: Collection[DerivationId]) -> dict[DerivationId, Sequence[int]]:
    """Read the edges from derivations to their inputs."""
    return {DerivationId(number): unpacked(blob) for number, blob in _inputs(connection, numbers)}


def with_hash(connection: sqlite3.Connection, hash_part: str) -> frozenset[DrvPath]:
    """Find those whose paths have these 32 characters."""
    return frozenset(drv_path(path) for (path,) in connection.execute(query("derivations_with_hash"), (hash_part,)))


def dependents(connection: sqlite3.Connection, of: DerivationId) -> dict[DerivationId, int]:
    """Find all that need a derivation, and how far they are from it."""
    # Inputs have smaller numbers than what needs them, so one pass from below sees all.
    steps: dict[int, int] = {of: 0}
    for number, inputs in connection.execute("SELECT id, inputs FROM derivation WHERE id > ? ORDER BY id", (of,)):
        least = min((steps[each] for each in unpacked(inputs) if each in steps), default=None)
        if least is not None:
            steps[number] = least + 1
    del steps[of]
    return {DerivationId(number): far for number, far in steps.items()}


def closure(
    connection: sqlite3.Connection, roots: Collection[DerivationId], beyond: Collection[DerivationId] = ()
) -> Dag:
    """Build the graph of ``roots`` and all they need, but not of what ``beyond`` need.

    Raises:
        UnknownDerivation: a root is not stored.
    """
    left_out: set[int] = set()
    for level in _levels(connection, beyond, ()):
        left_out.update(number for number, _ in level)
    rows = [row for level in _levels(connection, roots, left_out) for row in level]
    rows.sort()
    if left_out:
        rows = [(number, packed(each for each in unpacked(blob) if each not in left_out)) for number, blob in rows]
    return Dag.of_packed(rows)


def _levels(
    connection: sqlite3.Connection, roots: Collection[int], left_out: Collection[int]
) -> Iterator[list[tuple[int, bytes]]]:
    """Yield roots, then what they need that was not yielded yet, and so on: rows of number and packed inputs."""
    found = set(left_out)
    frontier = set(roots) - found
    while frontier:
        level = list(_inputs(connection, frontier))
        if len(level) < len(frontier):
            missing = min(frontier.difference(number for number, _ in level))
            raise UnknownDerivation(f"no derivation has the number {missing}")
        yield level
        found |= frontier
        frontier = set(unpacked(b"".join(blob for _, blob in level))) - found


def _inputs(connection: sqlite3.Connection, numbers: Collection[int]) -> Iterator[tuple[int, bytes]]:
    yield from connection.execute(query("derivation_inputs"), (json.dumps(list(numbers)),))
