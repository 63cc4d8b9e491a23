"""What an evaluation of one job on one tree yields."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.model.ids import AttrPath, DrvPath, StorePath, System, TreeHash

RECURSE_MARK: Final = "recurseForDerivations"
"""The attribute by which a set says that packages are to be looked for in it."""


class FaultKind(enum.Enum):
    """Why an attribute could not be evaluated; the value is what the database and JSON say."""

    ERROR = "error"  # throw, assert, abort, missing attribute or argument, wrong type ...
    INFINITE_RECURSION = "infinite_recursion"
    STACK_OVERFLOW = "stack_overflow"
    NOT_A_PACKAGE = "not_a_package"  # a function, number ... where a derivation or set was expected
    OUT_OF_MEMORY = "out_of_memory"  # alone in a fresh worker at the full memory limit
    TIMEOUT = "timeout"
    EVALUATOR_DIED = "evaluator_died"  # alone in a fresh worker, for a reason that nobody named
    REFUSED = "refused"  # it needs what is not done for somebody who is not trusted: a build, or to read the machine


@attrs.frozen
class EvaluatedAttribute:
    """An attribute that is a derivation.

    ``meta`` holds plain JSON under the keys `META_KEYS`, absent where the package says nothing.
    ``pname`` and ``version`` are the package's own attributes where the evaluator reports them. ``fingerprint`` is
    opaque: one evaluator gives two attributes of the same path the same one only where all else in them is equal too.
    """

    attr: AttrPath
    drv: DrvPath
    name: str
    system: System
    outputs: Mapping[str, StorePath | None]
    meta: Mapping[str, Any] | None = None
    pname: str | None = None
    version: str | None = None
    fingerprint: bytes | None = None


@attrs.frozen
class UnchangedAttribute:
    """An attribute that is a derivation, and in all that is reported of it as it was in an earlier evaluation."""

    attr: AttrPath
    drv: DrvPath


@attrs.frozen
class AttributeFault:
    """An attribute that could not be evaluated.

    ``attr`` is None for a fault whose attribute the evaluator lost, and the empty path for a fault of the whole job.
    ``message`` is Nix's own, without colours; ``position`` is ``file:line:column`` relative to the checkout where
    known.
    """

    attr: AttrPath | None
    kind: FaultKind
    message: str
    position: str | None = None

    @property
    def concerns_whole_job(self) -> bool:
        """Whether nothing of the job could be evaluated, rather than one attribute."""
        return self.attr is not None and not self.attr

    @property
    def is_marker(self) -> bool:
        """Whether it is the mark ``recurseForDerivations = true`` of a set.

        nix-eval-jobs reports that as an attribute of the wrong type, and so do we, but it is nobody's mistake.
        """
        last = self.attr.parts[-1:] if self.attr is not None else ()
        return self.kind is FaultKind.NOT_A_PACKAGE and last == (RECURSE_MARK,)


@attrs.frozen
class NullAttribute:
    """An attribute that is null: present, and no package on this system."""

    attr: AttrPath


EvaluatedItem = EvaluatedAttribute | UnchangedAttribute | AttributeFault | NullAttribute

META_KEYS = (
    "license",
    "maintainers",
    "position",
    "broken",
    "insecure",
    "unfree",
    "available",
    "description",
    "homepage",
)


@attrs.frozen
class EvaluationKey:
    """What decides the result of an evaluation; equal keys may share one.

    ``options`` is a digest of all the rest that matters: system, attribute globs, NIX_PATH, arguments.
    ``evaluator`` names evaluator and version, ``source_name`` the directory name of the checkout, because Nix names
    ``./.`` after it.
    """

    tree: TreeHash
    job: str
    file: str
    attr_path: str
    evaluator: str
    source_name: str
    options: str
