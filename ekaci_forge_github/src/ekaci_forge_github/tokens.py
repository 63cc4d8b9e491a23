"""Installations of the app and the tokens that they give: each for one repository and one use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import anyio
import attrs

from ekaci_core.api import Clock, RepositoryId, Secret
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.client import Call, Client, Reply
from ekaci_forge_github.faults import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, UNPROCESSABLE, ApiFault, NotInstalled
from ekaci_forge_github.keys import AppKeys
from ekaci_forge_github.uses import Use, in_words

_APP_LANE: Final = "app"
# A token lasts an hour. What is begun with it, a clone above all, has to end before it does.
_LEFT_SECONDS: Final = 10 * 60.0
_MOST_TOKENS: Final = 10_000
_MOST_INSTALLATIONS: Final = 20_000


def path_of(repository: RepositoryId) -> str:
    """Return the path of a repository below the API."""
    return f"/repos/{quote(repository.owner, safe='')}/{quote(repository.name, safe='')}"


class AppCalls:
    """Calls as the app itself."""

    def __init__(self, client: Client, keys: AppKeys) -> None:
        self._client = client
        self._keys = keys

    async def call(self, call: Call) -> Reply:
        """Send a call, once more with a new key where GitHub refuses the one we have.

        Raises:
            ApiFault: no success.
            UsageFault: the credentials hold no key.
        """
        token = await self._keys.token()
        try:
            return await self._client.call(call, token, _APP_LANE)
        except ApiFault as fault:
            if fault.status != UNAUTHORIZED:
                raise
        await self._keys.renew(token)
        return await self._client.call(call, await self._keys.token(), _APP_LANE)


@attrs.frozen
class Grant:
    """A token of an installation, and until when it is good, in seconds since the epoch."""

    installation: int
    token: Secret
    expires_at: float


@attrs.define
class _Slot:
    """A place for one token; whoever needs it while it is being made waits for it."""

    lock: anyio.Lock = attrs.field(factory=anyio.Lock)
    grant: Grant | None = None


class Tokens:
    """Makes tokens and keeps them until shortly before they expire."""

    def __init__(self, app: AppCalls, clock: Clock, conceal: Callable[[Secret], None]) -> None:
        """Take what makes them; ``conceal`` is told each before it is used."""
        self._app = app
        self._clock = clock
        self._conceal = conceal
        self._installations: OrderedDict[str, int] = OrderedDict()
        self._slots: OrderedDict[tuple[str, Use], _Slot] = OrderedDict()

    def note(self, repository: RepositoryId, installation: int) -> None:
        """Take in which installation a repository belongs to; what was asked for stays."""
        self._installations.setdefault(_key(repository), installation)
        while len(self._installations) > _MOST_INSTALLATIONS:
            self._installations.popitem(last=False)

    def forget_account(self, account: str) -> None:
        """Forget all of an account, which has given or taken something."""
        mine = f"{account.lower()}/"
        for key in [each for each in self._installations if each.startswith(mine)]:
            del self._installations[key]
        for slot in [each for each in self._slots if each[0].startswith(mine)]:
            del self._slots[slot]

    async def on(self, repository: RepositoryId, use: Use) -> Grant:
        """Return a token for one repository and one use.

        Raises:
            NotInstalled: the app is not installed there.
            ApiFault: GitHub gives none; where a permission is missing the message names it.
        """
        slot = self._slot(_key(repository), use)
        async with slot.lock:
            if slot.grant is None or not self._lasts(slot.grant):
                slot.grant = await self._made_on(repository, use)
            return slot.grant

    async def across(self, installation: int, use: Use) -> Grant:
        """Return a token for all repositories of an installation; errors as for `on`."""
        slot = self._slot(f"#{installation}", use)
        async with slot.lock:
            if slot.grant is None or not self._lasts(slot.grant):
                slot.grant = await self._made(installation, use, None)
            return slot.grant

    def refused(self, grant: Grant) -> None:
        """Forget a token that GitHub does not accept any more."""
        for slot in self._slots.values():
            if slot.grant == grant:
                slot.grant = None

    def _slot(self, owner: str, use: Use) -> _Slot:
        slot = self._slots.setdefault((owner, use), _Slot())
        self._slots.move_to_end((owner, use))
        while len(self._slots) > _MOST_TOKENS:
            self._slots.popitem(last=False)
        return slot

    def _lasts(self, grant: Grant) -> bool:
        return self._clock.now() < grant.expires_at - _LEFT_SECONDS

    async def _made_on(self, repository: RepositoryId, use: Use) -> Grant:
        known = self._installations.get(_key(repository))
        if known is not None:
            try:
                return await self._made(known, use, repository)
            except ApiFault as fault:
                if fault.status != NOT_FOUND:
                    raise
                # It was taken away and made anew.
                self._installations.pop(_key(repository), None)
        installation = await self._looked_up(repository)
        self.note(repository, installation)
        return await self._made(installation, use, repository)

    async def _looked_up(self, repository: RepositoryId) -> int:
        try:
            reply = await self._app.call(Call("GET", f"{path_of(repository)}/installation"))
            return Fields(reply.data).number("id")
        except Malformed as error:
            raise _strange(error, repository) from None
        except ApiFault as fault:
            if fault.status != NOT_FOUND:
                raise
            raise NotInstalled(
                "the app is not installed there, or the repository is gone",
                status=NOT_FOUND,
                where=str(repository),
                do="install the app for this repository",
            ) from None

    async def _made(self, installation: int, use: Use, repository: RepositoryId | None) -> Grant:
        refusal: ApiFault | None = None
        for permissions in use.alternatives:
            body: dict[str, object] = {"permissions": dict(permissions)}
            if repository is not None:
                body["repositories"] = [repository.name]
            address = f"/app/installations/{installation}/access_tokens"
            try:
                reply = await self._app.call(Call("POST", address, body=body, repeatable=True))
                given = Fields(reply.data)
                token = Secret(given.text("token"))
                self._conceal(token)
                return Grant(installation, token, given.time("expires_at"))
            except Malformed as error:
                raise _strange(error, repository) from None
            except ApiFault as fault:
                # Both for permissions that were not granted and for repositories that are not the installation's.
                if fault.status != UNPROCESSABLE:
                    raise
                refusal = refusal or fault
        raise _refused(use, refusal, repository)


def _refused(use: Use, refusal: ApiFault | None, repository: RepositoryId | None) -> ApiFault:
    return ApiFault(
        f"no token with {in_words(use.alternatives)}" + (f": {refusal.what}" if refusal else ""),
        status=FORBIDDEN,
        where=str(repository) if repository else None,
        do="see with `ekaci forge check` what the app was not granted",
    )


def _strange(error: Malformed, repository: RepositoryId | None) -> ApiFault:
    return ApiFault(f"GitHub's answer is not understood: {error}", where=str(repository) if repository else None)


def _key(repository: RepositoryId) -> str:
    return repository.path.lower()
