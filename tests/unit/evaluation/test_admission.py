from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.evaluation.admission import LARGEST_MIB, SHARE_PERCENT, SMALLEST_MIB, Budget, budget


@pytest.mark.parametrize(
    ("cpus", "available_mib", "evaluations", "expected"),
    [
        (2, 7_500, 2, Budget(1, 2_944, 2)),  # a laptop: one worker for each side
        (2, 7_500, 1, Budget(2, 2_944, 1)),  # the base is known
        (2, 3_000, 2, Budget(1, 2_368, 1)),  # too little memory for two
        (16, 128_000, 2, Budget(8, LARGEST_MIB, 2)),
        (16, 24_000, 2, Budget(6, 1_600, 2)),  # memory is short, not processors
        (1, 500, 2, Budget(1, SMALLEST_MIB, 1)),
        (3, 64_000, 2, Budget(1, LARGEST_MIB, 2)),
    ],
)
def test_defaults_fit_the_machine(cpus: int, available_mib: int, evaluations: int, expected: Budget) -> None:
    assert budget(cpus=cpus, available_mib=available_mib, evaluations=evaluations) == expected


@pytest.mark.parametrize(
    ("workers", "memory_mib", "expected"),
    [
        (4, None, Budget(2, 1_600, 2)),
        (1, None, Budget(1, LARGEST_MIB, 1)),
        (None, 3_000, Budget(1, 3_000, 2)),
        (None, 20_000, Budget(1, 20_000, 1)),
        (6, 9_000, Budget(3, 9_000, 2)),  # the person knows better
    ],
)
def test_what_was_asked_for_is_kept(workers: int | None, memory_mib: int | None, expected: Budget) -> None:
    given_budget = budget(cpus=2, available_mib=8_000, workers=workers, memory_mib=memory_mib)
    assert given_budget == expected


@given(st.integers(1, 256), st.integers(1, 2_000_000), st.integers(1, 8))
def test_the_machine_is_never_overcommitted_by_default(cpus: int, available_mib: int, evaluations: int) -> None:
    made = budget(cpus=cpus, available_mib=available_mib, evaluations=evaluations)
    running = made.workers * made.at_once
    assert 1 <= running <= cpus
    assert made.at_once <= evaluations
    assert SMALLEST_MIB <= made.memory_mib <= LARGEST_MIB
    assert running * made.memory_mib <= max(SMALLEST_MIB, available_mib * SHARE_PERCENT // 100)
