"""Why something waits, in words."""

from __future__ import annotations

import pytest

from ekaci_core.model.build import BuildState
from ekaci_core.scheduler.waiting import Wait, names, why
from ekaci_core.testing.builds import drv_path

LINUX = "x86_64-linux"


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (Wait(BuildState.BUILDING, builder="fast"), "builds on fast"),
        (Wait(BuildState.QUEUED, inputs=12, missing=3), "waits for 3 of 12 inputs"),
        (Wait(BuildState.QUEUED, inputs=1, missing=1), "waits for 1 of 1 input"),
        (
            Wait(BuildState.BUILDABLE, position=4, among=20, kind=LINUX),
            "no free slot: position 4 of 20 for x86_64-linux",
        ),
        (
            Wait(BuildState.FAILED_RETRY, position=1, among=1, kind=LINUX),
            "failed once, no free slot: position 1 of 1 for x86_64-linux",
        ),
        (Wait(BuildState.BLOCKED, missing=1, inputs=2, blockers=frozenset({drv_path("lib")})), "blocked by lib"),
        (
            Wait(BuildState.BUILDABLE, obstacle="no builder for x86_64-linux has the feature kvm", abandoned=True),
            "no builder for x86_64-linux has the feature kvm",
        ),
    ],
)
def test_each_reason_has_its_words(wait: Wait, said: str) -> None:
    assert why(wait) == said


@pytest.mark.parametrize("state", [BuildState.QUEUED, BuildState.BUILDABLE, BuildState.BUILDING])
def test_what_nobody_goes_on_with_says_so(state: BuildState) -> None:
    assert "has ended" in why(Wait(state, inputs=2, missing=1, position=3, among=4, abandoned=True))


def test_every_unfinished_state_has_a_reason() -> None:
    for state in BuildState:
        if not state.is_terminal:
            assert why(Wait(state))


def test_names_are_few_and_sorted() -> None:
    assert names([drv_path("b"), drv_path("a")]) == "a, b"
    assert names([drv_path(f"p{number}") for number in range(9)]) == "p0, p1, p2 and 6 more"
