"""An account at the stand-in Gitea, for the contract of forges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from tests.standins.gitea.deliveries import expanded, signed_headers
from tests.standins.gitea.records import Account, Hook, Pull, Status
from tests.standins.gitea.server import Gitea
from tests.standins.github import faults
from tests.standins.github.git import Bare

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
    Opinion,
    Permission,
    Permissions,
    Person,
    Ping,
    PluginContext,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    PullRequestState,
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
from ekaci_forge_gitea.config import GiteaConfig
from ekaci_forge_gitea.kind import GiteaType

SECRET: Final = "a secret of the stand-in's webhook"  # noqa: S105 - of the stand-in
_FILES: Final[dict[str, str | bytes | Path | None]] = {
    "a.nix": "{ }\n", "d/a é?#%&+ b.nix": b"\xff\0\r\n", "link": Path("a.nix"), "out": Path("/etc/passwd"),
    "d/up": Path("../a.nix"), "large": b"x" * (1024 * 1024 + 1), "full": b"y" * (1024 * 1024), "empty": b"",
}  # fmt: skip
_ROLES: Final = {"ekaci": "admin", "rita": "read", "wanda": "write", "ada": "admin"}
_PEOPLE: Final = {
    Permission.READ: "rita", Permission.WRITE: "wanda", Permission.ADMIN: "ada", Permission.NONE: "nora",
}  # fmt: skip


@attrs.define
class Rotated:
    """A source of the token: what it gave stays until it hears that it was refused."""

    gitea: Gitea
    held: str = attrs.field(default="", repr=False)
    current: str = attrs.field(default="", repr=False)

    def rotate(self) -> None:
        self.gitea.world.tokens.pop(self.current, None)
        self.current = self.gitea.world.token("ekaci").value

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        del use, purpose
        return self

    async def resolve(self) -> Lease:
        self.held = self.held or self.current
        return Lease({"GITEA_TOKEN": Secret(self.held)})

    async def renew(self, refused: Lease | None = None) -> Lease:
        del refused
        self.held = self.current
        return await self.resolve()


class GiteaScene:
    """A stand-in with everything that the contract asks for, made once; `reset` takes away what a test left."""

    def __init__(self, gitea: Gitea) -> None:
        world = gitea.world
        world.longest_page = 3
        self.gitea = gitea
        self.place = world.repository("octo/place", files=_FILES, roles=_ROLES)
        self.twin = world.repository("octo/twin", parent=self.place, roles={"ekaci": "admin"})
        self.unserved = world.repository("octo/unserved", files={"a": "a"}, roles={"ekaci": "admin"})
        world.repository("octo/seen", files={"a": "a"}, private=False)
        world.account("nora")
        self.sha = CommitSha(Bare(self.place.folder)("rev-parse", "main"))
        self.source = Rotated(gitea)
        self.source.rotate()
        fork = world.fork(self.place, "forker")
        for number in range(1, 6):
            gitea.acts.push(fork, {"n": str(number)}, branch=f"topic/{number}", by="forker")
            title = f"{'WIP: ' if number == 2 else ''}Change {number}"
            gitea.acts.open_pull(self.place, f"topic/{number}", by="forker", source=fork, title=title)
        self.comment = gitea.acts.comment(self.place, self.place.pulls[1], "merge\n", by=world.account("wanda"))
        self.deliveries = _Deliveries(self).made()

    def reset(self) -> None:
        """Let the next test find what the first found."""
        self.gitea.recover()
        bot = self.gitea.world.account("ekaci")
        for each in (self.place, self.twin):
            each.statuses.clear()
            each.roles[bot.id] = "admin"
            events = expanded(["push", "pull_request"])
            each.hooks = {7: Hook(7, "gitea", "https://ci.example.org/gitea/webhook", "json", "", events, active=True)}
        self.place.comments = {self.comment.id: self.comment}
        self.comment.reactions.clear()
        self.gitea.world.deliveries.clear()
        self.gitea.world.seen.clear()
        self.gitea.world.send = lambda _: None

    def identifier(self, full_name: str = "octo/place") -> RepositoryId:
        return RepositoryId.parse(self.gitea.host, full_name)

    def expected(self, pull: Pull) -> PullRequest:
        base_sha = Bare(self.place.folder)("rev-parse", pull.base)
        return PullRequest(
            repository=self.identifier(), number=pull.number, title=pull.title, author=person(pull.author),
            state=PullRequestState(pull.state), draft=pull.title.startswith("WIP:"), base=Branch(pull.base),
            base_sha=CommitSha(base_sha), head=Branch(pull.head), head_sha=CommitSha(pull.head_sha),
            head_repository=self.identifier("forker/place"), updated_at=float(int(pull.updated_at)),
        )  # fmt: skip


def person(account: Account) -> Person:
    return Person(account.login, account.id)


class _Deliveries:
    """One delivery of each kind, as the stand-in sends them, beside what it means."""

    def __init__(self, scene: GiteaScene) -> None:
        self._scene = scene
        self._found: list[ForgeDelivery] = []

    def _take(self, event: ForgeEvent) -> None:
        world = self._scene.gitea.world
        sent = world.deliveries[-1]
        headers = signed_headers(world.vendor, SECRET, sent.event, sent.body, sent.uuid)
        self._found.append(ForgeDelivery(WebhookRequest(headers, sent.body), event))

    def made(self) -> Sequence[ForgeDelivery]:
        scene, acts, world = self._scene, self._scene.gitea.acts, self._scene.gitea.world
        place, here, pull = scene.place, scene.identifier(), scene.place.pulls[1]
        wanda = person(world.account("wanda"))
        said_at = float(int(scene.comment.created_at))
        self._take(CommentCreated(here, 1, scene.comment.id, "merge\n", wanda, by_bot=False, created_at=said_at))
        acts.edit(place, pull, by="wanda", title="WIP: Change 1")
        self._take(PullRequestChanged(PullRequestAction.DRAFTED, scene.expected(pull), wanda))
        acts.edit(place, pull, by="wanda", title="Change 1")
        self._take(PullRequestChanged(PullRequestAction.READY, scene.expected(pull), wanda))
        for opinion, meant in (
            ("approved", Opinion.APPROVED), ("rejected", Opinion.CHANGES_REQUESTED), ("comment", Opinion.COMMENTED)
        ):  # fmt: skip
            acts.review(place, pull, opinion, by="wanda")
            self._take(PullRequestReviewed(here, 1, CommitSha(pull.head_sha), meant, wanda))
        acts.edit(place, pull, by="wanda", state="closed")
        self._take(PullRequestChanged(PullRequestAction.CLOSED, scene.expected(pull), wanda))
        acts.edit(place, pull, by="wanda", state="open")
        self._take(PullRequestChanged(PullRequestAction.REOPENED, scene.expected(pull), wanda))
        after = acts.push(scene.unserved, {"b": "b"}, branch="next", by="wanda")
        where = scene.identifier("octo/unserved")
        self._take(BranchPushed(where, Branch("next"), None, CommitSha(after), is_default=False, actor=wanda))
        acts.test_hook(scene.unserved, by=world.account("wanda"))
        self._take(Ping())
        owner = scene.unserved.owner
        acts.made_known(scene.unserved, "created", by="wanda")
        self._take(InstallationChanged(InstallationAction.ADDED, owner.id, "octo", (where,)))
        acts.made_known(scene.unserved, "deleted", by="wanda")
        self._take(RepositoryChanged(RepositoryAction.DELETED, where, None))
        return self._found


class GiteaLaboratory(ForgeLaboratory):
    """An open account at the stand-in."""

    def __init__(self, scene: GiteaScene, forge: Forge, config: GiteaConfig, context: PluginContext) -> None:
        self.scene, self.forge, self._config, self._context = scene, forge, config, context
        self._gitea, self._place = scene.gitea, scene.place
        self.repository, self.twin = scene.identifier(), scene.identifier("octo/twin")
        self.unserved = scene.identifier("octo/unserved")
        self.repositories = [self.repository, self.twin]
        self.pull_requests = [scene.expected(each) for each in self._place.pulls.values()]
        self.sha = scene.sha
        whole = {name: value.encode() if isinstance(value, str) else value for name, value in _FILES.items()}
        named = {name: value if isinstance(value, bytes) else None for name, value in whole.items() if name != "large"}
        self.files: Mapping[str, bytes | None] = {**named, "d": None, "none": None, "a.nix/b": None}
        self.large_file = "large"
        self.people = {each: person(self._gitea.world.account(login)) for each, login in _PEOPLE.items()}
        self.comment = scene.comment.id
        self.deliveries = scene.deliveries

    def another(self) -> AbstractAsyncContextManager[Forge]:
        return GiteaType().open(self._config, self._context)

    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        key = SECRET if secret is None else secret
        return WebhookRequest(signed_headers(self._gitea.world.vendor, key, kind, body, delivery), body)

    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        headers = {name: value for name, value in request.headers.items() if "signature" not in name}
        added = {} if signature is None else {"x-gitea-signature": signature}
        return attrs.evolve(request, headers={**headers, **added})

    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        found = self._gitea.world.find(*repository.path.split("/"))
        assert found is not None
        # Only the newest of a name is shown.
        return [_shown(each) for each in {at.context: at for at in found.statuses.values() if at.sha == sha}.values()]

    async def shown_comments(self, number: int) -> Sequence[str]:
        return [each.body for each in self._place.comments.values() if each.number == number]

    async def say(self, number: int, body: str) -> None:
        self._gitea.acts.comment(self._place, self._place.pulls[number], body, by=self._gitea.world.account("rita"))

    async def webhooks(self) -> Sequence[str]:
        return [each.url for each in self._place.hooks.values() if each.active]

    async def shown_reactions(self, comment: int) -> Sequence[str]:
        return [content for _, content in self._place.comments[comment].reactions]

    def requests(self) -> int:
        return len(self._gitea.seen)

    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        match: dict[str, Any] = {"times": times}
        if only_writes:
            match |= {"method": "POST|PATCH|PUT|DELETE"}
        self._gitea.fail(_fault(trouble, match))

    def recover(self) -> None:
        self._gitea.recover()

    async def sign_out(self) -> None:
        self.scene.source.rotate()

    async def lose_check(self, remote: str) -> None:
        del self._place.statuses[int(remote)]

    async def lose_comment(self, remote: str) -> None:
        del self._place.comments[int(remote)]

    async def withdraw(self) -> None:
        self._place.roles[self._gitea.world.account("ekaci").id] = "read"

    def secrets(self) -> Collection[str]:
        return [SECRET, *self._gitea.world.issued]


def _shown(status: Status) -> ShownCheck:
    done = CheckStatus.IN_PROGRESS if status.state == "pending" else CheckStatus.COMPLETED
    return ShownCheck(context=status.context, status=done, passes=status.state == "success", title=status.description)


def _fault(trouble: ForgeTrouble, match: dict[str, Any]) -> faults.Fault:
    if trouble is ForgeTrouble.TOO_MANY:
        return faults.abuse(RETRY_AFTER_SECONDS, 429, **match)
    if isinstance(trouble.value, int):
        return faults.status(trouble.value, **match)
    kinds = {ForgeTrouble.SILENCE: faults.Trouble.TIMEOUT}
    return faults.Fault(kinds.get(trouble) or faults.Trouble[trouble.name], **match)


@asynccontextmanager
async def gitea_laboratory(scene: GiteaScene, context: PluginContext) -> AsyncIterator[GiteaLaboratory]:
    """Open the account; afterwards nothing may have been asked that Gitea does not describe."""
    scene.reset()
    config = GiteaConfig(
        id="main",
        domain=scene.gitea.host,
        scheme="http",
        credentials=CredentialUse("given"),
        permissions=Permissions(allow_all=False, allowed_repos=("octo/place", "octo/twin")),
        webhook_secret=Secret(SECRET),
    )
    async with GiteaType().open(config, context) as forge:
        yield GiteaLaboratory(scene, forge, config, context)
    scene.gitea.check()
