"""The one comment on a pull request, at forges that have no place for the texts of checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ekaci_core.model.check import COMMENT_MARK, Check, CheckStatus
from ekaci_core.reporting.checks import SUMMARY, VERDICT
from ekaci_core.reporting.markdown_budget import HARD_LIMIT, cut
from ekaci_core.reporting.markdown_escape import code, escape

_SPARE_BYTES: Final = 1000
"""For what stands around the text."""


def comment_of(number: int, checks: Iterable[Check]) -> Check | None:
    """Say what the comment on a pull request is to be, as an entry of the outbox; None before there is a verdict.

    Args:
        number: of the pull request.
        checks: all that are wanted at its head.
    """
    by_context = {check.context: check for check in checks if check.comment_on is None}
    verdict, summary = by_context.get(VERDICT), by_context.get(SUMMARY)
    if verdict is None:
        return None
    told = summary is not None and verdict.status is CheckStatus.COMPLETED and _round(summary) == _round(verdict)
    # The summary has the verdict in it; without one, of a review that has not ended or could not be made, it is all.
    text = summary.summary if told and summary else f"## {escape(verdict.title)}\n\n{verdict.summary}"
    return Check(
        repository=verdict.repository,
        sha=verdict.sha,
        context=f"EkaCI: Comment (#{number})",
        status=verdict.status,
        title=verdict.title,
        text="\n\n".join((COMMENT_MARK, cut(text.strip(), HARD_LIMIT - _SPARE_BYTES).strip(), _foot(verdict))),
        external_id=f"comment-{number}",
        comment_on=number,
    )


def _round(check: Check) -> str:
    return check.external_id.partition("/")[0]


def _foot(verdict: Check) -> str:
    """No line of it may begin with a command: it would be one."""
    page = f" · [details]({verdict.details_url})" if verdict.details_url else ""
    return f"---\nCommit {code(verdict.sha[:12])}{page} · the comment `/ekaci retry` has it reviewed again"
