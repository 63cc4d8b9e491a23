"""The kit for caches accepts one that keeps the contract, and rejects each that breaks a promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.contract.wrong import wrong_caches

ROOT = Path(__file__).parents[2]


def test_each_broken_promise_is_found_and_none_where_all_are_kept(tmp_path: Path) -> None:
    """The kit runs in a process of its own: its failures are what is expected."""
    found_by = {kind.__name__: kind.found_by for kind in wrong_caches.WRONG}
    assert len(found_by) > 20
    report = tmp_path / "report.xml"
    quietly = ["-q", "-p", "no:cacheprovider", "--timeout=60", "--tb=native", f"--junitxml={report}"]
    wanted = " or ".join(["Right", *(f"({test} and {name})" for name, test in found_by.items())])
    arguments = [str(wrong_caches.__file__), "-k", f"TestWrongCaches and ({wanted})"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quietly, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    rejected: set[str] = set()
    kept: set[str] = set()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - it is our own
        test, _, cases = case.attrib["name"].partition("[")
        name = next(each for each in cases.rstrip("]").split("-") if each in {*found_by, "Right"})
        ill = case.find("failure") is not None or case.find("error") is not None
        if name == "Right":
            assert not ill, f"{test}\n{done.stdout}"
            kept.add(test)
        elif ill and test == found_by[name]:
            rejected.add(name)
    assert kept >= set(found_by.values())
    assert rejected == found_by.keys(), done.stdout
