"""Every example of a configuration that operators and authors have in their hands is taken as it is.

The files hold facts only. A first line ``# context: ...`` says what an excerpt stands in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.positions import key_lines
from ekaci_core.config.repository import parse_repository_config
from ekaci_core.config.server import ServerConfig

FOLDER = Path(__file__).parents[2] / "data/config_examples"
SERVER = sorted(FOLDER.glob("*.toml"))

APP = '[[github_apps]]\nid = "main"\ncredentials = "instance-metadata"\n'
CACHE = '[[caches]]\nid = "x"\ncache_type = "nix-copy"\ndestination = "s3://x"\n'
CONTEXTS = {"app": APP, "cache": CACHE + 'credentials = "none"\n', "cache without credentials": CACHE}


def texts(path: Path) -> list[str]:
    """The example as whole files: an excerpt gets what it stands in, alternatives become one file each."""
    text = path.read_text("utf-8")
    first, _, rest = text.partition("\n")
    if not first.startswith("# context: "):
        return [text]
    context = first.removeprefix("# context: ")
    if context == "each line":
        return [f"{APP}{CACHE}{line}" for line in rest.splitlines()]
    return [CONTEXTS[context] + rest]


def load(text: str) -> ServerConfig:
    return server_config(parse_machine_file(text, "ekaci.toml"), {"HOME": "/home/ci"})


@pytest.mark.parametrize("path", SERVER, ids=lambda path: path.stem)
def test_the_server_takes_every_example(path: Path) -> None:
    for text in texts(path):
        load(text)


@pytest.mark.parametrize("path", SERVER, ids=lambda path: path.stem)
def test_every_key_of_an_example_has_its_line(path: Path) -> None:
    for text in texts(path):
        lines, file = key_lines(text), parse_machine_file(text, "ekaci.toml")
        moved = file.placed.moved
        for at, name in keys_of(file.contents):
            line = text.splitlines()[lines[moved.get(at, at)] - 1]
            assert name in line, (at, line)


def keys_of(value: Any, at: str = "") -> list[tuple[str, str]]:
    """Every address with the word that must stand on its line."""
    found = []
    if isinstance(value, dict):
        for key, member in value.items():
            where = f"{at}.{key}" if at else key
            if where != "unix" or "socket_path" not in member:  # a table that may only be there by an old name
                found.append((where, key))
            found += keys_of(member, where)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            found += keys_of(member, f"{at}[{index}]")
    return found


def test_the_full_example_means_what_it_says() -> None:
    config = load((FOLDER / "server_full.toml").read_text())
    assert (str(config.db_path), str(config.logs_dir)) == ("/var/lib/ekaci/sqlite.db", "/var/log/ekaci")
    assert (config.building.build_no_output_timeout_seconds, config.graph.lru_capacity) == (1200, 100_000)
    assert config.forges[0].config.credentials is not None
    assert config.forges[0].config.credentials.source == "vault"
    assert config.caches[0].credentials.settings == {"secret_name": "eka-ci/s3-credentials", "region": "us-east-1"}
    assert config.caches[0].permissions.allows("myorg/production-x", "main")
    assert not config.caches[0].permissions.allows("myorg/x", "main")
    assert [warning.at for warning in config.warnings] == [
        "web.db_path",
        "web.logs_dir",
        "web.build_no_output_timeout_seconds",
        "web.graph_lru_capacity",
        "web.require_approval",
    ]
    assert config.warnings[0].place == "ekaci.toml:5"
    assert config.places.origin("db_path") is not None


def test_lists_without_allow_all_are_taken_as_meant() -> None:
    config = load((FOLDER / "apps_allow_all_left_out.toml").read_text())
    assert [entry.config.permissions.allow_all for entry in config.forges] == [False, False]
    assert [warning.at for warning in config.warnings] == ["github_apps[0].permissions", "github_apps[1].permissions"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("repository_*.json")), ids=lambda path: path.stem)
def test_every_example_of_a_repository_is_taken(path: Path) -> None:
    config = parse_repository_config(path.read_bytes(), path.name)
    assert [warning for warning in config.warnings if "defines no jobs" not in warning] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("hooks_*.json")), ids=lambda path: path.stem)
def test_every_example_of_hooks_is_taken(path: Path) -> None:
    job = {"file": "default.nix", **json.loads(path.read_text())}
    config = parse_repository_config(json.dumps({"jobs": {"a": job}}).encode(), path.name)
    assert config.warnings == ()
    assert config.jobs["a"].post_build_hooks
