from collections.abc import AsyncIterator

import pytest
from tests.unit.changes.conftest import Package, contents, evaluated, fault

from ekaci_core.changes import JobContents, compare_jobs
from ekaci_core.model.change import Change, JobComparison
from ekaci_core.store import Store, open_store

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as opened:
        yield opened


async def compared(store: Store, job: JobContents) -> JobComparison:
    (comparison,) = await compare_jobs(store, [job])
    return comparison


async def test_versions_come_from_the_environment_else_from_the_name(store: Store) -> None:
    before = {"a": Package("a-1.0"), "b": Package("lib-b-2", pname="b", version="2")}
    after = {"a": Package("a-1.1", "1"), "b": Package("lib-b-3", "1", pname="b", version="3")}

    found = await compared(
        store, JobContents("job", await evaluated(store, before), await evaluated(store, after, tree="1"))
    )

    assert [change.is_version_bump for change in found.changes] == [True, True]
    sides = [(side.pname, side.version) for change in found.changes for side in (change.base, change.head) if side]
    assert sides == [("a", "1.0"), ("a", "1.1"), ("b", "2"), ("b", "3")]


async def test_another_package_under_the_same_attribute_is_no_bump(store: Store) -> None:
    base = await evaluated(store, {"web": Package("httpd-2.4")})
    head = await evaluated(store, {"web": Package("nginx-1.28")}, tree="1")

    (change,) = (await compared(store, JobContents("job", base, head))).changes

    assert change.is_renamed
    assert not change.is_version_bump
    assert not change.is_rebuild_only


async def test_licences_and_maintainers_are_sets(store: Store) -> None:
    gpl, mit = {"spdxId": "GPL-3.0-only"}, {"spdxId": "MIT"}
    base = await evaluated(
        store,
        {"a": Package("a-1"), "b": Package("b-1")},
        metas={"a": {"license": [mit, gpl]}, "b": {"license": mit, "maintainers": [{"github": "alice"}]}},
    )
    head = await evaluated(
        store,
        {"a": Package("a-1", "1"), "b": Package("b-1", "1")},
        metas={"a": {"license": [gpl, mit]}, "b": {"license": gpl, "maintainers": [{"github": "bob"}]}},
        tree="1",
    )

    first, second = (await compared(store, JobContents("job", base, head))).changes

    assert first.is_rebuild_only
    assert second.licenses_changed
    assert second.maintainers_changed
    assert not second.is_rebuild_only


async def test_metadata_alone_is_told_where_a_reader_would_care(store: Store) -> None:
    packages = {name: Package(f"{name}-1") for name in ("text", "broken", "licence")}
    base = await evaluated(store, packages, metas={name: {"description": "old"} for name in packages})
    head = await evaluated(
        store,
        packages,
        metas={"text": {"description": "new"}, "broken": {"broken": True}, "licence": {"license": "MIT"}},
        tree="1",
    )

    found = await compared(store, JobContents("job", base, head))

    assert found.changes == ()
    assert found.unchanged == 3
    assert [change.attr for change in found.meta_only] == ["broken", "licence"]


async def test_an_attribute_that_a_side_cannot_evaluate_is_marked(store: Store) -> None:
    base = await evaluated(store, {"breaks": Package("breaks-1")}, faults=[fault("mended")])
    head = await evaluated(store, {"mended": Package("mended-1")}, faults=[fault("breaks")], tree="1")

    breaks, mended = (await compared(store, JobContents("job", base, head))).changes

    assert (breaks.change, breaks.head_fault) == (Change.REMOVED, True)
    assert (mended.change, mended.base_fault) == (Change.ADDED, True)


async def test_a_fault_of_the_whole_job_marks_every_attribute(store: Store) -> None:
    base = contents(faults=[fault("", "error: syntax error")])
    head = await evaluated(store, {"a": Package("a-1"), "b": Package("b-1")}, tree="1")

    found = await compared(store, JobContents("job", base, head))

    assert [change.base_fault for change in found.changes] == [True, True]
    assert len(found.fixed_faults) == 1


@pytest.mark.parametrize(("side", "change"), [("base", Change.ADDED), ("head", Change.REMOVED)])
async def test_a_job_that_one_side_lacks(store: Store, side: str, change: Change) -> None:
    there = await evaluated(store, {"a": Package("a-1")}, faults=[fault("x")])
    job = JobContents("job", None, there) if side == "base" else JobContents("job", there, None)

    found = await compared(store, job)

    assert found.missing_on == side
    assert [each.change for each in found.changes] == [change]
    assert len(found.new_faults) == (1 if side == "base" else 0)


async def test_several_jobs_keep_their_order_and_their_settings(store: Store) -> None:
    side = await evaluated(store, {"a": Package("a-1")})

    found = await compare_jobs(
        store, [JobContents("z", side, side, allow_eval_failures=True), JobContents("a", None, side)]
    )

    assert [(each.job, each.allow_eval_failures, each.unchanged) for each in found] == [("z", True, 1), ("a", False, 0)]
