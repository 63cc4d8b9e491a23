"""The command as a person uses it, with a table for the daemon in the configuration file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.nix.conftest import EKACI

from ekaci_core.testing.builders import Workshop

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

FILE = """\
[[builders]]
type = "local"
slots = 0

[[builders]]
type = "daemon"
socket = "{socket}"
max_jobs = 3
options = {{ cores = "1" }}
"""


@pytest.fixture
def environment(nix_environment: Mapping[str, str], daemon_socket: Path, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "ekaci.toml"
    file.write_text(FILE.format(socket=daemon_socket))
    return {**nix_environment, "EKA_CI_CONFIG_FILE": str(file), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def ekaci(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EKACI, *words], env=dict(environment), capture_output=True, text=True, check=False, timeout=100
    )


async def test_it_builds_where_the_file_says_so(environment: dict[str, str], workshop: Workshop) -> None:
    sample = await workshop.derivation("echo said by the build; echo > $out")
    done = ekaci(environment, "build", sample.record.path)
    assert done.returncode == 0, done.stderr
    assert await workshop.is_valid(sample.output.path)
    assert ekaci(environment, "logs", sample.record.path).stdout == "said by the build\n"
    listed = json.loads(ekaci(environment, "builders", "--format", "json").stdout)
    assert [(each["name"], each["slots"]) for each in listed] == [("daemon", 3)]


def test_a_wrong_key_has_its_address(environment: dict[str, str]) -> None:
    file = Path(environment["EKA_CI_CONFIG_FILE"])
    file.write_text(file.read_text().replace('cores = "1"', "cores = 1"))
    done = ekaci(environment, "builders")
    assert done.returncode == 2
    assert "builders[1].options.cores: expected a string" in done.stderr
