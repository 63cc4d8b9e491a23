"""The webhook of the App, set through the API.

https://docs.github.com/en/rest/apps/webhooks#update-a-webhook-configuration-for-an-app
"""

from __future__ import annotations

from typing import Final

from ekaci_core.api import Finding, Secret
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.api import Api
from ekaci_forge_github.client import Call
from ekaci_forge_github.faults import ApiFault

_SUBJECT: Final = "the App's webhook"
_FEATURE: Final = "everything that begins with an event"


async def set_webhook(api: Api, url: str, secret: Secret | None) -> Finding:
    """Have GitHub send the App's events to ``url``, signed; which events, only the App's page can say.

    Raises:
        ApiFault: no success.
    """
    if not secret:
        return Finding(_SUBJECT, well=False, text="no webhook secret is configured", feature=_FEATURE)
    before = Call("GET", "/app/hook/config")
    try:
        there = Fields((await api.app.call(before)).data).text("url", "") == url
    except Malformed as error:
        raise ApiFault(f"GitHub's answer is not understood: {error}", where=before.shown) from None
    body = {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret.reveal()}
    await api.app.call(Call("PATCH", "/app/hook/config", body=body, repeatable=True))
    said = "comes here already; its secret was set again" if there else "comes here now"
    return Finding(_SUBJECT, well=True, text=said)
