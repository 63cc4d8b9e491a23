"""The contract of a forge's webhooks: only what the forge really sent is believed, and nothing makes it stumble."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, Final, TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ekaci_core.api import Branch, CommitSha, Ignored, Received, Refused, RepositoryId, WebhookRequest
from ekaci_core.testing.forge_laboratory import ForgeLaboratory

_BODIES: Final = {
    "nothing": b"",
    "half a document": b'{"action": "opened", "pull_requ',
    "no object": b"[1, 2, 3]",
    "null": b"null",
    "a text": b'"opened"',
    "bytes that are no text": b'{"a": "\xff\xfe"}',
    "deep lists": b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}
_HOSTILE: Final = (
    "-x", "--upload-pack=touch /tmp/x", "../..", "../../etc", "a/../b", "", " ", "\0", "a\nb", "x" * 100_000, "\ud800",
    "refs/heads/-x", "refs/heads/../x", "0" * 40, "https://example.org/a/b", "a/b/c.git", "\u202e", "nan",
)  # fmt: skip
_NUMBERS: Final = (0, -1, 10**30, -(10**30), 2**63, 1.5, 1e308, float("inf"), float("nan"), True, False)
_MOST: Final = 2**63

Result = TypeVar("Result")


def _places(document: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place in a JSON document."""
    yield place
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _places(value, (*place, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _places(value, (*place, index))


def _changed(document: Any, place: tuple[Any, ...], value: object) -> Any:
    """Return the document with another value at a place, or without it where that is an ellipsis."""
    if not place:
        return document if value is ... else value
    here, *rest = place
    copy = dict(document) if isinstance(document, dict) else list(document)
    if value is ... and not rest:
        del copy[here]
    else:
        copy[here] = _changed(copy[here], tuple(rest), value)
    return copy


_junk = st.recursive(
    st.none() | st.sampled_from(_HOSTILE) | st.sampled_from(_NUMBERS) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def check_event(value: Any) -> None:  # noqa: C901 - a table of types
    """Check that an event has in it nothing but what can be stored and given to other programs."""
    if isinstance(value, RepositoryId):
        assert RepositoryId.parse(value.forge, value.path) == value
    elif isinstance(value, Branch):
        assert Branch.parse(value) == value
        assert not value.startswith("refs/heads/"), "the short name"
    elif isinstance(value, CommitSha):
        assert CommitSha.parse(value) == value
    elif isinstance(value, str):
        value.encode()
    elif isinstance(value, float):
        assert abs(value) < _MOST, "a time on a calendar"
    elif isinstance(value, int) and not isinstance(value, bool):
        assert -_MOST <= value < _MOST, f"{value} fits no column"
    elif isinstance(value, tuple):
        for each in value:
            check_event(each)
    elif not isinstance(value, Enum) and attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            check_event(getattr(value, field.name))


class WebhookConformance:
    """Receiving and parsing."""

    async def test_what_the_forge_sends_is_understood(self, laboratory: ForgeLaboratory) -> None:
        assert laboratory.deliveries
        for each in laboratory.deliveries:
            received = laboratory.forge.receive(each.request)
            assert isinstance(received, Received), received
            assert received.delivery
            assert received.kind
            assert isinstance(json.loads(received.payload), dict), "the document, without the form around it"
            assert laboratory.forge.parse(received) == each.event
            check_event(each.event)

    async def test_receiving_and_parsing_change_nothing(self, laboratory: ForgeLaboratory) -> None:
        for each in laboratory.deliveries:
            before = attrs.evolve(each.request, headers=dict(each.request.headers))
            first, second = laboratory.forge.receive(each.request), laboratory.forge.receive(each.request)
            assert first == second, "the same delivery has the same name"
            assert each.request == before
            assert isinstance(first, Received)
            assert laboratory.forge.parse(first) == laboratory.forge.parse(first)

    async def test_deliveries_have_names_of_their_own(self, laboratory: ForgeLaboratory) -> None:
        body = laboratory.deliveries[0].request.body
        names = [
            self._received(laboratory, laboratory.sign("push", body, delivery=name)).delivery
            for name in ("3a", "3b", "3a")
        ]
        assert names[0] == names[2] != names[1]

    async def test_a_foreign_secret_is_refused(self, laboratory: ForgeLaboratory) -> None:
        body = laboratory.deliveries[0].request.body
        for secret in ("", "another secret", "é"):
            self._refused(laboratory, laboratory.sign("push", body, secret=secret), (401, 403))

    @pytest.mark.parametrize(
        "signature",
        [
            None,
            "",
            " ",
            "sha256=",
            "sha256=0",
            "sha256=" + "0" * 64,
            "sha1=" + "0" * 40,
            "é" * 64,
            "sha256=é\ud800",
            "\0",
        ],
    )
    async def test_a_wrong_signature_is_refused(self, laboratory: ForgeLaboratory, signature: str | None) -> None:
        request = laboratory.with_signature(laboratory.deliveries[0].request, signature)
        self._refused(laboratory, request, (401, 403))

    async def test_a_changed_body_is_refused_where_it_is_signed(self, laboratory: ForgeLaboratory) -> None:
        if not self.signs_bodies:
            pytest.skip("the forge says that it sends its secret and signs nothing")
        for each in laboratory.deliveries:
            right = each.request.body
            for body in (right + b" ", right[:-1], right[1:], right.swapcase() + b"\n", b""):
                self._refused(laboratory, attrs.evolve(each.request, body=body), (401, 403))

    signs_bodies = True
    """Whether deliveries are signed; GitLab sends the secret itself."""

    async def test_missing_headers_are_refused(self, laboratory: ForgeLaboratory) -> None:
        request = laboratory.deliveries[0].request
        self._refused(laboratory, attrs.evolve(request, headers={}), range(400, 500))
        for name in request.headers:
            fewer = {each: value for each, value in request.headers.items() if each != name}
            answer = laboratory.forge.receive(attrs.evolve(request, headers=fewer))
            assert isinstance(answer, Received) or answer.status in range(400, 500), (name, answer)

    @pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES.keys())
    async def test_a_signed_body_that_is_no_document_is_refused(self, laboratory: ForgeLaboratory, body: bytes) -> None:
        self._refused(laboratory, laboratory.sign("push", body), range(400, 500))

    @pytest.mark.parametrize(
        "body",
        [b'{"a": NaN, "b": Infinity}', b'{"number": ' + b"1" * 6000 + b"}", b'{"a": "\\ud800"}', b'{"a": 1, "a": 2}'],
        ids=["no numbers", "a long number", "half a character", "twice the same"],
    )
    async def test_an_odd_document_is_borne(self, laboratory: ForgeLaboratory, body: bytes) -> None:
        for kind in self._kinds(laboratory):
            answer = laboratory.forge.receive(laboratory.sign(kind, body))
            if isinstance(answer, Received):
                self._parse(laboratory, answer)
            else:
                assert answer.status in range(400, 500)

    async def test_what_it_does_not_know_is_ignored(self, laboratory: ForgeLaboratory) -> None:
        for kind in ("no_such_event", "Push", "x" * 1000):
            received = self._received(laboratory, laboratory.sign(kind, b'{"action": "done"}'))
            found = laboratory.forge.parse(received)
            assert isinstance(found, Ignored)
            assert found.reason

    async def test_an_unknown_action_is_ignored(self, laboratory: ForgeLaboratory) -> None:
        for each in laboratory.deliveries:
            received = self._received(laboratory, each.request)
            document = json.loads(received.payload)
            if "action" in document:
                changed = json.dumps({**document, "action": "no_such_action"}).encode()
                assert isinstance(laboratory.forge.parse(attrs.evolve(received, payload=changed)), Ignored)

    async def test_parsing_never_raises(self, laboratory: ForgeLaboratory) -> None:
        kinds = self._kinds(laboratory)

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(kind=st.sampled_from([*kinds, "other"]), payload=st.dictionaries(st.text(max_size=10), _junk) | _junk)
        def check(kind: str, payload: object) -> None:
            self._parse(laboratory, Received("7", kind, json.dumps(payload).encode()))

        check()
        for kind in kinds:
            for body in (*_BODIES.values(), b"{}"):
                self._parse(laboratory, Received("7", kind, body))

    async def test_parsing_bears_any_change_of_a_good_document(self, laboratory: ForgeLaboratory) -> None:
        received = [self._received(laboratory, each.request) for each in laboratory.deliveries]
        documents = [json.loads(each.payload) for each in received]

        @settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            index = data.draw(st.integers(0, len(documents) - 1))
            places = list(_places(documents[index]))
            # What stands near the top is what matters.
            shallow = [place for place in places if len(place) <= 3]
            place = data.draw(st.sampled_from(shallow) | st.sampled_from(places))
            value = data.draw(st.just(...) | st.sampled_from(_HOSTILE) | st.sampled_from(_NUMBERS) | _junk)
            payload = json.dumps(_changed(documents[index], place, value)).encode()
            self._parse(laboratory, attrs.evolve(received[index], payload=payload))

        check()

    async def test_hostile_names_stand_in_no_event(self, laboratory: ForgeLaboratory) -> None:
        """Each text of each delivery, replaced by each of the worst; `check_event` sees whether one came through."""
        for each in laboratory.deliveries:
            received = self._received(laboratory, each.request)
            document = json.loads(received.payload)
            for place in _places(document):
                value: Any = document
                for part in place:
                    value = value[part]
                if isinstance(value, str) and not str(place[-1]).endswith(("url", "_id")):
                    for text in ("-x", "../..", "\ud800"):
                        payload = json.dumps(_changed(document, place, text)).encode()
                        self._parse(laboratory, attrs.evolve(received, payload=payload))

    def _parse(self, laboratory: ForgeLaboratory, received: Received) -> None:
        event = _without_end(lambda: laboratory.forge.parse(received))
        if isinstance(event, Ignored):
            assert event.reason
        else:
            check_event(event)

    def _kinds(self, laboratory: ForgeLaboratory) -> Sequence[str]:
        return sorted({self._received(laboratory, each.request).kind for each in laboratory.deliveries})

    def _received(self, laboratory: ForgeLaboratory, request: WebhookRequest) -> Received:
        answer = laboratory.forge.receive(request)
        assert isinstance(answer, Received), answer
        return answer

    def _refused(self, laboratory: ForgeLaboratory, request: WebhookRequest, statuses: Sequence[int]) -> None:
        answer = _without_end(lambda: laboratory.forge.receive(request))
        assert isinstance(answer, Refused), "it was believed"
        assert answer.status in statuses, answer
        assert answer.reason
        assert "\n" not in answer.reason


def _without_end(call: Callable[[], Result]) -> Result:
    """Call, and fail where it recurses without end: showing such a traceback brings some versions of Python down."""
    with suppress(RecursionError):
        return call()
    pytest.fail("a deep document exhausts the stack", pytrace=False)
