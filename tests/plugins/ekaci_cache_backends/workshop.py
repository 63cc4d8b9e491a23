"""A store of its own to push from, and what caches that Nix reads have in common."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ekaci_core.api import StorePath
from ekaci_core.process.running import run

_DERIVATION = """
derivation {
  name = "pushed-%(name)s";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo %(name)s %(size)s ${toString [ %(references)s ]} > $out" ];
}
"""


@attrs.frozen
class Workshop:
    """Makes store paths, with Nix."""

    environment: Mapping[str, str]
    folder: Path

    async def path(self, *references: StorePath, name: str = "") -> StorePath:
        """Build a new path, which refers to these."""
        quoted = " ".join(f'(builtins.storePath "{reference}")' for reference in references)
        text = _DERIVATION % {"name": name or uuid.uuid4().hex, "size": "", "references": quoted}
        file = self.folder / f"{uuid.uuid4().hex}.nix"
        file.write_text(text)
        return StorePath((await self.nix("nix-build", "--no-out-link", str(file))).strip())

    async def file(self, name: str, content: bytes) -> StorePath:
        """Add a file of this content."""
        file = self.folder / name
        file.write_bytes(content)
        return StorePath((await self.nix("nix-store", "--add", str(file))).strip())

    async def nix(self, *argv: str, **more: str) -> str:
        """Run a program of Nix, which must end well, and return what it writes."""
        done = await run(argv, env={**self.environment, **more}, timeout_seconds=60)
        assert done.status == 0, done.stderr
        return done.text


def whole_paths(folder: Path) -> Sequence[StorePath]:
    """Return the paths of a folder of a binary cache, in the order in which they came; each must have its NAR."""
    narinfos = sorted(folder.glob("*.narinfo"), key=lambda file: file.stat().st_mtime_ns) if folder.is_dir() else []
    found = []
    for file in narinfos:
        fields = dict(line.partition(": ")[::2] for line in file.read_text().splitlines())
        assert (folder / fields["URL"]).stat().st_size == int(fields["FileSize"])
        found.append(StorePath(fields["StorePath"]))
    return found
