"""What cannot be used is named: all of it, each with address and place, and never a secret."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ekaci_core.config.given import flag
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems, Problem, parent
from ekaci_core.config.server import ServerConfig

HOME = {"HOME": "/home/ci"}
CACHE = '[[caches]]\nid = "a"\ncache_type = "cachix"\ndestination = "x"\n'


def load(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> ServerConfig:
    given = [flag(key.replace("__", "."), f"--{key}", value) for key, value in flags.items()]
    return server_config(parse_machine_file(text, "ekaci.toml"), {**HOME, **(environment or {})}, given)


def problems(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> list[str]:
    with pytest.raises(ConfigurationProblems) as raised:
        load(text, environment, **flags)
    assert raised.value.do
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("EKA_CI_REQUIRE_APROVAL", "1", "it stands for no key (did you mean EKA_CI_REQUIRE_APPROVAL?)"),
        ("EKA_CI_CACHES", "x", "it stands for no key: there is no caches that a variable can give"),
        ("EKA_CI_REQUIRE_APPROVAL", "maybe", 'require_approval: expected true or false, got "maybe"'),
        ("EKA_CI_WEB__PORT", "70000", "web.port: expected a whole number from 0 to 65535, got 70000"),
        ("EKA_CI_WEB__PORT", "-1", "web.port: expected a whole number from 0 to 65535, got -1"),
        ("EKA_CI_WEB__PORT", "http", 'web.port: expected a whole number from 0 to 65535, got "http"'),
        ("EKA_CI_OAUTH__CREDENTIALS", "env", "oauth.credentials: a credential source can be given in the file only"),
        ("LOGS_DIR", "logs", 'logs_dir: expected an absolute path, got "logs"'),
        ("BIND_ADDR", "8080", 'expected an IP address and a port, such as "0.0.0.0:8080"'),
        ("BIND_ADDR", "localhost:80", 'web.address: expected an IP address such as "127.0.0.1", got "localhost"'),
        ("GITHUB_APP_ID", "1", "GITHUB_APP_PRIVATE_KEY is needed beside it, or an entry of [[github_apps]]"),
        ("GITLAB_TOKEN", "t", "GITLAB_DOMAIN is needed beside it, or an entry of [[gitlab_instances]]"),
    ],
)
def test_wrong_variables_are_named(name: str, text: str, said: str) -> None:
    assert problems("", {name: text}) == [f"{name}: {said}"]


@pytest.mark.parametrize(
    "text", ["postgres://u:hunter2@h/db", "sqlite::memory:", "sqlite://hunter2", "sqlite:///a?mode=ro", "hunter2"]
)
def test_a_database_elsewhere_is_refused_without_showing_its_address(text: str) -> None:
    [said] = problems("", {"DATABASE_URL": text})
    assert said.startswith("DATABASE_URL: ")
    assert "hunter2" not in said


def test_all_faults_come_at_once_each_with_its_line() -> None:
    text = """\
require_aproval = true
max_failed_check_runs = -1
[web]
address = "localhost"
port = "80"
allowed_origins = ["https://a.b/c", "*", "https://x:y@a.b", "ftp://a"]
[oauth]
client_secret = 12345678
credentials = { env = {} }
[security]
webhook_secret = ""
max_hook_timeout_seconds = 0
[graph]
tier1_age_seconds = 1.5
[retention]
logs = 1
[[github_apps]]
id = "a"
credentials = { vault = { adress = "https://v", secret_path = "x" } }
[[github_apps]]
id = "a"
credentials = { env = { vars = ["A"] }, file = { path = "/a" } }
require_approval = true
[[caches]]
id = "c"
cache_type = "s3"
credentials = "vault"
[github]
x = 1
"""
    said = problems(text, {"EKA_CI_NOTHING": "1"}, default_merge_method="octopus")
    top = "it belongs to the top: write it above all tables"
    origin = 'expected a web origin such as "https://ci.example.org", without a path, got'
    assert said == [
        "EKA_CI_NOTHING: it stands for no key: there is no nothing that a variable can give",
        '--default_merge_method: default_merge_method: expected "merge", "squash" or "rebase", got "octopus"',
        'ekaci.toml:1: unknown key "require_aproval" (did you mean "require_approval"?)',
        "ekaci.toml:2: max_failed_check_runs: expected a whole number from 0 to 1000, got -1",
        'ekaci.toml:4: web.address: expected an IP address such as "127.0.0.1", got "localhost"',
        'ekaci.toml:5: web.port: expected a whole number from 0 to 65535, got "80"',
        f'ekaci.toml:6: web.allowed_origins[0]: {origin} "https://a.b/c"',
        f'ekaci.toml:6: web.allowed_origins[1]: {origin} "*"',
        f'ekaci.toml:6: web.allowed_origins[2]: {origin} "https://[REDACTED]@a.b"',
        f'ekaci.toml:6: web.allowed_origins[3]: {origin} "ftp://a"',
        "ekaci.toml:8: oauth.client_secret: expected a string",
        'ekaci.toml:9: oauth.credentials.env: the key "vars" is missing',
        "ekaci.toml:11: security.webhook_secret: expected a secret, got an empty string",
        "ekaci.toml:12: security.max_hook_timeout_seconds: expected a whole number from 1 to 86400, got 0",
        "ekaci.toml:14: graph.tier1_age_seconds: expected a whole number, got 1.5",
        'ekaci.toml:16: retention: unknown key "logs"',
        'ekaci.toml:19: github_apps[0].credentials.vault: the key "address" is missing',
        'ekaci.toml:19: github_apps[0].credentials.vault: unknown key "adress" (did you mean "address"?)',
        'ekaci.toml:21: github_apps[1].id: github_apps[0] has the id "a" already',
        "ekaci.toml:22: github_apps[1].credentials: expected one source, such as { env = { ... } }, got 2",
        f'ekaci.toml:23: github_apps[1]: unknown key "require_approval"; {top}',
        'ekaci.toml:24: caches[0]: the key "destination" is missing',
        'ekaci.toml:26: caches[0].cache_type: expected "attic", "cachix" or "nix-copy", got "s3"',
        'ekaci.toml:27: caches[0].credentials: the source "vault" needs settings, written { vault = { ... } }',
        'ekaci.toml:28: unknown key "github" (did you mean "github_apps"?)',
    ]


def test_one_fault_says_its_place_once() -> None:
    with pytest.raises(ConfigurationProblems) as raised:
        load("[web]\nport = -1")
    assert str(raised.value) == "ekaci.toml:2: web.port: expected a whole number from 0 to 65535, got -1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web = 5", "1: web: expected a table, got 5"),
        ("caches = 5", "1: caches: expected tables, written [[caches]]"),
        ("[caches]\nid = 'a'", "1: caches: expected tables, written [[caches]]"),
        ("github_apps = ['a']", "1: github_apps[0]: expected a table, written [[github_apps]]"),
        ("db_path = 'a.db'", '1: db_path: expected an absolute path, got "a.db"'),
        ("db_path = '/a'\n[web]\ndb_path = '/b'", "3: web.db_path: it means db_path, which is there too: keep one"),
        (
            "socket_path = '/a'\nunix.socket_path = '/b'",
            "1: socket_path: it means unix.socket_path, which is there too",
        ),
        ("[[gitea_instances]]\ntoken = 'x'", '1: gitea_instances[0]: the key "domain" is missing'),
        ("[[github_apps]]\ncredentials = 'none'", '1: github_apps[0]: the key "id" is missing'),
        ("[[github_apps]]\nid = 'a'", '1: github_apps[0]: the key "credentials" is missing'),
        (
            "[[gitea_instances]]\ndomain = 'x'\ninsecure_webhooks = true",
            "3: gitea_instances[0].insecure_webhooks: it is set by security.allow_insecure_webhooks",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    [found] = problems(text)
    assert found.startswith(f"ekaci.toml:{said}")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("'hunter2!'", ": there is no source that; there are: "),
        ("{}", ": expected one source, such as { env = { ... } }, there is none; there are: "),
        ("5", ": expected a source, such as { env = { ... } }; there are: "),
        ("{ env = { vars = [] } }", ".env.vars: expected at least one variable, got a list"),
        ("{ env = 'A' }", '.env: expected a table, got "A"'),
        ("{ none = { a = 1 } }", '.none: unknown key "a"'),
        ("{ vault = { hunter2 = 1 } }", ".vault: "),
        ("{ systemd-credential = { name = '../x' } }", ".systemd-credential.name: expected the name of a credential"),
    ],
)
def test_wrong_credentials_are_named(written: str, said: str) -> None:
    found = problems(f"{CACHE}credentials = {written}")
    assert found[0].startswith(f"ekaci.toml:5: caches[0].credentials{said}")
    assert "hunter2!" not in found[0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{ allowed_repos = 'a' }", '.allowed_repos: expected a list, got "a"'),
        ("{ allowed_branches = [''] }", ".allowed_branches[0]: expected a pattern"),
        ("{ allow = true }", ': unknown key "allow" (did you mean "allow_all"?)'),
        ("true", ": expected a table, got true"),
    ],
)
def test_wrong_permissions_are_named(written: str, said: str) -> None:
    [found] = problems(f"{CACHE}credentials = 'none'\npermissions = {written}")
    assert found.startswith(f"ekaci.toml:6: caches[0].permissions{said}")


def test_no_fault_shows_a_secret() -> None:
    text = """[oauth]
client_secret = ["hunter2"]
client_secert = "hunter2"
[security]
webhook_secret = { hunter2 = 1 }
[[gitlab_instances]]
domain = "gitlab.com"
token = ["hunter2"]
"""
    said = problems(text)
    assert len(said) == 4
    assert "hunter2" not in " ".join(said)


@pytest.mark.parametrize(
    ("at", "holder"),
    [("a", ""), ("a.b", "a"), ("a[0]", "a"), ("a[0].b", "a[0]"), ('a."b.c"', "a"), ('a."b.c".d', 'a."b.c"'), ("", "")],
)
def test_the_holder_of_an_address(at: str, holder: str) -> None:
    assert parent(at) == holder


def test_a_problem_reads_well() -> None:
    assert str(Problem("a", "b", "c")) == "c: a: b"
    assert str(Problem("", "b")) == "b"
