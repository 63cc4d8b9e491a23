from __future__ import annotations

import pytest

from ekaci_core.evaluation.passing import may_pass
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.ids import AttrPath

A = AttrPath("a")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (AttributeFault(A, FaultKind.ERROR, "error: attribute 'b' missing"), False),
        (AttributeFault(None, FaultKind.ERROR, "error: undefined variable 'b'"), False),
        (AttributeFault(A, FaultKind.INFINITE_RECURSION, "error: infinite recursion encountered"), False),
        (AttributeFault(A, FaultKind.STACK_OVERFLOW, "error: stack overflow"), False),
        (AttributeFault(A, FaultKind.NOT_A_PACKAGE, "a function"), False),
        (AttributeFault(A, FaultKind.OUT_OF_MEMORY, ""), True),
        (AttributeFault(None, FaultKind.TIMEOUT, ""), True),
        (AttributeFault(A, FaultKind.EVALUATOR_DIED, ""), True),
        (AttributeFault(AttrPath(""), FaultKind.ERROR, "error: syntax error"), True),
        (AttributeFault(A, FaultKind.ERROR, "error: unable to download 'https://example.org': timeout"), True),
        (AttributeFault(A, FaultKind.ERROR, "error: writing to file: No space left on device"), True),
    ],
)
def test_only_what_may_be_gone_next_time_may_pass(fault: AttributeFault, *, expected: bool) -> None:
    assert may_pass(fault) is expected
