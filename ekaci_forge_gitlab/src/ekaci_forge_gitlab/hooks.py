"""The webhook of a project, made and corrected through the API.

https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

from typing import Any, Final

from ekaci_core.api import Finding, RepositoryId, Secret
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_gitlab.api import PAGE, Api, strange
from ekaci_forge_gitlab.client import Call

EVENTS: Final = {
    "merge_requests_events": True,
    "note_events": True,
    "push_events": True,
    # Of merge trains nothing else tells.
    "pipeline_events": True,
    "tag_push_events": False,
}
FEATURE: Final = "everything that begins with an event"


async def install_webhook(
    api: Api, repository: RepositoryId, url: str, secret: Secret | None, signing_token: Secret | None
) -> Finding:
    """Have the events of a project sent to ``url``, with the secret; one that is there already is corrected.

    A GitLab that does not sign yet passes the signing token over:
    https://gitlab.com/gitlab-org/gitlab/-/merge_requests/231325

    Raises:
        ApiFault: no success; the token's account has to be a Maintainer.
    """
    subject = str(repository)
    if not secret:
        return Finding(subject, well=False, text="no webhook secret is configured", feature=FEATURE)
    path = f"{api.path_of(repository)}/hooks"
    body: dict[str, Any] = {"url": url, "token": secret.reveal(), "enable_ssl_verification": True, **EVENTS}
    if signing_token:
        body["signing_token"] = signing_token.reveal()
    first, *others = [number for number, address in await hooks_of(api, repository) if address == url] or [0]
    if not first:
        await api.send(Call("POST", path, body=body))
        return Finding(subject, well=True, text="the webhook was made")
    # GitLab shows no secrets, so that it is set again.
    await api.send(Call("PUT", f"{path}/{first}", body=body, repeatable=True))
    for number in others:
        await api.send(Call("DELETE", f"{path}/{number}"))
    return Finding(subject, well=True, text="the webhook is there; its events and secret were set again")


async def hooks_of(api: Api, repository: RepositoryId) -> list[tuple[int, str]]:
    """Return number and address of a project's webhooks.

    Raises:
        ApiFault: GitLab does not answer, or does not show them: the token's account has to be a Maintainer.
    """
    call = Call("GET", f"{api.path_of(repository)}/hooks", {"per_page": PAGE})
    try:
        return [(Fields(item).number("id"), Fields(item).text("url", "")) async for item in api.pages(call)]
    except Malformed as error:
        raise strange(error, call) from None
