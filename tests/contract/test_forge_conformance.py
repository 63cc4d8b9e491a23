"""The kit for forges accepts one that keeps the contract, and rejects each that breaks a promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.contract.forges.memory_forge import MemoryForge
from tests.contract.forges.memory_laboratory import MemoryLaboratory
from tests.contract.forges.wrong_forges import REJECTED

from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forges import ForgeConformance

WRONG_FORGES = Path(__file__).parent / "forges" / "wrong_forges.py"
ROOT = Path(__file__).parents[2]


class TestMemoryForge(ForgeConformance):
    fetches_by_git = False

    @pytest.fixture
    async def laboratory(self, forge_log: RecordingLogger) -> ForgeLaboratory:
        return MemoryLaboratory(MemoryForge, forge_log)


def test_each_broken_promise_is_found(tmp_path: Path) -> None:
    """The kit runs in a process of its own: its failures are what is expected."""
    report = tmp_path / "report.xml"
    # Parsing whole modules for each of so many tracebacks brings Python 3.11 down (AST constructor recursion depth).
    quietly = ["-q", "-p", "no:cacheprovider", "--timeout=60", "--tb=native"]
    arguments = [sys.executable, "-m", "pytest", *quietly, f"--junitxml={report}", str(WRONG_FORGES)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    outcomes: dict[str, bool] = dict.fromkeys((kind.__name__ for kind in REJECTED), False)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - it is our own
        failed = case.find("failure") is not None or case.find("error") is not None
        name = next(name for name in outcomes if name in re.split(r"[-\[\]]", case.attrib["name"]))
        outcomes[name] |= failed
    assert len(outcomes) > 30
    assert [name for name, rejected in outcomes.items() if not rejected] == []
