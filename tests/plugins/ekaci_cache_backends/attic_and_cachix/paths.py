"""New paths in the store of this machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ekaci_core.api import StorePath
from ekaci_core.process.running import run


async def new_path(environment: Mapping[str, str], *references: StorePath, name: str = "new") -> StorePath:
    """Add a file that refers to these."""
    held = " ".join(f"${{builtins.storePath {each}}}" for each in references)
    expression = f'builtins.toFile "{name}" "{uuid.uuid4()} {held}"'
    done = await run(
        ["nix-instantiate", "--eval", "--read-write-mode", "--json", "--expr", expression], env=environment
    )
    assert done.status == 0, done.stderr
    return StorePath.parse(done.text.strip().strip('"'))
