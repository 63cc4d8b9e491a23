"""Derivations that are pinned survive a real garbage collection, in a store of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.pins import pins
from ekaci_core.process import run

pytestmark = [pytest.mark.nix, pytest.mark.anyio]


@pytest.fixture
def own_store(nix_environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    store = tmp_path / "store"
    store.mkdir()
    return {**nix_environment, "NIX_REMOTE": str(store)}


async def nix(environment: Mapping[str, str], *command: str) -> str:
    done = await run(command, env=environment)
    assert done.status == 0, done.stderr
    return done.text


async def derivations(environment: Mapping[str, str], count: int) -> list[DrvPath]:
    expression = (
        'let mk = n: derivation { name = "p${toString n}"; system = "x"; builder = "b"; needed = [ (below n) ]; };'
        ' below = n: derivation { name = "below${toString n}"; system = "x"; builder = "b"; };'
        f" in map mk (builtins.genList (n: n) {count})"
    )
    return [DrvPath.parse(line) for line in (await nix(environment, "nix-instantiate", "--expr", expression)).split()]


async def valid(environment: Mapping[str, str]) -> set[str]:
    found = json.loads(await nix(environment, "nix", "path-info", "--all", "--json"))
    return set(found) if isinstance(found, dict) else {entry["path"] for entry in found}


async def test_a_real_collection(own_store: dict[str, str], tmp_path: Path) -> None:
    roots = tmp_path / "roots"
    roots.mkdir()
    made = await derivations(own_store, 50)
    kept, others = set(made[:40]), set(made[40:])
    async with pins(own_store, roots, tmp_path) as keeper:
        await keeper.hold(made[:20])
        await keeper.hold(made[10:40])
        await keeper.hold(made[:5])
    assert len(list(roots.iterdir())) == 2
    await nix(own_store, "nix-store", "--gc")
    left = await valid(own_store)
    assert kept <= left
    assert not others & left
    assert sum(path.endswith(".drv") and "-below" in path for path in left) == 40, "what they refer to stays as well"

    for root in roots.iterdir():
        root.unlink()
    await nix(own_store, "nix-store", "--gc")
    assert not kept & await valid(own_store)


async def test_what_is_gone_cannot_be_kept(own_store: dict[str, str], tmp_path: Path) -> None:
    roots = tmp_path / "roots"
    roots.mkdir()
    [made] = await derivations(own_store, 1)
    await nix(own_store, "nix-store", "--gc")
    async with pins(own_store, roots, tmp_path) as keeper:
        with pytest.raises(InfrastructureFault, match="cannot be kept") as caught:
            await keeper.hold([made])
    assert made in str(caught.value) or "not valid" in str(caught.value) or "exist" in str(caught.value)
    assert list(roots.iterdir()) == []
