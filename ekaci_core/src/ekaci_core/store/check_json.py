"""Checks as JSON that is equal for equal checks."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import attrs

from ekaci_core.model.check import Annotation, AnnotationLevel, Check, CheckButton, CheckStatus, Conclusion
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha

_OF_THE_ROW = frozenset({"repository", "sha", "context"})


def check_body(check: Check) -> str:
    """Write all of a check but where it stands."""
    said = attrs.asdict(check, filter=lambda field, _: field.name not in _OF_THE_ROW, value_serializer=_plain)
    if check.comment_on is None:
        del said["comment_on"]  # as checks were written before there were comments: equal ones stay equal
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def _plain(_instance: Any, _field: Any, value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def check_of(repository: RepositoryId, sha: CommitSha, context: str, body: str) -> Check:
    """Undo `check_body`."""
    said: dict[str, Any] = json.loads(body)
    conclusion = said.pop("conclusion")
    return Check(
        repository=repository,
        sha=sha,
        context=context,
        status=CheckStatus(said.pop("status")),
        conclusion=None if conclusion is None else Conclusion(conclusion),
        annotations=tuple(_annotation(**each) for each in said.pop("annotations")),
        buttons=tuple(CheckButton(**each) for each in said.pop("buttons")),
        **said,
    )


def _annotation(level: str, **rest: Any) -> Annotation:
    return Annotation(level=AnnotationLevel(level), **rest)
