"""An open forge with the names that operators and the inbox know it by."""

from __future__ import annotations

import attrs

from ekaci_core.api import Forge


@attrs.frozen
class OpenForge:
    """An instance that is open: ``type`` is the name of its type, ``instance`` the operator's name of it."""

    type: str
    instance: str
    forge: Forge
