"""Who asks, and whether they may.

https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
from tests.standins.github.exchange import Call, Problem
from tests.standins.github.operations import ANYONE, JWT, TOKEN
from tests.standins.github.records import App, Grant, Repository, Seen
from tests.standins.github.signatures import BadToken, app_of_jwt
from tests.standins.github.world import World

_LEVELS: Final = ("none", "read", "write", "admin")


def identified(world: World, operation: str, parameters: Mapping[str, str], seen: Seen, needed: str) -> Call:
    """Return the call of somebody who may make it.

    Raises:
        Problem: they may not, or the repository is not there, or is elsewhere now.
    """
    url = f"{world.shapes.api}{seen.path}"
    call = Call(world, operation, url, parameters, seen.query, seen.headers, seen.body or {})
    if needed == ANYONE:
        return call
    app, grant = _caller(world, seen.headers.get("authorization", ""), needed)
    call = attrs.evolve(call, app=app, grant=grant)
    if needed in (JWT, TOKEN) or "owner" not in parameters:
        return call
    assert grant is not None
    repository = _repository(world, parameters, seen)
    _check(world, repository, grant, needed, seen)
    return attrs.evolve(call, repository=repository)


def _caller(world: World, authorization: str, needed: str) -> tuple[App | None, Grant | None]:
    kind, _, token = authorization.partition(" ")
    if not token:
        raise Problem(401, "Requires authentication")
    if kind.lower() not in ("bearer", "token"):
        raise Problem(401, "Bad credentials")
    if token.count(".") == 2:
        try:
            app = app_of_jwt(token, world.apps, world.now())
        except BadToken as bad:
            raise Problem(401, str(bad)) from None
        world.issued.append(token)
        if needed != JWT:
            raise Problem(403, "Resource not accessible by integration")
        return app, None
    grant = world.grants.get(token)
    if needed == JWT:
        raise Problem(401, "A JSON web token could not be decoded")
    if grant is None or grant.expires_at <= world.now() or grant.installation.id not in world.installations:
        raise Problem(401, "Bad credentials")
    if grant.installation.suspended:
        raise Problem(403, "This installation has been suspended")
    return None, grant


def _repository(world: World, parameters: Mapping[str, str], seen: Seen) -> Repository:
    found = world.find(parameters["owner"], parameters["repo"])
    if found is not None:
        return found
    name = f"{parameters['owner']}/{parameters['repo']}"
    for each in world.repositories.values():
        if name.lower() in each.earlier_names and not each.gone:
            rest = seen.path.removeprefix("/repos/").split("/", 2)[2:]
            location = "/".join([world.shapes.api, "repositories", str(each.id), *rest])
            raise Problem(301 if seen.method == "GET" else 307, "Moved Permanently", location=location)
    raise Problem(404, "Not Found")


def _check(world: World, repository: Repository, grant: Grant, needed: str, seen: Seen) -> None:
    """Say no to a token that was not given the repository, or nothing of what is enough for the operation."""
    through = world.covering(grant.installation.app, repository)
    given = through is grant.installation and (grant.repositories is None or repository.id in grant.repositories)
    if not given and repository.private:
        raise Problem(404, "Not Found")
    if given and any(_has(grant, *each.split(":")) for each in needed.split("|")):
        return
    # What anybody may read of a public repository; checks belong to Apps.
    if repository.private or seen.is_write or needed.startswith("checks:"):
        accepted = needed.replace(":", "=").replace("|", "; ")
        raise Problem(403, "Resource not accessible by integration", x_accepted_github_permissions=accepted)


def _has(grant: Grant, name: str, level: str) -> bool:
    if name == "metadata":
        return True
    levels = (grant.permissions.get(name, "none"), grant.installation.permissions.get(name, "none"))
    return min(map(_LEVELS.index, levels)) >= _LEVELS.index(level)
