"""Parts of the builders, by repository."""

from __future__ import annotations

import pytest

from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.config.weights import matches_repository, weight_of
from ekaci_core.model.forge import RepositoryId

HOME = {"HOME": "/home/ci"}


def weights(text: str = "", **environment: str) -> tuple[str, ...]:
    return server_config(parse_machine_file(text, "ekaci.toml"), {**HOME, **environment}, []).repository_weights


@pytest.mark.parametrize(
    ("path", "weight"), [("acme/tools", 4.0), ("acme/web", 0.5), ("other/tools", 1.0), ("acme-labs/web", 1.0)]
)
def test_the_first_pattern_that_matches_counts(path: str, weight: float) -> None:
    entries = weights('repository_weights = ["github.com/acme/tools=4", "github.com/acme/*=0.5"]')
    assert weight_of(RepositoryId.parse("github.com", path), entries) == weight
    assert weight_of(RepositoryId.parse("git.example.org", path), entries) == 1.0


def test_a_variable_can_give_them() -> None:
    entries = weights(EKA_CI_REPOSITORY_WEIGHTS="*/acme/a=2, */acme/b=3")
    assert [weight_of(RepositoryId.parse("git.example.org", f"acme/{name}"), entries) for name in "abc"] == [2, 3, 1]


@pytest.mark.parametrize("entry", ["acme", "=2", "acme=", "acme=0", "acme=-1", "acme=nan", "acme=inf", "acme=101"])
def test_what_is_no_weight_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        weights(f'repository_weights = ["{entry}"]')
    [problem] = map(str, raised.value.problems)
    assert problem.startswith("ekaci.toml:1: repository_weights")
    assert f'such as "github.com/acme/*=2", got "{entry}"' in problem


def test_repositories_reviewed_as_merged_are_named_by_patterns() -> None:
    file = parse_machine_file('review_as_merged = ["github.com/acme/*", "*/tools"]', "ekaci.toml")
    patterns = server_config(file, HOME, []).review_as_merged
    matching = [
        f"{host}/{path}"
        for host in ("github.com", "git.example.org")
        for path in ("acme/a", "acme/tools", "other/tools", "other/a")
        if matches_repository(RepositoryId.parse(host, path), patterns)
    ]
    assert matching == [
        "github.com/acme/a",
        "github.com/acme/tools",
        "github.com/other/tools",
        "git.example.org/acme/tools",
        "git.example.org/other/tools",
    ]


def test_what_can_be_no_repository_is_refused() -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        server_config(parse_machine_file('review_as_merged = ["packages"]', "ekaci.toml"), HOME, [])
    [problem] = map(str, raised.value.problems)
    assert problem.startswith("ekaci.toml:1: review_as_merged")
