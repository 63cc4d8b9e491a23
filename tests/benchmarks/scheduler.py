"""Measure the scheduler: ``script/bench scheduler NAME ARGUMENTS``; without a name, all of it as it comes.

Names are throughput, decisions, memory, evaluation, order and overhead; each says with ``--help`` what it measures.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name("scheduling")
NAMES = ("throughput", "decisions", "memory", "evaluation", "order", "overhead")


def main() -> int:
    """Run each in a process of its own, so that memory is its own."""
    names, arguments = ([sys.argv[1]], sys.argv[2:]) if len(sys.argv) > 1 else (list(NAMES), [])
    if not set(names) <= set(NAMES):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    for name in names:
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *arguments], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
