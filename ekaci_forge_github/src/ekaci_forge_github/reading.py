"""What is asked of GitHub: pull requests, repositories, permissions, files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import anyio

from ekaci_core.api import CommitSha, Permission, Permissions, Person, PullRequest, RepositoryId
from ekaci_core.api.fields import Fields, Malformed, clean, is_login
from ekaci_forge_github.api import PAGE, Api
from ekaci_forge_github.client import RAW, Call
from ekaci_forge_github.faults import NOT_FOUND, ApiFault, NotInstalled
from ekaci_forge_github.pull_requests import pull_request_of
from ekaci_forge_github.tokens import path_of
from ekaci_forge_github.transport import TooLong
from ekaci_forge_github.uses import Use

PERMISSION_SECONDS: Final = 300.0
_MOST_PERMISSIONS: Final = 10_000
_AT_ONCE: Final = 8
_NEW_COMMIT_SECONDS: Final = 1.0
_LONGEST_LOGIN: Final = 100

_PERMISSIONS: Final[Mapping[str, Permission]] = {
    "admin": Permission.ADMIN,
    "maintain": Permission.MAINTAIN,
    "write": Permission.WRITE,
    "triage": Permission.TRIAGE,
    "read": Permission.READ,
    "none": Permission.NONE,
}


class Reader:
    """Asks GitHub, and keeps permissions for a while."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._permissions: OrderedDict[tuple[str, int], tuple[float, Permission]] = OrderedDict()

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for one; None where there is none."""
        call = Call("GET", f"{path_of(repository)}/pulls/{int(number)}", conditional=True)
        try:
            reply = await self._api.on(repository, Use.PULL_REQUESTS, call)
        except NotInstalled:
            raise
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        try:
            return pull_request_of(Fields(reply.data), repository)
        except Malformed as error:
            raise _strange(error, call) from None

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open; one that cannot be understood is left out and logged."""
        query: dict[str, str | int] = {"state": "open", "sort": "created", "direction": "asc", "per_page": PAGE}
        call = Call("GET", f"{path_of(repository)}/pulls", query, conditional=True)
        found: dict[int, PullRequest] = {}
        async for item in self._api.pages_on(repository, Use.PULL_REQUESTS, call):
            try:
                described = pull_request_of(Fields(item), repository)
            except Malformed as error:
                self._api.log.warning("pull_request_not_understood", repository=str(repository), reason=str(error))
                continue
            found[described.number] = described
        return tuple(found.values())

    async def repositories(self, permitted: Permissions) -> Sequence[RepositoryId]:
        """Ask what all installations have been given, as far as the configuration allows it."""
        installations = [
            described.number("id") async for described in self._installations() if not described.has("suspended_at")
        ]
        found: dict[str, RepositoryId] = {}
        faults: list[ApiFault] = []
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def ask(installation: int) -> None:
            try:
                async with limiter:
                    for repository in await self._given(installation):
                        found[repository.path.lower()] = repository
            except ApiFault as fault:
                faults.append(fault)

        async with anyio.create_task_group() as tasks:
            for installation in installations:
                tasks.start_soon(ask, installation)
        if faults:
            # Part of the answer would look as if the rest had been taken away.
            raise faults[0]
        return tuple(found[path] for path in sorted(found) if permitted.allows_repository(found[path].path))

    async def _installations(self) -> Any:
        call = Call("GET", "/app/installations", {"per_page": PAGE})
        async for item in self._api.app_pages(call):
            try:
                yield Fields(item)
            except Malformed as error:
                raise _strange(error, call) from None

    async def _given(self, installation: int) -> list[RepositoryId]:
        call = Call("GET", "/installation/repositories", {"per_page": PAGE})
        found: list[RepositoryId] = []
        async for item in self._api.installation_pages(installation, Use.METADATA, call, "repositories"):
            try:
                repository = Fields(item).repository(self._api.addresses.host)
            except Malformed as error:
                self._api.log.warning("repository_not_understood", installation=installation, reason=str(error))
                continue
            self._api.tokens.note(repository, installation)
            found.append(repository)
        return found

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        if not _is_login(person.login):
            return Permission.NONE
        key = (repository.path.lower(), person.id)
        now = self._api.clock.monotonic()
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
            reply = await self._api.on(repository, Use.METADATA, call)
        except NotInstalled:
            raise
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return Permission.NONE
            raise
        try:
            return permission_of(Fields(reply.data), person)
        except Malformed as error:
            raise _strange(error, call) from None

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now."""
        if not _is_login(login):
            return None
        call = Call("GET", f"/users/{quote(login, safe='')}")
        try:
            described = Fields((await self._api.on(repository, Use.METADATA, call)).data)
            return Person(described.text("login"), described.number("id"))
        except NotInstalled:
            raise
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        except Malformed as error:
            raise _strange(error, call) from None

    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha, most_bytes: int) -> bytes | None:
        """Read a file at a commit; None for whatever else stands at the path, and for one that is too long."""
        if any(part in ("", ".", "..") for part in path.split("/")) or clean(path) != path:
            return None
        size = await self._size(repository, path, sha)
        if size is None:
            return None
        if size <= most_bytes:
            try:
                return await self._contents(repository, path, sha, most_bytes)
            except TooLong:
                pass
        self._api.log.warning("file_too_long", repository=str(repository), path=path, sha=sha, most_bytes=most_bytes)
        return None

    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        """Look for the App's own comment; GitHub lists the oldest first."""
        try:
            app = Fields((await self._api.app.call(Call("GET", "/app"))).data)
            name = f"{app.text('slug')}[bot]"
            call = Call("GET", f"{path_of(repository)}/issues/{int(number)}/comments", {"per_page": PAGE})
            async for item in self._api.pages_on(repository, Use.COMMENTS, call):
                comment = Fields(item)
                ours = comment.has("user") and comment.object("user").text("login", "") == name
                if ours and mark in comment.text("body", ""):
                    return str(comment.number("id"))
        except Malformed as error:
            raise ApiFault(f"GitHub's answer is not understood: {error}", where=str(repository)) from None
        return None

    async def _size(self, repository: RepositoryId, path: str, sha: CommitSha) -> int | None:
        """Look into the folder: asked for the file itself, GitHub would follow a symbolic link."""
        folder, _, name = path.rpartition("/")
        call = Call("GET", _contents_path(repository, folder), {"ref": sha})
        reply = await self._at(repository, call)
        if reply is None or (isinstance(reply, dict) and "type" in reply):
            return None
        if not isinstance(reply, list):
            raise ApiFault("GitHub's answer is no folder", where=call.shown)
        for item in reply:
            if isinstance(item, dict) and item.get("name") == name:
                size = item.get("size")
                return size if item.get("type") == "file" and isinstance(size, int) else None
        return None

    async def _contents(self, repository: RepositoryId, path: str, sha: CommitSha, most_bytes: int) -> bytes | None:
        call = Call("GET", _contents_path(repository, path), {"ref": sha}, accept=RAW, most_bytes=most_bytes)
        found = await self._at(repository, call)
        return found if isinstance(found, bytes) else None

    async def _at(self, repository: RepositoryId, call: Call) -> Any:
        for pause in (_NEW_COMMIT_SECONDS, 0.0):
            try:
                return (await self._api.on(repository, Use.CONTENTS, call)).data
            except NotInstalled:
                raise
            except ApiFault as fault:
                if fault.status != NOT_FOUND:
                    raise
                # A delivery may be quicker than the commit that it tells of.
                if not pause or "No commit found" not in fault.what:
                    return None
            await anyio.sleep(pause)
        return None


def permission_of(described: Fields, person: Person) -> Permission:
    """Return what a person may do, of GitHub's answer.

    The role may be one that an organisation made up; ``permission`` is then the nearest of the old four.

    Raises:
        Malformed: it is no answer to this question.
    """
    if described.has("user") and described.object("user").number("id") != person.id:
        # Somebody else has the name now.
        return Permission.NONE
    base = _PERMISSIONS.get(described.text("permission"), Permission.NONE)
    role = _PERMISSIONS.get(described.text("role_name", ""), base)
    finer = {(Permission.WRITE, Permission.MAINTAIN), (Permission.READ, Permission.TRIAGE)}
    return role if (base, role) in finer else base


def _is_login(text: str) -> bool:
    return len(text) <= _LONGEST_LOGIN and is_login(text)


def _contents_path(repository: RepositoryId, path: str) -> str:
    return f"{path_of(repository)}/contents/{quote(path)}"


def _strange(error: Malformed, call: Call) -> ApiFault:
    return ApiFault(f"GitHub's answer is not understood: {error}", where=call.shown)
