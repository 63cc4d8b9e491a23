"""One push into a binary cache: Nix writes, several tasks send, and what is referred to arrives first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ekaci_cache_backends.nix_copy.narinfo import CACHE_INFO, Narinfo, parse_narinfo
from ekaci_cache_backends.nix_copy.nix import PathFacts
from ekaci_cache_backends.nix_copy.staging import Stage
from ekaci_cache_backends.nix_copy.trouble import Trouble
from ekaci_cache_backends.nix_copy.turns import Turn
from ekaci_core.api import Pushed, PushFailed, PushOutcome, StorePath, WriteLog

BATCH_BYTES: Final = 2 * 1024**3
"""Nix writes so much at once, and writes on when so much is left to be sent: this bounds what a push needs on disk."""
BATCH_PATHS: Final = 2000
_FAILURES: Final = 3

Batch = Mapping[StorePath, PathFacts]


@attrs.define
class Push:
    """The work of one request; ``_is_begun``: the cache has its first file already.

    Attributes:
        outcomes: of each path that is settled.
    """

    _turn: Turn
    _stage: Stage
    _where: str
    _log: WriteLog
    _uploads: int
    _facts: Batch
    _is_begun: bool
    outcomes: dict[StorePath, PushOutcome] = attrs.field(factory=dict)
    _settled: dict[str, anyio.Event] = attrs.field(init=False)
    _nars: dict[str, anyio.Lock] = attrs.field(factory=dict)
    _sent: dict[str, int] = attrs.field(factory=dict)
    _unsent_bytes: int = 0
    _room: anyio.Condition = attrs.field(factory=anyio.Condition)
    _failures: int = 0  # one after the other
    _writing: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    _over: Trouble | None = None
    _paths: dict[str, StorePath] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Nothing is settled yet."""
        self._settled = {path.base_name: anyio.Event() for path in self._facts}
        self._paths = {path.base_name: path for path in self._facts}

    async def run(self) -> None:
        """Push all paths; each has an outcome then."""
        try:
            await self._greet()
        except Trouble as trouble:
            self._over = trouble
        send, receive = anyio.create_memory_object_stream[StorePath](math.inf)
        async with anyio.create_task_group() as tasks, send:
            for _ in range(self._uploads):
                tasks.start_soon(self._upload_all, receive.clone())
            receive.close()
            with self._writing:
                for batch in batches(self._facts) if self._over is None else ():
                    async with self._room:
                        while self._unsent_bytes > BATCH_BYTES:
                            await self._room.wait()
                    await self._write(batch, send)
        for path in self._facts.keys() - self.outcomes.keys():
            self.outcomes[path] = (self._over or _NOTHING).outcome(self._where)

    async def _greet(self) -> None:
        """Say which store the cache is for, where nobody has."""
        if not self._is_begun:
            folder = next(iter(self._facts)).rpartition("/")[0]
            file = self._stage.small_file(CACHE_INFO, f"StoreDir: {folder}\n".encode())
            await self._turn.do(lambda shelf: shelf.put(CACHE_INFO, file))

    async def _write(self, batch: Batch, send: MemoryObjectSendStream[StorePath]) -> None:
        """Have Nix write some paths; where that fails, each that is left by itself."""
        told: set[StorePath] = set()

        def whole(path: StorePath) -> None:
            told.add(path)
            self._unsent_bytes += self._facts[path].nar_bytes
            send.send_nowait(path)

        try:
            await self._stage.write(batch, self._log, whole)
        except Trouble as trouble:
            left = {path: batch[path] for path in batch if path not in told}
            if len(batch) == 1:
                self._fail(next(iter(batch)), trouble)
                return
            for path, fact in left.items():
                await self._write({path: fact}, send)

    async def _upload_all(self, receive: MemoryObjectReceiveStream[StorePath]) -> None:
        async with receive:
            async for path in receive:
                try:
                    if self._over is not None:
                        raise self._over
                    self.outcomes[path] = await self._upload(path)
                    self._failures = 0
                except Trouble as trouble:
                    self._fail(path, trouble)
                except OSError as error:  # the folder of the push is full, or gone
                    reason = f"{error.strerror} ({error.filename})"
                    self._fail(path, Trouble(reason, "see the disk of this machine", transient=True))
                self._settled[path.base_name].set()
                async with self._room:
                    self._unsent_bytes -= self._facts[path].nar_bytes
                    self._room.notify_all()

    async def _upload(self, path: StorePath) -> PushOutcome:
        file, text = self._stage.narinfo(path)
        narinfo = parse_narinfo(text)
        sent = await self._upload_nar(narinfo) + await self._upload_listing(path)
        lacking = await self._lacking(path)
        if lacking is not None:
            what = Trouble(f"{lacking}, to which it refers, is not there", "see why that failed")
            return (self._over or what).outcome(self._where)
        sent += await self._turn.do(lambda shelf: shelf.put(file.name, file))
        return Pushed(sent)

    async def _lacking(self, path: StorePath) -> str | None:
        """Wait until all is there that a path refers to; return what is not."""
        for name in self._facts[path].references:
            if name in self._settled:
                await self._settled[name].wait()
                if isinstance(self.outcomes[self._paths[name]], PushFailed):
                    return name
        return None

    async def _upload_nar(self, narinfo: Narinfo) -> int:
        """Send a NAR; paths with the same content have one in common."""
        async with self._nars.setdefault(narinfo.url, anyio.Lock()):
            if narinfo.url in self._sent:
                return 0
            file = self._stage.folder / narinfo.url
            sent = self._sent[narinfo.url] = await self._turn.do(lambda shelf: shelf.put(narinfo.url, file))
            file.unlink(missing_ok=True)
            return sent

    async def _upload_listing(self, path: StorePath) -> int:
        listing = self._stage.folder / f"{path.hash_part}.ls"
        if not listing.exists():
            return 0
        return await self._turn.do(lambda shelf: shelf.put(listing.name, listing))

    def _fail(self, path: StorePath, trouble: Trouble) -> None:
        """Settle a path; what concerns the whole place ends the push."""
        self.outcomes[path] = trouble.outcome(self._where)
        self._settled[path.base_name].set()
        self._failures += 1
        if trouble.transient or trouble.denied or self._failures >= _FAILURES:
            self._over = self._over or trouble
            self._writing.cancel()


_NOTHING: Final = Trouble("nothing came of it", "see the log of the push", transient=True)


def batches(facts: Batch) -> Iterator[Batch]:
    """Divide paths into parts that are written at once, in their order."""
    batch: dict[StorePath, PathFacts] = {}
    size = 0
    for path, fact in facts.items():
        if batch and (size + fact.nar_bytes > BATCH_BYTES or len(batch) >= BATCH_PATHS):
            yield batch
            batch, size = {}, 0
        batch[path] = fact
        size += fact.nar_bytes
    if batch:
        yield batch
