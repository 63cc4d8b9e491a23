"""Plans beside those of Nix itself, with real caches in folders and over HTTP."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import STORE_DIR, DrvPath, StorePath
from ekaci_core.nix.dry_run import BuildPlan, build_plan
from ekaci_core.nix.records import read_record
from ekaci_core.nix.versions import probe
from ekaci_core.substitution import Patience, Substitution, open_substitution
from ekaci_core.testing.binary_cache import Asked, CacheServer, Reply
from ekaci_core.testing.builders import RealClock

if TYPE_CHECKING:
    from tests.substitution.conftest import Serve

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

EXPRESSION = """
let
  make = name: script: more: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": MARK; ${script}" ];
  } // more);
  lib = make "lib" "echo lib MARK > $out" { };
  plain = builtins.toFile "source" "MARK";
in rec {
  inherit lib;
  app = make "app" "echo ${lib} > $out" { };
  multi = make "multi" "echo a > $out; echo ${lib} > $dev; echo $dev > $doc" { outputs = [ "out" "dev" "doc" ]; };
  itself = make "itself" "echo $out ${plain} > $out" { };
  top = make "top" "echo ${app} ${multi.dev} ${itself} > $out" { };
  fixed = make "fixed" "echo MARK > $out" {
    outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = builtins.readFile ./fixed.hash;
  };
  flat = make "flat" "echo -n MARK > $out" {
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "MARK";
  };
  uses = make "uses" "echo ${fixed} ${flat} ${multi} > $out" { };
  here = make "here" "echo ${lib} > $out" { allowSubstitutes = false; };
  structured = make "structured" "echo ${lib} > \\"$(. ./.attrs.sh; echo \\${outputs[out]})\\"" {
    __structuredAttrs = true; allowSubstitutes = false; builder = BASH;
  };
  near = make "near" "echo ${lib} > $out" { preferLocalBuild = true; };
  talkative = make "talkative" "echo a word or two; echo > $out" { };
  all = make "all" "echo ${top} ${uses} ${here} ${near} > $out" { };
  floating = make "floating" "echo ${lib} > $out" {
    __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
  };
  deferred = make "deferred" "echo ${floating} ${app} > $out" { };
}
"""


@attrs.frozen
class Laboratory:
    """Derivations of which nothing is built, and a signed cache that has the outputs of all but the odd ones."""

    drvs: dict[str, DrvPath]
    outputs: dict[str, StorePath]
    cache: Path
    key: str
    environment: dict[str, str]

    def ask(self, *argv: str, more: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, env=self.with_lines(more), capture_output=True, text=True, check=False)

    def with_lines(self, lines: Sequence[str]) -> dict[str, str]:
        """The environment with further settings, and without what Nix remembers of caches."""
        cache = self.cache.parent / f"cache-of-nix-{uuid.uuid4().hex}"
        config = "\n".join([self.environment["NIX_CONFIG"], *lines])
        return self.environment | {"NIX_CONFIG": config, "XDG_CACHE_HOME": str(cache)}

    def forget_outputs(self) -> None:
        """Make the store what it was."""
        paths = [path for path in self.outputs.values() if Path(path).exists()]
        if paths:
            self.ask("nix-store", "--delete", *paths)
        assert [path for path in self.outputs.values() if Path(path).exists()] == []

    def narinfo(self, folder: Path, name: str) -> Path:
        return folder / f"{self.outputs[name].hash_part}.narinfo"


def succeed(laboratory: Laboratory, *argv: str, more: Sequence[str] = ()) -> str:
    done = laboratory.ask(*argv, more=more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(nix_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    root = tmp_path_factory.mktemp("laboratory")
    mark = uuid.uuid4().hex
    environment = nix_environment | {
        "NIX_CONFIG": nix_environment["NIX_CONFIG"]
        + "\nextra-experimental-features = ca-derivations impure-derivations"
    }
    (root / "tree").write_text(f"{mark}\n")
    bare = Laboratory({}, {}, root / "cache", "", environment)
    (root / "fixed.hash").write_text(
        succeed(bare, "nix-hash", "--type", "sha256", "--base32", str(root / "tree")).strip()
    )
    text = EXPRESSION.replace("MARK", mark).replace("BASH", f'"{shutil.which("bash")}"')
    (root / "set.nix").write_text(text)
    names = re.findall(r"^  (\w+) = make|^  inherit (\w+);", text.partition("in rec {")[2], re.MULTILINE)
    drvs, outputs = {}, {}
    for name in (first or second for first, second in names):
        argv = ["nix-instantiate", str(root / "set.nix"), "-A", name, "--add-root", str(root / "roots" / name)]
        drvs[name] = DrvPath.parse(str(Path(succeed(bare, *argv).strip()).readlink()))
        if name not in ("floating", "deferred"):
            for output in read_record(drvs[name]).outputs:
                assert output.path is not None
                outputs[name if output.name == "out" else f"{name}.{output.name}"] = output.path
    laboratory = Laboratory(drvs, outputs, root / "cache", "", environment)
    succeed(laboratory, "nix-store", "--generate-binary-cache-key", "good", str(root / "secret"), str(root / "public"))
    wanted = [drv for name, drv in drvs.items() if name not in ("floating", "deferred", "structured")]
    succeed(laboratory, "nix-store", "--realise", *wanted, "--no-gc-warning")
    paths = [path for name, path in outputs.items() if name != "structured"]
    succeed(laboratory, "nix", "copy", "--to", f"file://{root}/cache?secret-key={root}/secret", *paths)
    yield attrs.evolve(laboratory, key=(root / "public").read_text())
    laboratory.forget_outputs()


@pytest.fixture
def laboratory(built: Laboratory, tmp_path: Path) -> Laboratory:
    built.forget_outputs()
    shutil.copytree(built.cache, tmp_path / "cache")
    return attrs.evolve(built, cache=tmp_path / "cache")


@attrs.frozen
class Bench:
    substitution: Substitution
    notes: list[str]
    environment: dict[str, str]


Opened = Callable[..., AbstractAsyncContextManager[Bench]]


@asynccontextmanager
async def opened(
    laboratory: Laboratory, substituters: Collection[str], *more: str, patience: Patience | None = None
) -> AsyncIterator[Bench]:
    environment = laboratory.with_lines(lines_for(laboratory, substituters, *more))
    nix = await probe(environment)
    notes: list[str] = []
    async with open_substitution(
        nix.settings.substitution,
        environment=environment,
        clock=RealClock(),
        ask_nix=partial(build_plan, environment=environment),
        note=notes.append,
        patience=patience,
    ) as substitution:
        yield Bench(substitution, notes, environment)


def lines_for(laboratory: Laboratory, substituters: Collection[str], *more: str) -> list[str]:
    return [f"substituters = {' '.join(substituters)}", f"trusted-public-keys = {laboratory.key}", *more]


async def nix_says(laboratory: Laboratory, drvs: Collection[DrvPath], caches: Collection[str], *more: str) -> BuildPlan:
    return await build_plan(drvs, laboratory.with_lines(lines_for(laboratory, caches, *more)))


async def ours(laboratory: Laboratory, drvs: Collection[DrvPath], caches: Collection[str], *more: str) -> BuildPlan:
    async with opened(laboratory, caches, *more) as bench:
        return await bench.substitution.plan(drvs)


def built_by(laboratory: Laboratory, drvs: Collection[DrvPath], caches: Collection[str]) -> set[str]:
    """What Nix builds when it is not asked but told."""
    done = laboratory.ask("nix-store", "--realise", *drvs, "--no-gc-warning", more=lines_for(laboratory, caches))
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^building '(/[^']*)'", done.stderr, re.MULTILINE))


def without(*names: str) -> Callable[[Laboratory], None]:
    def change(laboratory: Laboratory) -> None:
        for name in names:
            laboratory.narinfo(laboratory.cache, name).unlink()

    return change


def realised(*names: str) -> Callable[[Laboratory], None]:
    def change(laboratory: Laboratory) -> None:
        succeed(laboratory, "nix-store", "--realise", *(laboratory.drvs[name] for name in names), "--no-gc-warning")

    return change


def some_of_both(laboratory: Laboratory) -> None:
    realised("app")(laboratory)
    without("top", "all")(laboratory)


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
    "no top": without("top", "all"),
    "an output that is not wanted is missing": without("multi", "multi.doc", "uses", "top", "all"),
    "an output that is wanted is missing": without("multi.dev", "top", "all"),
    "one output of several": without("multi", "uses", "all"),
    "fixed outputs are missing": without("fixed", "uses", "all"),
    "inputs are in the store": realised("lib", "itself"),
    "some outputs are in the store, others nowhere": some_of_both,
}


@pytest.mark.parametrize("way", ["folder", "http"])
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_the_plan_is_that_of_nix(laboratory: Laboratory, serve: Serve, situation: str, way: str) -> None:
    SITUATIONS[situation](laboratory)
    caches = [f"file://{laboratory.cache}" if way == "folder" else serve(laboratory.cache).url]
    for drvs in (list(laboratory.drvs.values()), [laboratory.drvs["all"]], [laboratory.drvs["top"]]):
        assert await ours(laboratory, drvs, caches) == await nix_says(laboratory, drvs, caches)


async def test_what_is_compared_differs(laboratory: Laboratory) -> None:
    caches = [f"file://{laboratory.cache}"]
    whole = await ours(laboratory, [laboratory.drvs["all"]], caches)
    assert (whole.to_build, laboratory.outputs["all"] in whole.to_fetch) == (frozenset(), True)
    without("top", "all")(laboratory)
    part = await ours(laboratory, [laboratory.drvs["all"]], caches)
    assert {drv.name for drv in part.to_build} == {"all", "top", "here"}
    assert laboratory.outputs["app"] in part.to_fetch


@pytest.mark.parametrize("lines", [["substitute = false"], ["require-sigs = false"]])
async def test_settings_count_as_with_nix(laboratory: Laboratory, lines: list[str]) -> None:
    drvs, caches = list(laboratory.drvs.values()), [f"file://{laboratory.cache}"]
    for file in laboratory.cache.glob("*.narinfo"):
        file.write_text(re.sub(r"^Sig: .*\n", "", file.read_text(), flags=re.MULTILINE))
    assert await ours(laboratory, drvs, caches, *lines) == await nix_says(laboratory, drvs, caches, *lines)


async def test_a_cache_whose_address_says_so_is_trusted(laboratory: Laboratory) -> None:
    drvs = [laboratory.drvs["top"]]
    plan = await ours(attrs.evolve(laboratory, key=""), drvs, [f"file://{laboratory.cache}?trusted=1"])
    assert plan == await nix_says(laboratory, drvs, [f"file://{laboratory.cache}"])


async def test_without_substituters(laboratory: Laboratory) -> None:
    drvs = list(laboratory.drvs.values())
    assert await ours(laboratory, drvs, []) == await nix_says(laboratory, drvs, [])


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
    async with opened(laboratory, caches) as bench:
        plan = await bench.substitution.plan(drvs)
    assert {drv.name for drv in plan.to_build} == {"lib", "multi"}, "what follows from its contents needs no signature"
    assert plan.to_fetch == {laboratory.outputs["fixed"], laboratory.outputs["flat"]}
    assert [note for note in bench.notes if "trusted-public-keys" in note]
    assert (await nix_says(laboratory, drvs, caches)).to_build == frozenset(), "its dry run does not look at signatures"
    if change is not wrongly_signed:  # which breaks the two that need none
        assert built_by(laboratory, drvs, caches) == plan.to_build


async def test_an_answer_about_another_path_is_none(laboratory: Laboratory) -> None:
    narinfo = partial(laboratory.narinfo, laboratory.cache)
    drvs, caches = list(laboratory.drvs.values()), [f"file://{laboratory.cache}"]
    without("all")(laboratory)
    shutil.copy(narinfo("app"), narinfo("top"))
    shutil.copy(narinfo("lib"), narinfo("uses"))
    # Nix's dry run says now this, now that, as its cache in memory goes by the hash alone.
    plan = await ours(laboratory, drvs, caches)
    assert laboratory.drvs["uses"] in built_by(laboratory, [laboratory.drvs["uses"]], caches)
    laboratory.forget_outputs()
    without("top", "uses")(laboratory)
    assert plan == await nix_says(laboratory, drvs, caches)


async def test_what_refers_to_something_that_is_not_to_be_had_is_not_fetched(laboratory: Laboratory) -> None:
    without("lib")(laboratory)
    drvs, caches = [laboratory.drvs["top"]], [f"file://{laboratory.cache}"]
    plan = await ours(laboratory, drvs, caches)
    assert {drv.name for drv in plan.to_build} == {"lib", "app", "multi", "top"}
    assert plan.to_fetch == {laboratory.outputs["itself"], *references(laboratory, "itself")}
    assert plan.unknown == frozenset()
    assert (await nix_says(laboratory, drvs, caches)).unknown == {laboratory.outputs["lib"]}, "its dry run gives up"
    assert built_by(laboratory, drvs, caches) <= plan.to_build


def references(laboratory: Laboratory, name: str) -> set[StorePath]:
    text = laboratory.narinfo(laboratory.cache, name).read_text()
    names = re.findall(r"^References: (.*)$", text, re.MULTILINE)[0].split()
    return {path for each in names if not Path(path := StorePath.parse(each)).exists()}


async def test_files_that_no_build_finished_do_not_count(laboratory: Laboratory) -> None:
    if not os.access(STORE_DIR, os.W_OK):
        pytest.skip("only who may write to the store can leave such a file there")
    drvs, caches = [laboratory.drvs["top"]], [f"file://{laboratory.cache}"]
    without("top", "all")(laboratory)
    remains = [Path(laboratory.outputs[name]) for name in ("app", "lib")]
    try:
        for path in remains:
            path.write_text("half of it")
        expected = await nix_says(laboratory, drvs, caches)
        assert laboratory.outputs["app"] in expected.to_fetch
        assert await ours(laboratory, drvs, caches) == expected
    finally:
        for path in remains:
            path.unlink()


async def test_a_derivation_that_has_vanished_is_unknown(laboratory: Laboratory) -> None:
    drvs = [laboratory.drvs["lib"], DrvPath.parse("0" * 32 + "-vanished.drv")]
    plan = await ours(laboratory, drvs, [])
    assert plan == await nix_says(laboratory, drvs, [])
    assert plan.unknown == {drvs[1]}


async def test_paths_that_only_building_tells_are_left_to_nix(laboratory: Laboratory) -> None:
    drvs, caches = [laboratory.drvs["deferred"], laboratory.drvs["app"]], [f"file://{laboratory.cache}"]
    async with opened(laboratory, caches) as bench:
        assert await bench.substitution.plan(drvs) == await nix_says(laboratory, drvs, caches)
    assert bench.notes == ["Nix is asked about derivations whose outputs' paths are not known before they are built."]


async def test_a_store_that_only_nix_can_ask_is_left_to_it(laboratory: Laboratory, tmp_path: Path) -> None:
    succeed(laboratory, "nix-store", "--realise", laboratory.drvs["app"], "--no-gc-warning")
    succeed(laboratory, "nix", "copy", "--no-check-sigs", "--to", str(tmp_path / "other"), laboratory.outputs["app"])
    laboratory.forget_outputs()
    drvs, caches = [laboratory.drvs["top"]], [str(tmp_path / "other"), f"file://{laboratory.cache}"]
    async with opened(laboratory, caches) as bench:
        assert await bench.substitution.plan(drvs) == await nix_says(laboratory, drvs, caches)
    assert len(bench.notes) == 1
    assert "only Nix can ask the substituter" in bench.notes[0]


# --- servers that fail and lie; Nix is told to try once, since it takes half a minute to give up otherwise ---

ONCE = "download-attempts = 1"


def for_narinfos(reply: Reply) -> Callable[[Asked], Reply | None]:
    return lambda asked: reply if asked.path.endswith(".narinfo") else None


def replies() -> dict[str, Callable[[CacheServer], None]]:
    def behave(reply: Reply) -> Callable[[CacheServer], None]:
        def change(server: CacheServer) -> None:
            server.behave = for_narinfos(reply)

        return change

    return {
        "fails": behave(Reply(500)),
        "is corrupt": behave(Reply(200, b"<html>Welcome to the hotel's network</html>")),
        "says too little": behave(Reply(200, b"StorePath: /nix/store/x\n")),
        "breaks off": behave(Reply(200, b"StorePath: x\n" * 10, cut=True)),
    }


@pytest.mark.parametrize("how", ["fails", "is corrupt", "says too little", "breaks off"])
async def test_a_cache_that_does_not_answer_proves_nothing(laboratory: Laboratory, serve: Serve, how: str) -> None:
    server = serve(laboratory.cache)
    replies()[how](server)
    drvs = [laboratory.drvs["top"]]
    with pytest.raises(InfrastructureFault):
        await nix_says(laboratory, drvs, [server.url], ONCE)
    with pytest.raises(InfrastructureFault, match="no substituter could say"):
        await ours(laboratory, drvs, [server.url], ONCE)
    lines = [ONCE, "fallback = true"]
    plan = await ours(laboratory, drvs, [server.url], *lines)
    # Nix 2.8 crashes at some of this, as an exception of its own goes uncaught; it means what it does without a cache.
    assert plan == await nix_says(laboratory, drvs, [])
    assert len(plan.to_build) == 5


async def test_another_cache_makes_up_for_one_that_fails(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    replies()["fails"](server)
    drvs, healthy = [laboratory.drvs["top"]], f"file://{laboratory.cache}?priority=90"
    async with opened(laboratory, [server.url, healthy], ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
    assert plan == await nix_says(laboratory, drvs, [healthy])
    assert [note for note in bench.notes if server.url in note and "500" in note]


async def test_a_failure_that_passes_is_asked_again(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    slow_down = Reply(429, fields=(("Retry-After", "0"),))
    server.behave = lambda asked: (slow_down, Reply(503), None)[min(asked.number, 3) - 1]
    drvs = [laboratory.drvs["top"]]
    assert await ours(laboratory, drvs, [server.url]) == await nix_says(
        laboratory, drvs, [f"file://{laboratory.cache}"]
    )
    assert {server.paths().count(path) for path in server.paths()} == {3}


async def test_forbidden_is_absent(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    hidden = f"/{laboratory.narinfo(laboratory.cache, 'top').name}"
    server.behave = lambda asked: Reply(403) if asked.path == hidden else None
    drvs = [laboratory.drvs["top"]]
    plan = await ours(laboratory, drvs, [server.url])
    assert plan == await nix_says(laboratory, drvs, [server.url])
    assert {drv.name for drv in plan.to_build} == {"top"}
    assert server.paths().count(hidden) == 2, "once by us, once by Nix"


@pytest.mark.parametrize("status", [404, 500])
async def test_a_cache_that_cannot_be_opened_is_left_out(laboratory: Laboratory, serve: Serve, status: int) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda _: Reply(status)
    drvs = [laboratory.drvs["top"]]
    async with opened(laboratory, [server.url], ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
        await bench.substitution.plan(drvs)
    assert server.paths() == ["/nix-cache-info"]
    assert plan == await nix_says(laboratory, drvs, [server.url], ONCE)
    assert len(bench.notes) == 1
    assert f"The substituter {server.url} is left out: it" in bench.notes[0]


async def test_a_dead_cache_is_left_out(laboratory: Laboratory, dead_cache: str) -> None:
    drvs, caches = list(laboratory.drvs.values()), [dead_cache, f"file://{laboratory.cache}"]
    async with opened(laboratory, caches, ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
    assert plan == await nix_says(laboratory, drvs, caches, ONCE)
    assert f"The substituter {dead_cache} is left out: it cannot be reached." in bench.notes


async def test_a_cache_that_hangs_is_not_waited_for(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    replies()["fails"](server)
    server.behave = for_narinfos(Reply(hangs=True))
    patience = Patience(attempt_seconds=0.2, lookup_seconds=0.5)
    async with opened(laboratory, [server.url], patience=patience) as bench:
        with pytest.raises(InfrastructureFault, match="it takes too long to answer"):
            await bench.substitution.plan([laboratory.drvs["top"]])


async def test_redirections_are_followed(laboratory: Laboratory, serve: Serve) -> None:
    real, server = serve(laboratory.cache), serve(laboratory.cache)
    server.behave = lambda asked: Reply(302, fields=(("Location", real.url + asked.path),))
    drvs = [laboratory.drvs["all"]]
    assert await ours(laboratory, drvs, [server.url]) == await nix_says(laboratory, drvs, [real.url])


async def test_many_look_ups_are_in_flight(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    drvs = [laboratory.drvs[name] for name in ("lib", "app", "itself", "top", "fixed", "flat", "uses", "all")]
    together = threading.Barrier(len(drvs))

    def wait(asked: Asked) -> None:
        if asked.path.endswith(".narinfo") and asked.number == 1 and len(server.asked) <= len(drvs) + 1:
            together.wait(timeout=30)

    server.behave = wait
    plan = await ours(laboratory, drvs, [server.url])
    assert not together.broken, "fewer were asked at once"
    assert plan == await nix_says(laboratory, drvs, [server.url])


async def test_answers_are_remembered(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    without("top")(laboratory)
    async with opened(laboratory, [server.url]) as bench:
        drvs = [laboratory.drvs["top"], laboratory.drvs["all"]]
        first = await bench.substitution.plan(drvs)
        asked = [path for path in server.paths() if path.endswith(".narinfo")]
        assert len(asked) == len(set(asked)), "each path is asked for once"
        before = server.paths()
        assert await bench.substitution.plan(drvs) == first
        assert server.paths() == before


async def test_nix_has_met_the_caches_before_it_builds(laboratory: Laboratory, serve: Serve) -> None:
    # Two that meet one for the first time at the same moment fail: "constraint failed" in their common database.
    server = serve(laboratory.cache)
    without("top", "all")(laboratory)
    async with opened(laboratory, [server.url]) as bench:
        await bench.substitution.plan([laboratory.drvs["app"]])
        assert server.paths().count("/nix-cache-info") == 1, "nothing is to be built"
        await bench.substitution.plan([laboratory.drvs["top"]])
        await bench.substitution.plan([laboratory.drvs["all"]])
        assert server.paths().count("/nix-cache-info") == 2, "once by us, once by Nix"
        await build_plan([laboratory.drvs["top"]], bench.environment)
        assert server.paths().count("/nix-cache-info") == 2


async def test_private_caches_are_asked_with_the_names_of_netrc(
    laboratory: Laboratory, serve: Serve, tmp_path: Path
) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda asked: None if asked.authorization == "Basic bWU6c2VzYW1l" else Reply(401)
    drvs = [laboratory.drvs["top"]]
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password sesame\n")
    lines = [f"netrc-file = {tmp_path}/netrc"]
    plan = await ours(laboratory, drvs, [server.url], *lines)
    assert plan == await nix_says(laboratory, drvs, [server.url], *lines)
    assert laboratory.outputs["top"] in plan.to_fetch
    assert (await ours(laboratory, drvs, [server.url])).to_fetch == frozenset()


async def test_names_in_an_address_are_used_and_never_shown(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda asked: Reply(500) if asked.authorization == "Basic bWU6c2VzYW1l" else Reply(404)
    address = server.url.replace("//", "//me:sesame@")
    async with opened(laboratory, [address], ONCE) as bench:
        await bench.substitution.plan([laboratory.drvs["top"]])
    assert bench.notes == [f"The substituter {server.url} is left out: it answers with status 500."]
    assert "sesame" not in repr(bench.substitution)


@pytest.mark.parametrize("way", ["folder", "http"])
async def test_logs_that_nix_copied_are_fetched(laboratory: Laboratory, serve: Serve, way: str) -> None:
    drv = laboratory.drvs["talkative"]
    succeed(laboratory, "nix-store", "--realise", drv, "--no-gc-warning")
    succeed(laboratory, "nix", "store", "copy-log", "--to", f"file://{laboratory.cache}", drv)
    written = bytearray()
    address = f"file://{laboratory.cache}" if way == "folder" else serve(laboratory.cache).url
    async with opened(laboratory, [address]) as bench:
        fetched = await bench.substitution.fetch_log(drv, written.extend, limit=1000)
        nothing_said = await bench.substitution.fetch_log(laboratory.drvs["lib"], written.extend, limit=1000)
    assert bytes(written) == b"a word or two\n"
    assert fetched is not None
    assert nothing_said is None
