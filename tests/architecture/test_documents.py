from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)

# Folders that exist on one machine and not on the reader's.
MACHINE_FOLDERS = ("work", "root", "Users", "workspace", "mnt")
MACHINE_PATH = re.compile(rf"(?<![\w.$}}~/-])/(?:{'|'.join(MACHINE_FOLDERS)})/\w")
REQUIREMENT = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][a-z0-9.]*( ; [^/@]+)?")


def slug(header: str) -> str:
    """The anchor that renderers make of a header."""
    return re.sub(r"[^\w\- ]", "", header.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in page.read_text("utf-8").splitlines() if line.startswith("#")}


def test_links_lead_somewhere(tracked: list[Path], root: Path) -> None:
    broken: list[str] = []
    pages = [path for path in tracked if path.suffix == ".md" and "data" not in path.parts]
    assert pages
    for page in pages:
        for target in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
            path, _, anchor = target.partition("#")
            found = (page.parent / path) if path else page
            if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []


def test_nothing_names_a_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    found: list[str] = []
    for path in tracked:
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_constraints_name_versions_and_no_places(root: Path) -> None:
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not REQUIREMENT.fullmatch(line)] == []


def test_every_distribution_is_complete(root: Path) -> None:
    projects = [*root.glob("ekaci_*/pyproject.toml"), *root.glob("plugins/*/pyproject.toml")]
    assert projects
    for project in projects:
        folder = project.parent
        for needed in ("README.md", "LICENSE", f"src/{folder.name}/py.typed"):
            assert (folder / needed).is_file(), f"{folder.name} has no {needed}"


def test_the_plugins_that_the_page_shows_are_those_that_are_tested(root: Path) -> None:
    page = (root / "docs/how-to/write-a-plugin.md").read_text("utf-8")
    files = sorted((root / "tests/outside_plugin").glob("*/**/*.py"))
    shown = [path for path in files if path.read_text("utf-8").strip() and "__pycache__" not in path.parts]
    assert len(shown) >= 6
    assert [str(path.relative_to(root)) for path in shown if path.read_text("utf-8").rstrip() not in page] == []
