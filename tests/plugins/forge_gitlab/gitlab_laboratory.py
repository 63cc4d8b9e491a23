"""An account at the stand-in, for the contract of forges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from tests.standins.github import faults
from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare
from tests.standins.gitlab.deliveries import headers_of, signed
from tests.standins.gitlab.records import (
    DEVELOPER,
    MAINTAINER,
    OWNER,
    REPORTER,
    Account,
    MergeRequest,
    Status,
)
from tests.standins.gitlab.server import GitLab

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CheckStatus,
    CommentCreated,
    CommitSha,
    CredentialUse,
    Forge,
    ForgeEvent,
    HeldCredentials,
    InstallationAction,
    InstallationChanged,
    Lease,
    MergeGroupTouched,
    Opinion,
    Permission,
    Permissions,
    Person,
    PluginContext,
    PullRequest,
    PullRequestAction,
    PullRequestReviewed,
    PullRequestState,
    PullRequestTouched,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
    Secret,
    WebhookRequest,
)
from ekaci_core.testing.forge_laboratory import (
    RETRY_AFTER_SECONDS,
    ForgeDelivery,
    ForgeLaboratory,
    ForgeTrouble,
    ShownCheck,
)
from ekaci_forge_gitlab.config import GitLabConfig
from ekaci_forge_gitlab.kind import GitLabType

PLACE: Final = "octo/tools/nix/place"
SECRET: Final = "a secret of the stand-in's webhook"  # noqa: S105 - of the stand-in
SIGNING: Final = "whsec_c3RhbmQtaW4gc2lnbmluZyBrZXksIDMyIGJ5dGVzISE="
_FILES: Final[dict[str, str | bytes | Path | None]] = {
    "a.nix": "{ }\n", "d/a é?#%&+ b.nix": b"\xff\0\r\n", "link": Path("a.nix"), "out": Path("/etc/passwd"),
    "d/up": Path("../a.nix"), "large": b"x" * (1024 * 1024 + 1), "full": b"y" * (1024 * 1024),
}  # fmt: skip
_PEOPLE: Final = {
    Permission.READ: ("gwen", 10), Permission.TRIAGE: ("theo", REPORTER), Permission.WRITE: ("wanda", DEVELOPER),
    Permission.MAINTAIN: ("mia", MAINTAINER), Permission.ADMIN: ("ada", OWNER),
}  # fmt: skip
_STATES: Final = {"pending": CheckStatus.QUEUED, "running": CheckStatus.IN_PROGRESS}


class GitLabScene:
    """A stand-in with everything that the contract asks for, made once; `reset` takes away what a test left."""

    def __init__(self, gitlab: GitLab, signing: str = "") -> None:
        world = self.world = gitlab.world
        world.longest_page = 3
        self.gitlab, self.signing = gitlab, signing
        self.bot = world.account("project_7_bot_a1b2c3")
        members = {name: level for name, level in _PEOPLE.values() if level < OWNER}
        world.group("octo", {"ada": OWNER})
        self.place = world.project(PLACE, files=_FILES, members={**members, self.bot.username: MAINTAINER})
        self.twin = world.project("octo/twin", parent=self.place, members={self.bot.username: MAINTAINER})
        self.unserved = world.project("octo/unserved", files={"a": "a"}, members={self.bot.username: MAINTAINER})
        world.project("octo/foreign", files={"a": "a"})
        world.account("nora")
        self.token = world.token(self.bot)
        self.sha = CommitSha(Bare(self.place.folder)("rev-parse", "main"))
        self.hook = world.hook(self.place, "", SECRET, signing=signing)
        self.system = world.system_hook("", SECRET, signing=signing)
        fork = world.fork(self.place, "forker")
        for number in range(1, 6):
            gitlab.acts.push(fork, {"n": str(number)}, branch=f"topic/{number}", by="forker")
            title = f"{'Draft: ' if number == 2 else ''}Change {number}"
            gitlab.acts.open(self.place, f"topic/{number}", by="forker", source=fork, title=title)
        self.first = self.place.merge_requests[1]
        self.comment = gitlab.acts.comment(self.place, self.first, "merge\n", by=world.account("wanda"))
        self.deliveries = Deliveries(self).made()

    def reset(self) -> None:
        """Let the next test find what the first found."""
        world = self.world
        self.gitlab.recover()
        self.gitlab.limits.forget()
        for each in (self.place, self.twin):
            each.pipelines.clear()
            each.statuses.clear()
        for request in self.place.merge_requests.values():
            request.pipeline = None
        self.place.notes = {self.comment.id: self.comment}
        self.place.hooks = {self.hook.id: self.hook}
        self.comment.emoji.clear()
        self.place.members[self.bot.id] = MAINTAINER
        world.tokens.clear()
        world.issued.clear()
        self.token = world.token(self.bot)
        for records in (world.deliveries, world.seen):
            records.clear()

    def identifier(self, path: str = PLACE) -> RepositoryId:
        return RepositoryId.parse(self.gitlab.host, path)

    def expected(self, request: MergeRequest) -> PullRequest:
        return PullRequest(
            repository=self.identifier(), number=request.iid, title=request.title, author=person(request.author),
            state=PullRequestState.OPEN, draft=request.draft, base=Branch(request.target_branch),
            base_sha=CommitSha(request.start_sha), head=Branch(request.source_branch), head_sha=CommitSha(request.sha),
            head_repository=None, updated_at=float(int(request.updated_at)),
        )  # fmt: skip


@attrs.frozen
class GivenToken:
    """Credentials of a test: the newest token that the stand-in made."""

    scene: GitLabScene

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        del use, purpose
        return Held(self.scene)


@attrs.define
class Held:
    """What the source gave is kept until it is refused."""

    scene: GitLabScene
    lease: Lease | None = None

    async def resolve(self) -> Lease:
        return self.lease or await self.renew()

    async def renew(self, refused: Lease | None = None) -> Lease:
        del refused
        self.lease = Lease({"GITLAB_TOKEN": Secret(self.scene.token.value)})
        return self.lease


def person(account: Account) -> Person:
    return Person(account.username, account.id)


class Deliveries:
    """One delivery of each kind, as the stand-in sends them, beside what it means."""

    def __init__(self, scene: GitLabScene) -> None:
        self._scene = scene
        self._found: list[ForgeDelivery] = []

    def _take(self, event: ForgeEvent, kind: str, **attributes: object) -> None:
        sent = self._scene.world.last_delivery(kind, **attributes)
        self._found.append(ForgeDelivery(WebhookRequest(headers_of(sent), sent.body), event))

    def made(self) -> Sequence[ForgeDelivery]:
        scene, acts, world = self._scene, self._scene.gitlab.acts, self._scene.world
        place, first, here = scene.place, scene.first, scene.identifier()
        wanda, forker = person(world.account("wanda")), person(world.account("forker"))
        opened = PullRequestTouched(PullRequestAction.OPENED, here, 5, forker)
        self._take(opened, "Merge Request Hook", action="open")
        self._take(opened, "System Hook", action="open")
        said_at = float(int(scene.comment.created_at))
        said = CommentCreated(here, 1, scene.comment.id, "merge\n", wanda, by_bot=False, created_at=said_at)
        self._take(said, "Note Hook")
        acts.approve(place, first, by="wanda")
        head = CommitSha(first.sha)
        self._take(PullRequestReviewed(here, 1, head, Opinion.APPROVED, wanda), "Merge Request Hook", action="approved")
        ran = acts.train(place, first)
        self._take(MergeGroupTouched(here, ran.id), "Pipeline Hook")
        world.hook(scene.unserved, "", SECRET, signing=scene.signing)
        after = acts.push(scene.unserved, {"b": "b"}, branch="next", by="wanda")
        where = scene.identifier("octo/unserved")
        pushed = BranchPushed(where, Branch("next"), None, CommitSha(after), is_default=False, actor=wanda)
        self._take(pushed, "Push Hook")
        acts.update(scene.unserved, [{"before": "0" * 40, "after": after, "ref": "refs/heads/next"}])
        self._take(attrs.evolve(pushed, actor=None), "System Hook", event_name="repository_update")
        acts.tell_of(scene.unserved, "project_create")
        made = InstallationChanged(InstallationAction.ADDED, scene.unserved.id, "octo", (where,))
        self._take(made, "System Hook", event_name="project_create")
        acts.move(scene.unserved, "octo/renamed")
        renamed = RepositoryChanged(RepositoryAction.RENAMED, scene.identifier("octo/renamed"), where)
        self._take(renamed, "System Hook", event_name="project_rename")
        acts.move(scene.unserved, "octo/unserved")
        return self._found


class GitLabLaboratory(ForgeLaboratory):
    """An open account at the stand-in."""

    def __init__(self, scene: GitLabScene, forge: Forge, config: GitLabConfig, context: PluginContext) -> None:
        self.scene, self.forge, self._config, self._context = scene, forge, config, context
        self._gitlab, self._place = scene.gitlab, scene.place
        self.repository, self.twin = scene.identifier(), scene.identifier("octo/twin")
        self.unserved = scene.identifier("octo/unserved")
        self.repositories = [self.repository, self.twin]
        self.pull_requests = [scene.expected(each) for each in self._place.merge_requests.values()]
        self.sha = scene.sha
        whole = {name: value.encode() if isinstance(value, str) else value for name, value in _FILES.items()}
        named = {name: value if isinstance(value, bytes) else None for name, value in whole.items() if name != "large"}
        self.files: Mapping[str, bytes | None] = {**named, "d": None, "none": None, "a.nix/b": None}
        self.large_file = "large"
        self.people = {each: person(scene.world.account(name)) for each, (name, _) in _PEOPLE.items()}
        self.people[Permission.NONE] = person(scene.world.account("nora"))
        self.comment = scene.comment.id
        self.deliveries = scene.deliveries

    def another(self) -> AbstractAsyncContextManager[Forge]:
        return GitLabType().open(self._config, self._context)

    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        headers = {"content-type": "application/json", "x-gitlab-event": kind, "idempotency-key": delivery}
        if self.scene.signing and secret is None:
            return WebhookRequest({**headers, **signed(self.scene.signing, delivery, body)}, body)
        return WebhookRequest({**headers, "x-gitlab-token": SECRET if secret is None else secret}, body)

    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        secrets = ("x-gitlab-token", "webhook-signature")
        headers = {name: value for name, value in request.headers.items() if name not in secrets}
        name = secrets[bool(self.scene.signing)]
        added = {} if signature is None else {name: signature}
        return attrs.evolve(request, headers={**headers, **added})

    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        found = self.scene.world.find(repository.path)
        assert found is not None
        return [_shown(each) for each in found.standing(sha)]

    async def shown_comments(self, number: int) -> Sequence[str]:
        return [each.body for each in self._place.notes.values() if each.iid == number]

    async def say(self, number: int, body: str) -> None:
        request = self._place.merge_requests[number]
        self._gitlab.acts.comment(self._place, request, body, by=self.scene.world.account("gwen"))

    async def shown_reactions(self, comment: int) -> Sequence[str]:
        return [name for _, name in self._place.notes[comment].emoji]

    def requests(self) -> int:
        return len(self._gitlab.seen)

    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        match: dict[str, Any] = {"times": times}
        if only_writes:
            match |= {"method": "POST|PATCH|PUT|DELETE"}
        self._gitlab.fail(_fault(trouble, match))

    def recover(self) -> None:
        self._gitlab.recover()

    async def sign_out(self) -> None:
        self.scene.token.revoked = True
        self.scene.token = self.scene.world.token(self.scene.bot)

    async def lose_check(self, remote: str) -> None:
        pipeline, _, number = remote.partition("-")
        del self._place.statuses[int(number)]
        del self._place.pipelines[int(pipeline)]

    async def lose_comment(self, remote: str) -> None:
        del self._place.notes[int(remote)]

    async def withdraw(self) -> None:
        self._place.members[self.scene.bot.id] = REPORTER

    def secrets(self) -> Collection[str]:
        return [SECRET, *self.scene.world.issued, *([self.scene.signing] if self.scene.signing else [])]

    async def webhooks(self) -> Sequence[str]:
        return [each.url for each in self._place.hooks.values() if each.token and each.events["note_events"]]


def _shown(status: Status) -> ShownCheck:
    return ShownCheck(
        context=status.name,
        status=_STATES.get(status.state, CheckStatus.COMPLETED),
        passes=status.state == "success",
        title=status.description or "",
    )


def _fault(trouble: ForgeTrouble, match: dict[str, Any]) -> faults.Fault:
    if trouble is ForgeTrouble.TOO_MANY:
        headers = {"retry-after": str(RETRY_AFTER_SECONDS), "content-type": "text/plain"}
        answer = Answer(status=429, content=b"Retry later\n", headers=headers)
        return faults.Fault(faults.Trouble.STATUS, answer, **match)
    if isinstance(trouble.value, int):
        answer = Answer({"message": f"{trouble.value} Trouble"}, trouble.value)
        return faults.Fault(faults.Trouble.STATUS, answer, **match)
    kinds = {ForgeTrouble.SILENCE: faults.Trouble.TIMEOUT}
    return faults.Fault(kinds.get(trouble) or faults.Trouble[trouble.name], **match)


@asynccontextmanager
async def gitlab_laboratory(scene: GitLabScene, context: PluginContext) -> AsyncIterator[GitLabLaboratory]:
    """Open the account; afterwards nothing may have been asked that GitLab does not document."""
    scene.reset()
    config = GitLabConfig(
        id="main",
        domain=scene.gitlab.host,
        scheme="http",
        credentials=CredentialUse("given"),
        permissions=Permissions(allow_all=False, allowed_repos=(PLACE, "octo/twin")),
        webhook_secret=Secret(SECRET),
        signing_token=Secret(scene.signing) if scene.signing else None,
    )
    async with GitLabType().open(config, context) as forge:
        yield GitLabLaboratory(scene, forge, config, context)
    scene.gitlab.check()
