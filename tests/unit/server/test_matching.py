from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import pytest
from tests.unit.changes.conftest import contents, fault, stored

from ekaci_core.changes import JobContents
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.nix.attribute_names import Place
from ekaci_core.server.matching import check_globs, unmatched
from ekaci_core.store.contract import EvaluationContents

BASE = contents(stored("old", 1), faults=[fault("broken")])
HEAD = contents(stored("set.one", 2))
JOBS = (JobContents("job", BASE, HEAD), JobContents("dropped", contents(stored("gone", 3)), None))


def test_both_sides_of_all_jobs_and_errors_count() -> None:
    assert unmatched(["old", "set.*", "bro*", "gone", "x*", "set", "x*"], JOBS) == ("x*", "set")


def test_the_mark_of_a_set_is_no_attribute() -> None:
    marked = contents(faults=[fault("set.recurseForDerivations", kind=FaultKind.NOT_A_PACKAGE)])
    assert unmatched(["set.*"], [JobContents("job", marked, marked)]) == ("set.*",)


@pytest.mark.parametrize(
    "head", [contents(faults=[fault("")]), contents(faults=[fault(None)]), attrs.evolve(HEAD, nulls=1)]
)
def test_where_names_are_not_known_nothing_is_said(head: EvaluationContents) -> None:
    assert unmatched(["x"], [attrs.evolve(JOBS[0], head=head)]) == ()


async def nothing(places: Sequence[Place]) -> Mapping[Place, Sequence[str]]:
    raise AssertionError(places)


@pytest.mark.anyio
async def test_some_that_match_nothing_are_notes() -> None:
    assert await check_globs([], JOBS, nothing) == ()
    assert await check_globs(["old"], JOBS, nothing) == ()
    assert await check_globs(["old", "x"], JOBS, nothing) == ("no attribute matches -A 'x' on either side",)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("glob", "advice"),
    [
        ("oldd", "did you mean old?"),
        ("oldd?", "did you mean old?"),
        ("set", "-A 'set.*'"),
        ("set.ane", "did you mean set.one?"),
        ('"set".ane', "did you mean set.one?"),
        ("st.one", "did you mean set?"),
        ("q*", "without -A"),
    ],
)
async def test_all_that_match_nothing_are_a_fault(glob: str, advice: str) -> None:
    async def names(places: Sequence[Place]) -> Mapping[Place, Sequence[str]]:
        there = {(): ["set", "old"], ("set",): ["one", "two"]}
        return {place: there[place] for place in places if place in there}

    with pytest.raises(UsageFault) as raised:
        await check_globs([glob], JOBS, names)

    assert glob in raised.value.what
    assert advice in (raised.value.do or "")
