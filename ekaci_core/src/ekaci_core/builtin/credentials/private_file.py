"""Files that hold secrets: read whole, and only where nobody else can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ekaci_core.api import UsageFault

LIMIT: Final = 1024 * 1024
"""The largest file of secrets, in bytes."""


def read_private(path: Path, source: str, *, shared: bool = False) -> str:
    """Read a file of secrets.

    Args:
        path: the file; a symbolic link to it is followed.
        source: the name of the credential source, for messages.
        shared: whether others may be able to read it.

    Raises:
        UsageFault: it is not there, no file, too large, no text, or others can read it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UsageFault("this is not a file", where=f"{source}: {path}", do="name the file with the secrets")
            if not shared and stat.S_IMODE(status.st_mode) & 0o077:
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                raise UsageFault(
                    f"others on this machine can read it (mode {mode})",
                    where=f"{source}: {path}",
                    do=f"chmod 600 {path}, or 400",
                )
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise UsageFault(
            f"it cannot be read: {error.strerror}", where=f"{source}: {path}", do="mend its path or its permissions"
        ) from None
    if len(content) > LIMIT:
        raise UsageFault(f"it is larger than {LIMIT} bytes", where=f"{source}: {path}", do="name the right file")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageFault("it is no text", where=f"{source}: {path}", do="name the right file") from None
