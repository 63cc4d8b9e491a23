"""Logs of pushes: bounded, masked, and about one derivation each."""

from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.api import AlreadyPresent, Pushed, PushFailed, Secret
from ekaci_core.delivery.transcript import KEPT_BYTES, LOG_BYTES, Printed, PushLogs, Transcript, log_name, said
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.telemetry import REDACTOR
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import store_path

A, B = store_path("a"), store_path("b")


def log_of(folder: Path, name: str = "x") -> str:
    return (folder / drv(name).hash_part / "hook-push-one.log").read_text()


def printed(*lines: str) -> Transcript:
    transcript = Transcript()
    for line in lines:
        transcript.write(f"{line}\n".encode())
    return transcript


def test_the_end_of_what_is_printed_is_kept() -> None:
    transcript = Transcript()
    for number in range(100_000):
        transcript.write(f"line {number}\n".encode())
    transcript.write(b"y" * (2 * KEPT_BYTES))
    assert transcript.lines == [b"y" * KEPT_BYTES]


def test_each_derivation_gets_its_own_lines_unless_something_failed() -> None:
    lines = [f"copying {A}".encode(), f"copying {B}".encode(), b"error: full"]
    printed_lines = Printed.of(lines)
    assert printed_lines.about({A: Pushed()}) == lines[:1]
    assert printed_lines.about({B: Pushed(), A: AlreadyPresent()}) == lines[:2]
    assert printed_lines.about({A: PushFailed("no"), B: Pushed()}) == lines


def test_what_came_of_a_path_is_said() -> None:
    outcomes = Pushed(), Pushed(1234), AlreadyPresent(), PushFailed("no")
    assert [said(each) for each in outcomes] == ["pushed", "pushed (1,234 bytes)", "it was there already", "failed: no"]


def test_a_log_grows_by_each_push_up_to_a_bound(tmp_path: Path) -> None:
    logs = PushLogs(tmp_path, "one")
    for number in range(8):
        logs.write(0.0, {drv("x"): {A: Pushed(number)}}, printed(f"push {number}", "z" * (KEPT_BYTES - 100)))
    text = log_of(tmp_path)
    assert len(text) <= LOG_BYTES
    assert "push 0" not in text
    assert text.rindex("push 7") > text.rindex("push 6")
    assert "1970-01-01T00:00:00+00:00 push to one" in text


def test_secrets_are_masked(tmp_path: Path) -> None:
    REDACTOR.learn("test of push logs", [Secret("correct-horse-battery")])
    PushLogs(tmp_path, "one").write(
        0.0, {drv("x"): {A: Pushed()}}, printed("token correct-horse-battery", "that was it")
    )
    assert "correct-horse-battery" not in log_of(tmp_path)
    assert "that was it" in log_of(tmp_path)


def test_a_log_that_cannot_be_written_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(InfrastructureFault, match="the log of a push cannot be written"):
        PushLogs(tmp_path / "logs", "one").write(0.0, {drv("x"): {A: Pushed()}}, printed())


def test_names_of_logs_hold_nothing_odd() -> None:
    assert log_name("main") == "hook-push-main.log"
    assert log_name("../a b/ü") == "hook-push-.._a_b__.log"
    assert len(log_name("x" * 500)) < 255
