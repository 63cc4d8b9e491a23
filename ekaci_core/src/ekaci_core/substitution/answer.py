"""Answers of HTTP/1.1 servers, as far as small files need it, without I/O."""

from __future__ import annotations

import re
from typing import Final

import attrs

HEAD_BYTES: Final = 64 * 1024
"""The longest head that is read."""

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_BODILESS: Final = frozenset({204, 304})
_INFORMATIONAL: Final = range(100, 200)


class Malformed(ValueError):
    """It is no answer of an HTTP server, or one that is longer than allowed."""


@attrs.frozen
class Answered:
    """One answer. Names in ``fields`` are lower case, values Latin-1; ``keeps`` says whether more may be asked."""

    status: int
    fields: dict[str, str]
    body: bytes
    keeps: bool


@attrs.define
class _Head:
    status: int
    fields: dict[str, str]
    keeps: bool
    chunked: bool
    length: int | None


class AnswerReader:
    """Takes bytes as they come, and yields the answer once it is whole."""

    def __init__(self, limit: int) -> None:
        """Read a body of at most ``limit`` bytes."""
        self._limit = limit
        self._data = bytearray()
        self._body = bytearray()
        self._head: _Head | None = None

    def feed(self, data: bytes) -> Answered | None:
        """Take some more; return the answer if that was all of it.

        Raises:
            Malformed: it never will be.
        """
        self._data += data
        while self._head is None:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                if len(self._data) > HEAD_BYTES:
                    raise Malformed("its head does not end")
                return None
            head = _head(bytes(self._data[:end]))
            del self._data[: end + 4]
            if head.status not in _INFORMATIONAL:
                self._head = head
        return self._answer(self._head)

    def end(self) -> Answered | None:
        """Note that the server closed the connection; return the answer if that was how it ends."""
        head = self._head
        if head is None or head.chunked or head.length is not None:
            return None
        return Answered(head.status, head.fields, bytes(self._data), keeps=False)

    def _answer(self, head: _Head) -> Answered | None:
        if head.chunked:
            if not self._chunks():
                return None
            # What follows was not asked for.
            return Answered(head.status, head.fields, bytes(self._body), head.keeps and not self._data)
        if head.length is None:
            self._bound(len(self._data))
            return None
        self._bound(head.length)
        if len(self._data) < head.length:
            return None
        keeps = head.keeps and len(self._data) == head.length
        return Answered(head.status, head.fields, bytes(self._data[: head.length]), keeps)

    def _chunks(self) -> bool:
        """Move whole chunks into the body; return whether the last was among them."""
        while (end := self._data.find(b"\r\n")) >= 0:
            size = _CHUNK.fullmatch(self._data, 0, end)
            if size is None:
                raise Malformed("a chunk has no size")
            length = int(size[1], 16)
            self._bound(len(self._body) + length)
            if length == 0:
                return self._trailer(end)
            begin = end + 2
            if len(self._data) < begin + length + 2:
                return False
            if self._data[begin + length : begin + length + 2] != b"\r\n":
                raise Malformed("a chunk is longer than it says")
            self._body += self._data[begin : begin + length]
            del self._data[: begin + length + 2]
        if len(self._data) > HEAD_BYTES:
            raise Malformed("a chunk has no size")
        return False

    def _trailer(self, end: int) -> bool:
        close = self._data.find(b"\r\n\r\n", end)
        if close >= 0:
            del self._data[: close + 4]
            return True
        if len(self._data) > HEAD_BYTES:
            raise Malformed("its end does not end")
        return False

    def _bound(self, length: int) -> None:
        if length > self._limit:
            raise Malformed("it is too long")


def _head(data: bytes) -> _Head:
    first, *lines = data.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise Malformed("it is no answer over HTTP")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed("its head is malformed")
        name, value = field[1].lower().decode(), field[2].decode("latin-1")
        if name == "content-length" and fields.get(name, value) != value:
            raise Malformed("it has two lengths")
        fields[name] = f"{fields[name]}, {value}" if name in fields and name != "content-length" else value
    number = int(status[2])
    transfer = fields.get("transfer-encoding", "").lower()
    if transfer not in ("", "chunked"):
        raise Malformed("its transfer encoding is not known")
    length = fields.get("content-length")
    if length is not None and not (length.isascii() and length.isdecimal()):
        raise Malformed("its length is no number")
    connection = fields.get("connection", "").lower()
    keeps = "close" not in connection and (status[1] == b"1" or "keep-alive" in connection)
    if transfer and length is not None:
        keeps = False
    bodiless = number in _BODILESS
    return _Head(
        number,
        fields,
        keeps,
        chunked=bool(transfer) and not bodiless,
        length=0 if bodiless else None if length is None else int(length),
    )
