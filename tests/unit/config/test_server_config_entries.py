"""Forges, caches, where their secrets come from, and what is odd about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from ekaci_core.api import CacheConfig, CredentialUse, ForgeConfig, Secret
from ekaci_core.config.given import flag
from ekaci_core.config.lacking import lacking
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shapes import Shapes
from ekaci_core.config.start import check_start

HOME = {"HOME": "/home/ci"}
APP = '[[github_apps]]\nid = "main"\ncredentials = { file = { path = "/app.json" } }\n'
CACHE = '[[caches]]\nid = "a"\ncache_type = "cachix"\ndestination = "x"\n'


def load(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> ServerConfig:
    given = [flag(key.replace("__", "."), f"--{key}", value) for key, value in flags.items()]
    return server_config(parse_machine_file(text, "ekaci.toml"), {**HOME, **(environment or {})}, given)


def problems(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> list[str]:
    with pytest.raises(ConfigurationProblems) as raised:
        load(text, environment, **flags)
    assert raised.value.do
    return [str(problem) for problem in raised.value.problems]


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
    [said] = problems(APP + CACHE + reference)
    assert said.startswith("ekaci.toml:8: caches[0].credentials.github-app-key.app_id: no entry of [[github_apps]]")
    assert said.endswith('has the id "mian" (did you mean "main"?); there are: main')
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

    shapes = Shapes().extended(forges={"buckets": Bucket}, sources={"pass": Pass}, caches={"oci": None})
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


@attrs.frozen(kw_only=True)
class Oci(CacheConfig):
    level: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    signing_key: CredentialUse | None = None


def test_plugins_say_what_the_tables_of_their_caches_hold() -> None:
    shapes = Shapes().extended(caches={"oci": Oci})
    oci = CACHE.replace("cachix", "oci")

    def read(text: str) -> ServerConfig:
        return server_config(parse_machine_file(text, "ekaci.toml"), HOME, shapes=shapes)

    [app] = read(f'{APP}{oci}credentials = {{ github-app-key = {{ app_id = "main" }} }}\nlevel = 3').caches
    use = CredentialUse("file", {"path": "/app.json"})
    assert app.config == Oci(id=app.id, destination=app.destination, credentials=use, level=3)
    [entry] = read(f'{oci}credentials = "none"\nsigning_key = {{ env = {{ vars = ["K"] }} }}\n').caches
    assert isinstance(entry.config, Oci)
    assert entry.config.signing_key == CredentialUse("env", {"vars": ["K"]})
    for written, fault in (
        ('credentials = "none"\nlevel = 0', "caches[0]: 'level' must be >= 1"),
        ('credentials = "none"\nlevle = 3', 'caches[0]: unknown key "levle"'),
        ('credentials = "none"\nlevel = "3"', "caches[0].level: expected"),
        ("level = 3", 'caches[0]: the key "credentials" is missing'),
        ("credentials = { vualt = {} }", "caches[0].credentials: there is no source"),
    ):
        with pytest.raises(ConfigurationProblems) as raised:
            read(oci + written)
        [problem] = raised.value.problems
        assert str(problem).split(": ", 1)[1].startswith(fault)


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
        "ekaci.toml:19: caches[2].permissions: allow_all is taken as false, as there is allowed_branches; write it",
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


def test_a_cache_gets_closures_of_trusted_people_unless_it_is_told_otherwise() -> None:
    table = CACHE + 'credentials = "none"\n'
    [cache] = load(table).caches
    assert (cache.allow_untrusted, cache.closure, cache.fixed_output_only) == (False, True, False)
    assert cache.max_concurrent_pushes == 2
    keys = "allow_untrusted = true\nclosure = false\nfixed_output_only = true\nmax_concurrent_pushes = 64\n"
    [cache] = load(table + keys).caches
    assert (cache.allow_untrusted, cache.closure, cache.fixed_output_only) == (True, False, True)
    assert (cache.max_concurrent_pushes, cache.settings) == (64, {})
    assert problems(table + "closure = 1\nmax_concurrent_pushes = 0\n") == [
        "ekaci.toml:6: caches[0].closure: expected true or false, got 1",
        "ekaci.toml:7: caches[0].max_concurrent_pushes: expected a whole number from 1 to 64, got 0",
    ]
