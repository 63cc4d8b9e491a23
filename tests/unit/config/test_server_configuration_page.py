"""The reference page says what the schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import click
import pytest

from ekaci_core.cli.config import show
from ekaci_core.config.credential_sources import KNOWN_SOURCES
from ekaci_core.config.entries import FORGE_TABLES, CacheKeys
from ekaci_core.config.hooks import HOOK_TABLES, HookKeys
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.permissions import PermissionsShape
from ekaci_core.config.schema import Setting, settings
from ekaci_core.config.shapes import CACHE_TYPES
from ekaci_core.config.variables import BIND_ADDR, GENERAL, SPECIAL, variable_of
from ekaci_core.model.hook import HOME_VARIABLES, HOOK_VARIABLES

PAGE = (Path(__file__).parents[3] / "docs/reference/server-configuration.md").read_text()
ROWS = {
    cells[0].strip("`"): cells[1:]
    for cells in (re.split(r" \| ", row) for row in re.findall(r"^\| (`.*) \|$", PAGE, re.MULTILINE))
}


def test_every_key_is_there_and_none_else() -> None:
    assert {name for name, cells in ROWS.items() if len(cells) == 4} == settings().keys()


@pytest.mark.parametrize("setting", settings().values(), ids=lambda setting: setting.key)
def test_a_key_is_described(setting: Setting) -> None:
    words, default, given, meaning = ROWS[setting.key]
    assert words == setting.words
    if setting.default is None:
        assert default
    else:
        assert default == f"`{json.dumps(setting.default)}`"
    variables = [] if setting.key == "oauth.credentials" else [variable_of(setting.key)]
    variables += [name for name, key in {**GENERAL, **SPECIAL}.items() if key == setting.key]
    variables += [BIND_ADDR] if setting.key == "web.port" else []
    assert [name for name in re.findall(r"`([^`]+)`", given) if not name.startswith("--")] == variables
    assert len(meaning) > 5


def test_every_option_is_at_a_key() -> None:
    long = {
        name
        for option in show.params
        if isinstance(option, click.Option)
        for name in option.opts
        if name.startswith("--") and name not in ("--config-file", "--format", "--json")
    }
    assert long == {name for cells in ROWS.values() if len(cells) == 4 for name in re.findall(r"`(--[^`]+)`", cells[2])}


def test_every_source_is_there_with_its_settings() -> None:
    for name, kind in KNOWN_SOURCES.items():
        keys = re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", ROWS[name][0]))
        assert keys == [field.name for field in attrs.fields(kind)], name


def test_every_key_of_the_arrays_is_there() -> None:
    for kind in (CacheKeys, HookKeys, PermissionsShape):
        for field in attrs.fields(kind):
            assert field.name in ROWS
    for name in (*FORGE_TABLES, *CACHE_TYPES, *HOOK_TABLES):
        assert f"[[{name}]]" in PAGE or f"`{name}`" in PAGE


def test_the_examples_of_the_page_are_right() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        assert server_config(parse_machine_file(example, "page"), {"HOME": "/home/ci"}).warnings == ()


def test_every_variable_of_hooks_is_there() -> None:
    named = {name for key in ROWS for name in re.findall(r"[A-Z_]+", key)}
    assert set(HOOK_VARIABLES) <= named
    assert all(f"`{name}`" in PAGE for name in HOME_VARIABLES)
