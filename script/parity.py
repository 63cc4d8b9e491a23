#!/usr/bin/env python3
"""Write the table of what forges can do into docs/reference/forges.md, from what their plugins say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ekaci_core.api import ForgeCapability
from ekaci_forge_gitea.forge import GiteaForge
from ekaci_forge_github.forge import GitHubForge
from ekaci_forge_gitlab.forge import GitLabForge

PAGE: Final = Path(__file__).resolve().parents[1] / "docs/reference/forges.md"
BEGIN: Final = "<!-- Written by script/parity.py. -->\n"
END: Final = "<!-- The end of what is written. -->\n"

FORGES: Final[Mapping[str, frozenset[ForgeCapability]]] = {
    "GitHub": GitHubForge.capabilities,
    "Gitea, Forgejo": GiteaForge.capabilities,
    "GitLab": GitLabForge.capabilities,
}
INSTEAD: Final[Mapping[ForgeCapability, str]] = {
    ForgeCapability.CHECK_RUNS: "a commit status for each check, and one comment with the texts, changed in its place",
    ForgeCapability.ANNOTATIONS: "the texts name files and lines",
    ForgeCapability.CHECK_BUTTONS: "a command in a comment, or `ekaci approve`",
    ForgeCapability.RERUN: "the command `rerun` in a comment, or `ekaci github … --again`",
    ForgeCapability.MERGE_GROUPS: "each pull request is reviewed by itself",
    ForgeCapability.DELIVERY_LOG: "pull requests are asked for at start and every 6 hours; commands are lost",
    ForgeCapability.REACTIONS: "the check itself says what became of the command",
    ForgeCapability.NEWS: "webhooks",
    ForgeCapability.WEBHOOK_SETUP: "webhooks are made by hand",
}


def table() -> str:
    """Return the table."""
    rows = [f"| | {' | '.join(FORGES)} | where not |", "|---" * (len(FORGES) + 2) + "|"]
    for each in ForgeCapability:
        marks = ["yes" if each in said else "no" for said in FORGES.values()]
        rows.append(f"| {each.value} | {' | '.join(marks)} | {INSTEAD[each]} |")
    return "\n".join(rows) + "\n"


def written(page: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
