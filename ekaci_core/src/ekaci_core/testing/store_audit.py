"""The part of a store's contract that is the audit."""

from __future__ import annotations

import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import StorePath
from ekaci_core.store.audit import AuditId, AuditRecord
from ekaci_core.store.contract import Store
from ekaci_core.testing.facts import drv
from ekaci_core.testing.store_forges import HERE, THERE


def _record(at: float = 1.0, **changes: object) -> AuditRecord:
    plain = AuditRecord(at=at, event="hook_execution_start", subject="cache:one", repository=HERE)
    return attrs.evolve(plain, **changes)  # type: ignore[arg-type]


def _number(record: AuditRecord) -> AuditId:
    assert record.id is not None
    return record.id


class AuditConformance:
    """What every store does with audit records."""

    async def test_an_audit_record_comes_back_as_it_went(self, store: Store) -> None:
        whole = _record(
            7.5,
            event="hook_execution_error",
            subject="hook:notify",
            derivation=drv("a"),
            path=StorePath.parse("0" * 32 + "-a"),
            outcome="exit status 3",
            detail="it said no",
        )
        least = AuditRecord(at=8.0, event="hook_execution_start", subject="cache:one")
        await store.add_audit_records([whole, least])
        found = await store.audit_records()
        assert [attrs.evolve(each, id=None) for each in found] == [least, whole]
        assert _number(found[0]) > _number(found[1])

    async def test_text_that_is_not_unicode_stops_no_audit_record(self, store: Store) -> None:
        await store.add_audit_records([_record(outcome="\udcff", detail="no \udcff")])
        [found] = await store.audit_records()
        assert found.detail.startswith("no ")

    async def test_audit_records_are_found_by_subject_and_repository_in_pages(self, store: Store) -> None:
        here, there, hook, none = _record(1.0), _record(2.0, repository=THERE), _record(3.0, subject="hook:x"), None
        await store.add_audit_records([here, there, hook, _record(4.0, repository=none)])
        assert [each.at for each in await store.audit_records(subject="cache:one")] == [4.0, 2.0, 1.0]
        same = RepositoryId(HERE.forge, HERE.path.upper())
        assert [each.at for each in await store.audit_records(repository=same)] == [3.0, 1.0]
        assert [each.at for each in await store.audit_records(subject="cache:one", repository=HERE)] == [1.0]
        assert await store.audit_records(subject="cache:other") == []
        assert await store.audit_records(repository=RepositoryId("git.example.org", "no/body")) == []
        newest = await store.audit_records(limit=2)
        assert [each.at for each in newest] == [4.0, 3.0]
        assert [each.at for each in await store.audit_records(before=_number(newest[-1]))] == [2.0, 1.0]

    async def test_audit_records_follow_a_repository_that_is_renamed(self, store: Store) -> None:
        await store.add_audit_records([_record(1.0), _record(2.0, repository=THERE)])
        await store.rename_repository(HERE, THERE)
        assert [each.repository for each in await store.audit_records()] == [THERE, THERE]

    async def test_old_audit_records_are_forgotten(self, store: Store) -> None:
        await store.add_audit_records([*(_record(1.0) for _ in range(1100)), _record(5.0)])
        assert await store.prune_audit_records(before=5.0) == 1100
        assert [each.at for each in await store.audit_records()] == [5.0]
        assert await store.prune_audit_records(before=5.0) == 0
