"""Secrets in tables of types that the core does not know."""

from __future__ import annotations

import pytest

from ekaci_core.config.hiding import hide_secrets, without_user_info
from ekaci_core.model.secret import Secret


@pytest.mark.parametrize(
    "key",
    ["token", "webhook_secret", "client-secret", "password", "private_key", "AUTH_TOKEN", "signing_key", "api_key"],
)
def test_what_sounds_like_a_secret_is_hidden(key: str) -> None:
    assert hide_secrets({key: "x", "deep": [{key: ["x", 1]}]}) == {key: Secret("x"), "deep": [{key: [Secret("x"), 1]}]}


@pytest.mark.parametrize("key", ["token_env", "secret_name", "secret_path", "key_file", "host_key", "id", "tokens_url"])
def test_what_only_names_one_is_not(key: str) -> None:
    assert hide_secrets({key: "x"}) == {key: "x"}


def test_names_and_passwords_in_addresses_are_not_shown() -> None:
    assert without_user_info("https://a:b@c/d and ssh://e@f") == "https://[REDACTED]@c/d and ssh://[REDACTED]@f"
    assert without_user_info("https://c/d@e") == "https://c/d@e"
