from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ekaci_core.api import BuildRequest, DerivationRecord, System
from ekaci_core.builtin.local_builder.attempt import Attempt
from ekaci_core.builtin.local_builder.command import build_command, hook_options
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.internal_json import (
    ActivityKind,
    ActivityStarted,
    ActivityStopped,
    BuilderLine,
    Message,
    PhaseSet,
    PlainLine,
)

DRV = DrvPath.parse("/nix/store/p96bx1ln687qzcyqj4cbnkvaid8vc6nb-hello.drv")
INPUT = "/nix/store/m4bb9b9821p6ns7010y5xz85zlkk38jq-glue.drv"


def request(gc_root: Path | None = None) -> BuildRequest:
    record = DerivationRecord(DRV, "hello", System("x86_64-linux"), (), ())
    return BuildRequest(record, Path("log"), gc_root, no_output_timeout_seconds=1.5, max_duration_seconds=100)


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_the_command_builds_here_and_nothing_else() -> None:
    command = build_command(request())
    assert command[:3] == ["nix-store", "--realise", DRV]
    assert option(command, "builders") == ""
    assert option(command, "max-jobs") == "1"
    assert "--add-root" not in command


def test_nixs_own_timeouts_come_after_ours() -> None:
    command = build_command(request())
    assert int(option(command, "max-silent-time")) > 1.5
    assert int(option(command, "timeout")) > 100


def test_a_gc_root_is_asked_for() -> None:
    command = build_command(request(Path("/roots/x")))
    assert option(command, "--add-root") == "/roots/x"
    assert "--no-gc-warning" not in command


def test_the_log_has_what_people_read() -> None:
    attempt = Attempt(DRV)
    written = attempt.take(
        [
            Message(3, "this derivation will be built:"),
            ActivityStarted(1, ActivityKind.BUILD, DRV),
            BuilderLine(1, "\x1b[31mred\x1b[0m"),
            BuilderLine(0, "xxx", cut=True),
            None,
            Message(1, "warning: careful"),
            Message(0, "it failed", is_error=True),
            PlainLine("terminate called"),
        ]
    )
    assert written.decode().splitlines() == [
        "\x1b[31mred\x1b[0m",
        "xxx [the rest of this line was too long to keep]",
        "warning: careful",
        "error: it failed",
        "terminate called",
    ]
    assert attempt.began
    assert attempt.errors == ("it failed",)


def test_lines_of_an_input_have_its_name_and_its_phases_are_not_told() -> None:
    phases: list[str] = []
    attempt = Attempt(DRV, phases.append)
    written = attempt.take(
        [
            ActivityStarted(1, ActivityKind.BUILD, INPUT),
            PhaseSet(1, "gluePhase"),
            BuilderLine(1, "sticky"),
            ActivityStopped(1),
            ActivityStarted(2, ActivityKind.BUILD, DRV),
            PhaseSet(2, "buildPhase"),
            BuilderLine(2, "done"),
        ]
    )
    assert written == b"glue> sticky\ndone\n"
    assert phases == ["buildPhase"]


def test_an_input_alone_is_no_beginning() -> None:
    attempt = Attempt(DRV)
    attempt.take([ActivityStarted(1, ActivityKind.BUILD, INPUT)])
    assert not attempt.began


def test_waiting_for_a_lock_ends() -> None:
    attempt = Attempt(DRV)
    attempt.take([ActivityStarted(5, ActivityKind.WAITING_FOR_LOCK)])
    assert attempt.is_waiting
    attempt.take([ActivityStopped(5)])
    assert not attempt.is_waiting


def test_a_builders_message_is_no_error() -> None:
    attempt = Attempt(DRV)
    attempt.take([Message(0, "No space left on device")])
    assert attempt.errors == ()


def test_a_warning_of_nix_is_no_error() -> None:
    attempt = Attempt(DRV)
    away = "unable to download 'https://c/nix-cache-info': Couldn't connect to server (7)"
    assert attempt.take([Message(1, away, is_error=True)]) == f"warning: {away}\n".encode()
    assert attempt.errors == ()


def test_without_messages_the_last_plain_lines_explain() -> None:
    attempt = Attempt(DRV)
    attempt.take(PlainLine(f"line {number}") for number in range(100))
    assert attempt.errors == tuple(f"line {number}" for number in range(90, 100))


def test_errors_are_bounded() -> None:
    attempt = Attempt(DRV)
    attempt.take(Message(0, f"error {number}", is_error=True) for number in range(100_000))
    assert attempt.errors[0] == "error 0"
    assert len(attempt.errors) < 100


def test_lone_surrogates_reach_the_log_somehow() -> None:
    assert Attempt(DRV).take([BuilderLine(1, "\ud800")]) == b"?\n"


def test_the_hook_of_our_own_can_be_run_and_declines() -> None:
    option, name, hook = hook_options()
    assert (option, name) == ("--option", "build-hook")
    done = subprocess.run([hook, "3"], input=b"", capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"# decline-permanently\n")


@pytest.mark.parametrize("name", ["not-executable", "with a blank"])
def test_a_hook_that_nix_could_not_run_is_left_out(tmp_path: Path, name: str) -> None:
    hook = tmp_path / name
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755 if " " in name else 0o644)
    assert hook_options(hook) == ()
