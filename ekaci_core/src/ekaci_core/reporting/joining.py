"""One check of several: what reviews of one commit for several pull requests have to say under one name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import attrs

from ekaci_core.model.check import Check, CheckButton, CheckStatus, Conclusion
from ekaci_core.model.review import ReviewWish
from ekaci_core.reporting.check_results import ANNOTATIONS
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.markdown_budget import cut
from ekaci_core.reporting.markdown_escape import code, escape
from ekaci_core.store.shared_checks import ReviewCheck

BUTTONS: Final = 3
"""Of one check: forges show no more."""

_BEST_FIRST: Final = (
    Conclusion.SUCCESS,
    Conclusion.NEUTRAL,
    None,  # it runs
    Conclusion.CANCELLED,
    Conclusion.ACTION_REQUIRED,
    Conclusion.TIMED_OUT,
    Conclusion.FAILURE,
)


def joined(checks: Sequence[ReviewCheck]) -> Check:
    """Say the worst of what was said, and in the text what was said for each pull request.

    Forges show one check of a name at a commit, however many pull requests have that commit: what may not be merged
    into one branch would be shown as mergeable because it may be merged into another.
    """
    worst = max(checks, key=lambda each: _badness(each.check)).check
    if len({_said(each.check) for each in checks}) == 1:
        return worst
    whose = next(each.review.wish for each in checks if each.check is worst)
    return attrs.evolve(
        worst,
        title=f"{worst.title} ({_short(whose)})",
        summary=cut("\n\n".join(_section(each) for each in checks)),
        text=cut("\n\n".join(f"{_heading(each)}\n\n{each.check.text}" for each in checks if each.check.text)),
        annotations=tuple(chain.from_iterable(each.check.annotations for each in checks))[:ANNOTATIONS],
        buttons=_buttons(checks),
        started_at=min((each.check.started_at for each in checks if each.check.started_at is not None), default=None),
    )


def _badness(check: Check) -> int:
    return _BEST_FIRST.index(check.conclusion if check.status is CheckStatus.COMPLETED else None)


def _said(check: Check) -> tuple[object, ...]:
    return check.status, check.conclusion, check.title, check.summary, check.text


def _short(wish: ReviewWish) -> str:
    return clean(f"merge queue of {wish.base}" if wish.number is None else f"#{wish.number} into {wish.base}")


def _heading(each: ReviewCheck) -> str:
    wish = each.review.wish
    if wish.number is None:
        return f"### Merge queue of {code(wish.base)}"
    return f"### Pull request #{wish.number} into {code(wish.base)}"


def _section(each: ReviewCheck) -> str:
    return f"{_heading(each)}\n\n**{escape(each.check.title)}**\n\n{each.check.summary}"


def _buttons(checks: Sequence[ReviewCheck]) -> tuple[CheckButton, ...]:
    return tuple(dict.fromkeys(button for each in checks for button in each.check.buttons))[:BUTTONS]
