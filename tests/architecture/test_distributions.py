"""What `pip install .` finds: the root names every member, in a way that every pip resolves."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def project(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def test_the_root_installs_every_member_from_where_it_stands(root: Path) -> None:
    folders = [*sorted(root.glob("ekaci_*")), *sorted((root / "plugins").iterdir())]
    wanted = {f"{project(folder)['name']} @ {{root:uri}}/{folder.relative_to(root)}" for folder in folders}
    named = set(project(root)["dependencies"])
    # The core by its plain name as well: pip 23 does not offer `core[extra] @ place` to a member that needs `core`.
    assert wanted <= named
    assert named - wanted == {
        "ekaci-core[cli] @ {root:uri}/ekaci_core",
        "ekaci-cache-backends[s3] @ {root:uri}/ekaci_cache_backends",
    }
