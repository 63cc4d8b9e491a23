"""``script/demo --serve``: what it prints can be typed, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.endtoend.service import ROOT
from tests.plugins.ekaci_forge_git.bare import PEOPLE

pytestmark = [pytest.mark.nix, pytest.mark.timeout(300)]


def wait(holds: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.1)


def test_a_push_to_the_demonstration_is_reviewed(tmp_path: Path, nix_environment: Mapping[str, str]) -> None:
    place, said, home = tmp_path / "place", tmp_path / "said", tmp_path / "home"
    place.mkdir()
    home.mkdir()
    environment = {**os.environ, **nix_environment, **PEOPLE, "TMPDIR": str(place), "HOME": str(home)}
    environment.pop("XDG_CACHE_HOME", None)
    with said.open("wb") as output:
        process = subprocess.Popen(
            [str(ROOT / "script/demo"), "--serve"],
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        wait(lambda: "Ctrl-C" in said.read_text(), process, said)
        block = said.read_text().partition("Push something to it:")[2]
        typed = "\n".join(re.findall(r"^  (git .*)$", block.partition("Within")[0], re.MULTILINE))
        subprocess.run(["bash", "-euc", typed], env=environment, check=True, capture_output=True)
        asked = re.findall(r"^  (\S+ prs -s \S+)$", block, re.MULTILINE)[0]

        def reviewed() -> bool:
            done = subprocess.run(
                [*asked.split(), "--json"], env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            return [(each["review"] or {}).get("decision") for each in json.loads(done.stdout)] == ["do_not_merge"]

        wait(reviewed, process, said)
        jobset = re.findall(r"^  (\S+ jobset \d+ -s \S+)$", block, re.MULTILINE)[0]
        shown = subprocess.run(jobset.split(), env=environment, check=True, stdout=subprocess.PIPE, text=True)
        assert "kettle" in shown.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, said.read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    assert list(place.iterdir()) == [], "its folder is removed"
    assert [each for each in home.rglob("*") if each.is_file()] == [], "nothing is written elsewhere"
