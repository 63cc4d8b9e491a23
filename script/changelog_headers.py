"""Check that every CHANGELOG.md is well-formed: versions in order, known sections, dates that exist."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

VERSION = re.compile(r"## \[(?P<version>\d+\.\d+\.\d+)\] - (?P<date>\d{4}-\d{2}-\d{2})")
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def problems(text: str) -> list[str]:
    """Say what is wrong with the headers of one changelog, with line numbers."""
    found: list[str] = []
    versions: list[tuple[int, ...]] = []
    sections: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if number == 1 and line != "# Changelog":
            found.append("1: the first line is not `# Changelog`")
        if line.startswith("## "):
            sections = []
            found += [f"{number}: {problem}" for problem in _version_problems(line, versions)]
        elif line.startswith("### "):
            name = line.removeprefix("### ")
            if name not in SECTIONS:
                found.append(f"{number}: {name!r} is none of {', '.join(SECTIONS)}")
            if name in sections:
                found.append(f"{number}: {name!r} stands twice in one version")
            sections.append(name)
        elif line.startswith("#") and number > 1:
            found.append(f"{number}: no header of this level belongs here: {line!r}")
    return found


def _version_problems(line: str, versions: list[tuple[int, ...]]) -> list[str]:
    if line == "## [Unreleased]":
        return ["[Unreleased] is not the first version"] if versions else []
    match = VERSION.fullmatch(line)
    if match is None:
        return [f"{line!r} is neither `## [Unreleased]` nor `## [1.2.3] - 2024-01-31`"]
    version = tuple(int(part) for part in match["version"].split("."))
    later = versions[-1] if versions else None
    versions.append(version)
    found = [] if later is None or version < later else [f"{match['version']} does not come below a newer version"]
    try:
        dt.date.fromisoformat(match["date"])
    except ValueError:
        found.append(f"{match['date']} is no date")
    return found


def main() -> int:
    """Check the changelogs of the whole and of every distribution."""
    root = Path(__file__).resolve().parent.parent
    paths = [
        path for pattern in ("CHANGELOG.md", "*/CHANGELOG.md", "plugins/*/CHANGELOG.md") for path in root.glob(pattern)
    ]
    if not paths:
        print("no CHANGELOG.md at the top", file=sys.stderr)
        return 1
    wrong = [f"{path.relative_to(root)}:{problem}" for path in paths for problem in problems(path.read_text("utf-8"))]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
