"""Cutting byte-wise reading short, and never anything else. Needs Linux with pidfd_getfd, as the thing itself does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ekaci_core.builtin.evaluators.excerpt_reading import ExcerptReading

SIZE = 3_000_000
READER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
step, pause = int(sys.argv[2]), float(sys.argv[3])
total = 0
while chunk := os.read(fd, step):
    total += len(chunk)
    if pause: time.sleep(pause)
print(total)
"""


def read_while_hurried(file: Path, step: int, pause: float) -> tuple[int, int]:
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(file), str(step), str(pause)], stdout=subprocess.PIPE, text=True
    ) as reader:
        hurry = ExcerptReading(reader.pid)
        while reader.poll() is None:
            hurry.hurry()
        hurry.close()
        assert reader.stdout is not None
        return int(reader.stdout.read()), hurry.skipped


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "large.nix"
    file.write_bytes(b"#" * SIZE)
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="pidfd_getfd is Linux's")
def test_reading_byte_by_byte_is_cut_short(source: Path) -> None:
    read, skipped = read_while_hurried(source, step=1, pause=0)
    if skipped == 0:
        pytest.skip("this kernel does not let us share a descriptor of a child")
    assert skipped == 1
    assert read < SIZE


@pytest.mark.parametrize("step", [4096, 65536, 10_000])
def test_reading_in_blocks_is_left_alone(source: Path, step: int) -> None:
    read, skipped = read_while_hurried(source, step=step, pause=0.0003)
    assert (read, skipped) == (SIZE, 0)


def test_other_files_are_left_alone(source: Path) -> None:
    other = source.rename(source.with_suffix(".txt"))
    assert read_while_hurried(other, step=1, pause=0) == (SIZE, 0)


def test_a_process_that_is_gone_is_no_fault() -> None:
    with subprocess.Popen(["true"]) as child:
        hurry = ExcerptReading(child.pid)
    hurry.hurry()
    hurry.hurry()
    hurry.close()
    assert hurry.skipped == 0
