from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.substitution.decoding import PIECE_BYTES, Undecodable, decoder_for

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000))
def test_contents_come_out_as_they_went_in(encoding: str, data: bytes, cut: int) -> None:
    packed = ENCODERS[encoding](data)
    decoder = decoder_for(encoding)
    pieces = [*decoder.feed(packed[:cut]), *decoder.feed(packed[cut:])]
    assert b"".join(pieces) == data
    assert decoder.is_complete


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_what_is_not_encoded_is_itself(encoding: str) -> None:
    decoder = decoder_for(encoding)
    assert (list(decoder.feed(b"abc")), decoder.is_complete) == ([b"abc"], True)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_what_is_small_and_unpacks_to_much_comes_in_bounded_pieces(encoding: str) -> None:
    packed = ENCODERS[encoding](bytes(40_000_000))
    assert len(packed) < 100_000
    size = 0
    for piece in decoder_for(encoding).feed(packed):
        assert len(piece) <= 2 * PIECE_BYTES
        size += len(piece)
    assert size == 40_000_000


@pytest.mark.parametrize("encoding", ENCODERS)
def test_what_breaks_off_is_not_complete(encoding: str) -> None:
    decoder = decoder_for(encoding)
    list(decoder.feed(ENCODERS[encoding](b"abc" * 100)[:-3]))
    assert not decoder.is_complete


@pytest.mark.parametrize("encoding", ENCODERS)
def test_what_is_damaged_is_told(encoding: str) -> None:
    with pytest.raises(Undecodable):
        list(decoder_for(encoding).feed(b"\xff\xfe\xfd" * 100))


def test_an_encoding_that_is_not_known_is_told() -> None:
    with pytest.raises(Undecodable, match="'zstd' is not known"):
        decoder_for("zstd")
