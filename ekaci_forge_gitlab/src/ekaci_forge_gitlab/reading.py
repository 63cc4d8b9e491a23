"""What is asked of GitLab: merge requests, projects, permissions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import attrs

from ekaci_core.api import CommitSha, Permission, Permissions, Person, PullRequest, RepositoryId
from ekaci_core.api.fields import Fields, Malformed, is_login
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call
from ekaci_forge_gitlab.faults import FORBIDDEN, NOT_FOUND, ApiFault
from ekaci_forge_gitlab.merge_requests import PATH, base_sha_of, pull_request_of, whole

PERMISSION_SECONDS: Final = 300.0
_MOST_PERMISSIONS: Final = 10_000

# https://docs.gitlab.com/api/access_requests/#valid-access-levels
_LEVELS: Final = (
    (50, Permission.ADMIN),
    (40, Permission.MAINTAIN),
    (30, Permission.WRITE),
    (20, Permission.TRIAGE),
    (10, Permission.READ),
)


@attrs.frozen
class _Known:
    """What many merge requests of one list have in common."""

    tips: dict[str, CommitSha | None] = attrs.field(factory=dict)
    origins: dict[int, RepositoryId | None] = attrs.field(factory=dict)


class Reader:
    """Asks GitLab, and keeps permissions for a while."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._permissions: OrderedDict[tuple[str, Person], tuple[float, Permission]] = OrderedDict()

    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Ask for one; None where there is none, or one without a commit."""
        call = Call("GET", f"{self._api.path_of(repository)}/merge_requests/{int(number)}", conditional=True)
        try:
            described = Fields((await self._api.send(call)).data)
            if not described.has("sha"):
                self._api.log.warning("merge_request_empty", repository=str(repository), number=number)
                return None
            base = base_sha_of(described) or await tip_of(self._api, repository, described.branch("target_branch"))
            origin = await self._origin(repository, described)
            # Where the target branch is gone, nothing can be compared with it.
            return None if base is None else pull_request_of(described, repository, base, origin)
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return None
            raise
        except Malformed as error:
            raise strange(error, call) from None

    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        """Ask for all that are open; one that cannot be understood is left out and logged."""
        return await self._all(repository, {"state": "opened"})

    async def closed_pull_requests(self, repository: RepositoryId, since: float) -> Sequence[PullRequest]:
        """Ask for those that are closed or merged and changed after a time."""
        after = datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds")
        found = [
            each
            for state in ("closed", "merged")
            for each in await self._all(repository, {"state": state, "updated_after": after})
        ]
        return [each for each in found if each.updated_at >= whole(since)]

    async def _all(self, repository: RepositoryId, which: Mapping[str, str]) -> Sequence[PullRequest]:
        query: dict[str, str | int] = {**which, "order_by": "created_at", "sort": "asc", "per_page": PAGE}
        call = Call("GET", f"{self._api.path_of(repository)}/merge_requests", query, conditional=True)
        found: dict[int, PullRequest] = {}
        known = _Known()
        async for item in self._api.pages(call):
            try:
                pull = await self._listed(repository, Fields(item), known)
            except Malformed as error:
                self._api.log.warning("merge_request_not_understood", repository=str(repository), reason=str(error))
                continue
            found[pull.number] = pull
        return tuple(found.values())

    async def _listed(self, repository: RepositoryId, described: Fields, known: _Known) -> PullRequest:
        branch = described.branch("target_branch")
        if branch not in known.tips:
            known.tips[branch] = await tip_of(self._api, repository, branch)
        source = described.number("source_project_id") if described.has("source_project_id") else 0
        if source not in known.origins:
            known.origins[source] = await self._origin(repository, described)
        base = base_sha_of(described) or known.tips[branch]
        if base is None:
            raise Malformed("its target branch is gone")
        return pull_request_of(described, repository, base, known.origins[source])

    async def _origin(self, repository: RepositoryId, described: Fields) -> RepositoryId | None:
        """Return the source project; it is only a number in the description of a merge request."""
        if not described.has("source_project_id"):
            return None
        number = described.number("source_project_id")
        if number == described.number("target_project_id"):
            return repository
        call = Call("GET", f"/projects/{number}", conditional=True)
        try:
            return Fields((await self._api.send(call)).data).repository(repository.forge, PATH)
        except ApiFault as fault:
            # A private fork; its commits can be fetched from the target project even so.
            if fault.status in (NOT_FOUND, FORBIDDEN) and fault.retry_after_seconds is None:
                return None
            raise
        except Malformed as error:
            raise strange(error, call) from None

    async def repositories(self, permitted: Permissions) -> Sequence[RepositoryId]:
        """Ask for all projects that the token's account may write to, as far as the configuration allows them."""
        query: dict[str, str | int] = {
            "membership": "true",
            "min_access_level": 30,
            "archived": "false",
            "order_by": "id",
            "sort": "asc",
            "pagination": "keyset",
            "per_page": PAGE,
        }
        found: dict[str, RepositoryId] = {}
        async for item in self._api.pages(Call("GET", "/projects", query)):
            try:
                repository = Fields(item).repository(self._api.addresses.host, PATH)
            except Malformed as error:
                self._api.log.warning("project_not_understood", reason=str(error))
                continue
            found[repository.path.lower()] = repository
        return tuple(found[path] for path in sorted(found) if permitted.allows_repository(found[path].path))

    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        """Ask what a person may do; an answer counts for five minutes."""
        if not is_login(person.login) or person.id <= 0:
            return Permission.NONE
        key = (repository.path.lower(), person)
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

    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        """Ask who has a login now; GitLab finds it in any case.

        https://docs.gitlab.com/api/users/#list-all-users
        """
        self._api.path_of(repository)  # it is at this forge
        if not is_login(login):
            return None
        call = Call("GET", "/users", {"username": login})
        try:
            async for item in self._api.pages(call):
                described = Fields({"user": item})
                found = described.person("user", "username")
                if found.login.lower() == login.lower():
                    return found
        except Malformed as error:
            raise strange(error, call) from None
        return None

    async def _asked(self, repository: RepositoryId, person: Person) -> Permission:
        # With members of the groups above, and of groups that the project is shared with:
        # https://docs.gitlab.com/api/project_members/
        call = Call("GET", f"{self._api.path_of(repository)}/members/all/{int(person.id)}")
        try:
            reply = await self._api.send(call)
        except ApiFault as fault:
            if fault.status == NOT_FOUND:
                return Permission.NONE
            raise
        try:
            return permission_of(Fields(reply.data), person)
        except Malformed as error:
            raise strange(error, call) from None


async def tip_of(api: Api, repository: RepositoryId, branch: str) -> CommitSha | None:
    """Ask where a branch is, None where there is none; errors as for `branch_of`."""
    commit = await branch_of(api, repository, branch)
    return None if commit is None else commit.sha("id")


async def branch_of(api: Api, repository: RepositoryId, branch: str) -> Fields | None:
    """Ask for the newest commit of a branch, None where there is none.

    Raises:
        ApiFault: GitLab does not answer.
        Malformed: something else than a branch is described.
    """
    path = f"{api.path_of(repository)}/repository/branches/{quote(branch, safe='')}"
    try:
        return Fields((await api.send(Call("GET", path, conditional=True))).data).object("commit")
    except ApiFault as fault:
        if fault.status == NOT_FOUND:
            return None
        raise


def permission_of(described: Fields, person: Person) -> Permission:
    """Return what a member may do; whoever is blocked or waits to be let in may do nothing.

    Raises:
        Malformed: it is no answer to this question.
    """
    if described.number("id") != person.id or described.text("state", "active") != "active":
        return Permission.NONE
    if described.text("membership_state", "active") != "active":
        return Permission.NONE
    level = described.number("access_level") if described.has("access_level") else 0
    return next((permission for least, permission in _LEVELS if level >= least), Permission.NONE)
