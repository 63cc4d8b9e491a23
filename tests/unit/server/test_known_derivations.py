"""Derivations as people name them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.server.known import known_derivation, known_store, named_derivation
from ekaci_core.server.places import Places
from ekaci_core.store import Store, open_store
from ekaci_core.testing.facts import LINUX, drv, record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        await store.add_derivations([record("lib"), record("app", "lib")])
        yield store


async def test_a_derivation_has_three_names(store: Store) -> None:
    lib = drv("lib")
    for name in (lib, lib.base_name, lib.hash_part):
        assert await known_derivation(store, name) == lib


async def test_a_path_may_be_unknown_where_it_is_to_be_taken_in(store: Store) -> None:
    assert await named_derivation(store, drv("new")) == drv("new")
    with pytest.raises(UsageFault, match="does not know this derivation") as raised:
        await known_derivation(store, drv("new"))
    assert raised.value.do


@pytest.mark.parametrize("text", ["", "lib", "/nix/store/lib.drv", "../lib.drv", drv("lib").removesuffix(".drv")])
async def test_what_names_no_derivation_is_told(store: Store, text: str) -> None:
    with pytest.raises(UsageFault, match="names no derivation") as raised:
        await named_derivation(store, text)
    assert "32 characters" in (raised.value.do or "")


async def test_a_hash_must_be_known_and_of_one_derivation(store: Store) -> None:
    with pytest.raises(UsageFault, match="knows no derivation with this hash"):
        await named_derivation(store, "0" * 32)
    twin = DrvPath(f"/else/where/{drv('lib').base_name}")
    await store.add_derivations([DerivationRecord(twin, "lib", LINUX, (), ())])
    with pytest.raises(UsageFault, match="2 derivations have this hash") as raised:
        await named_derivation(store, drv("lib").hash_part)
    assert twin in (raised.value.do or "")


async def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    places = Places(tmp_path / "cache")
    with pytest.raises(UsageFault, match="no database yet") as raised:
        async with known_store(places):
            pass
    assert raised.value.where == str(places.database)
    assert not places.cache.exists()
