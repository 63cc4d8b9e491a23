"""What every Nix from 2.8 on says of its store."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.paths import new_path

from ekaci_cache_backends.attic.path_infos import ObjectInfo, object_infos, parse_object_infos
from ekaci_core.api import InfrastructureFault, StorePath
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.process.running import run

RECORDED = sorted((Path(__file__).parents[3] / "data" / "nix").glob("*/path-info.json"))
PATH = "/nix/store/h8mrwv31q9mk07awy4v8z17sig3cbpih-ekaci-leaf-1.0"
OTHER = "/nix/store/j98pygnfm3rrk0qwdyks8rbp4dpj8f0q-ekaci-other-1.0"
DIGEST = "e930eeabcc7229072ebce8618ed83f904ae7c9252052fb9f6b27ae822013fa20"
BASE64 = base64.b64encode(bytes.fromhex(DIGEST)).decode()


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.parent.name)
def test_recorded_answers(file: Path) -> None:
    infos = {info.path: info for info in parse_object_infos(file.read_text())}
    assert len(infos) == 2, "the one that vanished is left out"
    assert infos[StorePath(PATH)].sha256 == DIGEST
    assert infos[StorePath(PATH)].size == 128
    (top,) = (each for path, each in infos.items() if "top" in path)
    assert [each.name for each in top.references] == ["ekaci-middle-1.0", "ekaci-other-1.0"]


@pytest.mark.parametrize(
    "written",
    [
        f"sha256-{BASE64}",
        f"sha256:{DIGEST}",
        "sha256:087s2ch85bi7dfgznli04p4yfjlh7zc8wqg8php0fabjrjmywc79",
        {"algorithm": "sha256", "format": "base64", "hash": BASE64},
    ],
)
def test_every_way_to_write_a_hash(written: Any) -> None:
    entry = {"narHash": written, "narSize": 7, "references": [PATH, OTHER.rpartition("/")[2]]}
    newest = {"version": 3, "info": {PATH.rpartition("/")[2]: {**entry, "signatures": ["k:AA=="], "ca": None}}}
    expected = ObjectInfo(StorePath(PATH), DIGEST, 7, (StorePath(PATH), StorePath(OTHER)), signatures=("k:AA==",))
    assert parse_object_infos(json.dumps(newest)) == [expected]


@pytest.mark.parametrize("text", ["", "[", "[1]", '[{"path": "/nix/store/x"}]', '{"info": {"x": {"narHash": 1}}}'])
def test_other_answers_are_not_believed(text: str) -> None:
    with pytest.raises(InfrastructureFault, match="not understood"):
        parse_object_infos(text)


@pytest.mark.nix
async def test_the_store_of_this_machine(nix_environment: Mapping[str, str]) -> None:
    reference = await new_path(nix_environment)
    path = await new_path(nix_environment, reference)
    gone = StorePath(f"/nix/store/{'0' * 32}-gone")
    infos = await object_infos(NixCommands(nix_environment), [path, gone])
    assert infos.keys() == {path}
    assert infos[path].references == (reference,)
    assert infos[path].ca is not None
    hashed = await run(["nix-hash", "--type", "sha256", path], env=nix_environment)
    assert infos[path].sha256 == hashed.text.strip()


@pytest.mark.nix
async def test_a_store_that_cannot_be_asked_is_a_fault(nix_environment: Mapping[str, str]) -> None:
    nix = NixCommands({**nix_environment, "NIX_REMOTE": "unix:///nowhere"})
    with pytest.raises(InfrastructureFault, match="does not say"):
        await object_infos(nix, [StorePath(PATH)])
