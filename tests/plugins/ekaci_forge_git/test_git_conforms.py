"""The part of the contract of forges that asks, at a bare repository.

The other parts are about webhooks, comments and an HTTP server in trouble, none of which a plain repository has; what
is left of them is in the tests beside this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_forge_git.bare import Bare, context_of, opened

from ekaci_core.api import (
    Branch,
    CommitSha,
    Forge,
    Permission,
    Person,
    PullRequest,
    PullRequestState,
    RepositoryId,
    WebhookRequest,
)
from ekaci_core.testing.forge_laboratory import ForgeLaboratory, ForgeTrouble, RecordingLogger, ShownCheck
from ekaci_core.testing.forge_questions import QuestionConformance
from ekaci_forge_git.memory import number_of, person_of

NOW = 1_700_000_000.0
REPOSITORY = RepositoryId("git.local", "packages/packages")


class StandingClock:
    """It is always the same moment."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


@attrs.define
class GitLaboratory(ForgeLaboratory):
    """A bare repository with forty branches."""

    bare: Bare
    cache: Path
    forge: Forge
    pull_requests: Sequence[PullRequest]
    repository = REPOSITORY
    twin = REPOSITORY
    unserved = RepositoryId("git.local", "other/packages")
    repositories = (REPOSITORY,)
    files = {"a.nix": b"No 0", "odd name#?*[é].nix": b"No 0", "pkgs": None, "link": None, "none": None}  # noqa: RUF012
    large_file = "large"
    people = {  # noqa: RUF012
        Permission.NONE: Person("stranger", 7),
        Permission.READ: Person("reader", 8),
        Permission.WRITE: person_of("Ada Lovelace"),
        Permission.ADMIN: person_of("Grace"),
    }
    comment = 1
    deliveries = ()

    @property
    def sha(self) -> CommitSha:  # type: ignore[override]
        return self.pull_requests[0].head_sha

    def another(self) -> AbstractAsyncContextManager[Forge]:
        return opened(self.bare, self.cache, context_of(RecordingLogger(), clock=StandingClock()))

    async def withdraw(self) -> None:
        self.bare.folder.rename(self.bare.folder.with_name("away"))

    def secrets(self) -> Collection[str]:
        return ()

    def requests(self) -> int:
        return 0

    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        raise NotImplementedError

    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        raise NotImplementedError

    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        raise NotImplementedError

    async def shown_comments(self, number: int) -> Sequence[str]:
        raise NotImplementedError

    async def say(self, number: int, body: str) -> None:
        raise NotImplementedError

    async def shown_reactions(self, comment: int) -> Sequence[str]:
        raise NotImplementedError

    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        raise NotImplementedError

    async def sign_out(self) -> None:
        raise NotImplementedError

    async def lose_check(self, remote: str) -> None:
        raise NotImplementedError

    async def lose_comment(self, remote: str) -> None:
        raise NotImplementedError


def expected(bare: Bare, branch: str, title: str) -> PullRequest:
    """Say what a branch is, from what was pushed alone."""
    main = CommitSha.parse(bare("rev-parse", "main"))
    return PullRequest(
        repository=REPOSITORY,
        number=number_of(branch),
        title=title,
        author=person_of("Ada Lovelace"),
        state=PullRequestState.OPEN,
        draft=False,
        base=Branch("main"),
        base_sha=main,
        head=Branch(branch),
        head_sha=CommitSha.parse(bare("rev-parse", branch)),
        head_repository=REPOSITORY,
        updated_at=NOW,
    )


class TestGitQuestions(QuestionConformance):
    """Asking."""

    pytestmark = pytest.mark.anyio
    scopes_clones = False

    @pytest.fixture
    async def laboratory(self, tmp_path: Path) -> AsyncIterator[GitLaboratory]:
        self.said = []
        bare, cache = Bare.made(tmp_path / "packages.git"), tmp_path / "cache"
        for number in range(40):
            bare.push(f"pr/{number}", f"No {number}", onto=bare("rev-parse", "main"))
        pulls = [expected(bare, f"pr/{number}", f"No {number}") for number in range(40)]
        async with opened(bare, cache, context_of(RecordingLogger(), clock=StandingClock())) as forge:
            yield GitLaboratory(bare, cache, forge, pulls)

    @pytest.mark.xfail(reason="a plain repository has no accounts, only authors of commits", strict=True)
    async def test_people_are_found_by_their_names(self, laboratory: ForgeLaboratory) -> None:
        await super().test_people_are_found_by_their_names(laboratory)
