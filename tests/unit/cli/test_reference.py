"""The reference page says what the command says."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ekaci_core.cli.main import ekaci

PAGE = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text()


def options(command: click.Command) -> set[str]:
    return {
        name for each in command.params if isinstance(each, click.Option) for name in (*each.opts, *each.secondary_opts)
    }


def test_every_command_has_its_section() -> None:
    assert re.findall(r"^## `ekaci (\w+)", PAGE, re.MULTILINE) == sorted(ekaci.commands, reverse=True)


def test_every_option_of_review_is_documented_and_none_else() -> None:
    documented = {
        name
        for row in re.findall(r"^\| (`-[^|]*) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(-[-\w]+)|, (-[-\w]+)", row)
        for name in name
        if name
    }
    assert documented == options(ekaci.commands["review"])


def test_every_exit_status_is_documented() -> None:
    assert set(re.findall(r"^\| (\d[\d, ]*) \|", PAGE, re.MULTILINE)) == {"0", "1", "2", "3", "4", "130, 143"}
