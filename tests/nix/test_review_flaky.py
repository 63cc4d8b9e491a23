"""A build that fails and then passes with nothing changed, in the reports of a review."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.nix.conftest import ReviewedRepository

pytestmark = pytest.mark.nix


def test_a_flaky_build_is_marked_and_changes_no_verdict(package_set: ReviewedRepository, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    text = (package_set.path / "pkgs/sunrise.nix").read_text()
    script = f"[ -e {tried} ] || {{ echo > {tried}; exit 3; }}"
    flaky = text.replace("inputs = [ libcore ];", f"inputs = [ libcore ];\n  build = ''\n    {script}\n  '';")
    assert flaky != text
    package_set.git("switch", "--quiet", "--create", "flaky", "main")
    package_set.commit("Fail once", {"pkgs/sunrise.nix": flaky})
    finished = package_set.review("--format", "json")
    attributes = {each["attr"]: each for each in finished.document["attributes"]}
    assert attributes["sunrise"]["head_state"] == "Success"
    assert [name for name, each in attributes.items() if each["flaky"]] == ["sunrise"]
    assert (finished.status, finished.document["verdict"]) == (0, "merge"), finished.stdout
    assert not any("flaky" in reason for reason in finished.document["reasons"])

    again = package_set.review()
    assert again.status == finished.status, "what is known from an earlier review is told as well"
    assert "\nFlaky 1\n  sunrise" in again.stdout
    assert "### Flaky (1)" in package_set.review("--format", "markdown").stdout
