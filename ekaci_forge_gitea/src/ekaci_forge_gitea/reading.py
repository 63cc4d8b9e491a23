"""What is asked of Gitea: pull requests, repositories, permissions, files, comments."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import attrs

from ekaci_core.api import (
    Clock,
    CommitSha,
    Logger,
    Permission,
    Permissions,
    Person,
    PullRequest,
    RepositoryId,
)
from ekaci_core.api.fields import Fields, Malformed, clean, is_login
from ekaci_forge_gitea.client import Call, Client, items_of, path_of, strange
from ekaci_forge_gitea.faults import NOT_FOUND, ApiFault, TooLong
from ekaci_forge_gitea.pull_requests import pull_request_of

PERMISSION_SECONDS: Final = 300.0
_MOST_PERMISSIONS: Final = 10_000
_AROUND_BYTES: Final = 64 * 1024

_PERMISSIONS: Final[Mapping[str, Permission]] = {
    "owner": Permission.ADMIN,
    "admin": Permission.ADMIN,
    "write": Permission.WRITE,
    "read": Permission.READ,
}


@attrs.frozen
class Place:
    """A repository that the token's account sees; ``admin`` and ``push`` are what it may do there."""

    repository: RepositoryId
    push: bool
    admin: bool


class Reader:
    """Asks Gitea, and keeps permissions for a while."""

    def __init__(self, client: Client, host: str, clock: Clock, log: Logger) -> None:
        self._client = client
        self._host = host
        self._clock = clock
        self._log = log
        self._permissions: OrderedDict[tuple[str, int], tuple[float, Permission]] = OrderedDict()

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for one; None where there is none."""
        call = Call("GET", f"{path_of(repository)}/pulls/{int(number)}")
        try:
            return pull_request_of(Fields((await self._client.call(call)).data), repository)
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        except Malformed as error:
            raise strange(error, call) from None

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open; one that cannot be understood is left out and logged."""
        call = Call("GET", f"{path_of(repository)}/pulls", {"state": "open", "sort": "oldest"})
        found: dict[int, PullRequest] = {}
        async for item in self._client.pages(call):
            try:
                described = pull_request_of(Fields(item), repository)
            except Malformed as error:
                self._log.warning("pull_request_not_understood", repository=str(repository), reason=str(error))
                continue
            found[described.number] = described
        return tuple(found.values())

    async def places(self) -> AsyncIterator[Place]:
        """Yield the repositories of the token's account, its teams and its collaborations."""
        call = Call("GET", "/user/repos")
        async for item in self._client.pages(call):
            try:
                described = Fields(item)
                granted = described.object("permissions")
                if not described.flag("archived"):
                    repository = described.repository(self._host)
                    yield Place(repository, granted.flag("push"), granted.flag("admin"))
            except Malformed as error:
                self._log.warning("repository_not_understood", reason=str(error))

    async def repositories(self, permitted: Permissions) -> Sequence[RepositoryId]:
        """Ask which repositories the account may write to, as far as the configuration allows them."""
        found = {each.repository.path.lower(): each.repository async for each in self.places() if each.push}
        return tuple(found[path] for path in sorted(found) if permitted.allows_repository(found[path].path))

    async def account(self) -> Person:
        """Ask whose token it is."""
        call = Call("GET", "/user")
        data = (await self._client.call(call)).data
        try:
            return Fields({"user": data}).person("user")
        except Malformed as error:
            raise strange(error, call) from None

    async def person(self, login: str) -> Person | None:
        """Ask who has a login now; None where nobody has."""
        if not is_login(login):
            return None
        call = Call("GET", f"/users/{quote(login, safe='')}")
        try:
            return Fields({"user": (await self._client.call(call)).data}).person("user")
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        except Malformed as error:
            raise strange(error, call) from None

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        if not is_login(person.login):
            return Permission.NONE
        key = (repository.path.lower(), person.id)
        now = self._clock.monotonic()
        asked_at, known = self._permissions.get(key, (float("-inf"), Permission.NONE))
        if now - asked_at < PERMISSION_SECONDS:
            return known
        found = await self._asked(repository, person)
        self._permissions[key] = (now, found)
        self._permissions.move_to_end(key)
        while len(self._permissions) > _MOST_PERMISSIONS:
            self._permissions.popitem(last=False)
        return found

    async def _asked(self, repository: RepositoryId, person: Person) -> Permission:
        call = Call("GET", f"{path_of(repository)}/collaborators/{quote(person.login, safe='')}/permission")
        try:
            described = Fields((await self._client.call(call)).data)
            if described.object("user").number("id") != person.id:
                # Somebody else has the name now.
                return Permission.NONE
            return _PERMISSIONS.get(described.text("permission"), Permission.NONE)
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return Permission.NONE
            raise
        except Malformed as error:
            raise strange(error, call) from None

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha, most_bytes: int) -> bytes | None:
        """Read a file at a commit; None for whatever else stands at the path, and for one that is too long."""
        if any(part in ("", ".", "..") for part in path.split("/")) or clean(path) != path:
            return None
        room = most_bytes * 4 // 3 + _AROUND_BYTES
        call = Call("GET", f"{path_of(repository)}/contents/{quote(path)}", {"ref": sha}, most_bytes=room)
        try:
            data = (await self._client.call(call)).data
        except TooLong:
            self._note_length(repository, path, sha)
            return None
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        if isinstance(data, list):
            return None  # a folder
        try:
            content = _content(Fields(data))
        except Malformed as error:
            raise strange(error, call) from None
        if content is not None and len(content) > most_bytes:
            self._note_length(repository, path, sha)
            return None
        return content

    def _note_length(self, repository: RepositoryId, path: str, sha: CommitSha) -> None:
        self._log.warning("file_too_long", repository=str(repository), path=path, sha=sha)

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Look for the account's own comment; Gitea lists all of them at once, the oldest first."""
        account = await self.account()
        call = Call("GET", f"{path_of(repository)}/issues/{int(number)}/comments")
        found: list[int] = []
        try:
            for item in items_of(await self._client.call(call), "", call):
                comment = Fields(item)
                author: Any = comment.mapping("user").get("id")
                if author == account.id and mark in comment.text("body", ""):
                    found.append(comment.number("id"))
        except Malformed as error:
            raise strange(error, call) from None
        return str(min(found)) if found else None


def _content(described: Fields) -> bytes | None:
    """Return what a file holds; None for symbolic links and submodules.

    Raises:
        Malformed: it is no description of an entry.
    """
    if described.text("type") != "file":
        return None
    if described.text("encoding", "base64") != "base64":
        raise Malformed("encoding is not base64")
    try:
        return base64.b64decode(described.text("content", ""))
    except (binascii.Error, ValueError):
        raise Malformed("content is no base64") from None
