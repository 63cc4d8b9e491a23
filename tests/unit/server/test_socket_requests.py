from __future__ import annotations

import pytest

from ekaci_core.api import CommitSha, UsageFault
from ekaci_core.git.mirror import RemoteRefs
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.socket_naming import bounded, row
from ekaci_core.server.socket_requests import REQUESTS, parse_request
from ekaci_core.server.socket_starting import find_commit

MAIN, TOPIC, TAG = (CommitSha(letter * 40) for letter in "abc")
REFS = RemoteRefs(
    {"refs/heads/main": MAIN, "refs/heads/topic": TOPIC, "refs/tags/v1": TAG, "refs/tags/topic": TAG},
    "refs/heads/main",
)


def test_requests_are_told_by_their_type() -> None:
    assert parse_request({"type": "Info"}) == asked.Info()
    assert parse_request({"type": "Approve", "repository": "a/b", "number": 7}) == asked.Approve("a/b", None, 7)
    build = {"type": "Build", "drv_path": "x.drv", "force": False, "rebuild_all": True}
    assert parse_request(build) == asked.Build("x.drv", rebuild_all=True)
    spec = {"Info", "Build", "Job", "Repo", "Git", "GitHub", "DrvStatus"}
    assert spec <= REQUESTS.keys()


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ({}, "not an object"),
        ({"type": None}, "not an object"),
        ({"type": "Informations"}, "there is no request"),
        ({"type": "inf0"}, 'did you mean "Info"'),
        ({"type": "Info", "verbose": True}, 'unknown key "verbose"'),
        ({"type": "Jobs"}, 'the key "sha" is missing'),
        ({"type": "Jobs", "sha": 7}, "sha: expected a string"),
        ({"type": "Jobset", "review": True}, "review: expected a whole number"),
        ({"type": "Build", "drv_path": "x", "force": "yes"}, "force: expected true or false"),
        ({"type": "Jobs", "sha": "\ud800"}, "whole characters"),
    ],
)
def test_what_is_no_request_is_refused(document: object, what: str) -> None:
    with pytest.raises(UsageFault) as raised:
        parse_request(document)
    assert what in str(raised.value)


def test_numbers_that_nothing_can_have() -> None:
    for number in (0, -1, 2**63):
        with pytest.raises(UsageFault):
            row(number, "review")
    assert bounded(0) > bounded(7) == 7
    for limit in (-1, 2**63):
        with pytest.raises(UsageFault):
            bounded(limit)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("main", ("refs/heads/main", MAIN)),
        ("topic", ("refs/heads/topic", TOPIC)),
        ("v1", ("refs/tags/v1", TAG)),
        ("refs/tags/topic", ("refs/tags/topic", TAG)),
        (TOPIC, ("refs/heads/topic", TOPIC)),
        ("d" * 40, ("refs/heads/main", "d" * 40)),
    ],
)
def test_a_commit_is_found_by_branch_tag_ref_or_name(name: str, found: tuple[str, str]) -> None:
    assert find_commit(REFS, name, "a/b") == found


@pytest.mark.parametrize("name", ["", "-x", "nothing", "abcdef0", "x" * 40, "../main"])
def test_what_names_no_commit(name: str) -> None:
    with pytest.raises(UsageFault):
        find_commit(REFS, name, "a/b")
