"""What Nix makes of a checkout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from ekaci_core.git import checkout, open_repository

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

EXPRESSION = """
{
  whole = "${./.}";
  tracked = (builtins.fetchGit ./.).outPath;
  text = builtins.readFile ((builtins.fetchGit ./.).outPath + "/file");
}
"""


async def evaluate(root: Path, environment: dict[str, str]) -> dict[str, str]:
    argv = ["nix-instantiate", "--eval", "--strict", "--json", "default.nix"]
    done = await anyio.run_process(argv, cwd=root, env=environment, stderr=subprocess.PIPE)
    made: dict[str, str] = json.loads(done.stdout)
    return made


async def test_the_whole_tree_as_a_source_depends_on_its_contents_alone(
    bench: Any, tmp_path: Path, nix_environment: dict[str, str]
) -> None:
    bench.commit("default.nix", EXPRESSION)
    bench.commit("file", "other\n")
    bench.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    repository = await open_repository(bench.top)
    found = []
    for ref, parent in (("HEAD", "a"), ("HEAD~1", "b"), ("HEAD~2", "a")):
        revision = await repository.resolve(ref)
        async with checkout(repository, revision, tmp_path / parent) as root:
            found.append(await evaluate(root, nix_environment))
    same, before, older = found
    assert same["whole"] == before["whole"] != older["whole"]
    assert same["whole"].endswith("-project")
    assert same["tracked"] == before["tracked"] != older["tracked"]
    assert (same["text"], older["text"]) == ("other\n", "content\n")


async def test_uncommitted_changes_are_a_source_too(
    bench: Any, tmp_path: Path, nix_environment: dict[str, str]
) -> None:
    bench.commit("default.nix", EXPRESSION)
    bench.write("file", "changed\n")
    repository = await open_repository(bench.top)
    revision = await repository.working_tree_revision()
    async with checkout(repository, revision, tmp_path / "out") as root:
        assert (await evaluate(root, nix_environment))["text"] == "changed\n"
