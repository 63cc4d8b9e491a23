"""The kits for builders and evaluators find each broken promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest
from tests.contract.wrong import wrong_builders, wrong_evaluators

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.nix, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("module", "group"),
    [
        pytest.param(wrong_builders, "TestWrongBuilders", id="builders"),
        pytest.param(wrong_evaluators, "TestWrongEvaluators", id="evaluators"),
    ],
)
def test_each_broken_promise_is_found_and_none_where_all_are_kept(
    tmp_path: Path, module: ModuleType, group: str
) -> None:
    """The kit runs in a process of its own, for each the test that is there to find it: builds take their time."""
    found_by: dict[str, str] = {each.__name__: each.found_by for each in module.WRONG}
    assert len(found_by) > 10
    report = tmp_path / "report.xml"
    quietly = ["-q", "-p", "no:cacheprovider", "--timeout=120", "--tb=native", f"--junitxml={report}"]
    wanted = [f"({test} and ({name} or Right))" for name, test in found_by.items()]
    arguments = [str(module.__file__), "-k", f"{group} and ({' or '.join(wanted)})"]
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
