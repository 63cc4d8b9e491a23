"""The command that shows a failure again."""

from __future__ import annotations

import shlex

from ekaci_core.model.ids import DrvPath


def reproduce(drv: DrvPath) -> str:
    """Return the exact command that builds a derivation anew, quoted for a POSIX shell."""
    return shlex.join(("nix-store", "--realise", drv))
