"""The contract of what is asked of a forge: the truth, or a fault; never a wrong answer."""

from __future__ import annotations

import base64
import os
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Branch,
    CloneAccess,
    CommitSha,
    Forge,
    ForgeCapability,
    InfrastructureFault,
    Permission,
    Person,
    PullRequestAction,
    PullRequestChanged,
    RepositoryId,
    Secret,
)
from ekaci_core.process import run
from ekaci_core.testing.forge_laboratory import ForgeLaboratory

_NOBODY: Final = Person("nobody-has-this-name", 987_654_321)
_NO_COMMIT: Final = CommitSha("0123456789" * 4)
_SMALL_BYTES: Final = 1024 * 1024


class QuestionConformance:
    """What is asked for, with everything in order."""

    said: list[str]
    """What faults said, with all that hangs on them; looked through for secrets."""

    fetches_by_git = True
    """Whether the laboratory's server gives repositories to git."""

    async def test_it_says_what_it_is(self, laboratory: ForgeLaboratory) -> None:
        assert laboratory.forge.host == laboratory.repository.forge
        assert isinstance(laboratory.forge.capabilities, frozenset)
        assert all(isinstance(each, ForgeCapability) for each in laboratory.forge.capabilities)

    async def test_it_serves_what_it_is_configured_for(self, laboratory: ForgeLaboratory) -> None:
        forge, repository = laboratory.forge, laboratory.repository
        assert forge.serves(repository)
        assert forge.serves(repository, Branch("main"))
        assert forge.serves(attrs.evolve(repository, path=repository.path.upper())), "names are the same in any case"
        assert not forge.serves(laboratory.unserved)
        assert not forge.serves(attrs.evolve(repository, forge="elsewhere.example.org"))

    async def test_pull_requests_are_as_they_are(self, laboratory: ForgeLaboratory) -> None:
        for expected in laboratory.pull_requests[:2]:
            assert await laboratory.forge.pull_request(laboratory.repository, expected.number) == expected
        assert await laboratory.forge.pull_request(laboratory.repository, 99_999) is None

    async def test_no_open_pull_request_is_left_out(self, laboratory: ForgeLaboratory) -> None:
        found = await laboratory.forge.open_pull_requests(laboratory.repository)
        assert sorted(each.number for each in found) == sorted(each.number for each in laboratory.pull_requests)
        assert {each.number: each for each in found} == {each.number: each for each in laboratory.pull_requests}

    async def test_no_repository_is_left_out(self, laboratory: ForgeLaboratory) -> None:
        assert set(await laboratory.forge.repositories()) == set(laboratory.repositories)

    async def test_people_may_do_what_they_may(self, laboratory: ForgeLaboratory) -> None:
        assert laboratory.people.keys() >= {Permission.NONE, Permission.READ, Permission.WRITE, Permission.ADMIN}
        for expected, person in laboratory.people.items():
            found = await laboratory.forge.permission(laboratory.repository, person)
            # A forge that knows fewer levels says a lower one, never a higher.
            assert found <= expected, person
            assert (found >= Permission.WRITE) is (expected >= Permission.WRITE), person
        assert await laboratory.forge.permission(laboratory.repository, _NOBODY) is Permission.NONE

    async def test_a_name_that_another_person_took_gives_nothing(self, laboratory: ForgeLaboratory) -> None:
        taken = attrs.evolve(laboratory.people[Permission.ADMIN], id=987_654_321)
        assert await laboratory.forge.permission(laboratory.repository, taken) is Permission.NONE

    @pytest.mark.parametrize("login", ["../admins", "a/b", "", "%2e%2e", "a b", "?", "\n"])
    async def test_a_strange_name_gives_nothing(self, laboratory: ForgeLaboratory, login: str) -> None:
        stranger = Person(login, laboratory.people[Permission.ADMIN].id)
        assert await laboratory.forge.permission(laboratory.repository, stranger) is Permission.NONE

    async def test_people_are_found_by_their_names(self, laboratory: ForgeLaboratory) -> None:
        for person in laboratory.people.values():
            assert await laboratory.forge.person(laboratory.repository, person.login) == person
        for login in (_NOBODY.login, "../admins", "a/b", "", "%2e%2e", "a b", "?", "\n"):
            assert await laboratory.forge.person(laboratory.repository, login) is None, login

    async def test_files_are_as_they_are(self, laboratory: ForgeLaboratory) -> None:
        assert None in laboratory.files.values()
        for path, content in laboratory.files.items():
            found = await laboratory.forge.read_file(laboratory.repository, path, laboratory.sha)
            assert found == content, path
        first = next(iter(laboratory.files))
        assert await laboratory.forge.read_file(laboratory.repository, first, _NO_COMMIT) is None

    async def test_a_large_file_is_not_read(self, laboratory: ForgeLaboratory) -> None:
        async def read() -> bytes | None:
            return await laboratory.forge.read_file(laboratory.repository, laboratory.large_file, laboratory.sha)

        answer = await answer_or_fault(read, self.said)
        assert not isinstance(answer, bytes) or len(answer) <= _SMALL_BYTES

    @pytest.mark.parametrize("path", ["../../../user", "..", "/etc/passwd", "a\0b", ""])
    async def test_a_strange_path_leads_nowhere(self, laboratory: ForgeLaboratory, path: str) -> None:
        async def read() -> bytes | None:
            return await laboratory.forge.read_file(laboratory.repository, path, laboratory.sha)

        assert not isinstance(await answer_or_fault(read, self.said), bytes)

    async def test_the_head_of_a_pull_request_can_be_fetched(self, laboratory: ForgeLaboratory) -> None:
        forge, expected = laboratory.forge, laboratory.pull_requests[0]
        ref = forge.pull_request_ref(expected.number)
        assert ref.startswith("refs/")
        assert str(expected.number) in ref
        access = await forge.clone_access(laboratory.repository)
        assert "@" not in access.url, "secrets stand in no address"
        assert all(isinstance(value, Secret) for value in access.headers.values())
        if self.fetches_by_git:
            assert f"{expected.head_sha}\t{ref}" in (await _listed(access, ref)).splitlines()

    async def test_a_token_for_one_repository_opens_no_other(self, laboratory: ForgeLaboratory) -> None:
        if not self.fetches_by_git or not self.scopes_clones:
            pytest.skip("the forge says that its tokens are for all its repositories")
        access = await laboratory.forge.clone_access(laboratory.repository)
        other = await laboratory.forge.clone_access(laboratory.twin)
        assert await _listed(CloneAccess(other.url, other.headers), "HEAD")
        with pytest.raises(AssertionError):
            await _listed(CloneAccess(other.url, access.headers), "HEAD")

    scopes_clones = True
    """Whether a token can be limited to one repository."""

    async def test_budgets_are_of_whom_the_forge_counts(self, laboratory: ForgeLaboratory) -> None:
        budget = laboratory.forge.write_budget(laboratory.repository)
        assert budget.key
        assert 0 < budget.per_minute < float("inf")
        assert 0 < budget.per_hour < float("inf")
        assert laboratory.forge.write_budget(laboratory.repository).key == budget.key

    async def test_examination_finds_all_well(self, laboratory: ForgeLaboratory) -> None:
        findings = await laboratory.forge.examine()
        assert findings
        assert all(each.subject and each.text for each in findings)
        assert [each for each in findings if not each.well] == []

    async def test_examination_names_what_does_not_work(self, laboratory: ForgeLaboratory) -> None:
        await laboratory.withdraw()
        missing = [each for each in await laboratory.forge.examine() if not each.well]
        assert missing
        assert all(each.feature for each in missing)

    async def test_a_webhook_is_made_once(self, laboratory: ForgeLaboratory) -> None:
        forge, url = laboratory.forge, "https://ci.example.org/webhook"
        if ForgeCapability.WEBHOOK_SETUP not in forge.capabilities:
            finding = await forge.install_webhook(laboratory.repository, url)
            assert finding.text, "it says how it is done by hand"
            return
        for _ in range(2):
            finding = await forge.install_webhook(laboratory.repository, url)
            assert finding.well, finding
            assert finding.subject
            assert finding.text
        assert list(await laboratory.webhooks()).count(url) == 1

    async def test_deliveries_that_failed_are_asked_for_again(self, laboratory: ForgeLaboratory) -> None:
        forge = laboratory.forge
        if ForgeCapability.DELIVERY_LOG not in forge.capabilities:
            assert list(await forge.missed_deliveries(since=0.0, known=())) == []
            return
        missed, known = await laboratory.miss_delivery(), await laboratory.miss_delivery()
        asked = await forge.missed_deliveries(since=0.0, known={known})
        assert missed in asked
        assert known not in asked
        assert missed in await laboratory.sent_again()
        assert known not in await laboratory.sent_again()

    async def test_old_deliveries_are_let_be(self, laboratory: ForgeLaboratory) -> None:
        if ForgeCapability.DELIVERY_LOG in laboratory.forge.capabilities:
            missed = await laboratory.miss_delivery()
            assert missed not in await laboratory.forge.missed_deliveries(since=4e9, known=())
            assert missed not in await laboratory.sent_again()

    async def test_news_tells_of_all_that_is_open_and_each_time_the_same(self, laboratory: ForgeLaboratory) -> None:
        if ForgeCapability.NEWS not in laboratory.forge.capabilities:
            pytest.skip("it cannot be polled")
        told = await laboratory.forge.news(laboratory.repository, since=0.0)
        changed = {each.pull_request.number: each for each in told if isinstance(each, PullRequestChanged)}
        for expected in laboratory.pull_requests:
            assert changed[expected.number].pull_request == expected
            assert changed[expected.number].action is PullRequestAction.SYNCHRONIZED
        assert list(await laboratory.forge.news(laboratory.repository, since=0.0)) == list(told)

    async def test_questions_can_be_asked_at_once(self, laboratory: ForgeLaboratory) -> None:
        found: dict[int, Any] = {}

        async def ask(number: int) -> None:
            found[number] = await laboratory.forge.pull_request(laboratory.repository, number)

        expected = {each.number: each for each in laboratory.pull_requests[:5]}
        async with anyio.create_task_group() as tasks:
            for number in expected:
                tasks.start_soon(ask, number)
        assert found == expected


async def answer_or_fault(call: Callable[[], Awaitable[Any]], said: list[str]) -> Any:
    """Return the answer, or None where there is a fault instead."""
    try:
        return await call()
    except InfrastructureFault as fault:
        keep_fault(fault, said)
        return None


def keep_fault(fault: BaseException, said: list[str]) -> None:
    """Keep what a fault says, with everything that led to it."""
    assert str(fault)
    said.append(repr(fault) + "".join(traceback.format_exception(fault)))


async def _listed(access: CloneAccess, ref: str) -> str:
    """Ask git for a ref, with the headers where only git sees them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": str(len(access.headers))}
    for index, (name, value) in enumerate(access.headers.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = "http.extraHeader"
        environment[f"GIT_CONFIG_VALUE_{index}"] = f"{name}: {value.reveal()}"
    done = await run(["git", "ls-remote", access.url, ref], env=environment)
    assert done.status == 0, done.stderr
    return done.text


def forge_questions(forge: Forge, repository: RepositoryId, sha: CommitSha, person: Person) -> dict[str, Any]:
    """Return what can be asked of a forge, each as a function without arguments."""
    return {
        "pull_request": lambda: forge.pull_request(repository, 1),
        "open_pull_requests": lambda: forge.open_pull_requests(repository),
        "repositories": forge.repositories,
        "permission": lambda: forge.permission(repository, person),
        "person": lambda: forge.person(repository, person.login),
        "read_file": lambda: forge.read_file(repository, "a.nix", sha),
        "find_comment": lambda: forge.find_comment(repository, 1, "<!-- -->"),
    }


def secret_forms(secret: str) -> set[str]:
    """Return the texts in which a secret would be seen: itself, and as part of a basic authorisation."""
    forms = {secret, base64.b64encode(secret.encode()).decode().rstrip("=")}
    # The middle of it, wherever it begins in what is encoded.
    forms |= {base64.b64encode(b"x" * pad + secret.encode()).decode().rstrip("=")[4:-4] for pad in range(3)}
    lines = [line for line in secret.splitlines() if len(line) > 20 and "-----" not in line]
    return {each for each in forms | set(lines) if len(each) >= 8}
