from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.substitution.answer import HEAD_BYTES, Answered, AnswerReader, Malformed

LIMIT = 1000


def read(data: bytes, *, closed: bool = False, cuts: tuple[int, ...] = ()) -> Answered | None:
    reader = AnswerReader(LIMIT)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        answer = reader.feed(data[begin:end])
        if answer is not None:
            return answer
    return reader.end() if closed else None


ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello", b"hello", True),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        b"hello",
        True,
    ),
    "trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"hello",
        True,
    ),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "old but kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "nothing": (b"HTTP/1.1 204\r\n\r\n", b"", True),
    "not changed": (b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", b"", True),
    "informational first": (
        b"HTTP/1.1 103 Hm\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "two equal lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "both": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"hello",
        False,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
@given(cuts=st.lists(st.integers(0, 200), max_size=5))
def test_answers_are_read_however_they_arrive(name: str, cuts: list[int]) -> None:
    data, body, keeps = ANSWERS[name]
    answer = read(data, cuts=tuple(cuts))
    assert answer is not None
    assert (answer.body, answer.keeps) == (body, keeps)
    assert read(data[:-1], closed=True, cuts=tuple(cuts)) is None, "an answer that breaks off is none"


def test_fields_are_told() -> None:
    answer = read(b"HTTP/1.1 429 Slow\r\nRetry-After:\t7 \r\nX: a\r\nX: b\r\nContent-Length: 0\r\n\r\n")
    assert answer is not None
    assert (answer.status, answer.fields["retry-after"], answer.fields["x"]) == (429, "7", "a, b")


def test_an_answer_may_end_with_the_connection() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nhel"
    assert read(data) is None
    assert read(data, closed=True) == Answered(200, {}, b"hel", keeps=False)


def test_what_nobody_asked_for_ends_the_connection() -> None:
    for name in ("length", "chunks"):
        answer = read(ANSWERS[name][0] + b"HTTP/1.1 200 OK")
        assert answer is not None
        assert (answer.body, answer.keeps) == (b"hello", False)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * (HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A" * (HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n" + b"A" * (HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1),
    ],
)
def test_what_makes_no_sense_or_has_no_bounds_is_told(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@given(st.binary(max_size=300), st.sampled_from(sorted(ANSWERS)), st.integers(0, 200))
def test_noise_never_surprises(noise: bytes, name: str, at: int) -> None:
    data = ANSWERS[name][0]
    try:
        answer = read(data[:at] + noise + data[at:], closed=True)
    except Malformed:
        return
    assert answer is None or len(answer.body) <= LIMIT
