from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.nix.internal_json import (
    ActivityKind,
    ActivityStarted,
    ActivityStopped,
    BuilderLine,
    Message,
    PhaseSet,
    PlainLine,
    Record,
    parse_line,
)
from ekaci_core.process.lines import Line, LineSplitter

RECORDINGS = Path(__file__).parents[2] / "data" / "internal_json"
LONG_LINE_PREFIX = '@nix {"action":"result","fields":["'
VERSIONS = sorted(folder.name for folder in RECORDINGS.iterdir())


def records(path: Path, line_bytes: int = 1024 * 1024) -> Iterator[Record]:
    splitter = LineSplitter(line_bytes)
    for line in [*splitter.feed(path.read_bytes()), *splitter.end()]:
        if (record := parse_line(line)) is not None:
            yield record


def record(**fields: object) -> Record | None:
    return parse_line(Line(b"@nix " + json.dumps(fields).encode()))


def test_several_versions_were_recorded() -> None:
    assert VERSIONS == ["nix-2.26.3", "nix-2.8.0"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failure_as_recorded(version: str) -> None:
    found = list(records(RECORDINGS / version / "failure.log"))
    builds = [each for each in found if isinstance(each, ActivityStarted) and each.kind is ActivityKind.BUILD]
    assert len(builds) == 1
    build = builds[0].activity
    assert builds[0].subject.endswith("-failure.drv")
    assert [each.text for each in found if isinstance(each, BuilderLine)] == ["out", "err", "partial"]
    assert [each for each in found if isinstance(each, PhaseSet)] == [PhaseSet(build, "buildPhase")]
    assert ActivityStopped(build) in found
    errors = [each for each in found if isinstance(each, Message) and each.is_error]
    assert [each.text for each in errors] == [f"builder for '{builds[0].subject}' failed with exit code 3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_builder_forges_is_no_error(version: str) -> None:
    messages = [each for each in records(RECORDINGS / version / "forged.log") if isinstance(each, Message)]
    assert Message(level=0, text="No space left on device", is_error=False) in messages
    assert [each.text for each in messages if each.is_error] == [messages[-1].text]


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/*.log")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_recorded_record_is_taken_for_plain_text(path: Path) -> None:
    plain = [each.text for each in records(path) if isinstance(each, PlainLine)]
    assert not [text for text in plain if text.startswith("@nix")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/nix/store/p96bx1ln687qzcyqj4cbnkvaid8vc6nb-hello",
        "@nix",
        "@nix garbage",
        "@nix []",
        "@nix null",
        '@nix {"no": "action"}',
        '@nix {"action": "start"}',
        '@nix {"action": "msg", "level": "high", "msg": "x"}',
        '@nix {"action": "result", "type": 101, "id": 1, "fields": []}',
        '@nix {"action": "result", "type": 101, "id": 1, "fields": null}',
        '@nix {"action": ["start"]}',
        "@nix " + "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_shown(text: str) -> None:
    assert parse_line(Line(text.encode())) == PlainLine(text)


def test_what_is_unknown_is_left_out() -> None:
    assert record(action="dance", id=1) is None
    assert record(action="result", type=999, id=1, fields=["x"]) is None
    assert record(action="start", type=999, id=1, text="") == ActivityStarted(1, ActivityKind.OTHER)


def test_waiting_for_another_build_is_told() -> None:
    assert record(action="start", type=111, id=7, text="waiting for lock on 'x'") == ActivityStarted(
        7, ActivityKind.WAITING_FOR_LOCK
    )


def test_lines_of_a_post_build_hook_are_log_lines() -> None:
    assert record(action="result", type=107, id=3, fields=["pushed"]) == BuilderLine(3, "pushed")


def test_messages_lose_their_colours_and_keep_their_lines() -> None:
    read = record(action="msg", level=0, msg="\x1b[31;1merror:\x1b[0m a\nb", raw_msg="\x1b[35;1ma\x1b[0m\nb")
    assert read == Message(level=0, text="a\nb", is_error=True)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=200), st.integers(60, 150))
def test_of_a_line_too_long_the_beginning_is_kept(text: str, limit: int) -> None:
    fields = {"action": "result", "fields": [text], "id": 1, "type": 101}
    whole = b"@nix " + json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    read = parse_line(Line(whole[:limit], cut=True))
    assert isinstance(read, BuilderLine)
    assert read.cut
    assert text.startswith(read.text)
    assert len(json.dumps(read.text, ensure_ascii=False).encode()) > limit - len(LONG_LINE_PREFIX) - 10


@pytest.mark.parametrize("limit", range(230, 245))
def test_of_an_error_too_long_the_beginning_is_read(limit: int) -> None:
    text = "builder for '/nix/store/x.drv' failed with exit code 3;\nlast 2 log lines:\n> é\\" + "x" * 300
    fields = {"action": "msg", "column": None, "file": None, "level": 0, "line": None}
    fields |= {"msg": f"\x1b[31;1merror:\x1b[0m {text}", "raw_msg": text}
    whole = b"@nix " + json.dumps(fields, separators=(",", ":")).encode()
    read = parse_line(Line(whole[:limit], cut=True))
    assert isinstance(read, Message)
    assert (read.level, read.is_error) == (0, True)
    assert text.startswith(read.text)
    assert "exit code 3" in read.text


def test_another_record_too_long_is_shown() -> None:
    line = Line(b'@nix {"action":"msg","level":0,"msg":"xxx', cut=True)
    assert parse_line(line) == PlainLine(line.text)


@given(st.binary(max_size=200))
def test_anything_at_all_can_be_read(data: bytes) -> None:
    parse_line(Line(data))
    parse_line(Line(b"@nix " + data))
    parse_line(Line(b'@nix {"action":"result","fields":["' + data, cut=True))
    start = b'@nix {"action":"msg","column":null,"file":null,"level":0,"line":null,"msg":"'
    parse_line(Line(start + data, cut=True))
