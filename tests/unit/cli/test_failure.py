"""How faults are told."""

from __future__ import annotations

import pytest

from ekaci_core.cli.failure import exit_with, only_fault, tell
from ekaci_core.model.errors import InfrastructureFault, UsageFault


def test_a_fault_says_where_what_and_what_to_do() -> None:
    fault = UsageFault("no such ref", where="--base nowhere", do="run git fetch")
    assert tell(fault) == "ekaci: --base nowhere: no such ref\n  run git fetch"


def test_the_status_is_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        exit_with(InfrastructureFault("no space left", where="/cache"))
    assert ended.value.code == 3
    assert capsys.readouterr().err == "ekaci: /cache: no space left\n"


def test_a_group_of_faults_is_told_by_its_first() -> None:
    first, second = UsageFault("one"), InfrastructureFault("two")
    assert only_fault(BaseExceptionGroup("", [BaseExceptionGroup("", [first]), second])) is first


def test_a_group_with_anything_else_is_not_a_fault() -> None:
    assert only_fault(BaseExceptionGroup("", [UsageFault("one"), ValueError("two")])) is None
