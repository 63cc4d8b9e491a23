"""``credentials = { github-app-key = { app_id = "main" } }``: what that entry of ``[[github_apps]]`` has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import Located
from ekaci_core.config.credential_sources import REFERENCE
from ekaci_core.config.entries import GITHUB_APPS, ForgeEntry
from ekaci_core.config.suggest import did_you_mean


@attrs.define
class References:
    """Resolves references, and keeps a fault for each that leads nowhere."""

    apps: Mapping[str, CredentialUse]
    faults: list[Located] = attrs.field(factory=list)

    @classmethod
    def to(cls, forges: Sequence[ForgeEntry]) -> References:
        """Make references to the entries of ``[[github_apps]]``."""
        return cls(
            {
                each.config.id: each.config.credentials
                for each in forges
                if each.table == GITHUB_APPS and each.config.credentials is not None
            }
        )

    def follow(self, use: CredentialUse, at: str) -> CredentialUse:
        """Return what a use means; ``at`` is the address of the table that it stands in."""
        seen: list[str] = []
        found = use
        while found.source == REFERENCE:
            name = str(found.settings["app_id"])
            spot = f"{at}.credentials.{REFERENCE}.app_id"
            if name in seen:
                self.faults.append(Located(spot, f'"{name}" leads back to itself: one entry must name a source', spot))
                return use
            if name not in self.apps:
                there = f"there are: {', '.join(sorted(self.apps))}" if self.apps else "there is none at all"
                what = f'no entry of [[{GITHUB_APPS}]] has the id "{name}"{did_you_mean(name, self.apps)}; {there}'
                self.faults.append(Located(spot, what, spot))
                return use
            seen.append(name)
            found = self.apps[name]
        return found
