"""What services tell whoever watches: live news for progress displays, never the only place of a fact."""

from __future__ import annotations

import enum

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.ids import DrvPath


class ReviewSide(enum.Enum):
    """The side of a review that an evaluation belongs to; the value is how people read it."""

    BASE = "base"
    HEAD = "head"


@attrs.frozen
class EvaluationStarted:
    """An evaluation begins, or its result is about to be taken from the store."""

    side: ReviewSide
    job: str


@attrs.frozen
class EvaluationContinued:
    """An evaluation that was interrupted is taken up; so many derivation attributes are known from before."""

    side: ReviewSide
    job: str
    attributes: int


@attrs.frozen
class EvaluationProgress:
    """Totals so far: derivation attributes, those known from before too, and faults; derivations added to the store."""

    side: ReviewSide
    job: str
    attributes: int
    faults: int
    derivations: int


@attrs.frozen
class EvaluationFinished:
    """An evaluation is stored. ``cached`` says that it was known and not made now; ``seconds`` it took now."""

    side: ReviewSide
    job: str
    cached: bool
    seconds: float


@attrs.frozen
class BuildStarted:
    """A builder took a derivation."""

    drv: DrvPath
    name: str


@attrs.frozen
class BuildPhase:
    """A running build entered a phase, for example ``buildPhase``."""

    drv: DrvPath
    phase: str


@attrs.frozen
class BuildFinished:
    """A build left the builder, in this state, after so many seconds of the last attempt."""

    drv: DrvPath
    state: BuildState
    seconds: float


@attrs.frozen
class StageStarted:
    """A review enters a stage; ``name`` is a present participle, for example ``comparing``."""

    name: str


@attrs.frozen
class BuildsPlanned:
    """How many derivations are to be built, so far: wishes may be added while builds run."""

    total: int


@attrs.frozen
class ReviewNote:
    """Something a person should read, when it is found: a warning, or a choice that was made."""

    text: str


EvaluationEvent = EvaluationStarted | EvaluationContinued | EvaluationProgress | EvaluationFinished
BuildEventReport = BuildStarted | BuildPhase | BuildFinished
ReviewEvent = EvaluationEvent | BuildEventReport | StageStarted | BuildsPlanned | ReviewNote
