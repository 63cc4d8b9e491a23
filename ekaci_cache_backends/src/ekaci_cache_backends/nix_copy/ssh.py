"""The store of another machine, which Nix itself talks to by ssh."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import attrs

from ekaci_cache_backends.nix_copy.destination import SshPlace
from ekaci_cache_backends.nix_copy.nix import Nix
from ekaci_cache_backends.nix_copy.trouble import Trouble, of_fault
from ekaci_core.api import (
    AddressGuard,
    AlreadyPresent,
    EkaciError,
    HeldCredentials,
    Lease,
    Pushed,
    PushOutcome,
    PushRequest,
    StorePath,
    UsageFault,
)

KEY: Final = "SSH_PRIVATE_KEY"
HOSTS: Final = "SSH_KNOWN_HOSTS"
_OPTIONS: Final = ("BatchMode=yes", "ServerAliveInterval=10")
_MANY: Final = 400
_REFUSED: Final = "Permission denied"
_LASTING: Final = ("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED", "lacks a valid signature")
_LATER: Final = (
    "Connection refused",
    "Connection timed out",
    "Connection reset",
    "Connection closed",
    "Could not resolve hostname",
    "Network is unreachable",
    "No route to host",
    "Broken pipe",
    "failed to start SSH connection",
    "cannot connect to",
    "protocol mismatch",
    "unexpected end-of-file",
    "No space left on device",
    "timed out",
)

Result = TypeVar("Result")


@attrs.frozen
class OtherStore:
    """Implements `Cache`. A store is whole: with a path goes all that it refers to and that is not there."""

    _place: SshPlace
    _nix: Nix
    _held: HeldCredentials
    _addresses: AddressGuard
    _private: Path
    _seconds: int

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these it has not.

        Raises:
            EkaciError: it cannot be asked.
        """
        if not paths:
            return frozenset()
        try:
            return await self._renewing(lambda environment: self._absent(list(paths), environment))
        except Trouble as trouble:
            raise trouble.fault(self._where) from None

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there."""
        paths = list(dict.fromkeys(request.paths))
        outcomes: dict[StorePath, PushOutcome] = {}
        try:
            if paths:
                await self._renewing(lambda environment: self._push(paths, request, environment, outcomes))
        except Trouble as trouble:
            self._fail(paths, outcomes, trouble)
        except EkaciError as fault:
            self._fail(paths, outcomes, of_fault(fault))
        return outcomes

    async def check(self) -> None:
        """Ask whether the host may be reached; ssh resolves its name again.

        Raises:
            UsageFault: it may not.
            InfrastructureFault: its name does not resolve now.
        """
        await self._addresses.resolve(self._place.host, self._place.port)

    async def _push(
        self,
        paths: Sequence[StorePath],
        request: PushRequest,
        environment: Mapping[str, str],
        outcomes: dict[StorePath, PushOutcome],
    ) -> None:
        missing = await self._absent(paths, environment)
        outcomes.update((path, AlreadyPresent()) for path in paths if path not in missing)
        facts = await self._nix.facts([path for path in paths if path in missing])
        gone = Trouble("it is not valid in the store of this machine", "see whether it was built")
        outcomes.update((path, gone.outcome(self._where)) for path in missing if path not in facts)
        left = [path for path in paths if path in facts]
        for start in range(0, len(left), _MANY):
            some = left[start : start + _MANY]
            try:
                await self._nix.copy(
                    some, self._place.url, request.log, arguments=("--no-check-sigs",), more=environment
                )
            except Trouble as trouble:
                told = judged(trouble)
                if told.denied:
                    raise told from None
                absent = await self._absent(some, environment)
                outcomes.update((path, told.outcome(self._where)) for path in some if path in absent)
            outcomes.update((path, Pushed()) for path in some if path not in outcomes)

    async def _absent(self, paths: Sequence[StorePath], environment: Mapping[str, str]) -> frozenset[StorePath]:
        try:
            return await self._nix.absent(paths, self._place.url, environment, self._seconds)
        except Trouble as trouble:
            raise judged(trouble) from None

    async def _renewing(self, work: Callable[[Mapping[str, str]], Awaitable[Result]]) -> Result:
        """Do something there; where the key is refused, once more with one that is read anew."""
        await self.check()
        lease = await self._held.resolve()
        try:
            async with self._environment(lease) as environment:
                return await work(environment)
        except Trouble as trouble:
            if not trouble.denied:
                raise
        async with self._environment(await self._held.renew(lease)) as environment:
            return await work(environment)

    @asynccontextmanager
    async def _environment(self, lease: Lease) -> AsyncIterator[Mapping[str, str]]:
        """Write what was leased to files that nobody else reads, for as long as this is open."""
        unknown = lease.secrets.keys() - {KEY, HOSTS}
        if unknown:
            do = f"let the source give {KEY}, {HOSTS}, or nothing"
            raise UsageFault(f"ssh has no use for {', '.join(sorted(unknown))}", where=self._where, do=do)
        with tempfile.TemporaryDirectory(dir=self._private) as folder:
            words = self._nix.environment.get("NIX_SSHOPTS", "").split()
            words += ["-p", str(self._place.port)] if self._place.says_port else []
            for option in (*_OPTIONS, f"ConnectTimeout={self._seconds}", *_files(lease, Path(folder))):
                words += ["-o", option]
            yield {"NIX_SSHOPTS": " ".join(words)}

    @property
    def _where(self) -> str:
        return f"ssh to {self._place.host}"

    def _fail(self, paths: Sequence[StorePath], outcomes: dict[StorePath, PushOutcome], trouble: Trouble) -> None:
        outcomes.update((path, trouble.outcome(self._where)) for path in paths if path not in outcomes)


def _files(lease: Lease, folder: Path) -> Iterator[str]:
    """Write secrets to files, and return the options of ssh that name them."""
    for name, option in ((KEY, "IdentityFile"), (HOSTS, "UserKnownHostsFile")):
        if name in lease.secrets:
            file = folder / name
            file.touch(mode=0o600, exist_ok=False)
            file.write_text(f"{lease.secrets[name].reveal().strip()}\n")
            yield f"{option}={file}"
    if KEY in lease.secrets:
        yield "IdentitiesOnly=yes"


def judged(trouble: Trouble) -> Trouble:
    """Return what Nix's failure means, by what ssh says: Nix itself has one status for all."""
    said = trouble.said or trouble.reason
    if any(words in said for words in _LASTING):
        return attrs.evolve(trouble, transient=False, do="see known_hosts and the rights of the user there")
    if _REFUSED in said:
        return attrs.evolve(trouble, transient=False, denied=True, do="see credentials: the key is not accepted there")
    if any(words in said for words in _LATER):
        return attrs.evolve(trouble, transient=True, do="see whether the machine is reached from here")
    return trouble
