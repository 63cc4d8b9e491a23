"""The configuration as it is shown."""

from __future__ import annotations

from collections.abc import Mapping

from ekaci_core.config.given import flag
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shown import shown_values

HOME = {"HOME": "/home/ci"}
APP = '[[github_apps]]\nid = "main"\ncredentials = { file = { path = "/app.json" } }\n'
CACHE = '[[caches]]\nid = "a"\ncache_type = "cachix"\ndestination = "x"\n'


def load(text: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> ServerConfig:
    given = [flag(key.replace("__", "."), f"--{key}", value) for key, value in flags.items()]
    return server_config(parse_machine_file(text, "ekaci.toml"), {**HOME, **(environment or {})}, given)


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
