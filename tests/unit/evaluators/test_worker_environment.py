"""What workers are told about memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.api import EvaluationRequest
from ekaci_core.builtin.evaluators.nix import environment_for


def request(workers: int, *, alone: bool) -> EvaluationRequest:
    return EvaluationRequest(root=Path("/r"), file="f", gc_roots=Path("/g"), workers=workers, alone=alone)


@pytest.mark.parametrize(("workers", "alone", "divisor"), [(1, True, "8"), (1, False, None), (2, True, None)])
def test_a_tight_heap_is_for_a_worker_that_has_the_machine_to_itself(
    workers: int,
    alone: bool,  # noqa: FBT001 - a row of the table
    divisor: str | None,
) -> None:
    made = environment_for({}, request(workers, alone=alone))
    assert made.get("GC_FREE_SPACE_DIVISOR") == divisor
    assert made["GC_MARKERS"] == "1"


def test_what_the_person_has_set_stands() -> None:
    own = {"GC_FREE_SPACE_DIVISOR": "2", "GC_MARKERS": "4"}
    assert environment_for(own, request(1, alone=True)) == own
