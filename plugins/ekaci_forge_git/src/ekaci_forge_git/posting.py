"""Verdicts as JSON, sent to an address of the operator's."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Final
from urllib.parse import urlsplit

import httpx

from ekaci_core.api import AddressGuard, Check, InfrastructureFault, Reach, Secret, UsageFault

SIGNATURE: Final = "X-EkaCI-Signature-256"
DELIVERY: Final = "X-EkaCI-Delivery"
_SECONDS: Final = 20.0
_TRANSIENT: Final = (408, 425, 429)
_SERVER: Final = 500


def body_of(check: Check) -> bytes:
    """Write a verdict; the same verdict is the same bytes."""
    document = {
        "forge": check.repository.forge,
        "repository": check.repository.path,
        "sha": check.sha,
        "context": check.context,
        "conclusion": check.conclusion and check.conclusion.value,
        "title": check.title,
        "summary": check.summary,
        "text": check.text,
        "details_url": check.details_url,
        "external_id": check.external_id,
        "completed_at": check.completed_at,
    }
    return json.dumps(document, sort_keys=True).encode()


class NotTaken(Exception):
    """The receiver does not want it; sending it again cannot help."""


class Posting:
    """Sends verdicts."""

    def __init__(self, url: str, secret: Secret | None, addresses: AddressGuard, *, where: str) -> None:
        """Check the address.

        Raises:
            UsageFault: it is none that something can be sent to.
        """
        try:
            parts = urlsplit(url)
            self._port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, self._port = urlsplit(""), 0
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise UsageFault("not an address to post to", where=where, do="write https://HOST/PATH")
        self._host = parts.hostname
        self._url = url
        self._secret = secret
        self._addresses = addresses

    async def send(self, check: Check) -> None:
        """Send a verdict; the receiver tells repetitions by their ``X-EkaCI-Delivery``.

        Raises:
            NotTaken: it was refused for good.
            UsageFault: the address leads where nothing may be sent to.
            InfrastructureFault: it was not taken now.
        """
        body = body_of(check)
        headers = {"Content-Type": "application/json", DELIVERY: hashlib.sha256(body).hexdigest()[:40]}
        if self._secret is not None:
            signed = hmac.new(self._secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={signed}"
        status = await self._status(body, headers)
        if status in _TRANSIENT or status >= _SERVER:
            raise InfrastructureFault(
                f"the verdict was answered with {status}", where=self._host, do="it is sent again"
            )
        if not httpx.codes.is_success(status):
            raise NotTaken(f"{self._host} answered a verdict with {status}")

    async def _status(self, body: bytes, headers: dict[str, str]) -> int:
        # Connected to is what was judged, whatever the name means a moment later.
        address = (await self._addresses.resolve(self._host, self._port, reach=Reach.PUBLIC))[0]
        url = httpx.URL(self._url)
        direct = url.copy_with(host=address)
        headers = {**headers, "Host": url.netloc.decode()}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS) as client:
                extensions = {"sni_hostname": self._host}
                request = client.build_request("POST", direct, content=body, headers=headers, extensions=extensions)
                answer = await client.send(request, stream=True)
                await answer.aclose()
                return answer.status_code
        except httpx.HTTPError as error:
            what = f"the verdict was not sent: {type(error).__name__}"
            raise InfrastructureFault(what, where=self._host, do="it is sent again") from None
