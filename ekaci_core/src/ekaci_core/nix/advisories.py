"""Versions of Nix through whose daemon whoever may build can become root. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ekaci_core.nix.versions import Flavour, NixVersion

# https://github.com/NixOS/nix/security/advisories/GHSA-g3g9-5vj6-r3gj (CVE-2026-39860): the first release of each line
# without it. It came back after https://github.com/NixOS/nix/security/advisories/GHSA-2ffj-w4mj-pg37 (CVE-2024-27297).
_FIXED_2026: Final[Mapping[int, int]] = {28: 6, 29: 3, 30: 4, 31: 4, 32: 7, 33: 4, 34: 5}
_FIXED_2024: Final[Mapping[int, int]] = {18: 2, 19: 4, 20: 5}
_SAFE_FROM: Final = (2, 35)


def root_escalation(version: NixVersion) -> str | None:
    """Name the published way from a build to root that this version has; None where none is known.

    Lix was never concerned by the later one, and its first release has the fix of the earlier one.
    """
    if version.flavour is Flavour.LIX or version.number >= _SAFE_FROM:
        return None
    minor, patch = version.minor, version.patch
    if version.major == _SAFE_FROM[0] and patch >= _FIXED_2026.get(minor, patch + 1):
        return None
    if version.major == _SAFE_FROM[0] and minor in _FIXED_2024 and patch >= _FIXED_2024[minor]:
        return None
    return "CVE-2024-27297" if version.number < (2, 21) else "CVE-2026-39860"
