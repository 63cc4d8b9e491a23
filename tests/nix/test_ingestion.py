"""Derivations that Nix itself wrote, in the store: the same graph as Nix has of them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import EvaluationRequest
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluated, Evaluations
from ekaci_core.model.evaluation import EvaluatedAttribute
from ekaci_core.model.event import ReviewEvent, ReviewSide
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.store import Store, open_store
from ekaci_core.testing.facts import key
from ekaci_core.testing.scripted import ScriptedEvaluator, SteppingClock

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

PACKAGES = """
{ unique }:
let
  make = name: more: derivation ({
    inherit name unique;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "echo > $out" ];
  } // more);
  source = builtins.toFile "source" "not a derivation";
  fixed = make "fixed" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "";
  };
  libc = make "libc-2.40" { version = "2.40"; pname = "libc"; };
  lib = make "lib" { inherit libc fixed source; outputs = [ "out" "dev" ]; };
in {
  app = make "app" { inherit lib; headers = lib.dev; requiredSystemFeatures = [ "kvm" ]; };
  structured = make "structured" { __structuredAttrs = true; deps = [ lib libc ]; preferLocalBuild = true; };
  inherit lib;
}
"""


class Instantiated:
    """The package set above, written to the Nix store by Nix."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._file = directory / "packages.nix"
        self._file.write_text(PACKAGES)
        self._unique = uuid.uuid4().hex
        self.paths = self.instantiate()

    def run(self, *argv: str) -> list[str]:
        done = subprocess.run(argv, env=dict(self._environment), check=True, capture_output=True, text=True)
        return done.stdout.split()

    def instantiate(self) -> dict[str, DrvPath]:
        names = ("app", "structured", "lib")
        selected = [argument for name in names for argument in ("-A", name)]
        argv = ("nix-instantiate", str(self._file), *selected, "--argstr", "unique", self._unique)
        return dict(zip(names, (DrvPath.parse(path.partition("!")[0]) for path in self.run(*argv)), strict=True))

    def items(self) -> Sequence[EvaluatedAttribute]:
        return [
            EvaluatedAttribute(AttrPath(name), path, path.name, System("x86_64-linux"), {})
            for name, path in self.paths.items()
        ]

    def references(self, path: DrvPath) -> set[str]:
        return {each for each in self.run("nix-store", "--query", "--references", path) if each.endswith(".drv")}

    def closure(self) -> set[str]:
        paths = self.run("nix-store", "--query", "--requisites", *self.paths.values())
        return {each for each in paths if each.endswith(".drv")}


@pytest.fixture
def instantiated(tmp_path: Path, nix_environment: Mapping[str, str]) -> Instantiated:
    return Instantiated(tmp_path, nix_environment)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "facts.db") as store:
        yield store


async def evaluate(store: Store, here: Path, evaluator: ScriptedEvaluator) -> Evaluated:
    async def request(gc_roots: Path) -> EvaluationRequest:
        return EvaluationRequest(root=here, file="packages.nix", gc_roots=gc_roots)

    events: Broadcast[ReviewEvent] = Broadcast()
    async with Evaluations(store, evaluator, SteppingClock(), here / "roots", events) as service:
        return await service.evaluate(key(), ReviewSide.HEAD, request)


async def test_the_stored_graph_is_nixs_own(store: Store, tmp_path: Path, instantiated: Instantiated) -> None:
    made = await evaluate(store, tmp_path, ScriptedEvaluator([instantiated.items()]))
    contents = await store.contents(made.record.id)
    dag = await store.closure([each.derivation for each in contents.attributes.values()])
    records = await store.derivations(list(dag.keys))  # type: ignore[arg-type]
    by_path = {record.path: record for record in records.values()}
    assert by_path.keys() == instantiated.closure()
    for path, record in by_path.items():
        assert set(record.inputs) == instantiated.references(path)
    app, structured = by_path[instantiated.paths["app"]], by_path[instantiated.paths["structured"]]
    assert app.features == ("kvm",)
    assert structured.prefer_local
    assert [output.name for output in by_path[instantiated.paths["lib"]].outputs] == ["dev", "out"]
    assert {(record.pname, record.version) for record in by_path.values()} == {(None, None), ("libc", "2.40")}
    assert [record.name for record in by_path.values() if record.is_fixed_output] == ["fixed"]


async def test_a_collected_derivation_is_instantiated_again(
    store: Store, tmp_path: Path, instantiated: Instantiated
) -> None:
    evaluator = ScriptedEvaluator([instantiated.instantiate, instantiated.items()])
    first = await evaluate(store, tmp_path, evaluator)
    assert (await evaluate(store, tmp_path, evaluator)).cached
    app = instantiated.paths["app"]
    await anyio.to_thread.run_sync(instantiated.run, "nix-store", "--delete", app)
    again = await evaluate(store, tmp_path, evaluator)
    assert not again.cached
    assert "vanished from the Nix store" in again.notes[0]
    assert again.record.id != first.record.id
    assert await anyio.Path(app).exists()
