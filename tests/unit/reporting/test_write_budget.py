"""How much a forge is written to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.api import Check, CheckStatus, CommitSha, Conclusion, RepositoryId, WriteBudget
from ekaci_core.reporting.publishing import FIRST_PAUSE_SECONDS, PROGRESS_WRITES, due_at
from ekaci_core.reporting.write_budget import Allowance
from ekaci_core.store.outbox import AccountUse, Post, PostId

BUDGET = WriteBudget("installation 1", per_minute=70, per_hour=450)


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=1500))
def test_no_minute_and_no_hour_has_more_writes_than_its_share(pauses: list[float]) -> None:
    allowance, now, writes = Allowance.of(BUDGET), 0.0, []
    for pause in pauses:
        now += pause
        if allowance.take(now):
            writes.append(now)
    for first in range(len(writes)):
        within = [each for each in writes[first:] if each < writes[first] + 60]
        assert len(within) <= 70
        within = [each for each in writes[first:] if each < writes[first] + 3600]
        assert len(within) <= 450


def test_whoever_waits_as_long_as_told_may_write() -> None:
    allowance = Allowance.of(BUDGET)
    now = 0.0
    for _ in range(600):
        now += allowance.wait(now)
        assert allowance.take(now + 1e-9)
    assert now >= 3600, "the second hour's share is for the second hour"


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance.of(BUDGET)
    for _ in range(70):
        assert allowance.take(1000.0)
    assert not allowance.take(500.0)


def test_a_forge_that_wants_to_be_left_alone_is() -> None:
    allowance = Allowance.of(BUDGET)
    allowance.shut(30.0, 0.0)
    assert not allowance.take(29.0)
    assert allowance.wait(10.0) == pytest.approx(20.0)
    assert allowance.take(30.0)


def test_what_was_written_before_this_process_counts() -> None:
    use = AccountUse(tuple(1e9 + each / 2 for each in range(70)))
    allowance = Allowance.of(BUDGET, use, now=40.0, ahead=1e9)
    assert not allowance.take(50.0)
    assert allowance.wait(50.0) == pytest.approx(10.0)
    assert allowance.take(60.0)
    assert not allowance.take(60.0), "the second of them is half a second younger"


def test_a_pause_of_before_this_process_holds_and_a_clock_set_back_shuts_nobody_out() -> None:
    assert Allowance.of(BUDGET, AccountUse((), 1e9 + 30), now=10.0, ahead=1e9).wait(10.0) == pytest.approx(20.0)
    years = AccountUse((2e9,) * 70, 2e9)
    assert Allowance.of(BUDGET, years, now=10.0, ahead=1e9).wait(10.0) <= 3600.0
    assert Allowance.of(BUDGET, AccountUse(years.times), now=10.0, ahead=1e9).wait(10.0) <= 60.0


def post(*, writes: int, final: bool = False, not_before: float = 0.0) -> Post:
    check = Check(
        RepositoryId.parse("forge.example.org", "a/b"),
        CommitSha.parse("a" * 40),
        "EkaCI: Verdict",
        CheckStatus.COMPLETED if final else CheckStatus.IN_PROGRESS,
        Conclusion.SUCCESS if final else None,
    )
    return Post(PostId(1), check, writes + 1, writes, "r" if writes else None, writes, 100.0, 100.0, not_before, final)


def test_the_first_write_waits_for_nothing() -> None:
    assert due_at(post(writes=0)) == 0.0


def test_progress_comes_at_growing_intervals_and_then_not_at_all() -> None:
    pauses = [due_at(post(writes=writes)) for writes in range(1, PROGRESS_WRITES)]
    known = [each - 100.0 for each in pauses if each is not None]
    assert len(known) == PROGRESS_WRITES - 1
    assert known[0] == FIRST_PAUSE_SECONDS
    assert known == sorted(known)
    assert due_at(post(writes=PROGRESS_WRITES)) is None


def test_the_end_waits_for_nothing_but_the_forge() -> None:
    assert due_at(post(writes=PROGRESS_WRITES, final=True)) == 0.0
    assert due_at(post(writes=3, final=True, not_before=500.0)) == 500.0
