from typing import Any

import pytest

from ekaci_core.model.package import PackageMeta

MIT = {"spdxId": "MIT", "shortName": "mit", "fullName": "MIT License", "free": True}
UNFREE = {"shortName": "unfree", "fullName": "Unfree", "free": False}


@pytest.mark.parametrize(
    ("raw", "labels"),
    [
        (None, ()),
        ([], ()),
        ("custom", ("custom",)),
        (MIT, ("MIT",)),
        ({"shortName": "mit", "fullName": "MIT License"}, ("mit",)),
        ({"fullName": "MIT License"}, ("MIT License",)),
        ({"spdxId": "", "shortName": "mit"}, ("mit",)),
        ({"url": "https://example.org"}, ("<unknown licence>",)),
        ([UNFREE, MIT, MIT, "custom"], ("MIT", "custom", "unfree")),
        (3, ("<unknown licence>",)),
    ],
)
def test_licences(raw: Any, labels: tuple[str, ...]) -> None:
    assert PackageMeta.from_json({"license": raw}).licenses == labels


@pytest.mark.parametrize(
    ("raw", "labels"),
    [
        ([], ()),
        ([{"github": "alice", "name": "Alice", "email": "a@example.org"}], ("alice",)),
        ([{"name": "Bob", "email": "b@example.org"}, {"email": "c@example.org"}], ("Bob", "c@example.org")),
        ([{"githubId": 3}], ("<unnamed maintainer>",)),
        ("someone", ("someone",)),
    ],
)
def test_maintainers(raw: Any, labels: tuple[str, ...]) -> None:
    assert PackageMeta.from_json({"maintainers": raw}).maintainers == labels


@pytest.mark.parametrize(
    ("raw", "unfree"),
    [
        ({"unfree": True, "license": MIT}, True),
        ({"unfree": False, "license": UNFREE}, False),
        ({"license": UNFREE}, True),
        ({"license": [MIT, UNFREE]}, True),
        ({"license": MIT}, False),
        ({"license": "unfree"}, False),
        ({}, False),
    ],
)
def test_unfree_is_what_the_evaluator_says_else_what_the_licence_says(raw: dict[str, Any], *, unfree: bool) -> None:
    assert PackageMeta.from_json(raw).unfree is unfree


@pytest.mark.parametrize("raw", [None, {}, {"broken": "yes", "position": 3, "homepage": "", "license": None}])
def test_unexpected_types_count_as_absent(raw: Any) -> None:
    assert PackageMeta.from_json(raw) == PackageMeta()


def test_the_rest() -> None:
    raw = {
        "broken": True,
        "insecure": True,
        "position": "a.nix:3",
        "description": "A",
        "homepage": "https://example.org",
    }

    assert PackageMeta.from_json(raw) == PackageMeta(
        broken=True, insecure=True, position="a.nix:3", description="A", homepage="https://example.org"
    )
