"""What GitHub checks of an App's JSON Web Token, written from the page and without the libraries that Apps use.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.standins.github.records import App

LONGEST_SECONDS: Final = 600


class BadToken(Exception):
    """GitHub would not accept the token; the message is what it says."""


class KeyPair(NamedTuple):
    """An App's key: what GitHub keeps, and the file that the operator downloads."""

    public: rsa.RSAPublicKey
    private: str


@cache
def key_pair(number: int = 0) -> KeyPair:
    """Make a key; the same for the same number, since making one takes a while."""
    del number
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return KeyPair(key.public_key(), pem.decode())


def app_of_jwt(token: str, apps: Mapping[int, App], now: float) -> App:
    """Return the App whose token it is.

    Raises:
        BadToken: it is not one, is signed by another key, or its times are wrong.
    """
    try:
        head, claims, signature = token.split(".")
        header, said = json.loads(_decoded(head)), json.loads(_decoded(claims))
        app = next(each for each in apps.values() if str(said["iss"]) in (str(each.id), each.client_id))
    except (ValueError, KeyError, TypeError, StopIteration):
        raise BadToken("A JSON web token could not be decoded") from None
    if header.get("alg") != "RS256":
        raise BadToken("A JSON web token could not be decoded")
    try:
        app.public_key.verify(_decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadToken("A JSON web token could not be decoded") from None
    _check_times(said, now)
    return app


def _check_times(said: Mapping[str, Any], now: float) -> None:
    issued, expires = said.get("iat"), said.get("exp")
    if not isinstance(issued, int) or issued > now:
        raise BadToken(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
    if not isinstance(expires, int) or expires <= now:
        raise BadToken("'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if expires > now + LONGEST_SECONDS:
        raise BadToken("'Expiration time' claim ('exp') is too far in the future")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def webhook_signature(secret: str, body: bytes) -> str:
    """Sign a delivery: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
