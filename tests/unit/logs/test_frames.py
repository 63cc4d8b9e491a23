from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.logs.frames import FRAME_BYTES, INDEX_BYTES, BadFrames, Frame, Index, frame_bytes, index_bytes, pack


def sealed(data: bytes) -> bytes:
    length = frame_bytes(len(data))
    packed = [pack(data[start : start + length]) for start in range(0, len(data), length)]
    return Index.of(len(data), [frame for _, frame in packed]).pack() + b"".join(each for each, _ in packed)


DATA = b"".join(b"line %d\n" % number for number in range(100_000))


def test_it_is_an_ordinary_gzip_file() -> None:
    assert len(DATA) > 3 * FRAME_BYTES
    assert gzip.decompress(sealed(DATA)) == DATA
    assert gzip.decompress(sealed(b"")) == b""


@given(st.integers(0, 10**12), st.data())
def test_an_index_is_read_as_it_was_written(size: int, data: st.DataObject) -> None:
    frames = -(-size // frame_bytes(size))
    one = st.builds(Frame, st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1))
    shape = data.draw(one)
    index = Index.of(size, [shape] * frames, (size // 3, size * 2))
    packed = index.pack()
    assert len(packed) == index_bytes(size) <= INDEX_BYTES
    assert Index.parse(packed + b"what follows", index.offsets[-1]) == index


def test_frames_stand_where_the_index_says() -> None:
    file = sealed(DATA)
    index = Index.parse(file, len(file))
    for number, frame in enumerate(index.frames):
        packed = file[index.offsets[number] : index.offsets[number + 1]]
        data = index.unpack(number, packed)
        assert data == DATA[number * index.length : (number + 1) * index.length]
        assert frame.newlines == data.count(b"\n")


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_what_was_changed_is_noticed(place: int, change: int) -> None:
    short = DATA[: 2 * FRAME_BYTES]
    file = bytearray(sealed(short))
    place %= len(file)
    unimportant = {4, 5, 6, 7, 8, 9, 10, 11}  # time, flags of the compressor, system, length of all extra fields
    file[place] ^= change
    found = None
    try:
        index = Index.parse(bytes(file), len(file))
        found = b"".join(
            index.unpack(number, bytes(file[index.offsets[number] : index.offsets[number + 1]]))
            for number in range(len(index.frames))
        )
    except BadFrames:
        return
    end = index_bytes(len(short))
    assert found == short
    assert place in unimportant or place >= end - 10  # the empty member's end, and headers of members, hold nothing


@pytest.mark.parametrize("length", [0, 10, 40, 1000])
def test_what_was_cut_short_is_noticed(length: int) -> None:
    file = sealed(DATA)[:length]
    with pytest.raises(BadFrames):
        Index.parse(file, len(file))


def test_another_gzip_file_is_refused() -> None:
    other = gzip.compress(DATA)
    with pytest.raises(BadFrames, match="no index"):
        Index.parse(other, len(other))


def test_a_frame_that_grows_is_not_decompressed_to_its_end() -> None:
    bomb, frame = pack(bytes(50 * 1024 * 1024))
    index = Index.of(100, [frame])
    with pytest.raises(BadFrames, match="another length"):
        index.unpack(0, bomb)
