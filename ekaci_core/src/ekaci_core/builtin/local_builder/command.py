"""The command of an attempt."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

from ekaci_core.api import BuildRequest

# Ours come first, so that a report says which one it was; Nix's own are there in case we are not.
_SECOND_NET_SECONDS: Final = 30


_NO_OTHER_MACHINES: Final = Path(__file__).with_name("no-other-machines")


def hook_options(hook: Path = _NO_OTHER_MACHINES) -> tuple[str, ...]:
    """Return options that spare a build here the start of Nix's build hook, where Nix builds without a daemon.

    Nix asks its hook about every build, even if ``builders`` is empty. A daemon lets only users that it trusts choose
    another, and warns the others.
    """
    # Before 2.22 an empty setting was an error, and a setting with a blank in it are two words since 2.15.
    usable = os.access(hook, os.X_OK) and not any(map(str.isspace, str(hook)))
    return ("--option", "build-hook", str(hook)) if usable else ()


def build_command(request: BuildRequest) -> list[str]:
    """Return the command that builds one derivation here, with all outputs, and no others at the same time.

    ``nix-store --realise`` takes a derivation in the same way from every Nix since long before 2.8, while
    ``nix build`` wants ``drv`` before 2.15 and ``drv^*`` from then on, and needs an experimental feature.
    """
    command = ["nix-store", "--realise", request.derivation.path, "--log-format", "internal-json"]
    options = {
        "builders": "",  # other machines are other builders
        "max-jobs": "1",
        "build-poll-interval": "1",  # seconds between looks at the lock of another build of the same derivation
        "max-silent-time": str(math.ceil(request.no_output_timeout_seconds) + _SECOND_NET_SECONDS),
        "timeout": str(math.ceil(request.max_duration_seconds) + _SECOND_NET_SECONDS),
    }
    for name, value in options.items():
        command += ["--option", name, value]
    if request.gc_root is None:
        command.append("--no-gc-warning")
    else:
        command += ["--add-root", str(request.gc_root)]
    return command
