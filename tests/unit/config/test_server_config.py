"""From file, variables and options to one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.api import Secret
from ekaci_core.config.given import flag
from ekaci_core.config.load import read_server_config, server_config
from ekaci_core.config.machine_file import MachineFile, parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems, OriginKind
from ekaci_core.config.server import ServerConfig
from ekaci_core.model.errors import UsageFault

HOME = {"HOME": "/home/ci"}


def load(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> ServerConfig:
    given = [flag(key.replace("__", "."), f"--{key}", value) for key, value in flags.items()]
    return server_config(parse_machine_file(text, "ekaci.toml"), {**HOME, **(environment or {})}, given)


def test_without_anything_the_defaults_hold() -> None:
    config = load()
    data = Path("/home/ci/.local/share/ekaci")
    assert (config.db_path, config.logs_dir) == (data / "sqlite.db", data / "build-logs")
    assert (config.workspace_root, config.socket_path) == (data / "workspaces", data / "ekaci.socket")
    assert (config.web.address, config.web.port, config.web.url) == ("127.0.0.1", 3030, "http://127.0.0.1:3030")
    assert config.oauth.redirect_url == "http://127.0.0.1:3030/github/auth/callback"
    assert (config.caches, config.forges, config.warnings) == ((), (), ())


def test_the_xdg_folders_count_where_they_are_absolute() -> None:
    config = load("", {"XDG_DATA_HOME": "/data", "XDG_RUNTIME_DIR": "/run/user/1"})
    assert (config.db_path, config.socket_path) == (Path("/data/ekaci/sqlite.db"), Path("/run/user/1/ekaci.socket"))
    assert load("", {"XDG_DATA_HOME": "data"}).db_path == Path("/home/ci/.local/share/ekaci/sqlite.db")


def test_without_a_home_places_must_be_said() -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        server_config(MachineFile("ekaci.toml"), {})
    assert [problem.at for problem in raised.value.problems] == [
        "db_path",
        "logs_dir",
        "workspace_root",
        "unix.socket_path",
    ]


def test_the_file_is_found_where_flag_then_variable_then_xdg_say(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.toml" for name in ("flag", "variable")}
    places["usual"] = tmp_path / "ekaci/ekaci.toml"
    places["usual"].parent.mkdir()
    for port, path in enumerate(places.values(), 1):
        path.write_text(f"web.port = {port}")
    environment = {**HOME, "XDG_CONFIG_HOME": str(tmp_path), "EKA_CI_CONFIG_FILE": str(places["variable"])}
    assert read_server_config(environment, file=places["flag"]).web.port == 1
    assert read_server_config(environment).web.port == 2
    del environment["EKA_CI_CONFIG_FILE"]
    assert read_server_config(environment).web.port == 3
    with pytest.raises(UsageFault, match="there is no such file"):
        read_server_config(environment, file=tmp_path / "absent")


def test_flags_win_over_variables_and_these_over_the_file() -> None:
    text, variables = "[web]\nport = 1", {"EKA_CI_WEB__PORT": "2"}
    assert load(text).web.port == 1
    assert load(text, variables).web.port == 2
    assert load(text, variables, web__port="3").web.port == 3
    kinds = [
        config.places.origin("web.port")
        for config in (load(), load(text), load(text, variables), load(text, variables, web__port="3"))
    ]
    assert [origin and (origin.kind, origin.name) for origin in kinds] == [
        None,
        (OriginKind.FILE, "ekaci.toml:2"),
        (OriginKind.VARIABLE, "EKA_CI_WEB__PORT"),
        (OriginKind.FLAG, "--web__port"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("DATABASE_URL", "sqlite:///var/lib/eka-ci/eka.db", "db_path", Path("/var/lib/eka-ci/eka.db")),
        ("DATABASE_URL", "sqlite:////var/a%20b.db?mode=rwc", "db_path", Path("/var/a b.db")),
        ("LOGS_DIR", "/var/lib/eka-ci/logs", "logs_dir", Path("/var/lib/eka-ci/logs")),
        ("BIND_ADDR", "0.0.0.0:8080", "web.address", "0.0.0.0"),  # noqa: S104 - the page's example
        ("BIND_ADDR", "[::1]:8080", "web.address", "::1"),
        ("BIND_ADDR", "0.0.0.0:8080", "web.port", 8080),
        ("WEBHOOK_SECRET", "s", "security.webhook_secret", Secret("s")),
        ("GITHUB_WEBHOOK_SECRET", "s", "security.webhook_secret", Secret("s")),
        ("GITHUB_OAUTH_CLIENT_ID", "x", "oauth.client_id", "x"),
        ("GITHUB_OAUTH_CLIENT_SECRET", "s", "oauth.client_secret", Secret("s")),
        ("GITHUB_OAUTH_REDIRECT_URL", "https://x/y", "oauth.redirect_url", "https://x/y"),
        ("JWT_SECRET", "s", "oauth.jwt_secret", Secret("s")),
        ("EKA_CI_REQUIRE_APPROVAL", "true", "require_approval", True),
        ("EKA_CI_REQUIRE_APPROVAL", "No", "require_approval", False),
        ("EKA_CI_GRAPH_LRU_CAPACITY", "150000", "graph.lru_capacity", 150_000),
        ("EKA_CI_SECURITY__ALLOWED_HOOK_REPOS", "a/b, c/*", "security.allowed_hook_repos", ("a/b", "c/*")),
        ("EKA_CI_RETENTION__LOGS_MAX_AGE_SECONDS", "1.5", "retention.logs_max_age_seconds", 1.5),
        ("eka_ci_web__port", "1", "web.port", 1),
        ("EKACI_WEB_ALLOWED_ORIGINS", "https://a.b,http://c:1", "web.allowed_origins", ("https://a.b", "http://c:1")),
        ("EKACI_ALLOW_INSECURE_WEBHOOKS", "1", "security.allow_insecure_webhooks", True),
        ("EKACI_ALLOW_PRIVATE_CACHE_HOSTS", "yes", "security.allow_private_cache_hosts", True),
        ("EKACI_WORKSPACE_ROOT", "/w", "workspace_root", Path("/w")),
    ],
)
def test_variables_stand_for_keys(name: str, text: str, key: str, value: object) -> None:
    found: object = load("", {name: text})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_variables_that_other_programs_use_too_are_the_weakest() -> None:
    environment = {
        "DATABASE_URL": "postgres://x",
        "EKA_CI_DB_PATH": "/a",
        "BIND_ADDR": "0.0.0.0:1",
        "EKA_CI_WEB__PORT": "2",
    }
    config = load("", environment)
    assert (config.db_path, config.web.port, config.web.address) == (Path("/a"), 2, "0.0.0.0")  # noqa: S104
    assert [str(warning) for warning in config.warnings] == [
        "BIND_ADDR: web.port: EKA_CI_WEB__PORT wins over BIND_ADDR"
    ]


def test_two_variables_that_contradict_each_other_are_told() -> None:
    config = load("", {"WEBHOOK_SECRET": "a", "GITHUB_WEBHOOK_SECRET": "b"})
    assert config.security.webhook_secret == Secret("a")
    assert [warning.what for warning in config.warnings] == ["WEBHOOK_SECRET wins over GITHUB_WEBHOOK_SECRET"]
    assert load("", {"WEBHOOK_SECRET": "a", "GITHUB_WEBHOOK_SECRET": "a"}).warnings == ()


def test_empty_variables_are_not_there() -> None:
    config = load('[oauth]\nclient_id = "x"', {"GITHUB_OAUTH_CLIENT_ID": "", "EKA_CI_WEB__PORT": "", "EKA_CI_X": ""})
    assert config.oauth.client_id == "x"


def test_a_key_of_the_top_is_found_below_any_table() -> None:
    config = load("[security]\nrequire_approval = true\n[web]\nsocket_path = '/s'\n[graph]\ngraph_lru_capacity = 7")
    assert (config.require_approval, config.socket_path, config.graph.lru_capacity) == (True, Path("/s"), 7)
    assert [warning.place for warning in config.warnings] == ["ekaci.toml:2", "ekaci.toml:4", "ekaci.toml:6"]
    assert config.places.origin("unix.socket_path") == config.places.origin("unix.socket_path")
    assert str(config.places.origin("unix.socket_path")) == "ekaci.toml:4"
