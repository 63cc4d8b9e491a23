"""A derivation's name, split into package name and version."""

from __future__ import annotations

import re
from typing import Final

_VERSION_DASH: Final = re.compile(r"-(?![A-Za-z])", re.ASCII)


def parse_name(name: str) -> tuple[str, str | None]:
    """Split a name by Nix's own rule, that of ``builtins.parseDrvName``.

    The version begins after the first dash that is not followed by a letter: ``perl5.38.2-Term-VT102-0.91`` is
    ``perl5.38.2-Term-VT102`` at ``0.91``, and ``linux-headers`` has no version. A dash at the very end, which Nix
    reads as an empty version, counts as no version too.
    """
    dash = _VERSION_DASH.search(name)
    if dash is None:
        return name, None
    return name[: dash.start()], name[dash.end() :] or None
