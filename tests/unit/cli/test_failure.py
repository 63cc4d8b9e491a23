"""How faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.cli.failure import only_fault, tell, tell_defect
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.secret import Secret
from ekaci_core.telemetry import REDACTOR


def test_a_fault_says_where_what_and_what_to_do() -> None:
    fault = UsageFault("no such ref", where="--base nowhere", do="run git fetch")
    assert tell(fault) == "ekaci: --base nowhere: no such ref\n  run git fetch"


def test_a_defect_is_told_in_a_line_and_kept_in_a_file() -> None:
    with pytest.raises(ValueError, match="xyz") as raised:
        int("xyz")
    told = tell_defect(raised.value)

    first, second = told.splitlines()
    assert (
        first
        == "ekaci: a defect of EkaCI, not of the change: ValueError: invalid literal for int() with base 10: 'xyz'"
    )
    kept = Path(second.rpartition(" ")[2])
    assert 'int("xyz")' in kept.read_text()
    kept.unlink()


def test_secrets_are_masked_in_what_is_told_and_in_what_is_kept() -> None:
    canary = "canary-of-a-crash"
    REDACTOR.learn("test", [Secret(canary)])
    with pytest.raises(ValueError, match="canary") as raised:
        raise ValueError(canary)
    told = tell_defect(BaseExceptionGroup("several", [raised.value]))
    alone = tell_defect(raised.value)
    kept = [Path(text.rpartition(" ")[2]) for text in (told, alone)]
    assert "ValueError: [REDACTED]" in alone
    assert tell(UsageFault(f"no {canary}", where=canary, do=canary)).count("[REDACTED]") == 3
    for path in kept:
        assert "ValueError: [REDACTED]" in path.read_text()
        assert canary not in path.read_text() + told + alone
        assert path.stat().st_mode & 0o077 == 0
        path.unlink()


def test_a_group_of_faults_is_told_by_its_first() -> None:
    first, second = UsageFault("one"), InfrastructureFault("two")
    assert only_fault(BaseExceptionGroup("", [BaseExceptionGroup("", [first]), second])) is first


def test_a_group_with_anything_else_is_not_a_fault() -> None:
    assert only_fault(BaseExceptionGroup("", [UsageFault("one"), ValueError("two")])) is None
