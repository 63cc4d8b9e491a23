"""Folders of evaluations, and what killed ones leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ekaci_core.builtin.evaluators.scratch import scratch_folder

HOLD = """
import sys, time
from pathlib import Path
from ekaci_core.builtin.evaluators.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def long_ago(folder: Path) -> None:
    os.utime(folder, (1_600_000_000, 1_600_000_000))


def test_nothing_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "file").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        folders = [Path(holder.stdout.readline().strip()) for holder in holders if holder.stdout]
        for folder in folders:
            long_ago(folder)
        holders[0].send_signal(signal.SIGKILL)
        holders[0].wait()

        with scratch_folder(tmp_path):
            assert [folder.exists() for folder in folders] == [False, True]
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def test_a_folder_that_was_just_made_is_left_alone(tmp_path: Path) -> None:
    new = tmp_path / "ekaci-evaluation-new"
    new.mkdir()
    with scratch_folder(tmp_path):
        assert new.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "precious").mkdir(parents=True)
    link = tmp_path / "ekaci-evaluation-link"
    link.symlink_to(elsewhere)
    os.utime(link, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    with scratch_folder(tmp_path):
        assert (elsewhere / "precious").exists()
