"""The command of an attempt."""

from __future__ import annotations

import math
from typing import Final

from ekaci_core.api import BuildRequest

# Ours come first, so that a report says which one it was; Nix's own are there in case we are not.
_SECOND_NET_SECONDS: Final = 30


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
