"""Tables as operators write them, those of the reference among them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ekaci_cache_backends.attic.cache import AtticConfig
from ekaci_cache_backends.cachix.cache import CachixConfig
from ekaci_core.api import CredentialUse
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.registry import Registry, load_registry
from ekaci_core.server.configuring import configuration
from ekaci_core.telemetry import LOG

REFERENCE = Path(__file__).parents[4] / "docs/reference/caches.md"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry({}, LOG)


def _read(text: str, folder: Path, registry: Registry) -> list[object]:
    file = folder / "ekaci.toml"
    file.write_text(text)
    return [entry.config for entry in configuration({"HOME": "/home/ci"}, registry, LOG, file=file).caches]


def test_the_examples_of_the_reference(tmp_path: Path, registry: Registry) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    (cachix,) = [each for each in blocks if "cachix" in each]
    (attic,) = [each for each in blocks if "attic" in each]
    assert _read(cachix, tmp_path, registry) == [
        CachixConfig(
            id="public-cachix",
            destination="my-cache",
            credentials=CredentialUse("cachix-token", {"env_var": "CACHIX_AUTH_TOKEN"}),
        )
    ]
    token = CredentialUse("env", {"vars": ["ATTIC_TOKEN"]})
    assert _read(attic, tmp_path, registry) == [
        AtticConfig(id="team", destination="https://attic.example.com/my-cache", credentials=token),
        AtticConfig(
            id="team-too",
            destination="central:my-cache",
            endpoint="https://attic.example.com",
            credentials=token,
        ),
    ]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("timeout_seconds = 0", "timeout_seconds"),
        ("timeout_seconds = 3601", "timeout_seconds"),
        ("program = 3", "program"),
        ("endpiont = 'https://x'", "endpiont"),
    ],
)
@pytest.mark.parametrize("kind", ["cachix", "attic"])
def test_a_key_that_cannot_be_used_is_named(tmp_path: Path, registry: Registry, kind: str, key: str, name: str) -> None:
    place = "mine" if kind == "cachix" else "https://attic.example.com/mine"
    text = f'[[caches]]\nid = "c"\ncache_type = "{kind}"\ndestination = "{place}"\ncredentials = "none"\n{key}\n'
    with pytest.raises(ConfigurationProblems) as raised:
        _read(text, tmp_path, registry)
    (problem,) = raised.value.problems
    assert problem.at.startswith("caches[0]")
    assert name in str(problem)
