"""Names of things, parsed once at the edge and never bare strings after that.

Each is a ``str``, so it sorts, hashes, serialises and costs what a string costs; the type says that it was checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Self

from ekaci_core.model.errors import BadName

STORE_DIR: Final = "/nix/store"

# nixbase32 leaves out e, o, t and u. Names: https://nix.dev/manual/nix/latest/store/store-path
_STORE_BASE_NAME: Final = re.compile(r"[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]{1,211}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SYSTEM: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_PLAIN_ATTRIBUTE: Final = re.compile(r'[^\s."\\]+')


class StorePath(str):
    """An absolute path of one store object, ``/nix/store/<hash>-<name>``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check ``text``, absolute or a base name (then below ``/nix/store``).

        Raises:
            BadName: it is not the path of a store object.
        """
        directory, slash, base = text.rpartition("/")
        if not _STORE_BASE_NAME.fullmatch(base) or (slash and not directory.startswith("/")):
            raise BadName("store path", text)
        return cls(text if slash else f"{STORE_DIR}/{base}")

    @property
    def base_name(self) -> str:
        """``<hash>-<name>``, the form in which the database and logs name it."""
        return self.rpartition("/")[2]

    @property
    def hash_part(self) -> str:
        """The 32 characters in front of the name."""
        return self.base_name[:32]

    @property
    def name(self) -> str:
        """What follows the hash."""
        return self.base_name[33:]


class DrvPath(StorePath):
    """The store path of a derivation, ``/nix/store/<hash>-<name>.drv``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check ``text`` as `StorePath.parse` does, and that it ends in ``.drv``.

        Raises:
            BadName: it is not the path of a derivation.
        """
        if not text.endswith(".drv"):
            raise BadName("derivation path", text)
        return super().parse(text)

    @property
    def name(self) -> str:
        """The derivation's name, without ``.drv``."""
        return self.base_name[33:-4]


class AttrPath(str):
    """The way to an attribute from the root of a job, in the text form of ``nix-build -A``.

    Parts that hold a dot, a quote, a backslash or white space, and empty ones, stand in double quotes, as
    nix-eval-jobs prints them: ``texlivePackages."texlive.infra"``.
    """

    __slots__ = ()

    @classmethod
    def of(cls, parts: Iterable[str]) -> Self:
        """Join the parts of an attribute path."""
        return cls(".".join(_quoted(part) for part in parts))

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts, unquoted; the inverse of `of`."""
        return tuple(_unquoted(match) for match in _ATTRIBUTE_PART.finditer(self)) if self else ()


_ATTRIBUTE_PART: Final = re.compile(r'(?:^|\.)(?:"((?:[^"\\]|\\.)*)"|([^."]+))', re.DOTALL)


def _quoted(part: str) -> str:
    if _PLAIN_ATTRIBUTE.fullmatch(part):
        return part
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(match: re.Match[str]) -> str:
    quoted, plain = match.groups()
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain


class CommitSha(str):
    """The full hexadecimal name of a git commit."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a full SHA-1 or SHA-256 name.

        Raises:
            BadName: it is neither.
        """
        if not _COMMIT.fullmatch(text):
            raise BadName("commit", text)
        return cls(text)

    @property
    def short(self) -> str:
        """The first twelve characters, as reports show it."""
        return self[:12]


class TreeHash(CommitSha):
    """The full hexadecimal name of a git tree: the contents of a revision, whoever committed it."""

    __slots__ = ()


class System(str):
    """A Nix platform, for example ``x86_64-linux``, or ``builtin``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check the form; any platform name is allowed, since builders may offer any.

        Raises:
            BadName: it holds characters that no platform name has.
        """
        if not _SYSTEM.fullmatch(text):
            raise BadName("system", text)
        return cls(text)
