"""Variables that hold secrets are not left to what the server starts."""

from __future__ import annotations

from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.secret_variables import secret_variables

TEXT = """
[[github_apps]]
id = "a"
credentials = { env = { vars = ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "AWS_SECRET_ACCESS_KEY"] } }
[[caches]]
id = "a"
cache_type = "cachix"
destination = "x"
credentials = { cachix-token = { env_var = "MY_CACHIX" } }
[[caches]]
id = "b"
cache_type = "cachix"
destination = "x"
credentials = { vault = { address = "https://vault.example.org", secret_path = "a/b", token_env = "MY_VAULT" } }
[[caches]]
id = "c"
cache_type = "cachix"
destination = "x"
credentials = { file = { path = "/secrets" } }
"""
SECRET = {
    "GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "MY_CACHIX", "MY_VAULT", "VAULT_SECRET_ID", "WEBHOOK_SECRET",
    "GITHUB_WEBHOOK_SECRET", "JWT_SECRET", "GITHUB_OAUTH_CLIENT_SECRET", "EKA_CI_OAUTH__JWT_SECRET",
    "eka_ci_security__webhook_secret",
}  # fmt: skip
PLAIN = {
    "PATH", "HOME", "AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN", "GITHUB_OAUTH_CLIENT_ID", "EKA_CI_WEB__PORT", "NIX_CONFIG",
}  # fmt: skip


def test_all_that_a_configuration_takes_secrets_from_and_nothing_else() -> None:
    config = server_config(parse_machine_file(TEXT, "ekaci.toml"), {"HOME": "/home/ci"})
    assert secret_variables(config, dict.fromkeys([*SECRET, *PLAIN], "x")) == SECRET
