"""Whether a request to the webhook is GitLab's: by the secret that it carries, or by its signature. Pure.

https://docs.gitlab.com/user/project/integrations/webhooks/
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final, Self

import attrs

from ekaci_core.api import Secret, UsageFault, WebhookRequest
from ekaci_forge_gitlab.config import GitLabConfig

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOKEN: Final = "x-gitlab-token"  # noqa: S105 - the name of a header

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"


@attrs.frozen
class WebhookKeys:
    """What requests are believed by.

    Attributes:
        secret: what GitLab sends in ``X-Gitlab-Token``; an empty one is none.
        signing: what it signs with.
        insecure: whether a request is believed where there is neither.
    """

    secret: Secret | None = None
    signing: bytes | None = attrs.field(default=None, repr=False)
    insecure: bool = False

    @classmethod
    def of(cls, config: GitLabConfig, where: str) -> Self:
        """Take them from a table. A secret in the form of a signing token is one, too.

        Raises:
            UsageFault: the signing token is none.
        """
        secret = config.webhook_secret or None
        signing = signing_key(config.signing_token) if config.signing_token else None
        if config.signing_token and signing is None:
            raise UsageFault(
                "not a signing token", where=f"{where}.signing_token", do="copy it from the webhook: whsec_ and base64"
            )
        if signing is None and secret is not None:
            signing = signing_key(secret)
        return cls(secret, signing, config.insecure_webhooks)

    @property
    def none(self) -> bool:
        """Whether there is nothing to check a request with."""
        return self.secret is None and self.signing is None

    def believe(self, request: WebhookRequest) -> bool:
        """Whether a request is genuine.

        A signature that can be checked decides alone: who can send a secret that leaked cannot sign with it.
        """
        if self.signing is not None and SIGNATURE in request.headers:
            return is_signed(request, self.signing)
        if self.secret is None:
            return False
        given = request.headers.get(TOKEN, "").encode(errors="replace")
        return hmac.compare_digest(given, self.secret.reveal().encode(errors="surrogateescape"))


def is_signed(request: WebhookRequest, key: bytes) -> bool:
    """Whether one of a request's signatures is right; there are two while a key is changed."""
    name, time = request.headers.get(ID, ""), request.headers.get(TIMESTAMP, "")
    given = request.headers.get(SIGNATURE, "")
    if not name or not time:
        return False
    signed = f"{name}.{time}.".encode(errors="replace") + request.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    found = False
    for each in given.split(" "):
        if each.startswith(_VERSION):
            found |= hmac.compare_digest(each.removeprefix(_VERSION).encode(errors="replace"), wanted)
    return found


def signing_key(token: Secret) -> bytes | None:
    """Return the key in a signing token, None where it is none."""
    text = token.reveal().strip()
    if not text.startswith(_PREFIX):
        return None
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True) or None
    except (binascii.Error, ValueError):
        return None
