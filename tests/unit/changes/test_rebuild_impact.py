import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.changes.conftest import Package, evaluated

from ekaci_core.changes import JobContents, compare_jobs, measure_impact
from ekaci_core.model.change import Impact
from ekaci_core.model.ids import DrvPath, System
from ekaci_core.store import Store, open_store

ARM = System("aarch64-linux")


async def measured(store: Store, *jobs: JobContents, top: int = 5) -> Impact:
    return await measure_impact(store, jobs, await compare_jobs(store, jobs), top=top)


@pytest.mark.anyio
async def test_a_bump_rebuilds_what_needs_it_and_nothing_else() -> None:
    other = Package("other-1")
    before = Package("lib-1")
    source = Package("lib-2.tar.gz", "1")
    after = Package("lib-2", "1", inputs=[source])
    old = {"lib": before, "app": Package("app-1", inputs=[before, other]), "other": other}
    app = Package("app-1", "1", inputs=[after, other])
    new = {"lib": after, "libAlias": after, "app": app, "top": Package("top-1", inputs=[app]), "other": other}

    async with open_store(None) as store:
        base, head = await evaluated(store, old), await evaluated(store, new, tree="1")
        impact = await measured(store, JobContents("job", base, head))

    assert impact.new_derivations == {"x86_64-linux": 4}
    assert impact.total == 4
    assert impact.rebuilt_packages == {"x86_64-linux": 4}
    assert [(each.name, each.attrs, each.dependents) for each in impact.top] == [
        ("lib-2", ("lib", "libAlias"), 2),
        ("app-1", ("app",), 1),
        ("top-1", ("top",), 0),
    ]


@pytest.mark.anyio
async def test_systems_are_counted_apart_and_equals_are_sorted_by_path() -> None:
    packages = {"b": Package("b-1", "1", system=ARM), "a": Package("a-1", "2"), "c": Package("c-1", "0")}

    async with open_store(None) as store:
        impact = await measured(store, JobContents("job", None, await evaluated(store, packages)), top=2)

    assert list(impact.new_derivations.items()) == [("aarch64-linux", 1), ("x86_64-linux", 2)]
    assert [each.name for each in impact.top] == ["c-1", "b-1"]
    assert len(impact.dependents) == 3


@pytest.mark.anyio
async def test_a_derivation_of_two_jobs_counts_once() -> None:
    shared = Package("shared-1")

    async with open_store(None) as store:
        one = await evaluated(store, {"a": shared})
        two = await evaluated(store, {"b": shared, "c": Package("c-1", inputs=[shared])}, tree="1")
        impact = await measured(store, JobContents("one", None, one), JobContents("two", None, two))

    assert impact.total == 2
    assert impact.rebuilt_packages == {"x86_64-linux": 3}
    assert [(each.attrs, each.dependents) for each in impact.top] == [(("a", "b"), 1), (("c",), 0)]


@pytest.mark.anyio
async def test_an_alias_of_an_old_derivation_rebuilds_nothing() -> None:
    lib = Package("lib-1")

    async with open_store(None) as store:
        base = await evaluated(store, {"lib": lib})
        head = await evaluated(store, {"lib": lib, "alias": lib}, tree="1")
        impact = await measured(store, JobContents("job", base, head))

    assert impact.total == 0
    assert impact.rebuilt_packages == {"x86_64-linux": 1}
    assert impact.top == ()


@pytest.mark.anyio
async def test_a_job_that_head_drops_rebuilds_nothing() -> None:
    async with open_store(None) as store:
        base = await evaluated(store, {"a": Package("a-1")})
        impact = await measured(store, JobContents("job", base, None))

    assert impact == Impact({}, {}, (), {})


DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


@st.composite
def graphs(draw: st.DrawFn) -> list[Package]:
    packages: list[Package] = []
    for digit in DIGITS[: draw(st.integers(1, 12))]:
        inputs = (
            draw(st.lists(st.sampled_from(packages), max_size=3, unique_by=lambda each: each.drv)) if packages else []
        )
        packages.append(Package(f"p{digit}-1", digit, inputs=inputs))
    return packages


def closure_of(packages: list[Package]) -> dict[DrvPath, Package]:
    found: dict[DrvPath, Package] = {}
    for each in packages:
        found |= {each.drv: each} | closure_of(list(each.inputs))
    return found


@given(graphs(), st.data())
def test_impact_equals_what_counting_by_hand_gives(packages: list[Package], data: st.DataObject) -> None:
    choose = st.lists(st.sampled_from(packages), max_size=6, unique_by=lambda each: each.drv)
    old, new = data.draw(choose), data.draw(choose)

    async def measure() -> Impact:
        async with open_store(None) as store:
            base = await evaluated(store, {each.name: each for each in old})
            head = await evaluated(store, {each.name: each for each in new}, tree="1")
            return await measured(store, JobContents("job", base, head), top=20)

    impact = anyio.run(measure)

    of_head, of_base = closure_of(new), closure_of(old)
    fresh = of_head.keys() - of_base.keys()
    expected = {
        each.drv: sum(each.drv in closure_of([other]) and other.drv != each.drv for other in of_head.values())
        for each in new
        if each.drv in fresh
    }
    assert impact.total == len(fresh)
    assert impact.dependents == expected
    assert [each.drv for each in impact.top] == sorted(expected, key=lambda drv: (-expected[drv], drv))
