"""Asks Vault. Everything here blocks, and belongs into a worker thread; one thread at a time asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import hvac
import hvac.exceptions

from ekaci_core.api import EkaciError, Lease, NotKeyValues, Secret, UsageFault, secrets_of
from ekaci_credentials_vault.expiry import seconds_of
from ekaci_credentials_vault.faults import RAISED, Denied, fault_of
from ekaci_credentials_vault.peers import Resolve, guarded_session
from ekaci_credentials_vault.settings import VaultSettings

TIMEOUT_SECONDS: Final = 8
"""The longest wait for each answer; a lease takes two or three."""
DEFAULT_MOUNT: Final = "secret"
POD_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_SHORTEST_SECONDS: Final = 5.0
_FILE_BYTES: Final = 64 * 1024

_DENIED: Final = "see that the token is valid and that its policy may read it"


@attrs.define
class Token:
    """How long the token in use holds; ``until`` is on the monotonic clock, None for ever."""

    renewable: bool
    granted: float
    until: float | None


class VaultSession:
    """A client that has logged in, or will when it is first asked."""

    def __init__(
        self,
        settings: VaultSettings,
        environment: Mapping[str, str],
        resolve: Resolve,
        conceal: Callable[[Secret], None],
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            settings: checked already.
            environment: where the token's variable is looked up.
            resolve: says which addresses of Vault's host may be connected to.
            conceal: told every token, and what it is got with, before it is used.
        """
        self._settings = settings
        self._environment = environment
        self._conceal = conceal
        self._lock = threading.Lock()
        self._token: Token | None = None
        session = guarded_session(resolve)
        session.verify = str(settings.ca_file) if settings.ca_file else True  # the client believes its session alone
        self._client = hvac.Client(
            url=settings.address.rstrip("/"),
            token="",  # otherwise it looks for one by itself
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,  # the token would go along, to whoever is named
            session=session,
            namespace=settings.namespace,
        )

    def __repr__(self) -> str:
        return f"VaultSession({self._settings.address!r})"

    def close(self) -> None:
        """Drop the connections."""
        self._client.adapter.close()

    def read(self) -> Lease:
        """Read the secret; where the token is refused and there is a way to get another, with another.

        Raises:
            EkaciError: it cannot be had.
        """
        with self._lock:
            fresh = self._token is None
            if self._token is None or self._expired(self._token):
                self._log_in()
            try:
                return self._read()
            except Denied:
                if fresh:
                    raise
                self._log_in()
                return self._read()

    def pause(self) -> float | None:
        """Say in how many seconds the token is to be renewed; None where it need not be."""
        token = self._token
        if token is None or token.until is None:
            return None
        return max((token.until - time.monotonic()) - token.granted / 2, _SHORTEST_SECONDS)

    def prolong(self) -> None:
        """Renew the token, or get another where it cannot be renewed.

        Raises:
            EkaciError: neither can be had now.
        """
        with self._lock:
            token = self._token
            if token is None:
                return
            if token.renewable:
                try:
                    auth = self._answered(self._client.auth.token.renew_self(), "auth")
                except RAISED as error:
                    if not isinstance(error, hvac.exceptions.Forbidden | hvac.exceptions.InvalidRequest):
                        raise self._fault(error, "failed to renew the token", _DENIED) from None
                else:
                    granted = float(auth.get("lease_duration") or 0)
                    renewed = Token(bool(auth.get("renewable")), granted, time.monotonic() + granted)
                    if granted >= token.granted / 2 or self._settings.auth == "token":
                        self._token = renewed
                        return
            self._log_in()

    def _expired(self, token: Token) -> bool:
        return token.until is not None and time.monotonic() >= token.until

    def _log_in(self) -> None:
        self._token = None
        settings, auth = self._settings, self._client.auth
        mount = settings.auth_mount or settings.auth
        doing = f"failed to log in by {settings.auth}"
        try:
            match settings.auth:
                case "approle":
                    secret_id = self._secret(settings.secret_id_file, settings.secret_id_env, "secret id")
                    answer = auth.approle.login(role_id=settings.role_id, secret_id=secret_id, mount_point=mount)
                case "kubernetes":
                    jwt = self._from_file(settings.jwt_file or POD_TOKEN)
                    answer = auth.kubernetes.login(role=settings.role, jwt=jwt, mount_point=mount)
                case "jwt" if settings.jwt_file is not None:
                    jwt = self._from_file(settings.jwt_file)
                    answer = auth.jwt.jwt_login(role=settings.role, jwt=jwt, path=mount)
                    self._client.token = self._answered(answer, "auth")["client_token"]
                case _:
                    self._client.token = self._secret(settings.token_file, settings.token_env, "token")
                    self._token = self._looked_up()
                    return
            granted = self._answered(answer, "auth")
            self._conceal(Secret(str(granted.get("client_token", ""))))
            seconds = float(granted.get("lease_duration") or 0)
            until = time.monotonic() + seconds if seconds else None
            self._token = Token(bool(granted.get("renewable")), seconds, until)
        except RAISED as error:
            do = f"verify the role, and what it is logged in with, at auth/{mount}"
            raise self._fault(error, doing, do) from None

    def _looked_up(self) -> Token:
        """Ask how long a given token holds; one that may not ask about itself is used as it is."""
        try:
            data = self._answered(self._client.auth.token.lookup_self(), "data")
        except hvac.exceptions.Forbidden:
            return Token(renewable=False, granted=0.0, until=None)
        seconds = float(data.get("ttl") or 0)
        # What a token was granted is what a renewal brings, and not what is left of it.
        granted = float(data.get("period") or data.get("creation_ttl") or seconds)
        renewable = bool(data.get("renewable"))
        return Token(renewable, granted, time.monotonic() + seconds if seconds else None)

    def _secret(self, file: Path | None, variable: str, what: str) -> str:
        if file is not None:
            return self._from_file(file)
        value = self._environment.get(variable, "")
        if not value:
            raise UsageFault(
                f"Vault {what} environment variable {variable} not found",
                where=self._settings.where,
                do=f"set it where the server is started, or name a file with the {what}",
            )
        self._conceal(Secret(value.strip()))
        return value.strip()

    def _from_file(self, path: Path) -> str:
        text = _text(path, self._settings)
        self._conceal(Secret(text))
        return text

    def _read(self) -> Lease:
        path = self._settings.secret_path
        doing = f"failed to read secret from Vault path {path}"
        try:
            mount, rest, version = self._place()
            do = f"try: vault kv get -mount={mount} {rest}; {_DENIED}, and see mount, namespace and secret_path"
            spot = f"{mount}/data/{rest}" if version > 1 else f"{mount}/{rest}"
            try:
                data = self._answered(self._client.adapter.get(f"/v1/{spot}"), "data")
            except RAISED as error:
                raise self._fault(error, doing, do) from None
            expires = None
            if version > 1:
                expires = seconds_of((data.get("metadata") or {}).get("deletion_time"))
                data = data["data"]
            return Lease(secrets_of(data), expires)
        except NotKeyValues as wrong:
            raise UsageFault(f"{doing}: {wrong}", where=self._settings.where, do="keep texts there") from None
        except RAISED as error:
            raise self._fault(error, doing, _DENIED) from None
        except (KeyError, TypeError, AttributeError):
            raise self._fault(ValueError(), doing, _DENIED) from None

    def _place(self) -> tuple[str, str, int]:
        """Find mount, path below it and version, in whichever of its spellings the path is written."""
        path, mount, version = self._settings.secret_path.strip("/"), self._settings.mount, self._settings.kv_version
        if mount is None or version is None:
            found = self._preflight(f"{mount.strip('/')}/" if mount else path)
            if found is None and mount is None:
                found = self._preflight(f"{DEFAULT_MOUNT}/{path}")
            mount = mount or (found[0] if found else DEFAULT_MOUNT)
            version = version or (found[1] if found else 2)
        mount = mount.strip("/")
        rest = path.removeprefix(f"{mount}/")
        return mount, rest.removeprefix("data/") if version > 1 and rest != path else rest, version

    def _preflight(self, path: str) -> tuple[str, int] | None:
        """Ask what is mounted where a path leads, as `vault kv` does; None where Vault does not say."""
        try:
            data = self._answered(self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}"), "data")
        except (hvac.exceptions.Forbidden, hvac.exceptions.InvalidPath):
            return None
        return str(data["path"]), int((data.get("options") or {}).get("version") or 1)

    def _answered(self, answer: Any, member: str) -> Mapping[str, Any]:
        """Take a member of what Vault answered; a redirection, for one, has none."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get(member), Mapping):
            raise ValueError(member)  # noqa: TRY004 - as a text that is no JSON
        found: Mapping[str, Any] = answer[member]
        return found

    def _fault(self, error: Exception, doing: str, do: str) -> EkaciError:
        return fault_of(error, doing, self._settings, denied=do)


def _text(path: Path, settings: VaultSettings) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_FILE_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageFault(
            f"{path} cannot be read: {reason}", where=settings.where, do="mend its path or its permissions"
        ) from None
