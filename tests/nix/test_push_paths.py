"""What Nix says of paths to push, and what it keeps of them, in a store of their own with real collections."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.delivery import NixPaths
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import StorePath
from ekaci_core.process import run

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

_CHAIN = 'let low = builtins.toFile "low" "x"; top = builtins.toFile "top" "${low}"; in [ low top ]'


@pytest.fixture
def own_store(nix_environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    store = tmp_path / "store"
    store.mkdir()
    return {**nix_environment, "NIX_REMOTE": str(store)}


@pytest.fixture
def paths(own_store: dict[str, str], tmp_path: Path) -> NixPaths:
    return NixPaths(own_store, tmp_path / "roots/pushes")


async def nix(environment: Mapping[str, str], *command: str) -> str:
    done = await run(command, env=environment)
    assert done.status == 0, done.stderr
    return done.text


async def chain(environment: Mapping[str, str]) -> tuple[StorePath, StorePath]:
    """Make a path, and one that refers to it."""
    told = await nix(environment, "nix-instantiate", "--read-write-mode", "--eval", "--strict", "--expr", _CHAIN)
    low, top = (StorePath.parse(each.strip('"')) for each in told.split()[1:3])
    return low, top


async def test_paths_are_described_with_what_they_refer_to(own_store: dict[str, str], paths: NixPaths) -> None:
    low, top = await chain(own_store)
    gone = StorePath.parse("0" * 32 + "-gone")
    found = await paths.infos([top, gone])
    assert found.keys() == {top}
    assert found[top].references == (low,)
    assert found[top].nar_size > 0
    assert (await paths.infos([top, gone], closure=True)).keys() == {top, low}
    assert await paths.infos([]) == {}
    assert await paths.infos([gone], closure=True) == {}


async def test_what_is_kept_survives_a_collection_until_it_is_let_go(
    own_store: dict[str, str], paths: NixPaths
) -> None:
    low, top = await chain(own_store)
    command = "nix-instantiate", "--read-write-mode", "--eval", "--expr"
    lone = StorePath.parse((await nix(own_store, *command, 'builtins.toFile "lone" "y"')).strip().strip('"'))
    await paths.keep([top, lone])
    await nix(own_store, "nix-store", "--gc")
    assert (await paths.infos([low, top, lone])).keys() == {low, top, lone}
    await paths.release(but=[lone], before=time.time() - 3600)
    await nix(own_store, "nix-store", "--gc")
    assert (await paths.infos([low, top, lone])).keys() == {low, top, lone}, "what was just made stays"
    for link in paths.roots_dir.iterdir():
        os.utime(link, (1.0, 1.0), follow_symlinks=False)
    await paths.release(but=[lone], before=time.time() - 3600)
    await nix(own_store, "nix-store", "--gc")
    assert (await paths.infos([low, top, lone])).keys() == {lone}


async def test_nothing_to_let_go_is_no_fault(paths: NixPaths) -> None:
    await paths.release(but=[], before=1.0)


async def test_a_nix_that_fails_is_told(paths: NixPaths, tmp_path: Path) -> None:
    tmp_path.joinpath("roots").write_text("in the way")
    with pytest.raises(InfrastructureFault):
        await paths.keep([StorePath.parse("0" * 32 + "-gone")])
