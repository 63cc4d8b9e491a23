"""Plugins to begin with: those that the documentation shows, under another name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from ekaci_core.api import InfrastructureFault, UsageFault

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_EXAMPLES: Final[Mapping[str, str]] = {
    "builder": "acme-builder",
    "cache": "acme-cache",
    "credential": "acme-credentials",
}
KINDS: Final = tuple(_EXAMPLES)
_SUFFIX: Final = re.compile(r"-(builder|cache|credential|forge)s?$")
_LONGEST: Final = 60


def write_plugin(name: str, kind: str, folder: Path) -> Sequence[Path]:
    """Write a plugin and the test of its contract; return its files.

    Args:
        name: of the distribution: small letters, digits and single dashes.
        kind: one of `KINDS`.
        folder: where to; it must not be there, or be empty.

    Raises:
        UsageFault: the name cannot be used, or there is something in the folder.
        InfrastructureFault: it cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        do = "use small letters, digits and single dashes, as in acme-cache"
        raise UsageFault("this cannot be the name of a plugin", where=repr(name), do=do)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageFault("there is something in this folder", where=str(folder), do="name another with --folder")
        written = []
        for path, text in renamed(kind, name).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            written.append(file)
    except OSError as error:
        do = "see its permissions, or name another folder with --folder"
        raise InfrastructureFault(f"cannot be written: {error.strerror}", where=str(folder), do=do) from error
    return written


def renamed(kind: str, name: str) -> dict[str, str]:
    """Return the files of the example of a kind, by their paths, as those of a plugin of another name."""
    skeletons: Mapping[str, Mapping[str, str]] = json.loads(
        files("ekaci_core.cli").joinpath("skeletons.json").read_text("utf-8")
    )
    example, module = _EXAMPLES[kind], name.replace("-", "_")
    short = _SUFFIX.sub("", name)  # the type, as operators write it
    words = {
        example: name,
        example.replace("-", "_"): module,
        "Acme": "".join(part.capitalize() for part in short.split("-")),
        "acme": short,
    }
    pattern = re.compile("|".join(map(re.escape, words)))

    def put(text: str) -> str:
        return pattern.sub(lambda found: words[found.group()], text)

    return {put(path): put(text) for path, text in skeletons[kind].items()}
