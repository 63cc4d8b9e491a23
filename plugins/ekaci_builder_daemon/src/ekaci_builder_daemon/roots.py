"""Links that keep outputs from the garbage collector, as ``nix-store --add-root`` makes them."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path


def links_for(gc_root: Path, outputs: Mapping[str, str]) -> Mapping[Path, str]:
    """Say which links are to be made, absolutely: ``out`` has the name itself, others have ``-<output>`` behind it."""
    gc_root = Path(os.path.abspath(gc_root))  # noqa: PTH100 - `resolve` would follow an earlier root
    return {
        gc_root if name == "out" else gc_root.with_name(f"{gc_root.name}-{name}"): path
        for name, path in outputs.items()
    }


def put_link(link: Path, target: str) -> None:
    """Make a link, in the place of an earlier one.

    Raises:
        OSError: it cannot be made; something that is no link is in its place, for instance.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(link) and not link.is_symlink():
        raise FileExistsError(errno.EEXIST, "something that is no link is in the place of a root", str(link))
    made = link.with_name(f".{link.name}.{os.getpid()}")
    made.unlink(missing_ok=True)
    made.symlink_to(target)
    made.rename(link)
