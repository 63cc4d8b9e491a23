"""Reviews whose packages somebody built before: they come from a binary cache."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ekaci_core.testing.binary_cache import CacheServer

if TYPE_CHECKING:
    from .conftest import ReviewedRepository

pytestmark = pytest.mark.nix


def nix(repository: ReviewedRepository, *argv: str) -> str:
    done = subprocess.run(argv, env=dict(repository.environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cache(package_set: ReviewedRepository, tmp_path: Path) -> Iterator[tuple[CacheServer, dict[str, str]]]:
    """A signed cache of all that a review builds, none of which is in the store, and an environment that uses it."""
    assert package_set.review("--format", "json").document["built"] > 20
    outputs = [str(root.readlink()) for root in (package_set.cache / "gc-roots/outputs").iterdir()]
    secret, public = str(tmp_path / "secret"), tmp_path / "public"
    nix(package_set, "nix-store", "--generate-binary-cache-key", "good", secret, str(public))
    nix(package_set, "nix", "copy", "--to", f"file://{tmp_path}/binary-cache?secret-key={secret}", *outputs)
    shutil.rmtree(package_set.cache)
    subprocess.run(
        ["nix-store", "--delete", *outputs], env=dict(package_set.environment), capture_output=True, check=False
    )
    assert [output for output in outputs if Path(output).exists()] == []
    with ExitStack() as stack:
        server = stack.enter_context(CacheServer(tmp_path / "binary-cache"))
        lines = [f"substituters = {server.url}", f"trusted-public-keys = {public.read_text()}"]
        yield server, {"NIX_CONFIG": "\n".join([package_set.environment["NIX_CONFIG"], *lines])}


def test_nothing_is_built_that_can_be_fetched(
    package_set: ReviewedRepository, cache: tuple[CacheServer, dict[str, str]]
) -> None:
    server, environment = cache
    fetched = package_set.review("--format", "json", environment=environment)
    assert fetched.status == 1, fetched.stdout
    failing = {each["drv"] for each in fetched.document["failures"]}
    assert fetched.document["built"] < 10, "what fails is in no cache"
    assert failing
    assert [path for path in server.paths() if path.endswith(".narinfo")]
    assert "substituter" not in fetched.stderr


def test_a_person_is_told_what_is_left_out(
    package_set: ReviewedRepository, cache: tuple[CacheServer, dict[str, str]]
) -> None:
    server, environment = cache
    server.folder.rename(server.folder.with_name("moved"))
    done = package_set.review("--format", "json", environment=environment)
    assert done.document["built"] > 20
    assert f"The substituter {server.url} is left out: it is no binary cache." in done.stderr
