"""Whatever stands in the file or the environment gives a configuration or problems, never anything else."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ekaci_core.config.credential_sources import KNOWN_SOURCES
from ekaci_core.config.entries import FORGE_TABLES
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.config.misplaced import put_in_place
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.config.schema import settings as keys
from ekaci_core.config.shown import shown_values
from ekaci_core.config.variables import GENERAL, SPECIAL, variable_of

WORDS = sorted({word for key in keys() for word in key.split(".")} | KNOWN_SOURCES.keys() | FORGE_TABLES.keys())
NAMES = st.sampled_from(
    [*WORDS, "caches", "id", "domain", "credentials", "permissions", "allow_all", "vars", "", "a.b"]
)
PLAIN = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["/a", "none", "env", "main", "https://a.b", "a" * 100_000, "\ud800", "\0"]),
    st.just(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    st.just(dt.time(1)),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
VARIABLES = st.sampled_from(
    [
        *map(variable_of, keys()),
        *GENERAL,
        *SPECIAL,
        "GITHUB_APP_ID",
        "GITHUB_APP_PRIVATE_KEY",
        "GITEA_TOKEN",
        "GITEA_DOMAIN",
    ]
)


@settings(max_examples=60)
@given(st.dictionaries(NAMES, VALUES, max_size=6), st.dictionaries(VARIABLES, st.text(max_size=9), max_size=4))
def test_anything_is_a_configuration_or_problems(contents: dict[str, Any], variables: dict[str, str]) -> None:
    placed = put_in_place(contents)
    file = MachineFile("ekaci.toml", placed.contents, "", placed)
    problems: ConfigurationProblems | None = None
    try:
        assert shown_values(server_config(file, {"HOME": "/home/ci", **variables}))
    except ConfigurationProblems as found:
        problems = found
    assert problems is None or (problems.problems and len(str(problems)) < 50_000)
