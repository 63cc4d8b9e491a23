"""Derivations with a cache that has them, and servers that show caches to whoever asks."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest

from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.dry_run import BuildPlan, build_plan
from ekaci_core.nix.records import read_record
from ekaci_core.nix.versions import probe
from ekaci_core.substitution import Patience, Substitution, open_substitution
from ekaci_core.testing.binary_cache import CacheServer
from ekaci_core.testing.builders import RealClock

Serve = Callable[[Path], CacheServer]

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
class OpenSubstitution:
    substitution: Substitution
    notes: list[str]
    environment: dict[str, str]


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

    def succeed(self, *argv: str, more: Sequence[str] = ()) -> str:
        done = self.ask(*argv, more=more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def without(self, *names: str) -> None:
        """Take these out of the cache."""
        for name in names:
            self.narinfo(self.cache, name).unlink()

    def realised(self, *names: str) -> None:
        """Bring these into the store."""
        self.succeed("nix-store", "--realise", *(self.drvs[name] for name in names), "--no-gc-warning")

    @asynccontextmanager
    async def opened(
        self, substituters: Collection[str], *more: str, patience: Patience | None = None
    ) -> AsyncIterator[OpenSubstitution]:
        environment = self.with_lines(self._lines(substituters, *more))
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
            yield OpenSubstitution(substitution, notes, environment)

    async def nix_says(self, drvs: Collection[DrvPath], caches: Collection[str], *more: str) -> BuildPlan:
        return await build_plan(drvs, self.with_lines(self._lines(caches, *more)))

    async def ours(self, drvs: Collection[DrvPath], caches: Collection[str], *more: str) -> BuildPlan:
        async with self.opened(caches, *more) as bench:
            return await bench.substitution.plan(drvs)

    def built_by(self, drvs: Collection[DrvPath], caches: Collection[str]) -> set[str]:
        """What Nix builds when it is not asked but told."""
        done = self.ask("nix-store", "--realise", *drvs, "--no-gc-warning", more=self._lines(caches))
        assert done.returncode == 0, done.stderr
        return set(re.findall(r"^building '(/[^']*)'", done.stderr, re.MULTILINE))

    def references(self, name: str) -> set[StorePath]:
        """What the output of this refers to and is not in the store."""
        text = self.narinfo(self.cache, name).read_text()
        names = re.findall(r"^References: (.*)$", text, re.MULTILINE)[0].split()
        return {path for each in names if not Path(path := StorePath.parse(each)).exists()}

    def _lines(self, substituters: Collection[str], *more: str) -> list[str]:
        return [f"substituters = {' '.join(substituters)}", f"trusted-public-keys = {self.key}", *more]


@pytest.fixture(scope="session")
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
        bare.succeed("nix-hash", "--type", "sha256", "--base32", str(root / "tree")).strip()
    )
    text = EXPRESSION.replace("MARK", mark).replace("BASH", f'"{shutil.which("bash")}"')
    (root / "set.nix").write_text(text)
    names = re.findall(r"^  (\w+) = make|^  inherit (\w+);", text.partition("in rec {")[2], re.MULTILINE)
    drvs, outputs = {}, {}
    for name in (first or second for first, second in names):
        argv = ["nix-instantiate", str(root / "set.nix"), "-A", name, "--add-root", str(root / "roots" / name)]
        drvs[name] = DrvPath.parse(str(Path(bare.succeed(*argv).strip()).readlink()))
        if name not in ("floating", "deferred"):
            for output in read_record(drvs[name]).outputs:
                assert output.path is not None
                outputs[name if output.name == "out" else f"{name}.{output.name}"] = output.path
    laboratory = Laboratory(drvs, outputs, root / "cache", "", environment)
    laboratory.succeed("nix-store", "--generate-binary-cache-key", "good", str(root / "secret"), str(root / "public"))
    wanted = [drv for name, drv in drvs.items() if name not in ("floating", "deferred", "structured")]
    laboratory.succeed("nix-store", "--realise", *wanted, "--no-gc-warning")
    paths = [path for name, path in outputs.items() if name != "structured"]
    laboratory.succeed("nix", "copy", "--to", f"file://{root}/cache?secret-key={root}/secret", *paths)
    yield attrs.evolve(laboratory, key=(root / "public").read_text())
    laboratory.forget_outputs()


@pytest.fixture
def laboratory(built: Laboratory, tmp_path: Path) -> Laboratory:
    built.forget_outputs()
    shutil.copytree(built.cache, tmp_path / "cache")
    return attrs.evolve(built, cache=tmp_path / "cache")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, which end with the test."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(CacheServer(folder))


@pytest.fixture
def dead_cache() -> str:
    """The address of a port that refuses connections."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}"
