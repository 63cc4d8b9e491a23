"""The ``ekaci`` command."""

from __future__ import annotations

import sys
from typing import Final

import click

import ekaci_core
from ekaci_core.cli.failure import only_fault, tell, tell_defect
from ekaci_core.cli.lazy_group import LazyGroup
from ekaci_core.cli.streams import forgiving, say
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE, EkaciError
from ekaci_core.telemetry import configure_logs

_MODULES: Final = {
    "build": ("build",),
    "builders": ("builders",),
    "cancel": ("cancel",),
    "config": ("config",),
    "credentials": ("credentials",),
    "deliveries": ("deliveries",),
    "drv": ("drv",),
    "hooks": ("hooks",),
    "logs": ("logs",),
    "plugins": ("plugins",),
    "poll": ("poll",),
    "pushes": ("pushes",),
    "queue": ("queue",),
    "review": ("review",),
    "serve": ("serve",),
    "server_looking": ("info", "jobs", "jobset", "prs", "status"),
    "server_starting": ("git", "github", "job", "repo"),
    "server_steering": ("approve", "approve-user", "approved-users", "forge", "resync-checks"),
}
_COMMANDS: Final = {name: f"ekaci_core.cli.{module}" for module, names in _MODULES.items() for name in names}


@click.group(cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ekaci_core.__version__, prog_name="ekaci")
def ekaci() -> None:
    """Answer for a change to a Nix repository: should I merge this?"""
    if sys.stderr is not None:
        configure_logs(sys.stderr)


def status() -> int:
    """Run a command and return its exit status.

    A fault is told in words. A defect of the program itself is told too, never as an answer about a change: its
    traceback goes into a file.
    """
    forgiving(sys.stdout, sys.stderr)
    try:
        ended = ekaci.main(standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        say(f"ekaci: {error.format_message()}\n  `ekaci --help` lists what there is")
        return error.exit_code
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            raise
        return _failed(leaving)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the last resort: status 1 would mean "do not merge"
        return _failed(error)
    return ended if isinstance(ended, int) else 0


def _failed(error: BaseException) -> int:
    fault = only_fault(error) if isinstance(error, BaseExceptionGroup) else error
    if isinstance(fault, EkaciError):
        say(tell(fault))
        return fault.exit_status
    say(tell_defect(error))
    return EXIT_INFRASTRUCTURE
