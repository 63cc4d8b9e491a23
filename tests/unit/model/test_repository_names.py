"""Names of repositories: what forges allow, and nothing that leads elsewhere."""

from __future__ import annotations

import pytest

from ekaci_core.model.errors import BadName
from ekaci_core.model.forge import RepositoryId


@pytest.mark.parametrize(
    "path", ["a/b", "a/.github", "a/.dotfiles", "a/b.nix", "a/...", "group/sub/b", "_a/b", "a/.gitx"]
)
def test_names_that_forges_allow(path: str) -> None:
    assert RepositoryId.parse("GitHub.com", path) == RepositoryId("github.com", path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "a/",
        "/b",
        "a//b",
        "../..",
        "a/..",
        "a/.",
        "./b",
        "a/.git",
        ".git/b",
        "a/b.git",
        "-a/b",
        "a/-b",
        "a/b\n",
    ],
)
def test_names_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(BadName):
        RepositoryId.parse("github.com", path)
