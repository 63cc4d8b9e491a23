"""Real distributions with real entry points, and a log that can be read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from textwrap import dedent

import attrs
import pytest

from ekaci_core.registry import Registry, load_registry

# What each plugin of these tests begins with; a test appends what is peculiar to it.
PREAMBLE = """
from contextlib import asynccontextmanager
import anyio
import attrs
from ekaci_core.api import *
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1

@attrs.frozen
class Settings:
    word: str = "default"

@attrs.frozen
class Kind:
    name: str
    config: type = Settings

    @asynccontextmanager
    async def open(self, config, context):
        yield config
"""


@attrs.frozen
class RecordingLog:
    """A `Logger` that keeps what it is told."""

    entries: list[tuple[str, str, dict[str, object]]] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.entries.append(("debug", event, fields))

    def info(self, event: str, /, **fields: object) -> None:
        self.entries.append(("info", event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.entries.append(("warning", event, fields))

    def warnings(self, event: str) -> list[dict[str, object]]:
        """The fields of each warning of this event."""
        return [fields for level, name, fields in self.entries if (level, name) == ("warning", event)]


class Site:
    """A folder of installed distributions, as pip leaves one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        distribution: str,
        code: str,
        *,
        version: str = "1.0",
        entry: str | None = None,
        module: str | None = None,
        preamble: str = PREAMBLE,
        entry_points: str | None = None,
    ) -> None:
        """Add a distribution whose one module is ``code``; its entry point has the name ``entry``."""
        module = module or distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(preamble + dedent(code))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        text = entry_points or f"[ekaci.plugins]\n{entry or distribution} = {module}\n"
        (info / "entry_points.txt").write_text(text)

    @property
    def installed(self) -> list[Distribution]:
        """What Python's own machinery finds in the folder."""
        return list(distributions(path=[str(self.folder)]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def load(site: Site, log: RecordingLog) -> Callable[..., Registry]:
    """Load what is installed in ``site``; keyword arguments are the environment."""

    def loading(**environment: str) -> Registry:
        return load_registry(environment, log, site.installed)

    return loading
