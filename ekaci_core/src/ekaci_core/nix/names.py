"""A derivation's name, split into package name and version."""

from __future__ import annotations

import re
from typing import Final

_VERSION_DASH: Final = re.compile(r"-(?=[^A-Za-z])")


def parse_name(name: str) -> tuple[str, str | None]:
    """Split a name by Nix's own rule, that of ``builtins.parseDrvName``.

    The version begins after the first dash that something other than a letter follows: ``perl5.38.2-Term-VT102-0.91``
    is ``perl5.38.2-Term-VT102`` at ``0.91``, and ``linux-headers`` has no version.
    """
    dash = _VERSION_DASH.search(name)
    if dash is None:
        return name, None
    return name[: dash.start()], name[dash.end() :]
