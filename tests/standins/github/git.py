"""Real bare repositories on disk: commits from what files hold, refs of pull requests, and what a path is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

Content = str | bytes | Path
"""What a file holds; a `Path` makes a symbolic link to it."""

_ZERO: Final = "0" * 40
_SETTINGS: Final = {
    # GitHub gives any commit that a ref leads to, also those of pull requests, and partial clones.
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "http.receivepack": "false",
    "gc.auto": "0",
    "receive.autogc": "false",
}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _PERSON.items()}
    return {**kept, **who, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


_PERSON: Final = {"NAME": "Octo Cat", "EMAIL": "octocat@example.org"}


class Bare:
    """A bare repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, *, default_branch: str, like: Bare | None = None) -> None:
        """Make it, empty or with everything of another."""
        self.folder.mkdir(parents=True)
        self("init", "-q", "--bare", f"--initial-branch={default_branch}", ".")
        for name, value in _SETTINGS.items():
            self("config", name, value)
        if like is not None:
            self("fetch", "-q", str(like.folder), "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*")

    def __call__(self, *arguments: str, given: bytes | None = None) -> str:
        """Run git here and return what it prints."""
        return self.raw(*arguments, given=given).decode(errors="surrogateescape").strip()

    def raw(self, *arguments: str, given: bytes | None = None) -> bytes:
        """Run git here and return what it prints, byte for byte."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=_environment(), input=given, capture_output=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def commit(self, branch: str, files: Mapping[str, Content | None], *, message: str, parent: str | None) -> str:
        """Make a commit and let ``branch`` point at it, wherever it was before.

        Args:
            branch: its short name.
            files: what changes; None removes a file.
            message: of the commit.
            parent: a commit, or None for a first one.
        """
        lines = [f"commit refs/heads/{branch}\ncommitter {_PERSON['NAME']} <{_PERSON['EMAIL']}> now\n".encode()]
        lines.append(_data(message.encode()))
        lines.append(f"from {parent}\n".encode() if parent else b"")
        for path, content in files.items():
            quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
            if content is None:
                lines.append(f"D {quoted}\n".encode())
            else:
                mode = "120000" if isinstance(content, Path) else "100644"
                data = content if isinstance(content, bytes) else str(content).encode()
                lines.append(f"M {mode} inline {quoted}\n".encode() + _data(data))
        if parent is None and self.sha(f"refs/heads/{branch}"):
            self("update-ref", "-d", f"refs/heads/{branch}")
        self("fast-import", "--quiet", "--force", "--date-format=now", given=b"".join(lines))
        return self("rev-parse", f"refs/heads/{branch}")

    def sha(self, name: str) -> str | None:
        """Return the commit of a ref, a branch or a beginning of a hash; None where there is none."""
        if not name or name.startswith("-"):
            return None
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"],
            cwd=self.folder, env=_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        # rev-parse repeats --end-of-options in old versions of git.
        words = done.stdout.split()
        return words[-1] if done.returncode == 0 and words and words[-1] != _ZERO else None

    def branches(self) -> dict[str, str]:
        """Return the commits of branches by name."""
        lines = self("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def entry(self, commit: str, path: str) -> tuple[str, str, str] | None:
        """Return mode, type and hash of what stands at a path; None where nothing does."""
        if path in ("", "/"):
            return "040000", "tree", self("rev-parse", f"{commit}^{{tree}}")
        shown = self.raw("--literal-pathspecs", "ls-tree", "-z", commit, "--", path).decode(errors="surrogateescape")
        for line in shown.split("\0"):
            facts, _, name = line.partition("\t")
            if name == path:
                mode, kind, sha = facts.split()
                return mode, kind, sha
        return None

    def listing(self, tree: str) -> list[tuple[str, str, str, str]]:
        """Return name, mode, type and hash of what a directory holds."""
        shown = self.raw("ls-tree", "-z", tree).decode(errors="surrogateescape")
        entries = [line.partition("\t") for line in shown.split("\0") if line]
        return [(name, *facts.split()) for facts, _, name in entries]  # type: ignore[misc]

    def blob(self, sha: str) -> bytes:
        """Return what a file holds."""
        return self.raw("cat-file", "blob", sha)

    def take(self, other: Bare, commit: str, ref: str) -> None:
        """Bring a commit of another repository here, and keep it at a ref."""
        if other.folder != self.folder:
            self("fetch", "-q", str(other.folder), f"+{commit}:{ref}")
        self("update-ref", ref, commit)

    def merge(self, ref: str, base: str, head: str) -> bool:
        """Keep the merge of two commits at a ref; where they conflict the ref goes. Whether they do not."""
        done = subprocess.run(
            ["git", "merge-tree", "--write-tree", base, head],
            cwd=self.folder, env=_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            if self.sha(ref):
                self("update-ref", "-d", ref)
            return False
        message = f"Merge {head} into {base}"
        made = self("commit-tree", done.stdout.split()[0], "-p", base, "-p", head, "-m", message)
        self("update-ref", ref, made)
        return True


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"
