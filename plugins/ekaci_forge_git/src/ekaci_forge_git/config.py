"""A table of ``[[git_remotes]]``, and what follows from its address."""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import BadName, Branch, ForgeConfig, ForgeMode, RepositoryId, Secret, UsageFault

LOCAL_HOST: Final = "git.local"
"""The forge's host of a repository on this machine."""

_SCHEMES: Final = ("https", "http", "ssh", "git", "file")
# ``user@host:path``: https://git-scm.com/docs/git-fetch#_git_urls
_SCP: Final = re.compile(r"(?:[A-Za-z0-9_.][A-Za-z0-9_.\-]*@)?([A-Za-z0-9][A-Za-z0-9.\-]*):(?!//)([^\s:]+)")
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
_NAME: Final = re.compile(r"[^A-Za-z0-9_.\-]+")


@attrs.frozen(kw_only=True)
class GitRemoteConfig(ForgeConfig):
    """One repository.

    Attributes:
        url: where it is: anything git can fetch from, or an absolute path.
        base: the branch that changes are to go into; the one that the repository's ``HEAD`` names unless given.
        changes: patterns of the branches that are reviewed; ``*`` stands for anything, ``/`` included.
        mode: it can only be polled.
        ssh_key: path of the private key for ssh; otherwise what ssh finds.
        known_hosts: path of the host keys that ssh believes; otherwise its own.
        notes: whether verdicts are pushed back as notes, ``git notes --ref=ekaci``.
        post_url: where verdicts are sent as JSON.
        post_secret: signs what is sent.
        cache_folder: where copies are kept; otherwise ``ekaci/git-remotes`` in the server's cache folder.
    """

    url: str
    base: str | None = None
    changes: tuple[str, ...] = ("pr/*",)
    mode: ForgeMode = ForgeMode.POLL
    ssh_key: str | None = None
    known_hosts: str | None = None
    notes: bool = False
    post_url: str | None = None
    post_secret: Secret | None = None
    cache_folder: str | None = None


@attrs.frozen
class Remote:
    """Where a repository is, checked.

    Attributes:
        url: what git is given.
        protocol: git's name of the transport, ``file``, ``ssh``, ``https``.
        repository: what EkaCI calls it: the operator's ``id`` keeps two remotes of one host apart.
        base: the branch that changes are to go into, None where the repository says it.
    """

    url: str
    protocol: str
    repository: RepositoryId
    base: Branch | None

    @classmethod
    def of(cls, config: GitRemoteConfig, where: str) -> Self:
        """Check a table.

        Raises:
            UsageFault: it describes no repository, or cannot be what is asked.
        """
        if not _ID.fullmatch(config.id):
            do = 'write a short name such as id = "packages"'
            raise UsageFault("it needs a name of letters, digits, '-', '_' and '.'", where=f"{where}.id", do=do)
        if config.mode is not ForgeMode.POLL:
            do = 'leave it out, or write mode = "poll"'
            raise UsageFault("a plain repository sends no webhooks", where=f"{where}.mode", do=do)
        if not config.changes:
            raise UsageFault("no branch is reviewed", where=f"{where}.changes", do='write changes = ["pr/*"]')
        protocol, host, path = _place(config.url, f"{where}.url")
        name = (
            _NAME.sub("-", path.rstrip("/").removesuffix("/.git").rpartition("/")[2].removesuffix(".git")).strip(".-")
            or "repository"
        )
        try:
            base = None if config.base is None else Branch.parse(config.base)
            repository = RepositoryId.parse(host, f"{config.id}/{name.removesuffix('.git')[:200]}")
        except BadName as error:
            raise UsageFault(str(error), where=where, do="look at url, id and base") from None
        return cls(config.url, protocol, repository, base)


def _place(url: str, where: str) -> tuple[str, str, str]:
    """Return protocol, host and path."""
    fault = UsageFault(
        "not an address that repositories are fetched from",
        where=where,
        do="write https://, ssh://, git:// or file://, user@host:path, or an absolute path",
    )
    if any(character.isspace() or character < " " for character in url) or url.startswith("-"):
        raise fault
    if url.startswith("/"):
        return "file", LOCAL_HOST, url
    if "://" not in url:
        short = _SCP.fullmatch(url)
        if short is None:
            raise fault
        return "ssh", short[1], short[2]
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname or ""
    except ValueError:
        raise fault from None
    if parts.scheme not in _SCHEMES or parts.query or parts.fragment or not parts.path.strip("/"):
        raise fault
    if parts.scheme == "file":
        return "file", LOCAL_HOST, parts.path
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        do = "name where they come from with credentials"
        raise UsageFault("secrets do not belong into an address", where=where, do=do)
    if not name or name.startswith("-") or (parts.username or "").startswith("-"):
        raise fault
    return parts.scheme, name if port is None else f"{name}:{port}", parts.path
