"""A check as every forge can show it: what is wanted to stand at a commit."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha

COMMENT_MARK: Final = "<!-- EkaCI: this comment is kept up to date -->"
"""Stands in our comments and is not shown: they are found by it, and never taken for what a person says."""


class CheckStatus(enum.Enum):
    """How far a check is."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Conclusion(enum.Enum):
    """How a completed check came out.

    A required check passes on success, neutral and skipped alike, so that neither of the latter may stand for missing
    evidence: https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/about-status-checks
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    ACTION_REQUIRED = "action_required"


class AnnotationLevel(enum.Enum):
    """How grave an annotation is."""

    NOTICE = "notice"
    WARNING = "warning"
    FAILURE = "failure"


@attrs.frozen
class Annotation:
    """A remark at lines of a file, relative to the root of the repository; lines count from one."""

    path: str
    line: int
    level: AnnotationLevel
    message: str
    title: str = ""


@attrs.frozen
class CheckButton:
    """A button at a check: ``identifier`` comes back when somebody presses it."""

    label: str
    description: str
    identifier: str


@attrs.frozen
class Check:
    """What is to stand at a commit under one name.

    Attributes:
        repository: where it is shown: of a pull request from a fork, the one that it is to be merged into.
        sha: the commit.
        context: the name of the check, unique at the commit.
        status: how far it is.
        conclusion: how it came out, where it is completed.
        title: one line.
        summary: Markdown, shown first.
        text: Markdown, the details.
        annotations: remarks in files.
        buttons: what a person can ask for.
        details_url: where there is more; None where there is no page.
        external_id: our own name of it, by which it is found again after a crash between creation and the note of it.
        started_at: in seconds since the epoch.
        completed_at: likewise, None while it is not completed.
        comment_on: the number of a pull request where this is no check but the text of our one comment there, on forges
            that have no place for the texts of checks. Plugins get none of those.
    """

    repository: RepositoryId
    sha: CommitSha
    context: str
    status: CheckStatus
    conclusion: Conclusion | None = None
    title: str = ""
    summary: str = ""
    text: str = ""
    annotations: tuple[Annotation, ...] = ()
    buttons: tuple[CheckButton, ...] = ()
    details_url: str | None = None
    external_id: str = ""
    started_at: float | None = None
    completed_at: float | None = None
    comment_on: int | None = None
