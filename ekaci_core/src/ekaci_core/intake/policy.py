"""What an operator decided about the changes that forges tell of."""

from __future__ import annotations

import re
from functools import cached_property

import attrs

from ekaci_core.model.forge import Branch
from ekaci_core.model.policy import compile_globs


@attrs.frozen(slots=False)
class IntakePolicy:
    """What decisions depend on besides facts.

    Attributes:
        require_approval: changes of people who may not write wait until somebody who may approves them.
        merge_queue_require_approval: merge groups with a change of such a person wait likewise.
        release_branches: patterns of branches that are reviewed when they move, besides the default branch.
    """

    require_approval: bool = False
    merge_queue_require_approval: bool = False
    release_branches: tuple[str, ...] = ("release-*", "release/*")

    @property
    def something_waits(self) -> bool:
        """Whether anything can wait for an approval at all."""
        return self.require_approval or self.merge_queue_require_approval

    def is_release(self, branch: Branch) -> bool:
        """Whether this is a branch that releases are made from."""
        return self._release.fullmatch(branch) is not None

    @cached_property
    def _release(self) -> re.Pattern[str]:
        return compile_globs(self.release_branches, ignore_case=False)
