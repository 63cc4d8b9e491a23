"""Apps, installations, tokens and deliveries: https://docs.github.com/en/rest/apps"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.standins.github.deliveries import again
from tests.standins.github.exchange import Answer, Call, Problem, answers
from tests.standins.github.records import Delivery, Installation, Repository, moment

_LEVELS = ("none", "read", "write", "admin")


@answers("meta/root")
def root(call: Call) -> Answer:
    """Say where things are."""
    del call
    return Answer({})


@answers("users/get-by-username")
def user(call: Call) -> Answer:
    """Describe an account."""
    account = call.world.accounts.get(call.parameters["username"].lower())
    if account is None:
        raise Problem(404, "Not Found")
    return Answer(call.world.shapes.user(account))


@answers("apps/get-authenticated")
def app(call: Call) -> Answer:
    """Describe the App that asks."""
    installed = sum(each.app is call.caller for each in call.world.installations.values())
    return Answer(call.world.shapes.app(call.caller) | {"installations_count": installed})


@answers("apps/list-installations")
def installations(call: Call) -> Answer:
    """List where the App is installed."""
    mine = [each for each in call.world.installations.values() if each.app is call.caller]
    page, headers = call.page(mine)
    return Answer([call.world.shapes.installation(each) for each in page], headers=headers)


def _installation(call: Call) -> Installation:
    found = call.world.installations.get(call.number("installation_id"))
    if found is None or found.app is not call.caller:
        raise Problem(404, "Not Found")
    return found


@answers("apps/get-installation")
def installation(call: Call) -> Answer:
    """Describe an installation."""
    return Answer(call.world.shapes.installation(_installation(call)))


@answers("apps/get-repo-installation")
def repository_installation(call: Call) -> Answer:
    """Find the installation of a repository."""
    repository = call.world.find(call.parameters["owner"], call.parameters["repo"])
    found = call.world.covering(call.caller, repository) if repository else None
    if found is None:
        raise Problem(404, "Not Found")
    return Answer(call.world.shapes.installation(found))


@answers("apps/get-org-installation")
@answers("apps/get-user-installation")
def account_installation(call: Call) -> Answer:
    """Find the installation of an account."""
    login = call.parameters.get("org") or call.parameters["username"]
    for each in call.world.installations.values():
        if each.app is call.caller and each.account.login.lower() == login.lower():
            return Answer(call.world.shapes.installation(each))
    raise Problem(404, "Not Found")


@answers("apps/create-installation-access-token")
def access_token(call: Call) -> Answer:
    """Give out a token: for less than the installation has, where less is asked for."""
    found = _installation(call)
    if found.suspended:
        raise Problem(403, "This installation has been suspended")
    repositories = _wanted_repositories(call, found)
    permissions = _wanted_permissions(found, call.body.get("permissions") or {})
    chosen = None if repositories is None else frozenset(each.id for each in repositories)
    token, grant = call.world.grant(found, chosen, permissions)
    body: dict[str, Any] = {
        "token": token,
        "expires_at": moment(grant.expires_at),
        "permissions": dict(permissions),
        "repository_selection": "all" if found.repositories is None and repositories is None else "selected",
    }
    if repositories is not None:
        body["repositories"] = [call.world.shapes.repository(each) for each in repositories]
    return Answer(body, 201)


def _wanted_repositories(call: Call, found: Installation) -> list[Repository] | None:
    names, numbers = call.body.get("repositories"), call.body.get("repository_ids")
    if names is None and numbers is None:
        return None
    chosen = [call.world.find(found.account.login, name) for name in names or ()]
    chosen += [call.world.repositories.get(number) for number in numbers or ()]
    result = [each for each in chosen if each is not None and call.world.covering(call.caller, each) is found]
    if len(result) < len(chosen):
        raise Problem(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    return result


def _wanted_permissions(found: Installation, wanted: Mapping[str, str]) -> Mapping[str, str]:
    for name, level in wanted.items():
        if _LEVELS.index(level) > _LEVELS.index(found.permissions.get(name, "none")):
            raise Problem(422, "The permissions requested are not granted to this installation.")
    # Metadata is part of every token.
    return {"metadata": "read", **wanted} if wanted else found.permissions


@answers("apps/revoke-installation-access-token")
def revoke(call: Call) -> Answer:
    """Let the token that asks be good no more."""
    token = call.headers["authorization"].split()[1]
    del call.world.grants[token]
    return Answer(status=204)


@answers("apps/list-repos-accessible-to-installation")
def accessible(call: Call) -> Answer:
    """List what the token was given."""
    assert call.grant is not None
    grant = call.grant
    mine = [
        each
        for each in call.world.repositories.values()
        if not each.gone
        and call.world.covering(call.caller, each) is grant.installation
        and (grant.repositories is None or each.id in grant.repositories)
    ]
    page, headers = call.page(mine)
    body = {"total_count": len(mine), "repositories": [call.world.shapes.repository(each) for each in page]}
    return Answer(body, headers=headers)


@answers("apps/get-webhook-config-for-app")
def webhook(call: Call) -> Answer:
    """Describe the App's webhook."""
    url = call.caller.webhook_url or ""
    return Answer({"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url})


@answers("apps/update-webhook-config-for-app")
def change_webhook(call: Call) -> Answer:
    """Set the App's webhook."""
    call.caller.webhook_url = call.body.get("url", call.caller.webhook_url)
    call.caller.webhook_secret = call.body.get("secret", call.caller.webhook_secret)
    return webhook(call)


@answers("apps/list-webhook-deliveries")
def deliveries(call: Call) -> Answer:
    """List attempts at deliveries, the newest first."""
    mine = [each for each in reversed(call.world.deliveries) if each.app is call.caller]
    wanted = call.query.get("status")
    if wanted:
        mine = [each for each in mine if _failed(each) is (wanted == "failure")]
    page, headers = call.cursor_page(mine, lambda each: f"v1_{each.id}")
    return Answer([call.world.shapes.delivery(each) for each in page], headers=headers)


def _failed(delivery: Delivery) -> bool:
    return not 200 <= delivery.status_code < 400


def _delivery(call: Call) -> Delivery:
    number = call.number("delivery_id")
    for each in call.world.deliveries:
        if each.id == number and each.app is call.caller:
            return each
    raise Problem(404, "Not Found")


@answers("apps/get-webhook-delivery")
def delivery(call: Call) -> Answer:
    """Describe an attempt, with what was sent."""
    found = _delivery(call)
    sent = {"headers": {}, "payload": found.payload}
    return Answer(call.world.shapes.delivery(found) | {"url": found.app.webhook_url or "", "request": sent})


@answers("apps/redeliver-webhook-delivery")
def redeliver(call: Call) -> Answer:
    """Send a delivery again."""
    made = again(call.world, _delivery(call))
    call.world.deliveries.append(made)
    call.world.send(made)
    return Answer({}, 202)
