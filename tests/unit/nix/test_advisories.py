"""Which versions a server warns of."""

from __future__ import annotations

import pytest

from ekaci_core.nix.advisories import root_escalation
from ekaci_core.nix.versions import NixVersion


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("nix (Nix) 2.8.0", "CVE-2024-27297"),
        ("nix (Nix) 2.18.1", "CVE-2024-27297"),
        ("nix (Nix) 2.18.2", None),
        ("nix (Nix) 2.26.3", "CVE-2026-39860"),
        ("nix (Nix) 2.28.5", "CVE-2026-39860"),
        ("nix (Nix) 2.28.6", None),
        ("nix (Nix) 2.34.4", "CVE-2026-39860"),
        ("nix (Nix) 2.34.5", None),
        ("nix (Nix) 2.35.0", None),
        ("nix (Determinate Nix 3.5.2) 2.28.3", "CVE-2026-39860"),
        ("nix (Lix, like Nix) 2.91.0", None),
    ],
)
def test_what_lets_builds_become_root_is_named(said: str, found: str | None) -> None:
    assert root_escalation(NixVersion.parse(said)) == found
