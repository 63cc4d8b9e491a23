from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
# Changelog

## [Unreleased]

### Added

- Something.

## [1.10.0] - 2025-02-28

### Fixed

- Something.

### Added

- Something.

## [1.9.3] - 2024-12-31
"""


def check(root: Path, tmp_path: Path, changelog: str | None) -> subprocess.CompletedProcess[str]:
    """Run the script in a tree of its own, where ``changelog`` is that of a distribution."""
    (tmp_path / "script").mkdir()
    shutil.copy(root / "script/changelog_headers.py", tmp_path / "script")
    if changelog is not None:
        (tmp_path / "ekaci_core").mkdir()
        (tmp_path / "ekaci_core/CHANGELOG.md").write_text(changelog)
    script = [sys.executable, "script/changelog_headers.py"]
    return subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_good_changelog_passes(root: Path, tmp_path: Path) -> None:
    done = check(root, tmp_path, GOOD)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_tree_without_any_fails(root: Path, tmp_path: Path) -> None:
    done = check(root, tmp_path, None)
    assert (done.returncode, done.stderr) == (1, "no CHANGELOG.md at the top\n")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# Changelog", "# History", "1: the first line is not"),
        ("## [Unreleased]", "## Unreleased", "3: '## Unreleased' is neither"),
        ("[1.10.0] - 2025-02-28", "[1.10.0]", "9: '## [1.10.0]' is neither"),
        ("2025-02-28", "2025-02-30", "9: 2025-02-30 is no date"),
        ("[1.9.3]", "[1.11.0]", "19: 1.11.0 does not come below a newer version"),
        ("[1.9.3]", "[1.10.0]", "19: 1.10.0 does not come below a newer version"),
        ("[1.9.3] - 2024-12-31", "[Unreleased]", "19: [Unreleased] is not the first version"),
        ("### Fixed", "### Bugs", "11: 'Bugs' is none of Added, Changed"),
        ("### Fixed", "### Added", "15: 'Added' stands twice in one version"),
        ("### Fixed", "#### Fixed", "11: no header of this level belongs here"),
    ],
)
def test_a_malformed_header_is_named_with_its_line(
    root: Path, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    done = check(root, tmp_path, GOOD.replace(old, new, 1))
    assert done.returncode == 1
    assert f"ekaci_core/CHANGELOG.md:{problem}" in done.stderr
