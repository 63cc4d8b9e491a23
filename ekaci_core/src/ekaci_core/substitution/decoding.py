"""Contents by their ``Content-Encoding``, in pieces of bounded size: what is small may unpack to very much."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Final, Protocol

import brotli

PIECE_BYTES: Final = 64 * 1024
_LZMA_MEMORY_BYTES: Final = 128 * 1024 * 1024


class Undecodable(ValueError):
    """The contents are damaged, or encoded in a way that is not known here."""


class Decoder(Protocol):
    """Unpacks one stream."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes unpack to, in pieces of about `PIECE_BYTES`.

        Raises:
            Undecodable: they are damaged.
        """
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the stream may end here."""
        ...


def decoder_for(encoding: str) -> Decoder:
    """Return the decoder for the value of a ``Content-Encoding``.

    Raises:
        Undecodable: it is not known.
    """
    name = encoding.strip().lower()
    if name in ("", "identity", "none"):
        return _Plain()
    if name in ("gzip", "x-gzip"):
        return _Zlib(16 + zlib.MAX_WBITS)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    if name in ("xz", "lzma"):
        return _Blocks(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES))
    if name == "bzip2":
        return _Blocks(bz2.BZ2Decompressor())
    raise Undecodable(f"the encoding {name[:40]!r} is not known")


class _Plain:
    is_complete = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Zlib:
    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise Undecodable(str(error)) from None
            data = self._stream.unconsumed_tail
            if piece:
                yield piece


class _Blocks:
    def __init__(self, stream: lzma.LZMADecompressor | bz2.BZ2Decompressor) -> None:
        self._stream = stream

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._stream.eof:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except (lzma.LZMAError, OSError) as error:
                raise Undecodable(str(error)) from None
            data = b""
            if piece:
                yield piece
            if self._stream.needs_input:
                return


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._stream.is_finished():
            try:
                piece = self._stream.process(data, output_buffer_limit=PIECE_BYTES)
            except brotli.error as error:
                raise Undecodable(str(error)) from None
            data = b""
            if piece:
                yield bytes(piece)
            elif self._stream.can_accept_more_data():  # it says so too while there is more to come
                return
