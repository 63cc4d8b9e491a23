"""Plans beside those of Nix itself, with real caches in folders and over HTTP."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from ekaci_core.model.ids import STORE_DIR, DrvPath

if TYPE_CHECKING:
    from tests.substitution.conftest import Laboratory, Serve

pytestmark = [pytest.mark.nix, pytest.mark.anyio]


def some_of_both(laboratory: Laboratory) -> None:
    laboratory.realised("app")
    laboratory.without("top", "all")


def nothing(_: Laboratory) -> None:
    pass


def empty(laboratory: Laboratory) -> None:
    shutil.rmtree(laboratory.cache)
    laboratory.cache.mkdir()
    (laboratory.cache / "nix-cache-info").write_text(f"StoreDir: {STORE_DIR}\n")


def of_another_store(laboratory: Laboratory) -> None:
    (laboratory.cache / "nix-cache-info").write_text("StoreDir: /elsewhere/store\n")


SITUATIONS = {
    "everything in the cache": nothing,
    "nothing in the cache": empty,
    "a cache of another store": of_another_store,
    "no top": lambda laboratory: laboratory.without("top", "all"),
    "an output that is not wanted is missing": lambda laboratory: laboratory.without(
        "multi", "multi.doc", "uses", "top", "all"
    ),
    "an output that is wanted is missing": lambda laboratory: laboratory.without("multi.dev", "top", "all"),
    "one output of several": lambda laboratory: laboratory.without("multi", "uses", "all"),
    "fixed outputs are missing": lambda laboratory: laboratory.without("fixed", "uses", "all"),
    "inputs are in the store": lambda laboratory: laboratory.realised("lib", "itself"),
    "some outputs are in the store, others nowhere": some_of_both,
}


@pytest.mark.parametrize("way", ["folder", "http"])
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_the_plan_is_that_of_nix(laboratory: Laboratory, serve: Serve, situation: str, way: str) -> None:
    SITUATIONS[situation](laboratory)
    caches = [f"file://{laboratory.cache}" if way == "folder" else serve(laboratory.cache).url]
    for drvs in (list(laboratory.drvs.values()), [laboratory.drvs["all"]], [laboratory.drvs["top"]]):
        assert await laboratory.ours(drvs, caches) == await laboratory.nix_says(drvs, caches)


async def test_what_is_compared_differs(laboratory: Laboratory) -> None:
    caches = [f"file://{laboratory.cache}"]
    whole = await laboratory.ours([laboratory.drvs["all"]], caches)
    assert (whole.to_build, laboratory.outputs["all"] in whole.to_fetch) == (frozenset(), True)
    laboratory.without("top", "all")
    part = await laboratory.ours([laboratory.drvs["all"]], caches)
    assert {drv.name for drv in part.to_build} == {"all", "top", "here"}
    assert laboratory.outputs["app"] in part.to_fetch


@pytest.mark.parametrize("lines", [["substitute = false"], ["require-sigs = false"]])
async def test_settings_count_as_with_nix(laboratory: Laboratory, lines: list[str]) -> None:
    drvs, caches = list(laboratory.drvs.values()), [f"file://{laboratory.cache}"]
    for file in laboratory.cache.glob("*.narinfo"):
        file.write_text(re.sub(r"^Sig: .*\n", "", file.read_text(), flags=re.MULTILINE))
    assert await laboratory.ours(drvs, caches, *lines) == await laboratory.nix_says(drvs, caches, *lines)


async def test_a_cache_whose_address_says_so_is_trusted(laboratory: Laboratory) -> None:
    drvs = [laboratory.drvs["top"]]
    plan = await attrs.evolve(laboratory, key="").ours(drvs, [f"file://{laboratory.cache}?trusted=1"])
    assert plan == await laboratory.nix_says(drvs, [f"file://{laboratory.cache}"])


async def test_without_substituters(laboratory: Laboratory) -> None:
    drvs = list(laboratory.drvs.values())
    assert await laboratory.ours(drvs, []) == await laboratory.nix_says(drvs, [])


def unsigned(text: str) -> str:
    return re.sub(r"^Sig: .*\n", "", text, flags=re.MULTILINE)


def wrongly_signed(text: str) -> str:
    return text.replace("NarSize: ", "NarSize: 1")


def signed_by_others(text: str) -> str:
    return text.replace("Sig: good:", "Sig: evil:")


@pytest.mark.parametrize("change", [unsigned, wrongly_signed, signed_by_others])
async def test_what_nobody_trusted_signed_is_built_as_nix_builds_it(
    laboratory: Laboratory, change: Callable[[str], str]
) -> None:
    for name in ("lib", "fixed", "flat", "multi.dev"):
        file = laboratory.narinfo(laboratory.cache, name)
        file.write_text(change(file.read_text()))
    drvs, caches = [laboratory.drvs[name] for name in ("lib", "multi", "fixed", "flat")], [f"file://{laboratory.cache}"]
    async with laboratory.opened(caches) as bench:
        plan = await bench.substitution.plan(drvs)
    assert {drv.name for drv in plan.to_build} == {"lib", "multi"}, "what follows from its contents needs no signature"
    assert plan.to_fetch == {laboratory.outputs["fixed"], laboratory.outputs["flat"]}
    assert [note for note in bench.notes if "trusted-public-keys" in note]
    assert (await laboratory.nix_says(drvs, caches)).to_build == frozenset(), "its dry run does not look at signatures"
    if change is not wrongly_signed:  # which breaks the two that need none
        assert laboratory.built_by(drvs, caches) == plan.to_build


async def test_an_answer_about_another_path_is_none(laboratory: Laboratory) -> None:
    narinfo = partial(laboratory.narinfo, laboratory.cache)
    drvs, caches = list(laboratory.drvs.values()), [f"file://{laboratory.cache}"]
    laboratory.without("all")
    shutil.copy(narinfo("app"), narinfo("top"))
    shutil.copy(narinfo("lib"), narinfo("uses"))
    # Nix's dry run says now this, now that, as its cache in memory goes by the hash alone.
    plan = await laboratory.ours(drvs, caches)
    assert laboratory.drvs["uses"] in laboratory.built_by([laboratory.drvs["uses"]], caches)
    laboratory.forget_outputs()
    laboratory.without("top", "uses")
    assert plan == await laboratory.nix_says(drvs, caches)


async def test_what_refers_to_something_that_is_not_to_be_had_is_not_fetched(laboratory: Laboratory) -> None:
    laboratory.without("lib")
    drvs, caches = [laboratory.drvs["top"]], [f"file://{laboratory.cache}"]
    plan = await laboratory.ours(drvs, caches)
    assert {drv.name for drv in plan.to_build} == {"lib", "app", "multi", "top"}
    assert plan.to_fetch == {laboratory.outputs["itself"], *laboratory.references("itself")}
    assert plan.unknown == frozenset()
    assert (await laboratory.nix_says(drvs, caches)).unknown == {laboratory.outputs["lib"]}, "its dry run gives up"
    assert laboratory.built_by(drvs, caches) <= plan.to_build


async def test_files_that_no_build_finished_do_not_count(laboratory: Laboratory) -> None:
    if not os.access(STORE_DIR, os.W_OK):
        pytest.skip("only who may write to the store can leave such a file there")
    drvs, caches = [laboratory.drvs["top"]], [f"file://{laboratory.cache}"]
    laboratory.without("top", "all")
    remains = [Path(laboratory.outputs[name]) for name in ("app", "lib")]
    try:
        for path in remains:
            path.write_text("half of it")
        expected = await laboratory.nix_says(drvs, caches)
        assert laboratory.outputs["app"] in expected.to_fetch
        assert await laboratory.ours(drvs, caches) == expected
    finally:
        for path in remains:
            path.unlink()


async def test_a_derivation_that_has_vanished_is_unknown(laboratory: Laboratory) -> None:
    drvs = [laboratory.drvs["lib"], DrvPath.parse("0" * 32 + "-vanished.drv")]
    plan = await laboratory.ours(drvs, [])
    assert plan == await laboratory.nix_says(drvs, [])
    assert plan.unknown == {drvs[1]}


async def test_paths_that_only_building_tells_are_left_to_nix(laboratory: Laboratory) -> None:
    drvs, caches = [laboratory.drvs["deferred"], laboratory.drvs["app"]], [f"file://{laboratory.cache}"]
    async with laboratory.opened(caches) as bench:
        assert await bench.substitution.plan(drvs) == await laboratory.nix_says(drvs, caches)
    assert bench.notes == ["Nix is asked about derivations whose outputs' paths are not known before they are built."]


async def test_a_store_that_only_nix_can_ask_is_left_to_it(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.succeed("nix-store", "--realise", laboratory.drvs["app"], "--no-gc-warning")
    laboratory.succeed("nix", "copy", "--no-check-sigs", "--to", str(tmp_path / "other"), laboratory.outputs["app"])
    laboratory.forget_outputs()
    drvs, caches = [laboratory.drvs["top"]], [str(tmp_path / "other"), f"file://{laboratory.cache}"]
    async with laboratory.opened(caches) as bench:
        assert await bench.substitution.plan(drvs) == await laboratory.nix_says(drvs, caches)
    assert len(bench.notes) == 1
    assert "only Nix can ask the substituter" in bench.notes[0]


@pytest.mark.parametrize("way", ["folder", "http"])
async def test_logs_that_nix_copied_are_fetched(laboratory: Laboratory, serve: Serve, way: str) -> None:
    drv = laboratory.drvs["talkative"]
    laboratory.succeed("nix-store", "--realise", drv, "--no-gc-warning")
    laboratory.succeed("nix", "store", "copy-log", "--to", f"file://{laboratory.cache}", drv)
    written = bytearray()
    address = f"file://{laboratory.cache}" if way == "folder" else serve(laboratory.cache).url
    async with laboratory.opened([address]) as bench:
        fetched = await bench.substitution.fetch_log(drv, written.extend, limit=1000)
        nothing_said = await bench.substitution.fetch_log(laboratory.drvs["lib"], written.extend, limit=1000)
    assert bytes(written) == b"a word or two\n"
    assert fetched is not None
    assert nothing_said is None
