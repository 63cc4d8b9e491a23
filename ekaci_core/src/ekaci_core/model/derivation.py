"""Derivations: whole, as a ``.drv`` file says them, and as the small record that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ekaci_core.model.ids import DrvPath, StorePath, System


@attrs.frozen
class Output:
    """One output of a derivation.

    ``path`` is None for floating content-addressed and deferred outputs, whose path is known only after building.
    ``method_and_algorithm`` (``r:sha256``) and ``hash`` are empty unless the output is content-addressed; a fixed
    output has both, a floating one only the former.
    """

    name: str
    path: StorePath | None
    method_and_algorithm: str = ""
    hash: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether its content was announced by hash."""
        return bool(self.hash)


@attrs.frozen
class Derivation:
    """All that a ``.drv`` file says (https://nix.dev/manual/nix/latest/protocols/derivation-aterm)."""

    outputs: tuple[Output, ...]
    input_drvs: Mapping[DrvPath, tuple[str, ...]]
    input_srcs: tuple[StorePath, ...]
    system: System
    builder: str
    args: tuple[str, ...]
    env: Mapping[str, str]


@attrs.frozen
class DerivationRecord:
    """What scheduling, comparison and reports need of a derivation.

    ``pname`` and ``version`` are what its environment says, None where it says nothing. ``features`` are the
    ``requiredSystemFeatures``. ``outputs`` keeps the order of the file.
    """

    path: DrvPath
    name: str
    system: System
    inputs: tuple[DrvPath, ...]
    outputs: tuple[Output, ...]
    pname: str | None = None
    version: str | None = None
    features: tuple[str, ...] = ()
    prefer_local: bool = False

    @property
    def is_fixed_output(self) -> bool:
        """Whether it is a fixed-output derivation, which may use the network."""
        return any(output.is_fixed for output in self.outputs)


BUILTIN_SYSTEM: Final = System("builtin")
