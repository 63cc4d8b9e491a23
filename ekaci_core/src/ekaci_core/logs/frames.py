"""The sealed form: a gzip file of independent members, each one frame, with an index in front.

``zcat``, ``zless`` and ``zgrep`` read it as any other. Its first member is empty and holds the index in an extra field
(RFC 1952, 2.3.1.1) with the identifier ``EK``: a version, bytes in a frame, bytes in all, where the last part begins
here and where that began in the log as it was written, then for each frame the size of its member and its number of
newlines, then a checksum. All numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Self

import attrs

FRAME_BYTES: Final = 256 * 1024
_LEVEL: Final = 4  # of build logs: four tenths less time than 6, for a file that is four hundredths larger
_MOST_FRAMES: Final = 8000  # an extra field has at most 65,535 bytes
_VERSION: Final = 1

_START: Final = struct.Struct("<4BI2BH2sH")  # RFC 1952: magic, deflate, FEXTRA, no time, 0, unknown system, lengths
_HEAD: Final = struct.Struct("<BIQQQ")
_FRAME: Final = struct.Struct("<II")
_CHECKSUM: Final = struct.Struct("<I")
_EMPTY: Final = b"\x03\x00" + bytes(8)  # a deflated nothing, its checksum and its length
_GZIP: Final = 16 + zlib.MAX_WBITS


class BadFrames(Exception):
    """These bytes are not what was sealed."""


@attrs.frozen
class Frame:
    """What the index says of one frame: bytes of its member, newlines in it."""

    packed: int
    newlines: int


def frame_bytes(size: int) -> int:
    """Choose how long the frames of a log of this size are; the index has room for so many only."""
    length = FRAME_BYTES
    while size > length * _MOST_FRAMES:
        length *= 2
    return length


def pack(data: bytes) -> tuple[bytes, Frame]:
    """Compress one frame."""
    packed = zlib.compress(data, _LEVEL, wbits=_GZIP)
    return packed, Frame(len(packed), data.count(b"\n"))


def index_bytes(size: int) -> int:
    """Say how long the member with the index of a log of this size is."""
    frames = -(-size // frame_bytes(size))
    return _START.size + _HEAD.size + frames * _FRAME.size + _CHECKSUM.size + len(_EMPTY)


@attrs.frozen
class Index:
    """Where everything is in a sealed log of ``size`` bytes, each frame of which but the last has ``length``.

    ``resumes`` says where its last part begins, here and in the log as it was written: 0 and 0 if nothing is left out.
    """

    size: int
    length: int
    frames: Sequence[Frame]
    offsets: Sequence[int]
    newlines: Sequence[int]
    resumes: tuple[int, int]

    @classmethod
    def of(cls, size: int, frames: Sequence[Frame], resumes: tuple[int, int] = (0, 0)) -> Self:
        """Add up what is known of the frames; ``offsets`` and ``newlines`` have one more entry, of the end."""
        offsets = tuple(accumulate((frame.packed for frame in frames), initial=index_bytes(size)))
        newlines = tuple(accumulate((frame.newlines for frame in frames), initial=0))
        return cls(size, frame_bytes(size), frames, offsets, newlines, resumes)

    def frame_of_line(self, number: int) -> int:
        """Return the frame in which the newline before this line (from 2 on, and present) stands."""
        return bisect_left(self.newlines, number - 1) - 1

    def pack(self) -> bytes:
        """Write the index as the first member of the file."""
        entries = b"".join(_FRAME.pack(frame.packed, frame.newlines) for frame in self.frames)
        body = _HEAD.pack(_VERSION, self.length, self.size, *self.resumes) + entries
        body += _CHECKSUM.pack(zlib.crc32(body))
        start = _START.pack(0x1F, 0x8B, 8, 4, 0, 0, 255, len(body) + 4, b"EK", len(body))
        return start + body + _EMPTY

    @classmethod
    def parse(cls, data: bytes, file_size: int) -> Self:
        """Read the index from the beginning of a file.

        Raises:
            BadFrames: there is none, or it does not fit the file.
        """
        if len(data) < _START.size:
            raise BadFrames("it has no index")
        *fixed, _, name, length = _START.unpack_from(data)
        body = data[_START.size : _START.size + length]
        if (
            fixed[:4] != [0x1F, 0x8B, 8, 4]
            or name != b"EK"
            or len(body) != length
            or length < _HEAD.size + _CHECKSUM.size
        ):
            raise BadFrames("it has no index")
        content, checksum = body[: -_CHECKSUM.size], body[-_CHECKSUM.size :]
        if _CHECKSUM.pack(zlib.crc32(content)) != checksum:
            raise BadFrames("its index is damaged")
        version, _, size, *resumes = _HEAD.unpack_from(content)
        if version != _VERSION:
            raise BadFrames(f"its index has version {version}, which is newer than this program")
        if (len(content) - _HEAD.size) % _FRAME.size:
            raise BadFrames("its index is damaged")
        frames = [Frame(*each) for each in _FRAME.iter_unpack(content[_HEAD.size :])]
        found = cls.of(size, frames, (resumes[0], resumes[1]))
        if found.offsets[-1] != file_size or index_bytes(size) != found.offsets[0]:
            raise BadFrames("it is not as long as its index says")
        return found

    def unpack(self, number: int, packed: bytes) -> bytes:
        """Decompress a frame.

        Raises:
            BadFrames: that is not what was packed.
        """
        expected = min(self.length, self.size - number * self.length)
        inflating = zlib.decompressobj(wbits=_GZIP)
        try:
            data = inflating.decompress(packed, expected + 1)
        except zlib.error as error:
            raise BadFrames(f"frame {number} cannot be decompressed") from error
        if len(data) != expected or not inflating.eof:
            raise BadFrames(f"frame {number} has another length than was written")
        return data


INDEX_BYTES: Final = _START.size + 65_535 + len(_EMPTY)
"""No index is longer."""
