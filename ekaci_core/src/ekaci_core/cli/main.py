"""The ``ekaci`` command."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

import ekaci_core
from ekaci_core.cli.failure import exit_with, only_fault
from ekaci_core.cli.plugins import plugins
from ekaci_core.cli.review import review
from ekaci_core.model.errors import EkaciError
from ekaci_core.telemetry import configure_logs


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ekaci_core.__version__, prog_name="ekaci")
def ekaci() -> None:
    """Answer for a change to a Nix repository: should I merge this?"""
    configure_logs(sys.stderr)


ekaci.add_command(review)
ekaci.add_command(plugins)


def main() -> NoReturn:
    """Run a command and end the process with its status; a fault is told in words, without a traceback."""
    try:
        status = ekaci.main(standalone_mode=False)
    except EkaciError as fault:
        exit_with(fault)
    except BaseExceptionGroup as group:
        inner = only_fault(group)
        if inner is None:
            raise
        exit_with(inner)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)  # whoever read our output has gone: as if SIGPIPE had ended us
    sys.exit(status if isinstance(status, int) else 0)
