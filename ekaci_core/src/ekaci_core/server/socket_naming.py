"""From what people type to what the server knows by that name."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.api import CommitSha, RepositoryId, UsageFault
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.server.forges import Forges
from ekaci_core.store import Store

_LARGEST: Final = 2**63 - 1
_BEGINNING: Final = re.compile(r"[0-9a-f]{7,64}")


def row(number: int, what: str) -> int:
    """Check a number that names something.

    Raises:
        UsageFault: nothing can have it.
    """
    if not 0 < number <= _LARGEST:
        raise UsageFault(f"no {what} has the number {number}")
    return number


def bounded(limit: int) -> int:
    """Check how many are asked for; 0 is no limit.

    Raises:
        UsageFault: it is less than none.
    """
    if not 0 <= limit <= _LARGEST:
        raise UsageFault(f"{limit} cannot be a limit")
    return limit or _LARGEST


def host_of(forges: Forges, domain: str | None) -> str:
    """Return the host that is meant: the only one, where none is named.

    Raises:
        UsageFault: it is none that is configured, or there are several.
    """
    hosts = sorted({each.forge.host for each in forges.instances})
    if domain is not None:
        if domain.lower() in hosts:
            return domain.lower()
        raise UsageFault(f"no forge at {domain!r} is configured", do=_known(hosts))
    if len(hosts) != 1:
        raise UsageFault("no forge is configured" if not hosts else "several forges are configured", do=_known(hosts))
    return hosts[0]


def repository_of(forges: Forges, text: str) -> RepositoryId:
    """Return the repository that ``HOST/OWNER/NAME`` names, or ``OWNER/NAME`` where there is one host.

    Raises:
        UsageFault: it names none, or no forge is configured for it.
    """
    first, _, rest = text.partition("/")
    hosts = {each.forge.host for each in forges.instances}
    if first.lower() in hosts and "/" in rest:
        return RepositoryId.parse(first, rest)
    return RepositoryId.parse(host_of(forges, None), text)


def serving(forges: Forges, repository: RepositoryId) -> OpenForge:
    """Return who is configured for a repository.

    Raises:
        UsageFault: nobody is.
    """
    for each in forges.instances:
        if each.forge.host == repository.forge and each.forge.serves(repository):
            return each
    raise UsageFault(
        "no configured forge serves this repository", where=str(repository), do="add it to the server's configuration"
    )


async def commit_of(store: Store, repository: RepositoryId, text: str) -> CommitSha:
    """Return the commit of this name, or the one that a review of the repository has whose name begins so.

    Raises:
        UsageFault: it names none, or several.
    """
    if not _BEGINNING.fullmatch(text) or len(text) in (40, 64):
        return CommitSha.parse(text)
    path = repository.path.lower()
    records = [
        each
        for each in await store.reviews_at(text)
        if each.wish.repository.forge == repository.forge and each.wish.repository.path.lower() == path
    ]
    found = sorted({each.wish.head_sha for each in records})
    if len(found) != 1:
        what = "no review here is of a commit that begins so" if not found else "several commits begin so"
        raise UsageFault(what, where=text, do="give the commit's whole name")
    return found[0]


async def named_commit(store: Store, repository: RepositoryId, sha: str | None, number: int | None) -> CommitSha:
    """Return the commit that is named, or the head of a pull request as far as it is known.

    Raises:
        UsageFault: both or neither is given, or there is none.
    """
    if (sha is None) == (number is None):
        raise UsageFault("name a commit or a pull request, one of them")
    if sha is not None:
        return await commit_of(store, repository, sha)
    pull = await store.known_pull_request(repository, row(number or 0, "pull request"))
    if pull is None:
        what = "no pull request of this number is known"
        raise UsageFault(what, where=f"{repository}#{number}", do="`ekaci github` asks the forge for it")
    return pull.head_sha


def _known(hosts: list[str]) -> str:
    return f"there are: {', '.join(hosts)}" if hosts else "add one to the server's configuration"
