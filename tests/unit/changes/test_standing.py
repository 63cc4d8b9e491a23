import pytest
from tests.unit.changes.conftest import Package, evaluated

from ekaci_core.changes import outcomes_of, read_builds, read_flaky, standing_of, works
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, JobComparison, Side, Standing
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta
from ekaci_core.store import open_store
from ekaci_core.store.contract import BuildChange


def drv(digit: str) -> DrvPath:
    return DrvPath.parse(f"{digit * 32}-a-1.drv")


OLD = Side(drv("0"), "a-1", "a", "1", PackageMeta())
NEW = Side(drv("1"), "a-1", "a", "1", PackageMeta())


def change(base: Side | None, head: Side | None, *, base_fault: bool = False) -> AttributeChange:
    return AttributeChange("job", AttrPath("a"), System("x86_64-linux"), base, head, base_fault)


CHANGED, ADDED, REMOVED = change(OLD, NEW), change(None, NEW), change(OLD, None)
MENDED = change(None, NEW, base_fault=True)


@pytest.mark.parametrize(
    ("attribute", "base", "head", "standing"),
    [
        (CHANGED, True, False, Standing.NEWLY_FAILING),
        (ADDED, None, False, Standing.NEWLY_FAILING),
        (CHANGED, False, False, Standing.STILL_FAILING),
        (MENDED, None, False, Standing.STILL_FAILING),
        (CHANGED, None, False, Standing.FAILING_BASE_UNKNOWN),
        (CHANGED, False, True, Standing.NEWLY_SUCCEEDING),
        (MENDED, None, True, Standing.NEWLY_SUCCEEDING),
        (CHANGED, True, True, Standing.STILL_SUCCEEDING),
        (CHANGED, None, True, Standing.SUCCEEDING_BASE_UNKNOWN),
        (ADDED, None, True, Standing.ADDED_SUCCEEDING),
        (CHANGED, True, None, Standing.UNKNOWN),
        (CHANGED, False, None, Standing.UNKNOWN),
        (ADDED, None, None, Standing.UNKNOWN),
        (REMOVED, False, None, Standing.REMOVED),
    ],
)
def test_standing(*, attribute: AttributeChange, base: bool | None, head: bool | None, standing: Standing) -> None:
    assert standing_of(attribute, base=base, head=head) is standing


EVIDENCE = {
    BuildState.SUCCESS: True,
    BuildState.FAILURE: False,
    BuildState.TIMEOUT: False,
    BuildState.TRANSITIVE_FAILURE: False,
}


@pytest.mark.parametrize("state", BuildState)
def test_only_results_are_evidence(state: BuildState) -> None:
    assert works(Build(drv("1"), state), {}) is EVIDENCE.get(state)


def test_nothing_known_is_no_evidence() -> None:
    assert works(None, {}) is None


@pytest.mark.parametrize(
    ("state", "blockers", "expected"),
    [
        (BuildState.TRANSITIVE_FAILURE, [BuildState.FAILURE], False),
        (BuildState.TRANSITIVE_FAILURE, [BuildState.UNSATISFIABLE], None),
        (BuildState.TRANSITIVE_FAILURE, [BuildState.UNSATISFIABLE, BuildState.FAILURE], False),
        (BuildState.BLOCKED, [BuildState.TIMEOUT], False),
        (BuildState.BLOCKED, [BuildState.OUT_OF_MEMORY], None),
        (BuildState.BLOCKED, [BuildState.CANCELLED, BuildState.TIMEOUT], False),
        (BuildState.BLOCKED, [], None),
    ],
)
def test_what_is_held_up_is_judged_by_what_holds_it_up(
    *, state: BuildState, blockers: list[BuildState], expected: bool | None
) -> None:
    builds = {drv(str(at)): Build(drv(str(at)), each) for at, each in enumerate(blockers)}

    assert works(Build(drv("9"), state, blockers=frozenset(builds)), builds) is expected


def comparison(*changes: AttributeChange) -> JobComparison:
    return JobComparison("job", changes, 0, (), (), (), (), ())


def test_outcomes_carry_the_states_as_they_are() -> None:
    builds = {OLD.drv: Build(OLD.drv, BuildState.SUCCESS), NEW.drv: Build(NEW.drv, BuildState.TIMEOUT)}

    (outcome,) = outcomes_of([comparison(CHANGED)], builds)

    assert (outcome.base_state, outcome.head_state) == (BuildState.SUCCESS, BuildState.TIMEOUT)
    assert outcome.standing is Standing.NEWLY_FAILING


def test_flaky_is_a_mark_and_no_evidence() -> None:
    builds = {OLD.drv: Build(OLD.drv, BuildState.SUCCESS), NEW.drv: Build(NEW.drv, BuildState.SUCCESS)}
    plain = outcomes_of([comparison(CHANGED, REMOVED)], builds, {OLD.drv})
    marked = outcomes_of([comparison(CHANGED, REMOVED)], builds, {NEW.drv})
    assert [each.flaky for each in plain] == [False, False], "base's derivation is not head's"
    assert [each.flaky for each in marked] == [True, False]
    assert [each.standing for each in marked] == [each.standing for each in plain]


@pytest.mark.anyio
async def test_head_is_flaky_where_its_attempts_say_so() -> None:
    async with open_store(None) as store:
        await evaluated(store, {"a": Package("a-1", "1"), "old": Package("a-1", "0")})
        for each in (OLD.drv, NEW.drv):
            for outcome in (BuildState.FAILED_RETRY, BuildState.SUCCESS):
                attempt = await store.begin_attempt(each, builder="local", log_path=None, now=0)
                await store.end_attempt(attempt, now=1, exit_status=None, outcome=outcome, reason="")
        assert await read_flaky(store, [comparison(CHANGED)]) == {NEW.drv}


@pytest.mark.anyio
async def test_builds_are_read_with_what_blocks_them() -> None:
    lib = Package("lib-1", "2")
    blocked = Build(NEW.drv, BuildState.TRANSITIVE_FAILURE, blockers=frozenset({lib.drv}))
    async with open_store(None) as store:
        await evaluated(store, {"lib": lib, "a": Package("a-1", "1", inputs=[lib]), "old": Package("a-1", "0")})
        failed = Build(lib.drv, BuildState.UNSATISFIABLE)
        await store.record_builds([BuildChange(failed, 0.0, "test"), BuildChange(blocked, 0.0, "test")])

        builds = await read_builds(store, [comparison(CHANGED)])

    assert set(builds) == {NEW.drv, lib.drv}
    (outcome,) = outcomes_of([comparison(CHANGED)], builds)
    assert outcome.standing is Standing.UNKNOWN
