"""From file, variables and options to one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from ekaci_core.api import CredentialUse, ForgeConfig, Secret
from ekaci_core.config.given import flag
from ekaci_core.config.lacking import lacking
from ekaci_core.config.load import read_server_config, server_config
from ekaci_core.config.machine_file import MachineFile, parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems, OriginKind, Problem, parent
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shapes import Shapes
from ekaci_core.config.shown import shown_values
from ekaci_core.config.start import check_start
from ekaci_core.model.errors import UsageFault

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


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"EKA_CI_REQUIRE_APROVAL": "1"}, "EKA_CI_REQUIRE_APROVAL: it stands for no key (did you mean EKA_CI_REQUIRE_APPROVAL?)"),
        ({"EKA_CI_CACHES": "x"}, "EKA_CI_CACHES: it stands for no key: there is no caches that a variable can give"),
        ({"EKA_CI_REQUIRE_APPROVAL": "maybe"}, 'EKA_CI_REQUIRE_APPROVAL: require_approval: expected true or false, got "maybe"'),
        ({"EKA_CI_WEB__PORT": "70000"}, "EKA_CI_WEB__PORT: web.port: expected a whole number from 0 to 65535, got 70000"),
        ({"EKA_CI_WEB__PORT": "-1"}, "EKA_CI_WEB__PORT: web.port: expected a whole number from 0 to 65535, got -1"),
        ({"EKA_CI_WEB__PORT": "http"}, 'EKA_CI_WEB__PORT: web.port: expected a whole number from 0 to 65535, got "http"'),
        ({"EKA_CI_GRAPH_LRU_CAPACITY": "0"}, "EKA_CI_GRAPH_LRU_CAPACITY: graph_lru_capacity: expected at least 1, got 0"),
        ({"EKA_CI_OAUTH__CREDENTIALS": "env"}, "EKA_CI_OAUTH__CREDENTIALS: oauth.credentials: a credential source can be given in the file only"),
        ({"LOGS_DIR": "logs"}, 'LOGS_DIR: logs_dir: expected an absolute path, got "logs"'),
        ({"BIND_ADDR": "8080"}, 'BIND_ADDR: expected an IP address and a port, such as "0.0.0.0:8080"'),
        ({"BIND_ADDR": "localhost:80"}, 'BIND_ADDR: web.address: expected an IP address such as "127.0.0.1", got "localhost"'),
        ({"GITHUB_APP_ID": "1"}, "GITHUB_APP_ID: GITHUB_APP_PRIVATE_KEY is needed beside it, or an entry of [[github_apps]]"),
        ({"GITLAB_TOKEN": "t"}, "GITLAB_TOKEN: GITLAB_DOMAIN is needed beside it, or an entry of [[gitlab_instances]]"),
    ],
)  # fmt: skip
def test_wrong_variables_are_named(environment: Mapping[str, str], said: str) -> None:
    assert problems("", environment) == [said]


@pytest.mark.parametrize(
    "text", ["postgres://u:hunter2@h/db", "sqlite::memory:", "sqlite://hunter2", "sqlite:///a?mode=ro", "hunter2"]
)
def test_a_database_elsewhere_is_refused_without_showing_its_address(text: str) -> None:
    [said] = problems("", {"DATABASE_URL": text})
    assert said.startswith("DATABASE_URL: ")
    assert "hunter2" not in said


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
        'ekaci.toml:23: github_apps[1]: unknown key "require_approval"; it belongs to the top: '
        "write it above the first table",
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
        ("web = 5", "ekaci.toml:1: web: expected an object, got 5"),
        ("caches = 5", "ekaci.toml:1: caches: expected tables, written [[caches]]"),
        ("[caches]\nid = 'a'", "ekaci.toml:1: caches: expected tables, written [[caches]]"),
        ("github_apps = ['a']", "ekaci.toml:1: github_apps[0]: expected a table, written [[github_apps]]"),
        ("db_path = 'a.db'", 'ekaci.toml:1: db_path: expected an absolute path, got "a.db"'),
        ("db_path = '/a'\n[web]\ndb_path = '/b'", "ekaci.toml:3: web.db_path: it means db_path, which is there too: keep one of them"),
        ("socket_path = '/a'\nunix.socket_path = '/b'", "ekaci.toml:1: socket_path: it means unix.socket_path, which is there too: keep one of them"),
        (CACHE + "credentials = 'hunter2!'", "ekaci.toml:5: caches[0].credentials: there is no source that; there are: "),
        (CACHE + "credentials = {}", "ekaci.toml:5: caches[0].credentials: expected one source, such as { env = { ... } }, there is none; there are: "),
        (CACHE + "credentials = 5", "ekaci.toml:5: caches[0].credentials: expected a source, such as { env = { ... } }; there are: "),
        (CACHE + "credentials = { env = { vars = [] } }", "ekaci.toml:5: caches[0].credentials.env.vars: expected at least one variable, got a list"),
        (CACHE + "credentials = { env = 'A' }", 'ekaci.toml:5: caches[0].credentials.env: expected an object, got "A"'),
        (CACHE + "credentials = { none = { a = 1 } }", 'ekaci.toml:5: caches[0].credentials.none: unknown key "a"'),
        (CACHE + "credentials = { systemd-credential = { name = '../x' } }", "ekaci.toml:5: caches[0].credentials.systemd-credential.name: expected the name of a credential"),
        (CACHE + "credentials = 'none'\npermissions = { allowed_repos = 'a' }", 'ekaci.toml:6: caches[0].permissions.allowed_repos: expected a list, got "a"'),
        (CACHE + "credentials = 'none'\npermissions = { allowed_branches = [''] }", "ekaci.toml:6: caches[0].permissions.allowed_branches[0]: expected a pattern"),
        ("[[gitea_instances]]\ntoken = 'x'", 'ekaci.toml:1: gitea_instances[0]: the key "domain" is missing'),
        ("[[gitea_instances]]\ndomain = 'x'\ninsecure_webhooks = true", "ekaci.toml:3: gitea_instances[0].insecure_webhooks: it is set by security.allow_insecure_webhooks"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    [found] = problems(text)
    assert found.startswith(said)
    assert "hunter2" not in found


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


def test_a_key_of_the_top_is_found_below_any_table() -> None:
    config = load("[security]\nrequire_approval = true\n[web]\nsocket_path = '/s'\n[graph]\ngraph_lru_capacity = 7")
    assert (config.require_approval, config.socket_path, config.graph.lru_capacity) == (True, Path("/s"), 7)
    assert [warning.place for warning in config.warnings] == ["ekaci.toml:2", "ekaci.toml:4", "ekaci.toml:6"]
    assert config.places.origin("unix.socket_path") == config.places.origin("unix.socket_path")
    assert str(config.places.origin("unix.socket_path")) == "ekaci.toml:4"


def test_names_of_other_pages_mean_the_same() -> None:
    for written, source, settings in (
        ('{ systemd = { credential_id = "x" } }', "systemd-credential", {"name": "x"}),
        ('{ systemd-credential = { credential_id = "x" } }', "systemd-credential", {"name": "x"}),
        ('{ instance-metadata = { provider = "aws" } }', "instance-metadata", {"provider": "aws"}),
        ('"instance-metadata"', "instance-metadata", {}),
        ("{ none = {} }", "none", {}),
        ('"none"', "none", {}),
        (
            '{ git-hub-app-key-file = { app_id_env = "A", key_file = "/k" } }',
            "github-app-key-file",
            {"app_id_env": "A", "key_file": "/k"},
        ),
    ):
        [cache] = load(f"{CACHE}credentials = {written}").caches
        assert cache.credentials == CredentialUse(source, settings)


APP = '[[github_apps]]\nid = "main"\ncredentials = { file = { path = "/app.json" } }\n'


def test_a_reference_means_the_credentials_of_that_app() -> None:
    reference = 'credentials = { github-app-key = { app_id = "main" } }\n'
    other = '[[github_apps]]\nid = "other"\n' + reference
    config = load(f"[oauth]\n{reference}{APP}{other}{CACHE}{reference}")
    file = CredentialUse("file", {"path": "/app.json"})
    assert config.oauth.credentials == file
    assert [entry.config.credentials for entry in config.forges] == [file, file]
    assert config.caches[0].credentials == file


def test_a_reference_that_leads_nowhere_is_a_fault() -> None:
    reference = 'credentials = { github-app-key = { app_id = "mian" } }\n'
    assert problems(APP + CACHE + reference) == [
        'ekaci.toml:8: caches[0].credentials.github-app-key.app_id: no entry of [[github_apps]] has the id "mian" '
        '(did you mean "main"?); there are: main'
    ]
    assert problems(CACHE + reference)[0].endswith('has the id "mian"; there is none at all')
    ring = '[[github_apps]]\nid = "mian"\n' + reference
    assert problems(ring)[0].endswith('"mian" leads back to itself: one entry must name a source')


def test_an_app_comes_from_variables_where_the_file_has_none() -> None:
    pem = {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----\nx"}
    [app] = load("", pem).forges
    names = ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY"]
    assert (app.table, app.config.id) == ("github_apps", "environment")
    assert app.config.credentials == CredentialUse("env", {"vars": names})
    path = {**pem, "GITHUB_APP_PRIVATE_KEY": "/path/to/key.pem"}
    file = CredentialUse("github-app-key-file", {"app_id_env": names[0], "key_file": "/path/to/key.pem"})
    assert load("", path).forges[0].config.credentials == file
    written = f'[[github_apps]]\nid = "a"\ncredentials = {{ env = {{ vars = {names} }} }}'
    assert [entry.config.credentials for entry in load(written, path).forges] == [file]
    assert [entry.config.id for entry in load(APP, pem).forges] == ["main"]


def test_a_gitea_comes_from_variables() -> None:
    token = {"GITEA_TOKEN": "hunter2", "GITEA_DOMAIN": "gitea.example.com"}
    use = CredentialUse("env", {"vars": ["GITEA_TOKEN"]})
    [alone] = load("", token).forges
    assert (alone.config.domain, alone.config.credentials) == ("gitea.example.com", use)  # type: ignore[attr-defined]
    two = '[[gitea_instances]]\ndomain = "a"\n[[gitea_instances]]\ndomain = "gitea.example.com"\n'
    assert [entry.config.credentials for entry in load(two, token).forges] == [None, use]
    assert load('[[gitea_instances]]\ndomain = "a"', {"GITEA_TOKEN": "t"}).forges[0].config.credentials == use
    own = load('[[gitea_instances]]\ndomain = "gitea.example.com"\ntoken = "x"', token).forges[0]
    assert (own.config.credentials, own.config.token) == (None, Secret("x"))  # type: ignore[attr-defined]
    assert own.written["token"] == Secret("x")


def test_every_forge_has_the_secret_of_its_webhooks() -> None:
    text = f'{APP}[[gitea_instances]]\ndomain = "a"\nwebhook_secret = "own"\n'
    config = load(text, {"WEBHOOK_SECRET": "all", "EKACI_ALLOW_INSECURE_WEBHOOKS": "on"})
    assert [entry.config.webhook_secret for entry in config.forges] == [Secret("all"), Secret("own")]
    assert [entry.config.insecure_webhooks for entry in config.forges] == [True, True]


@attrs.frozen(kw_only=True)
class Bucket(ForgeConfig):
    url: str
    depth: int = attrs.field(default=1, validator=attrs.validators.ge(1))


def test_plugins_say_what_their_tables_hold() -> None:
    @attrs.frozen
    class Pass:
        entry: str

    shapes = Shapes().extended(forges={"buckets": Bucket}, sources={"pass": Pass}, caches=["oci"])
    text = '[[buckets]]\nid = "b"\nurl = "x"\ncredentials = { pass = { entry = "e" } }\n' + CACHE.replace(
        "cachix", "oci"
    )
    file = parse_machine_file(f'{text}credentials = "none"\nlevel = 3\ntoken = "hunter2"', "ekaci.toml")
    config = server_config(file, HOME, shapes=shapes)
    assert config.forges[0].config == Bucket(id="b", url="x", credentials=CredentialUse("pass", {"entry": "e"}))
    assert config.caches[0].settings == {"level": 3, "token": Secret("hunter2")}
    wrong = parse_machine_file('[[buckets]]\nurl = "x"\ndepth = 0\ncredentials = { pass = {} }', "ekaci.toml")
    with pytest.raises(ConfigurationProblems) as raised:
        server_config(wrong, HOME, shapes=shapes)
    assert [problem.at for problem in raised.value.problems] == ["buckets[0].credentials.pass"]
    wrong = parse_machine_file('[[buckets]]\nurl = "x"\ndepth = 0', "ekaci.toml")
    with pytest.raises(ConfigurationProblems, match="depth"):
        server_config(wrong, HOME, shapes=shapes)


def test_warnings_tell_what_may_not_be_meant() -> None:
    text = f"""web.bundle_path = "/b"
{CACHE}credentials = "none"
permissions = {{ allow_all = true, allowed_repos = ["a/b"] }}
{CACHE.replace('"a"', '"b"')}credentials = "none"
permissions = {{ allow_all = false }}
{CACHE.replace('"a"', '"c"')}credentials = "none"
permissions = {{ allowed_branches = ["main"] }}
"""
    assert [str(warning) for warning in load(text).warnings] == [
        "ekaci.toml:1: web.bundle_path: nothing reads it: the pages come with EkaCI",
        "ekaci.toml:7: caches[0].permissions: beside allow_all = true, allowed_repos means nothing",
        "ekaci.toml:13: caches[1].permissions: it allows nothing: allow_all is false, and no list says what is allowed",
        "ekaci.toml:19: caches[2].permissions: allow_all is taken as false, because there is allowed_branches; write it",
    ]


def test_a_server_does_not_start_without_a_secret_for_webhooks() -> None:
    with pytest.raises(ConfigurationProblems, match="WEBHOOK_SECRET"):
        check_start(load())
    assert check_start(load("", {"WEBHOOK_SECRET": "s"})) == ()
    assert check_start(load('[[gitea_instances]]\ndomain = "a"\nwebhook_secret = "own"')) == ()
    [said] = check_start(load("[security]\nallow_insecure_webhooks = true"))
    assert "never do that in production" in said.what
    [said] = check_start(load("[security]\nallow_private_cache_hosts = true\nwebhook_secret = 's'"))
    assert said.place == "ekaci.toml:2"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('"none"', "none has neither"),
        ('{ aws-profile = { profile = "p" } }', "an AWS profile has keys of AWS"),
        ('{ cachix-token = { env_var = "T" } }', "cachix-token has neither"),
        ('{ env = { vars = ["GITHUB_APP_ID"] } }', "vars lacks GITHUB_APP_PRIVATE_KEY"),
    ],
)
def test_a_source_that_cannot_yield_an_app_is_said_at_start(source: str, why: str) -> None:
    text = f'security.webhook_secret = "s"\n[[github_apps]]\nid = "a"\ncredentials = {source}'
    [said] = check_start(load(text))
    assert str(said).startswith("ekaci.toml:4: github_apps[0].credentials: it cannot be used for a GitHub App: ")
    assert why in said.what


def test_what_a_machine_lacks_is_named(tmp_path: Path) -> None:
    present = tmp_path / "present"
    present.write_text("x")
    sources = {
        '{ env = { vars = ["A", "B"] } }': ["vars: the variable B is not set here"],
        '{ cachix-token = { env_var = "B" } }': ["env_var: the variable B is not set here"],
        f'{{ file = {{ path = "{present}" }} }}': [],
        f'{{ file = {{ path = "{tmp_path}" }} }}': [f"path: there is no file {tmp_path} here"],
        '{ vault = { address = "v", secret_path = "s" } }': [
            'address: it is no address such as "https://vault.example.com:8200"',
            "token_env: the variable VAULT_TOKEN is not set here",
        ],
        '{ github-app-key-file = { app_id_env = "B", key_file = "/absent" } }': [
            "app_id_env: the variable B is not set here",
            "key_file: there is no file /absent here",
        ],
        '{ systemd-credential = { name = "n" } }': [": the variable CREDENTIALS_DIRECTORY is not set here"],
    }
    for source, said in sources.items():
        found = lacking(load(f"{CACHE}credentials = {source}"), {"A": "1"})
        keys = [problem.at.removeprefix("caches[0].credentials.").partition(".")[2] for problem in found]
        assert [f"{key}: {problem.what}" for key, problem in zip(keys, found, strict=True)] == said
        assert {problem.place for problem in found} <= {"ekaci.toml:5"}
    config = load(f'oauth.credentials = {{ systemd-credential = {{ name = "present" }} }}\n{APP}')
    assert [each.at for each in lacking(config, {"CREDENTIALS_DIRECTORY": str(tmp_path)})] == [
        "github_apps[0].credentials.file.path"
    ]


def test_what_is_shown_holds_no_secret_and_says_where_it_comes_from() -> None:
    text = f"""db_path = "/db"
[oauth]
client_secret = "hunter2"
[[builders]]
uri = "ssh://hunter2:hunter2@far"
token = "hunter2"
{APP}{CACHE.replace('"x"', '"https://hunter2:hunter2@cache"')}credentials = "none"
api_key = "hunter2"
webhook = {{ url = "https://x", secret = "hunter2" }}
"""
    environment = {"JWT_SECRET": "hunter2", "GITEA_TOKEN": "hunter2", "GITEA_DOMAIN": "g"}
    config = load(text, environment, web__port="1")
    shown = {value.key: (value.value, str(value.origin)) for value in shown_values(config)}
    assert "hunter2" not in repr(shown) + repr(config) + repr(config.file)
    assert shown["db_path"] == ("/db", "ekaci.toml:1")
    assert shown["web.port"] == (1, "--web__port")
    assert shown["web.address"] == ("127.0.0.1", "default")
    assert shown["oauth.client_secret"] == ("[REDACTED]", "ekaci.toml:3")
    assert shown["oauth.jwt_secret"] == ("[REDACTED]", "JWT_SECRET")
    assert shown["unix.socket_path"][0] == "/home/ci/.local/share/ekaci/ekaci.socket"
    assert shown["graph_lru_capacity"] == (100_000, "default")
    assert shown["builders[0].uri"] == ("ssh://[REDACTED]@far", "ekaci.toml:5")
    assert shown["caches[0].destination"] == ("https://[REDACTED]@cache", "ekaci.toml:13")
    assert shown["caches[0].webhook"] == ({"url": "https://x", "secret": "[REDACTED]"}, "ekaci.toml:16")
    assert shown["github_apps[0].credentials"] == ({"file": {"path": "/app.json"}}, "ekaci.toml:9")
    assert shown["gitea_instances[0].credentials"] == ({"env": {"vars": ["GITEA_TOKEN"]}}, "GITEA_TOKEN")


@pytest.mark.parametrize(
    ("at", "holder"),
    [("a", ""), ("a.b", "a"), ("a[0]", "a"), ("a[0].b", "a[0]"), ('a."b.c"', "a"), ('a."b.c".d', 'a."b.c"'), ("", "")],
)
def test_the_holder_of_an_address(at: str, holder: str) -> None:
    assert parent(at) == holder


def test_a_problem_reads_well() -> None:
    assert str(Problem("a", "b", "c")) == "c: a: b"
    assert str(Problem("", "b")) == "b"
