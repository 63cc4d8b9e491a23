from __future__ import annotations

import pytest

from ekaci_core.builtin.evaluators.verdicts import sentence_of
from ekaci_core.builtin.evaluators.worker import Stopped
from ekaci_core.model.evaluation import FaultKind

OVERFLOW = "\x1b[31merror:\x1b[0m stack overflow (possible infinite recursion)\n"


@pytest.mark.parametrize(
    ("stopped", "status", "text", "alone", "kind"),
    [
        (Stopped.TIMEOUT, -9, "", False, FaultKind.TIMEOUT),
        (None, 1, OVERFLOW, False, FaultKind.STACK_OVERFLOW),
        (None, 1, OVERFLOW, True, FaultKind.STACK_OVERFLOW),
        (Stopped.MEMORY, -9, "", False, None),
        (Stopped.MEMORY, -9, "", True, FaultKind.OUT_OF_MEMORY),
        (None, -9, "", False, None),
        (None, -9, "", True, FaultKind.OUT_OF_MEMORY),
        (None, -6, "terminate called after throwing an instance of 'std::bad_alloc'", True, FaultKind.OUT_OF_MEMORY),
        (None, -11, "", False, None),
        (None, -11, "", True, FaultKind.EVALUATOR_DIED),
        (None, 1, "error: out of patience", True, FaultKind.EVALUATOR_DIED),
    ],
)
def test_what_the_end_of_a_worker_means(
    stopped: Stopped | None, status: int, text: str, kind: FaultKind | None, *, alone: bool
) -> None:
    found = sentence_of(stopped, status, text, alone=alone, memory_mib=512, timeout_seconds=2.5)
    assert (None if found is None else found[0]) is kind
    if found is not None:
        assert found[1].startswith("error: ")
        assert "\x1b" not in found[1]


def test_messages_hold_the_figures() -> None:
    timeout = sentence_of(Stopped.TIMEOUT, -9, "", alone=False, memory_mib=512, timeout_seconds=2.5)
    memory = sentence_of(Stopped.MEMORY, -9, "", alone=True, memory_mib=512, timeout_seconds=None)
    assert timeout is not None
    assert "2.5 seconds" in timeout[1]
    assert memory is not None
    assert "512 MiB" in memory[1]
