"""Bare repositories and people who push to them, and the forge opened at one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from ekaci_core.api import CredentialUse, Forge, Lease, PluginContext, Secret
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.builtin.programs import ProgramCommands
from ekaci_core.testing.builders import RealClock
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_git.config import GitRemoteConfig
from ekaci_forge_git.kind import GitRemoteType

PEOPLE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@attrs.frozen
class Bare:
    """A bare repository, written to without a working tree."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Bare:
        """Make one with a commit at main."""
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
        bare = cls(folder)
        bare.push("main", "The package set")
        return bare

    def __call__(self, *words: str, stdin: bytes = b"") -> str:
        """Run git there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=kept | PEOPLE, input=stdin, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, title: str, parent: str | None = None) -> str:
        """Make a commit whose file holds its title."""
        blob = self("hash-object", "-w", "--stdin", stdin=title.encode())
        link = self("hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
        large = self("hash-object", "-w", "--stdin", stdin=b"x" * (1024 * 1024 + 1))
        inner = self("mktree", stdin=f"100644 blob {blob}\tdefault.nix\n".encode())
        lines = (
            f"100644 blob {blob}\ta.nix",
            f"120000 blob {link}\tlink",
            f"100644 blob {large}\tlarge",
            f"100644 blob {blob}\todd name#?*[é].nix",
            f"040000 tree {inner}\tpkgs",
        )
        tree = self("-c", "core.quotePath=false", "mktree", stdin="".join(f"{each}\n" for each in lines).encode())
        return self("commit-tree", tree, "-m", title, *(("-p", parent) if parent else ()))

    def push(self, branch: str, title: str, *, onto: str | None = None) -> str:
        """Put a commit on a branch: on top of ``onto``, else of the branch itself."""
        tip = onto or self("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") or None
        sha = self.commit(title, tip)
        self("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def delete(self, branch: str) -> None:
        """Delete a branch."""
        self("update-ref", "-d", f"refs/heads/{branch}")


@attrs.define
class Counting:
    """Runs programs, and keeps what was started with which environment."""

    started: list[tuple[list[str], dict[str, Any]]] = attrs.field(factory=list)

    async def run(self, argv: Any, **options: Any) -> Any:
        """Run one."""
        self.started.append((list(argv), dict(options["environment"])))
        return await ProgramCommands().run(argv, **options)


@attrs.frozen
class Held:
    """Credentials that are there: source and resolver in one."""

    secrets: Mapping[str, Secret]

    async def open(self, use: CredentialUse, *, purpose: str) -> Held:
        """Return them for any use."""
        del use, purpose
        return self

    async def resolve(self) -> Lease:
        """Return them."""
        return Lease(self.secrets)

    async def renew(self, refused: Lease | None = None) -> Lease:
        """Return the same."""
        del refused
        return Lease(self.secrets)


def context_of(log: RecordingLogger, **changes: Any) -> PluginContext:
    """Return what the server gives."""
    environment = dict(os.environ)
    made = PluginContext(
        clock=RealClock(), log=log, environment=environment, nix=NixCommands(environment), programs=ProgramCommands()
    )
    return attrs.evolve(made, **changes)


@asynccontextmanager
async def opened(bare: Bare | str, folder: Path, context: PluginContext, **settings: Any) -> AsyncIterator[Forge]:
    """Open the forge at a repository."""
    url = bare if isinstance(bare, str) else str(bare.folder)
    config = GitRemoteConfig(**{"id": "packages", "url": url, "cache_folder": str(folder), **settings})
    async with GitRemoteType().open(config, context) as forge:
        yield forge
