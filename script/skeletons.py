#!/usr/bin/env python3
"""Write what `ekaci plugins new` copies from: the plugins of tests/outside_plugin, as one file of the core."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "tests/outside_plugin"
WRITTEN = ROOT / "ekaci_core/src/ekaci_core/cli/skeletons.json"
KINDS = {"builder": "acme-builder", "cache": "acme-cache", "credential": "acme-credentials"}
LEFT_OUT = {"__pycache__", ".pytest_cache"}


def skeletons() -> dict[str, dict[str, str]]:
    """Read the plugins: by kind, each file by its path."""
    return {
        kind: {
            str(path.relative_to(PLUGINS / name)): path.read_text("utf-8")
            for path in sorted((PLUGINS / name).rglob("*"))
            if path.is_file() and not LEFT_OUT.intersection(path.parts)
        }
        for kind, name in KINDS.items()
    }


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(skeletons(), indent=1, ensure_ascii=False) + "\n", "utf-8")
