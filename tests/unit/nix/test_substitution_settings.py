from __future__ import annotations

import json
from pathlib import Path

import pytest

from ekaci_core.nix.settings import parse_settings
from ekaci_core.nix.substitution_settings import SubstitutionSettings


def test_settings_are_those_of_nix() -> None:
    values = {
        "system": "x86_64-linux",
        "substitute": False,
        "substituters": ["https://a", "https://b"],
        "trusted-public-keys": ["a:AAAA"],
        "require-sigs": False,
        "fallback": True,
        "always-allow-substitutes": True,
        "netrc-file": "/etc/nix/netrc",
        "connect-timeout": 3,
        "download-attempts": 2,
        "http-connections": 7,
        "narinfo-cache-positive-ttl": 10,
        "narinfo-cache-negative-ttl": 20,
    }
    text = json.dumps({name: {"value": value} for name, value in values.items()})
    assert parse_settings(text).substitution == SubstitutionSettings(
        substitute=False,
        substituters=("https://a", "https://b"),
        trusted_public_keys=("a:AAAA",),
        require_sigs=False,
        fallback=True,
        always_allow_substitutes=True,
        netrc_file="/etc/nix/netrc",
        connect_timeout=3,
        download_attempts=2,
        http_connections=7,
        positive_ttl=10,
        negative_ttl=20,
    )


def test_what_is_missing_or_odd_keeps_its_default() -> None:
    assert SubstitutionSettings.of({}) == SubstitutionSettings()
    odd = {"substitute": "yes", "substituters": "https://a", "download-attempts": True, "trusted-users": ["a", 1]}
    assert SubstitutionSettings.of(odd) == SubstitutionSettings(trusted_users=("a",))


@pytest.mark.parametrize("version", ["2.8.0", "2.26.3"])
def test_answers_of_real_versions_are_read(version: str) -> None:
    recorded = Path(__file__).parents[2] / f"data/nix/{version}/show-config.json"
    assert parse_settings(recorded.read_text()).substitution.substitute


def test_whom_a_daemon_trusts() -> None:
    daemon = SubstitutionSettings(trusted_users=("root", "@wheel"))
    assert daemon.trusts("root", [])
    assert daemon.trusts("me", ["users", "wheel"])
    assert not daemon.trusts("me", ["users"])
    assert not daemon.trusts("wheel", [])
    assert SubstitutionSettings(trusted_users=("*",)).trusts("me", [])


def test_others_get_the_daemons_settings_and_of_their_substituters_those_it_knows() -> None:
    daemon = SubstitutionSettings(
        substituters=("https://own",), trusted_substituters=("https://known",), trusted_public_keys=("own:A",)
    )
    mine = SubstitutionSettings(
        substituters=("https://mine", "https://known", "https://own"), trusted_public_keys=("mine:A",), fallback=True
    )
    effective = mine.of_daemon(daemon)
    assert effective.substituters == ("https://known", "https://own")
    assert effective.trusted_public_keys == ("own:A",)
    assert not effective.fallback
