"""What realising derivations takes, found out by asking the store and the binary caches ourselves."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import Clock
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import STORE_DIR, DrvPath, StorePath
from ekaci_core.nix.aterm import MalformedDerivation
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.nix.narinfo import public_keys
from ekaci_core.nix.path_info import invalid_paths
from ekaci_core.nix.recipes import Recipe, parse_recipe
from ekaci_core.nix.records import VanishedDerivation, read_file
from ekaci_core.nix.substitution_settings import SubstitutionSettings
from ekaci_core.substitution.addresses import CacheAddress, parse_address, shown
from ekaci_core.substitution.build_logs import FetchedLog, fetch_log
from ekaci_core.substitution.cache import BinaryCache
from ekaci_core.substitution.credentials import read_netrc
from ekaci_core.substitution.folder import FolderCache
from ekaci_core.substitution.http import HttpAccess, HttpCache, Patience
from ekaci_core.substitution.lookups import Lookups
from ekaci_core.substitution.memory import Memory
from ekaci_core.substitution.substituter import Substituter, Trust
from ekaci_core.substitution.walk import Walk

AskNix = Callable[[Collection[DrvPath]], Awaitable[BuildPlan]]
"""Nix's own plan for what ``nix-store --realise`` takes: a derivation may be followed by ``!`` and names of outputs."""

# So many derivations are read at a time before others have their turn.
_CHUNK: Final = 500
_NOWHERE: Final = "0" * 32 + "-nothing-of-that-name"
_CLOSING_SECONDS: Final = 2.0
_LEAST_AT_ONCE: Final = 64
_MOST_AT_ONCE: Final = 512


@asynccontextmanager
async def open_substitution(
    settings: SubstitutionSettings,
    *,
    environment: Mapping[str, str],
    clock: Clock,
    ask_nix: AskNix,
    note: Callable[[str], object],
    local_store: bool = True,
    patience: Patience | None = None,
) -> AsyncIterator[Substitution]:
    """Open what plans are made with; nothing is asked yet.

    Args:
        settings: Nix's.
        environment: that of Nix's programs.
        clock: time.
        ask_nix: makes the plans that cannot be made here, usually `ekaci_core.nix.dry_run.build_plan`.
        note: told once of each thing that a person may want to know: a sentence without secrets.
        local_store: whether the store's files are those that this machine shows under the same paths.
        patience: with caches over HTTP; by default that of Nix's settings.

    Raises:
        InfrastructureFault: a public key of the settings cannot be read.
    """
    patience = patience or Patience(
        attempts=max(1, settings.download_attempts),
        connect_seconds=settings.connect_timeout or Patience().connect_seconds,
    )
    at_once = settings.http_connections or _MOST_AT_ONCE
    at_once = min(max(at_once, _LEAST_AT_ONCE), _MOST_AT_ONCE)
    store = environment.get("NIX_STORE_DIR") or STORE_DIR
    trust = Trust(public_keys(settings.trusted_public_keys) if settings.require_sigs else None, store)
    access = HttpAccess(environment, connections=at_once, patience=patience)
    caches: list[BinaryCache] = [
        HttpCache(access, address, clock) if address.folder is None else FolderCache(address, Path(address.folder))
        for address in _addresses(settings)
    ]
    try:
        yield Substitution(
            settings=settings,
            environment=environment,
            clock=clock,
            ask_nix=ask_nix,
            note=_once(note),
            only_nix=_why_only_nix(settings, local_store=local_store),
            substituters=[Substituter(each, trust, clock) for each in caches],
            memory=Memory(positive_ttl=settings.positive_ttl, negative_ttl=settings.negative_ttl),
            at_once=at_once,
        )
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSING_SECONDS):
            await access.close()


@attrs.frozen
class Substitution:
    """Makes plans and fetches logs; see `open_substitution`."""

    # Both may hold passwords, and what is shown of an object ends up in logs.
    settings: SubstitutionSettings = attrs.field(repr=False)
    environment: Mapping[str, str] = attrs.field(repr=False)
    clock: Clock
    ask_nix: AskNix = attrs.field(repr=False)
    note: Callable[[str], object]
    only_nix: str
    substituters: Sequence[Substituter]
    memory: Memory
    at_once: int
    introduced: set[str] = attrs.field(factory=set)

    async def plan(self, roots: Collection[DrvPath]) -> BuildPlan:
        """Find out what realising all outputs of these derivations would take.

        It is what Nix would do, which is not always what its dry run says: what nobody trusted has signed, and what
        refers to something that is not to be had, is built.

        Raises:
            InfrastructureFault: Nix failed; or no cache could say whether something can be fetched, and Nix's
                settings do not say that it is to be built then (``fallback``).
        """
        if self.only_nix:
            self.note(f"Nix is asked what is to be built, since {self.only_nix}.")
            return await self.ask_nix(roots)
        lookups = Lookups(self.substituters, self.memory, self.clock, at_once=self.at_once)
        if self.settings.substitute:
            await lookups.open()
            for name, reason in lookups.left_out.items():
                self.note(f"The substituter {name} is left out: {reason}.")
        walk = await self._walk(roots, lookups)
        self._tell(walk, lookups)
        plan = walk.plan()
        if walk.beyond:
            self.note("Nix is asked about derivations whose outputs' paths are not known before they are built.")
            plan |= await self.ask_nix([_with_outputs(*each) for each in sorted(walk.beyond.items())])
        elif plan.to_build and lookups.usable:
            await self._introduce(lookups)
        return plan

    async def fetch_log(self, drv: DrvPath, write: Callable[[bytes], object], *, limit: int) -> FetchedLog | None:
        """Fetch the log of a build that was made elsewhere, from the first cache that has it.

        Args:
            drv: the derivation.
            write: takes the log piece by piece; called only once there is one.
            limit: bytes, unpacked; what is longer is cut.

        Returns:
            How much there was and from where, None where no cache has it.

        Raises:
            InfrastructureFault: nobody has it, and not all could be asked.
        """
        lookups = Lookups(self.substituters, self.memory, self.clock, at_once=self.at_once)
        await lookups.open()
        return await fetch_log(lookups.usable, drv, write, limit=limit, left_out=lookups.left_out)

    async def _introduce(self, lookups: Lookups) -> None:
        """Let one Nix meet the substituters before several do at once: as strangers, they fail over their database."""
        if all(each.name in self.introduced for each in lookups.usable):
            return
        try:
            await self.ask_nix([DrvPath(f"{self.environment.get('NIX_STORE_DIR') or STORE_DIR}/{_NOWHERE}")])
        except InfrastructureFault as fault:
            self.note(f"Nix has trouble with its substituters: {fault.what}.")
        self.introduced.update(each.name for each in lookups.usable)

    async def _walk(self, roots: Collection[DrvPath], lookups: Lookups) -> Walk:
        facts: dict[StorePath, bool] = {}
        recipes: dict[DrvPath, Recipe | None] = {}
        while True:
            guesses: dict[StorePath, bool] = {}
            walk = Walk(
                partial(_read, recipes),
                partial(_exists, facts, guesses),
                substitutes=self.settings.substitute and bool(lookups.usable),
                always=self.settings.always_allow_substitutes,
                fallback=self.settings.fallback,
            )
            wanted = list(roots)
            for start in range(0, len(wanted), _CHUNK):
                await anyio.to_thread.run_sync(walk.want, wanted[start : start + _CHUNK])
            while True:
                await lookups.answer(walk)
                if not await anyio.to_thread.run_sync(walk.revise):
                    break
            if not guesses:
                return walk
            # Files may be there that no build finished, and only Nix knows.
            invalid = await invalid_paths(guesses, self.environment)
            facts |= {path: path not in invalid for path in guesses}
            if all(facts[path] is guess for path, guess in guesses.items()):
                return walk

    def _tell(self, walk: Walk, lookups: Lookups) -> None:
        for name, reason in lookups.failures.items():
            self.note(f"The substituter {name} did not answer all questions: {reason}.")
        for substituter in lookups.usable:
            if substituter.distrusted:
                self.note(
                    f"The substituter {substituter.name} has store paths that none of trusted-public-keys signed; "
                    "they are built."
                )
        doubtful = walk.doubtful
        if doubtful:
            name, reason = next(iter(lookups.failures.items()))
            raise InfrastructureFault(
                f"no substituter could say whether {len(doubtful)} derivation(s) can be fetched: {reason}",
                where=name,
                do="try again later, or set `fallback = true` in nix.conf to build what cannot be looked up",
            )


def _addresses(settings: SubstitutionSettings) -> list[CacheAddress]:
    credentials = read_netrc(settings.netrc_file)
    found = []
    for text in dict.fromkeys(settings.substituters):
        address = parse_address(text)
        if address is not None:
            if address.credentials is None and address.folder is None:
                address = attrs.evolve(address, credentials=credentials(address.host))
            found.append(address)
    return found


def _why_only_nix(settings: SubstitutionSettings, *, local_store: bool) -> str:
    if not local_store:
        return "its store is not this machine's own"
    if not settings.substitute:
        return ""
    others = [shown(text) for text in settings.substituters if parse_address(text) is None]
    return f"only Nix can ask the substituter {others[0]}" if others else ""


def _once(note: Callable[[str], object]) -> Callable[[str], object]:
    said: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            note(sentence)

    return tell


def _with_outputs(drv: DrvPath, names: set[str] | None) -> DrvPath:
    return drv if names is None else DrvPath(f"{drv}!{','.join(sorted(names))}")


def _read(known: dict[DrvPath, Recipe | None], drv: DrvPath) -> Recipe | None:
    if drv not in known:
        try:
            known[drv] = parse_recipe(drv, read_file(drv))
        except (MalformedDerivation, VanishedDerivation):
            known[drv] = None  # Nix says what is wrong with it
    return known[drv]


def _exists(facts: dict[StorePath, bool], guesses: dict[StorePath, bool], path: StorePath) -> bool:
    fact = facts.get(path)
    if fact is not None:
        return fact
    guess = guesses.get(path)
    if guess is None:
        guess = guesses[path] = os.path.lexists(path)
    return guess
