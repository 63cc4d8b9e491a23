"""GitHub's App at the stand-in, for the contract of forges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from tests.standins.github import faults
from tests.standins.github.deliveries import headers_of, new_delivery
from tests.standins.github.git import Bare
from tests.standins.github.records import Account, CheckRun, Pull, moment
from tests.standins.github.server import GitHub
from tests.standins.github.signatures import webhook_signature
from tests.standins.github.world import PERMISSIONS

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CheckActionRequested,
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
    MergeGroupAction,
    MergeGroupChanged,
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
    RerunRequested,
    Secret,
    WebhookRequest,
    WorkflowRequested,
)
from ekaci_core.testing.forge_laboratory import (
    RETRY_AFTER_SECONDS,
    ForgeDelivery,
    ForgeLaboratory,
    ForgeTrouble,
    ShownCheck,
)
from ekaci_forge_github.config import GitHubAppConfig
from ekaci_forge_github.kind import GitHubType

_FILES: Final[dict[str, str | bytes | Path | None]] = {
    "a.nix": "{ }\n", "d/a é?#%&+ b.nix": b"\xff\0\r\n", "link": Path("a.nix"), "out": Path("/etc/passwd"),
    "d/up": Path("../a.nix"), "large": b"x" * (1024 * 1024 + 1), "full": b"y" * (1024 * 1024),
}  # fmt: skip
_ROLES: Final = {"rita": "read", "theo": "triage", "wanda": "write", "mia": "maintain", "ada": "admin"}
_PEOPLE: Final = {
    Permission.READ: "rita", Permission.TRIAGE: "theo", Permission.WRITE: "wanda", Permission.MAINTAIN: "mia",
    Permission.ADMIN: "ada", Permission.NONE: "nora",
}  # fmt: skip
_PASSING: Final = ("success", "neutral", "skipped")
_WRITES: Final = "(?!.*/access_tokens).*"


@attrs.frozen
class GivenKey:
    """Credentials of a test: the key that the stand-in made."""

    app_id: int
    pem: str = attrs.field(repr=False)

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        del use, purpose
        return self

    async def resolve(self) -> Lease:
        return Lease({"GITHUB_APP_ID": Secret(str(self.app_id)), "GITHUB_APP_PRIVATE_KEY": Secret(self.pem)})

    async def renew(self, refused: Lease | None = None) -> Lease:
        del refused
        return await self.resolve()


class GitHubScene:
    """A stand-in with everything that the contract asks for, made once; `reset` takes away what a test left."""

    def __init__(self, github: GitHub) -> None:
        world = github.world
        world.longest_page = 3
        self.github = github
        self.place = world.repository("octo/place", files=_FILES, roles=_ROLES)
        self.twin = world.repository("octo/twin", parent=self.place)
        self.unserved = world.repository("octo/unserved", files={"a": "a"})
        world.account("nora")
        self.sha = world_sha(self.place.folder)
        self.app = world.app(webhook_secret="a secret of the stand-in's webhook")  # noqa: S106 - of the stand-in
        world.install(self.app, "octo", [self.place, self.twin, self.unserved])
        world.deliveries.clear()
        fork = world.fork(self.place, "forker")
        for number in range(1, 6):
            github.people.push(fork, {"n": str(number)}, branch=f"topic/{number}")
            github.people.open_pull(
                self.place, f"topic/{number}", author="forker", source=fork, title=f"Change {number}", draft=number == 2
            )
        self.comment = github.people.comment(self.place, self.place.pulls[1], "merge\n", by="wanda")
        self.deliveries = Deliveries(self).made()

    def reset(self) -> None:
        """Let the next test find what the first found."""
        world = self.github.world
        self.github.recover()
        for each in (self.place, self.twin):
            each.checks.clear()
            each.suites.clear()
        self.place.comments = {self.comment.id: self.comment}
        self.comment.reactions.clear()
        self.app.permissions = dict(PERMISSIONS)
        self.app.webhook_url = None
        for installation in world.installations.values():
            installation.permissions = dict(PERMISSIONS)
        for records in (world.deliveries, world.seen, world.grants, world.issued):
            records.clear()
        self.github.limits.forget()

    def identifier(self, full_name: str = "octo/place") -> RepositoryId:
        return RepositoryId.parse(self.github.host, full_name)

    def expected(self, pull: Pull) -> PullRequest:
        return PullRequest(
            repository=self.identifier(), number=pull.number, title=pull.title, author=person(pull.author),
            state=PullRequestState(pull.state), draft=pull.draft, base=Branch(pull.base),
            base_sha=CommitSha(pull.base_sha), head=Branch(pull.head), head_sha=CommitSha(pull.head_sha),
            head_repository=self.identifier("forker/place"), updated_at=float(int(pull.updated_at)),
        )  # fmt: skip


def world_sha(folder: Path) -> CommitSha:
    return CommitSha(Bare(folder)("rev-parse", "main"))


def person(account: Account) -> Person:
    return Person(account.login, account.id)


def check_at(scene: GitHubScene, sha: str) -> CheckRun:
    world = scene.github.world
    buttons = [{"label": "Approve", "description": "", "identifier": "approve"}]
    suite = world.suite(scene.place, scene.app, sha)
    made = CheckRun(world.next_id(), scene.app, "EkaCI: Verdict", sha, suite, started_at=moment(0), actions=buttons)
    scene.place.checks[made.id] = made
    return made


class Deliveries:
    """One delivery of each kind, as the stand-in sends them, beside what it means."""

    def __init__(self, scene: GitHubScene) -> None:
        self._scene = scene
        self._found: list[ForgeDelivery] = []

    def _take(self, event: ForgeEvent, kind: str, action: str | None = None) -> None:
        sent = self._scene.github.world.last_delivery(kind, action)
        self._found.append(ForgeDelivery(WebhookRequest(headers_of(sent), sent.body), event))

    def made(self) -> Sequence[ForgeDelivery]:
        scene, people, world = self._scene, self._scene.github.people, self._scene.github.world
        place, pull, here = scene.place, scene.place.pulls[1], scene.identifier()
        wanda = person(world.account("wanda"))
        forker, newest = person(world.account("forker")), scene.expected(place.pulls[5])
        opened = PullRequestChanged(PullRequestAction.OPENED, newest, forker)
        self._take(opened, "pull_request", "opened")
        said_at = float(int(scene.comment.created_at))
        said = CommentCreated(here, 1, scene.comment.id, "merge\n", wanda, by_bot=False, created_at=said_at)
        self._take(said, "issue_comment")
        head = CommitSha(pull.head_sha)
        people.review(place, pull, "approved", by="wanda")
        self._take(PullRequestReviewed(here, 1, head, Opinion.APPROVED, wanda), "pull_request_review")
        people.workflow(place, pull, by="wanda")
        self._take(WorkflowRequested(here, head, wanda), "workflow_run")
        branch, sha = people.merge_group(place, pull)
        group = MergeGroupChanged(
            MergeGroupAction.CHECKS_REQUESTED, here, Branch("main"), CommitSha(pull.base_sha), Branch(branch),
            CommitSha(sha), "forker",
        )  # fmt: skip
        self._take(group, "merge_group")
        self._take_checks(wanda)
        after = people.push(scene.unserved, {"b": "b"}, branch="next", by="wanda")
        where = scene.identifier("octo/unserved")
        pushed = BranchPushed(where, Branch("next"), None, CommitSha(after), is_default=False, actor=wanda)
        self._take(pushed, "push")
        installation = next(iter(world.installations.values()))
        people.select(installation, [place, scene.twin])
        gone = (scene.identifier("octo/unserved"),)
        self._take(
            InstallationChanged(InstallationAction.REMOVED, installation.id, "octo", gone), "installation_repositories"
        )
        people.select(installation, [place, scene.twin, scene.unserved])
        people.rename(scene.unserved, "renamed")
        renamed = (scene.identifier("octo/renamed"), scene.identifier("octo/unserved"))
        self._take(RepositoryChanged(RepositoryAction.RENAMED, *renamed), "repository")
        people.rename(scene.unserved, "unserved")
        people.ping(scene.app)
        self._take(Ping(), "ping")
        return self._found

    def _take_checks(self, wanda: Person) -> None:
        scene, people = self._scene, self._scene.github.people
        place, here = scene.place, scene.identifier()
        head = CommitSha(place.pulls[1].head_sha)
        check = check_at(scene, head)
        people.rerun(place, check, by="wanda")
        self._take(RerunRequested(here, head, "EkaCI: Verdict", wanda), "check_run", "rerequested")
        people.press(place, check, "approve", by="wanda")
        pressed = CheckActionRequested(here, head, "EkaCI: Verdict", "approve", wanda)
        self._take(pressed, "check_run", "requested_action")
        people.rerun_all(place, scene.app, head, by="wanda")
        self._take(RerunRequested(here, head, None, wanda), "check_suite", "rerequested")


class GitHubLaboratory(ForgeLaboratory):
    """An open App at the stand-in."""

    def __init__(self, scene: GitHubScene, forge: Forge, config: GitHubAppConfig, context: PluginContext) -> None:
        self.scene, self.forge, self._config, self._context = scene, forge, config, context
        self._github, self._place = scene.github, scene.place
        self.repository, self.twin = scene.identifier(), scene.identifier("octo/twin")
        self.unserved = scene.identifier("octo/unserved")
        self.repositories = [self.repository, self.twin]
        self.pull_requests = [scene.expected(each) for each in self._place.pulls.values()]
        self.sha = scene.sha
        whole = {name: value.encode() if isinstance(value, str) else value for name, value in _FILES.items()}
        named = {name: value if isinstance(value, bytes) else None for name, value in whole.items() if name != "large"}
        self.files: Mapping[str, bytes | None] = {**named, "d": None, "none": None, "a.nix/b": None}
        self.large_file = "large"
        self.people = {each: person(self._github.world.account(login)) for each, login in _PEOPLE.items()}
        self.comment = scene.comment.id
        self.deliveries = scene.deliveries

    def another(self) -> AbstractAsyncContextManager[Forge]:
        return GitHubType().open(self._config, self._context)

    def sign(self, kind: str, body: bytes, *, delivery: str = "7", secret: str | None = None) -> WebhookRequest:
        key = self.scene.app.webhook_secret if secret is None else secret
        headers = {**self.deliveries[0].request.headers, "x-github-event": kind, "x-github-delivery": delivery}
        return WebhookRequest({**headers, "x-hub-signature-256": webhook_signature(key, body)}, body)

    def with_signature(self, request: WebhookRequest, signature: str | None) -> WebhookRequest:
        headers = {name: value for name, value in request.headers.items() if name != "x-hub-signature-256"}
        added = {} if signature is None else {"x-hub-signature-256": signature}
        return attrs.evolve(request, headers={**headers, **added})

    async def shown(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ShownCheck]:
        found = self._github.world.find(*repository.path.split("/"))
        assert found is not None
        return [_shown(each) for each in found.checks.values() if each.head_sha == sha]

    async def shown_comments(self, number: int) -> Sequence[str]:
        return [each.body for each in self._place.comments.values() if each.number == number]

    async def say(self, number: int, body: str) -> None:
        self._github.people.comment(self._place, self._place.pulls[number], body, by="rita")

    async def webhooks(self) -> Sequence[str]:
        return [self.scene.app.webhook_url or ""]

    async def shown_reactions(self, comment: int) -> Sequence[str]:
        return [content for _, _, content in self._place.comments[comment].reactions]

    def requests(self) -> int:
        return len(self._github.seen)

    def fail(self, trouble: ForgeTrouble, *, times: int | None = None, only_writes: bool = False) -> None:
        match: dict[str, Any] = {"times": times}
        if only_writes:
            match |= {"method": "POST|PATCH|PUT|DELETE", "path": _WRITES}
        self._github.fail(_fault(trouble, match))

    def recover(self) -> None:
        self._github.recover()

    async def sign_out(self) -> None:
        self._github.world.revoke_tokens()

    async def lose_check(self, remote: str) -> None:
        del self._place.checks[int(remote)]

    async def lose_comment(self, remote: str) -> None:
        del self._place.comments[int(remote)]

    async def withdraw(self) -> None:
        self.scene.app.permissions["checks"] = "read"
        for each in self._github.world.installations.values():
            each.permissions["checks"] = "read"

    def secrets(self) -> Collection[str]:
        return [self.scene.app.private_key, self.scene.app.webhook_secret, *self._github.world.issued]

    async def miss_delivery(self) -> str:
        world = self._github.world
        made = new_delivery(world, self.scene.app, "ping", {})
        made.status_code, made.status = 503, "Service Unavailable"
        world.deliveries.append(made)
        return made.guid

    async def sent_again(self) -> Collection[str]:
        return [each.guid for each in self._github.world.deliveries if each.redelivery]


def _shown(check: CheckRun) -> ShownCheck:
    return ShownCheck(
        context=check.name,
        status=CheckStatus(check.status),
        passes=check.status == "completed" and check.conclusion in _PASSING,
        title=check.title or "",
        summary=check.summary or "",
        text=check.text or "",
        annotations=len(check.annotations),
        buttons=tuple(each["label"] for each in check.actions),
    )


def _fault(trouble: ForgeTrouble, match: dict[str, Any]) -> faults.Fault:
    if trouble is ForgeTrouble.TOO_MANY:
        return faults.abuse(RETRY_AFTER_SECONDS, 429, **match)
    if isinstance(trouble.value, int):
        return faults.status(trouble.value, **match)
    kinds = {ForgeTrouble.SILENCE: faults.Trouble.TIMEOUT}
    return faults.Fault(kinds.get(trouble) or faults.Trouble[trouble.name], **match)


@asynccontextmanager
async def github_laboratory(scene: GitHubScene, context: PluginContext) -> AsyncIterator[GitHubLaboratory]:
    """Open the App; afterwards nothing may have been asked that GitHub does not describe."""
    scene.reset()
    config = GitHubAppConfig(
        id="main",
        base_url=scene.github.url,
        credentials=CredentialUse("given"),
        permissions=Permissions(allow_all=False, allowed_repos=("octo/place", "octo/twin")),
        webhook_secret=Secret(scene.app.webhook_secret),
    )
    async with GitHubType().open(config, context) as forge:
        yield GitHubLaboratory(scene, forge, config, context)
    scene.github.check()
