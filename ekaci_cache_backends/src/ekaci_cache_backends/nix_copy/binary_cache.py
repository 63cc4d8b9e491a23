"""A binary cache: files that Nix writes, on a shelf that some protocol leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs

from ekaci_cache_backends.nix_copy.narinfo import CACHE_INFO, narinfo_name, store_folder
from ekaci_cache_backends.nix_copy.nix import in_order
from ekaci_cache_backends.nix_copy.pushing import Push
from ekaci_cache_backends.nix_copy.shelves import Shelves
from ekaci_cache_backends.nix_copy.staging import Press
from ekaci_cache_backends.nix_copy.trouble import Trouble, of_fault
from ekaci_cache_backends.nix_copy.turns import Turn, turn
from ekaci_core.api import (
    AlreadyPresent,
    EkaciError,
    HeldCredentials,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
)

_NOT_HERE = Trouble("it is not valid in the store of this machine", "see whether it was built, and not collected since")


@attrs.frozen
class BinaryCache:
    """Implements `Cache`; nothing is kept between two calls."""

    _shelves: Shelves
    _held: HeldCredentials
    _press: Press
    _uploads: int

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        """Say which of these it has not.

        Raises:
            EkaciError: it cannot be asked.
        """
        if not paths:
            return frozenset()
        try:
            async with turn(self._shelves, self._held) as current:
                return (await _found(current, paths)).missing
        except Trouble as trouble:
            raise trouble.fault(self._shelves.where) from None

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        """Bring paths there."""
        paths = list(dict.fromkeys(request.paths))
        outcomes: dict[StorePath, PushOutcome] = {}
        try:
            if paths:
                await self._push(paths, request, outcomes)
        except Trouble as trouble:
            self._fail(paths, outcomes, trouble)
        except EkaciError as fault:
            self._fail(paths, outcomes, of_fault(fault))
        return outcomes

    async def _push(
        self, paths: Sequence[StorePath], request: PushRequest, outcomes: dict[StorePath, PushOutcome]
    ) -> None:
        async with turn(self._shelves, self._held) as current:
            found = await _found(current, paths)
            missing = found.missing
            outcomes.update((path, AlreadyPresent()) for path in paths if path not in missing)
            facts = await self._press.nix.facts([path for path in paths if path in missing])
            where = self._shelves.where
            outcomes.update((path, _NOT_HERE.outcome(where)) for path in missing if path not in facts)
            if not facts:
                return
            ordered = {path: facts[path] for path in in_order(facts)}
            async with self._press.stage() as stage:
                push = Push(current, stage, where, request.log, self._uploads, ordered, found.is_begun, outcomes)
                await push.run()

    def _fail(self, paths: Sequence[StorePath], outcomes: dict[StorePath, PushOutcome], trouble: Trouble) -> None:
        failed: PushFailed = trouble.outcome(self._shelves.where)
        outcomes.update((path, failed) for path in paths if path not in outcomes)


@attrs.frozen
class _Found:
    missing: frozenset[StorePath]
    is_begun: bool


async def _found(current: Turn, paths: Collection[StorePath]) -> _Found:
    """Look what is there. A place that does not say that it is a binary cache of this store is not believed."""
    cache_info = await current.do(lambda shelf: shelf.read(CACHE_INFO))
    if cache_info is not None:
        folder, theirs = next(iter(paths)).rpartition("/")[0], store_folder(cache_info)
        if theirs is None:
            raise Trouble("its nix-cache-info makes no sense", "see whether a binary cache is there", transient=True)
        if theirs != folder:
            raise Trouble(f"it is a cache of the store {theirs}, not of {folder}", "choose another destination")
    names = {narinfo_name(path): path for path in paths}
    absent = await current.do(lambda shelf: shelf.absent(names))
    return _Found(frozenset(names[name] for name in absent), cache_info is not None)
