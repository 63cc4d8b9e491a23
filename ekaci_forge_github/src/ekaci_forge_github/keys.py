"""Who the app is: its id and private key, renewed when they expire or are refused, and what is signed with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import anyio.to_thread
import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gidgethub.apps import get_jwt

from ekaci_core.api import Clock, HeldCredentials, InfrastructureFault, Lease, Logger, Secret, UsageFault

APP_ID: Final = "GITHUB_APP_ID"
PRIVATE_KEY: Final = "GITHUB_APP_PRIVATE_KEY"

# An id, or a client id: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
_APP_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_PEM: Final = "-----BEGIN"
# GitHub takes ten minutes at most, counted from the issue, which the library dates back a minute.
_SIGNED_SECONDS: Final = 9 * 60
_USED_SECONDS: Final = 7 * 60
_BEFORE_EXPIRY_SECONDS: Final = 60.0


@attrs.frozen
class AppKey:
    """An app's id and its private key in PEM."""

    app_id: str
    pem: Secret

    @property
    def number(self) -> int | None:
        """The id as a number; None where it is a client id."""
        return int(self.app_id) if self.app_id.isdecimal() else None


async def app_key_of(secrets: Mapping[str, Secret], where: str) -> AppKey:
    """Return what a source yields, checked.

    Raises:
        UsageFault: it is not there or is no key; nothing of it is in the message.
    """
    app_id = secrets.get(APP_ID, Secret("")).reveal().strip()
    if not app_id:
        raise UsageFault(f"the credentials hold no {APP_ID}", where=where, do=f"name a source that yields {APP_ID}")
    if not _APP_ID.fullmatch(app_id):
        raise UsageFault(f"{APP_ID} is no app id", where=where, do="copy it from the app's settings page")
    given = secrets.get(PRIVATE_KEY, Secret("")).reveal().strip()
    if not given:
        raise UsageFault(
            f"the credentials hold no {PRIVATE_KEY}", where=where, do=f"name a source that yields {PRIVATE_KEY}"
        )
    pem = given if _PEM in given else await _read(given, where)
    # Some ways to write an environment file keep the two characters \n.
    return AppKey(app_id, Secret(await anyio.to_thread.run_sync(_checked, pem.replace("\\n", "\n"), where)))


async def _read(path: str, where: str) -> str:
    if not path.startswith("/") or "\n" in path:
        # It may be a key in another form: it is not shown.
        raise UsageFault(
            f"{PRIVATE_KEY} is neither a key in PEM nor an absolute path", where=where, do="generate a key on GitHub"
        )
    try:
        return await anyio.Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageFault(
            f"{PRIVATE_KEY} names {path}, which cannot be read ({reason})", where=where, do="see who may read it"
        ) from None


def _checked(pem: str, where: str) -> str:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise UsageFault(
            f"{PRIVATE_KEY} is no RSA private key in PEM", where=where, do="generate a private key on the app's page"
        )
    return pem


def _signed(key: AppKey, where: str) -> Secret:
    try:
        return Secret(get_jwt(app_id=key.app_id, private_key=key.pem.reveal(), expiration=_SIGNED_SECONDS))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise UsageFault("nothing can be signed with the private key", where=where, do="generate a new one") from None


class AppKeys:
    """The app's key as its source yields it now, and tokens that are signed with it."""

    def __init__(
        self, source: HeldCredentials, clock: Clock, log: Logger, where: str, conceal: Callable[[Secret], None]
    ) -> None:
        """Take the open source.

        Args:
            source: yields the key.
            clock: time.
            log: told when an older key is used.
            where: the table's address in the configuration.
            conceal: told every token that is signed before it is used.
        """
        self._conceal = conceal
        self._source = source
        self._clock = clock
        self._log = log
        self._where = where
        self._lock = anyio.Lock()
        self._key: AppKey | None = None
        self._lease: Lease | None = None
        self._signed: tuple[Secret, float] | None = None

    async def key(self) -> AppKey:
        """Return the key, resolved anew where its lease is about to end.

        Raises:
            UsageFault: the source yields no key.
            InfrastructureFault: it cannot be reached and no older key is valid.
        """
        async with self._lock:
            return await self._current()

    async def token(self) -> Secret:
        """Return a signed token of the app; errors as for `key`."""
        async with self._lock:
            key = await self._current()
            if self._signed is None or self._clock.monotonic() >= self._signed[1]:
                # Reading a key takes a tenth of a second.
                signed = await anyio.to_thread.run_sync(_signed, key, self._where)
                self._conceal(signed)
                self._signed = signed, self._clock.monotonic() + _USED_SECONDS
            return self._signed[0]

    async def renew(self, refused: Secret) -> None:
        """Resolve anew after GitHub refused a token of ours; errors as for `key`."""
        async with self._lock:
            if self._signed is not None and self._signed[0] != refused:
                return
            self._signed = None
            lease = await self._source.renew(self._lease)
            self._key, self._lease = await app_key_of(lease.secrets, self._where), lease

    async def _current(self) -> AppKey:
        expiry = self._lease.expires_at if self._lease else None
        now = self._clock.now()
        if self._key is not None and (expiry is None or now < expiry - _BEFORE_EXPIRY_SECONDS):
            return self._key
        try:
            lease = await self._source.resolve()
        except InfrastructureFault as fault:
            if self._key is not None and expiry is not None and now < expiry:
                self._log.warning("credentials_not_renewed", where=self._where, reason=fault.what)
                return self._key
            raise
        key = await app_key_of(lease.secrets, self._where)
        if key != self._key:
            self._signed = None
        self._lease, self._key = lease, key
        return key
