"""The reference page says what the command says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ekaci_core.cli.main import ekaci

CONTEXT = click.Context(ekaci)
PAGE = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text()


COMMANDS = {name: each for name in ekaci.list_commands(CONTEXT) if (each := ekaci.get_command(CONTEXT, name))}


def options(command: click.Command) -> set[str]:
    own = {
        name for each in command.params if isinstance(each, click.Option) for name in (*each.opts, *each.secondary_opts)
    }
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*(options(each) for each in below))


SECTIONS = {text.partition(" ")[0].partition("`")[0]: text for text in PAGE.split("\n## `ekaci ")[1:]}


def test_every_command_has_its_section() -> None:
    assert SECTIONS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_every_option_is_documented_and_none_else(name: str) -> None:
    documented = {
        option
        for row in re.findall(r"^\| (`-[^|]*) \|", SECTIONS[name], re.MULTILINE)
        for found in re.findall(r"`(-[-\w]+)|, (-[-\w]+)", row)
        for option in found
        if option
    }
    assert documented == options(COMMANDS[name])


@pytest.mark.parametrize("name", [name for name, each in COMMANDS.items() if isinstance(each, click.Group)])
def test_every_command_of_a_group_is_documented(name: str) -> None:
    group = COMMANDS[name]
    assert isinstance(group, click.Group)
    assert set(re.findall(rf"^### `ekaci {name} (\w+)", SECTIONS[name], re.MULTILINE)) == group.commands.keys()


def test_every_exit_status_is_documented() -> None:
    assert set(re.findall(r"^\| (\d[\d, ]*) \|", PAGE, re.MULTILINE)) == {"0", "1", "2", "3", "4", "130, 143"}
