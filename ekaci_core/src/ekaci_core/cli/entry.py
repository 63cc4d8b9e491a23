"""Where the process begins: next to nothing is imported before Ctrl-C is looked after."""

from __future__ import annotations

import sys
from typing import NoReturn

_INTERRUPTED = 130


def main() -> NoReturn:
    """Run ``ekaci``; end quietly on a Ctrl-C that comes before anything was started."""
    try:
        from ekaci_core.cli.main import status  # noqa: PLC0415 - takes a third of a second, in which people press Ctrl-C

        ended = status()
    except KeyboardInterrupt:
        ended = _INTERRUPTED
    sys.exit(ended)
