"""Options of the server that win over its configuration."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import click

from ekaci_core.config.given import Given, flag

Command = TypeVar("Command", bound=Callable[..., Any])

_CONFIG_FILE: Final = "config_file"


@attrs.frozen
class ServerFlags:
    """What the command line says: the file to read, and values of keys."""

    file: Path | None
    given: tuple[Given, ...]


@attrs.frozen
class _Flag:
    names: tuple[str, ...]
    key: str
    metavar: str
    help: str
    is_path: bool = False
    is_switch: bool = False

    @property
    def parameter(self) -> str:
        return "flag_" + self.key.replace(".", "_")

    def option(self) -> Callable[[Command], Command]:
        switch: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if self.is_switch else {}
        return click.option(*self.names, self.parameter, metavar=self.metavar, help=self.help, **switch)

    def given(self, text: str) -> Given:
        long = next(name for name in self.names if name.startswith("--"))
        return flag(self.key, long, os.path.abspath(text) if self.is_path else text)  # noqa: PTH100 - not to be resolved


_FLAGS: Final = (
    _Flag(("-a", "--addr"), "web.address", "ADDRESS", "Listen on this IP address."),
    _Flag(("-p", "--port"), "web.port", "PORT", "Listen on this TCP port."),
    _Flag(("-s", "--socket"), "unix.socket_path", "PATH", "Listen for commands on this socket.", is_path=True),
    _Flag(("-d", "--db-path"), "db_path", "PATH", "Keep the database there.", is_path=True),
    _Flag(("-l", "--logs-dir"), "logs_dir", "PATH", "Keep logs there.", is_path=True),
    _Flag(
        ("--require-approval",),
        "require_approval",
        "[BOOL]",
        "Let changes of people without write access wait for approval.",
        is_switch=True,
    ),
    _Flag(
        ("--merge-queue-require-approval",),
        "merge_queue_require_approval",
        "[BOOL]",
        "Let entries of merge queues wait for approval.",
        is_switch=True,
    ),
)


def server_flags(command: Command) -> Command:
    """Give a command the server's options, as ``flags``."""

    @functools.wraps(command)
    def with_flags(*args: Any, **options: Any) -> Any:
        file = options.pop(_CONFIG_FILE)
        texts = [(each, options.pop(each.parameter)) for each in _FLAGS]
        given = tuple(each.given(text) for each, text in texts if text is not None)
        return command(*args, flags=ServerFlags(file, given), **options)

    decorated: Any = with_flags
    for each in reversed(_FLAGS):
        decorated = each.option()(decorated)
    named = click.option(
        "--config-file", _CONFIG_FILE, type=click.Path(path_type=Path), metavar="FILE", help="Read this file."
    )
    result: Command = named(decorated)
    return result
