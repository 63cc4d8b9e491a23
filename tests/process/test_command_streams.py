"""The command on streams as they are in the field, and when it is itself at fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EKACI = str(Path(sys.executable).parent / "ekaci")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "EKACI": EKACI, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_a_fault_of_the_machine(to: str) -> None:
    done = shell(f'"$EKACI" plugins {to}')
    assert done.returncode == 3
    assert done.stderr.startswith("ekaci: standard output ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("to", ["2>/dev/full", "2>&-"])
def test_an_error_stream_that_cannot_be_written_changes_nothing(to: str) -> None:
    assert shell(f'"$EKACI" plugins {to}').returncode == 0
    assert shell(f'"$EKACI" review /nowhere {to}').returncode == 2


def test_a_reader_that_goes_ends_us_as_it_ends_others() -> None:
    done = shell('"$EKACI" plugins | true; exit ${PIPESTATUS[0]}')
    assert done.returncode in (0, 141)  # 0 where all was written before the reader went
    assert done.stderr == ""


def test_an_encoding_without_arrows_is_no_fault(tmp_path: Path) -> None:
    done = shell(
        f'"$EKACI" review {tmp_path}/\N{LATIN SMALL LETTER E WITH ACUTE}', PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8"
    )
    assert done.returncode == 2
    assert "\\xe9" in done.stderr


def test_a_deleted_directory(tmp_path: Path) -> None:
    done = shell(f'mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir ../gone && "$EKACI" review')
    assert done.returncode == 2
    assert "has been deleted" in done.stderr


@pytest.mark.parametrize("wait", [0.05, 0.15, 0.3])
def test_ctrl_c_in_the_first_moments_is_quiet(wait: float, tmp_path: Path) -> None:
    process = subprocess.Popen([EKACI, "review", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    # The interpreter itself may still be starting: what it says of that names no file of ours.
    if "Traceback" not in stderr or "ekaci_core" in stderr:
        assert process.returncode in (130, 2, -signal.SIGINT), stderr
        assert "Traceback" not in stderr


def test_a_defect_is_never_an_answer_about_the_change(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        "import ekaci_core.cli.main as main\n"
        "main.ekaci.get_command(None, 'review').callback = lambda **_: 1 // 0\n"
        "sys.argv = ['ekaci', 'review']\n"
        "sys.exit(main.status())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("ekaci: a defect of EkaCI, not of the change: ZeroDivisionError")
    assert "Traceback" not in done.stderr
