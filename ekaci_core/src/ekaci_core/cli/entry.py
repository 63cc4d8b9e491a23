"""Where the process begins: next to nothing is imported before Ctrl-C is looked after."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

_INTERRUPTED = 130
# A review makes many objects that live to its end and next to none in cycles: looking for those costs a tenth of its
# processor time at Python's own thresholds.
COLLECT_AFTER = (100_000, 50, 100)


def serve() -> NoReturn:
    """Run ``eka-ci-server``: ``ekaci serve`` under the name that service files know."""
    sys.argv[1:1] = ["serve"]
    main()


def main() -> NoReturn:
    """Run ``ekaci``; end quietly on a Ctrl-C that comes before anything was started."""
    gc.set_threshold(*COLLECT_AFTER)
    try:
        from ekaci_core.cli.main import status  # noqa: PLC0415 - takes a third of a second, in which people press Ctrl-C

        ended = status()
    except KeyboardInterrupt:
        ended = _INTERRUPTED
    gc.freeze()  # Python looks for cycles in everything before it ends, to give back what ends anyway
    sys.exit(ended)
