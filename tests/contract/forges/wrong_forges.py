"""Forges that break one promise each. Collected by name only, by the test that expects the kit to reject each."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import anyio
import pytest
from tests.contract.forges.memory_forge import MemoryForge
from tests.contract.forges.memory_laboratory import MemoryLaboratory
from tests.contract.forges.memory_server import LONGEST_BYTES, Refusal

from ekaci_core.api import (
    Branch,
    Check,
    CloneAccess,
    CommitSha,
    Conclusion,
    Finding,
    ForgeEvent,
    Ignored,
    Permission,
    Person,
    Published,
    PublishFailed,
    PullRequest,
    Received,
    Refused,
    RepositoryId,
    Secret,
    WebhookRequest,
)
from ekaci_core.model.errors import EkaciError
from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forges import ForgeConformance

Result = TypeVar("Result")
Wrong = TypeVar("Wrong", bound=type[MemoryForge])

REJECTED: dict[type[MemoryForge], str] = {}
"""The wrong forges, and the test of the kit that is there to reject each."""


def rejected_by(test: str) -> Callable[[Wrong], Wrong]:
    """Name the test of the kit that finds a wrong forge."""

    def note(kind: Wrong) -> Wrong:
        REJECTED[kind] = test
        return kind

    return note


@rejected_by("test_a_wrong_signature_is_refused")
class BelievesTheUnsigned(MemoryForge):
    def is_signed(self, request: WebhookRequest) -> bool:
        return "x-signature" not in request.headers or super().is_signed(request)


@rejected_by("test_a_foreign_secret_is_refused")
class SignsWithAnEmptyKeyToo(MemoryForge):
    def is_signed(self, request: WebhookRequest) -> bool:
        empty = hmac.new(b"", request.body, hashlib.sha256).hexdigest()
        return request.headers.get("x-signature") == f"sha256={empty}" or super().is_signed(request)


@rejected_by("test_a_wrong_signature_is_refused")
class StumblesOverASignature(MemoryForge):
    def is_signed(self, request: WebhookRequest) -> bool:
        expected = hmac.new(self.secret.reveal().encode(), request.body, hashlib.sha256).hexdigest()
        # Texts outside ASCII cannot be compared so.
        return hmac.compare_digest(f"sha256={expected}", request.headers.get("x-signature", ""))


@rejected_by("test_a_signed_body_that_is_no_document_is_refused")
class StumblesOverDepth(MemoryForge):
    def read_body(self, kind: str, delivery: str, body: bytes) -> Received | Refused:
        try:
            document = json.loads(body)
        except ValueError:
            return Refused(400, "no JSON")
        return Received(delivery, kind, body) if isinstance(document, dict) else Refused(400, "no object")


@rejected_by("test_receiving_and_parsing_change_nothing")
class NamesDeliveriesAnew(MemoryForge):
    def receive(self, request: WebhookRequest) -> Received | Refused:
        found = super().receive(request)
        return found if isinstance(found, Refused) else Received(str(uuid.uuid4()), found.kind, found.payload)


@rejected_by("test_parsing_bears_any_change_of_a_good_document")
class ParsesWithExceptions(MemoryForge):
    def parse(self, received: Received) -> ForgeEvent | Ignored:
        try:
            return self.understood(received.kind, json.loads(received.payload))
        except (KeyError, ValueError, RecursionError):
            return Ignored("not understood")


@rejected_by("test_hostile_names_stand_in_no_event")
class TakesAnyBranch(MemoryForge):
    def branch(self, text: str) -> Branch:
        return Branch(text)


@rejected_by("test_parsing_bears_any_change_of_a_good_document")
class TakesAnyNumber(MemoryForge):
    def who(self, value: Any) -> Person:
        login, number = str(value["login"]), int(value["id"])
        login.encode()
        return Person(login, number)


@rejected_by("test_a_question_without_an_answer_is_a_fault")
class SeesNothingInTrouble(MemoryForge):
    async def pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        try:
            return await super().pull_request(repository, number)
        except EkaciError:
            return None


@rejected_by("test_nobody_may_anything_while_the_forge_does_not_answer")
class TrustsInTrouble(MemoryForge):
    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        try:
            return await super().permission(repository, person)
        except EkaciError:
            return Permission.WRITE


@rejected_by("test_a_name_that_another_person_took_gives_nothing")
class TrustsNames(MemoryForge):
    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        known = self.server.roles.get(person.login)
        return await super().permission(repository, Person(person.login, known[0]) if known else person)


@rejected_by("test_people_are_found_by_their_names")
class FindsEverybody(MemoryForge):
    async def person(self, repository: RepositoryId, login: str) -> Person | None:
        return await super().person(repository, login) or Person(login, 1)


@rejected_by("test_people_may_do_what_they_may")
class TrustsReaders(MemoryForge):
    async def permission(self, repository: RepositoryId, person: Person) -> Permission:
        found = await super().permission(repository, person)
        return Permission.WRITE if found is Permission.READ else found


@rejected_by("test_no_open_pull_request_is_left_out")
class StopsAfterAPage(MemoryForge):
    async def open_pull_requests(self, repository: RepositoryId) -> Sequence[PullRequest]:
        del repository
        return list(map(self.pull, await self.told(lambda: self.server.page_of_pulls(0))))


@rejected_by("test_files_are_as_they_are")
class FollowsLinks(MemoryForge):
    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        found = await super().read_file(repository, path, sha)
        return self.server.files[path][1] if self.server.files.get(path, ("", b""))[0] == "symlink" else found


@rejected_by("test_a_large_file_is_not_read")
class ReadsAnythingLarge(MemoryForge):
    async def read_file(self, repository: RepositoryId, path: str, sha: CommitSha) -> bytes | None:
        found = await super().read_file(repository, path, sha)
        return self.server.files["large"][1] if path == "large" else found


@rejected_by("test_the_head_of_a_pull_request_can_be_fetched")
class WritesTheTokenIntoTheAddress(MemoryForge):
    async def clone_access(self, repository: RepositoryId) -> CloneAccess:
        found = await super().clone_access(repository)
        token = found.headers["Authorization"].reveal()
        return CloneAccess(found.url.replace("://", f"://{token}@"))


@rejected_by("test_a_lost_answer_makes_no_second_check")
class MakesTwo(MemoryForge):
    async def made_before(self, check: Check) -> int | None:
        del check
        return None


@rejected_by("test_making_it_after_a_restart_makes_one")
class RemembersWhatItMadeByItself(MemoryForge):
    """Nothing of that is left after a restart."""

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        self.made = getattr(self, "made", {})
        answer = await super().publish(check, remote or self.made.get(check.external_id))
        if isinstance(answer, Published):
            self.made[check.external_id] = answer.remote
        return answer

    async def made_before(self, check: Check) -> int | None:
        del check
        return None


@rejected_by("test_only_what_is_good_passes")
class LetsTheUnfinishedPass(MemoryForge):
    def passes(self, check: Check) -> bool:
        return super().passes(check) or check.conclusion is Conclusion.ACTION_REQUIRED


@rejected_by("test_what_cannot_be_shown_is_said")
class RaisesFromPublishing(MemoryForge):
    async def shown(self, put: Callable[[], Any]) -> Published | PublishFailed:
        return Published(str(await put()))


@rejected_by("test_texts_over_the_limits_are_cut")
class CutsNothing(MemoryForge):
    def short(self, text: str) -> str:
        return text


@rejected_by("test_texts_over_the_limits_are_cut")
class CutsCharacters(MemoryForge):
    def short(self, text: str) -> str:
        return text.encode(errors="replace")[: LONGEST_BYTES - 7].decode(errors="replace")


@rejected_by("test_texts_that_nobody_expected_are_shown")
class CountsCharacters(MemoryForge):
    def short(self, text: str) -> str:
        return text.encode(errors="replace").decode()[:LONGEST_BYTES]


@rejected_by("test_every_annotation_is_shown_once")
class DropsAnnotations(MemoryForge):
    def facts(self, check: Check) -> dict[str, Any]:
        found = super().facts(check)
        return found | {"annotations": found["annotations"][:50]}


@rejected_by("test_a_check_that_was_removed_is_made_anew")
class NeverForgets(MemoryForge):
    def refused(self, refusal: Refusal) -> PublishFailed:
        return PublishFailed(str(refusal), super().refused(refusal).retry_after_seconds or 30.0)


@rejected_by("test_what_cannot_be_shown_is_said")
class ForgetsInTrouble(MemoryForge):
    """It would make another check after each fault of the server."""

    async def shown(self, put: Callable[[], Any]) -> Published | PublishFailed:
        answer = await super().shown(put)
        return answer if isinstance(answer, Published) else PublishFailed(answer.reason, 30.0, forget=True)


@rejected_by("test_it_waits_as_long_as_it_is_told")
class DoesNotWait(MemoryForge):
    def refused(self, refusal: Refusal) -> PublishFailed:
        refusal.wait = None
        return super().refused(refusal)


@rejected_by("test_a_question_too_many_is_a_fault")
class Presses(MemoryForge):
    async def asked(self, action: Callable[[], Result], *, writes: bool = False) -> Result:
        for _ in range(30):
            try:
                return await super().asked(action, writes=writes)
            except Refusal:
                continue
        return await super().asked(action, writes=writes)


@rejected_by("test_it_signs_in_again")
class SignsInOnce(MemoryForge):
    async def asked(self, action: Callable[[], Result], *, writes: bool = False) -> Result:
        self.token = self.token or Secret(await self.server.sign_in())
        return await self.server.request(self.token.reveal(), action, writes=writes)


@rejected_by("test_a_check_is_shown")
class LogsItsToken(MemoryForge):
    async def asked(self, action: Callable[[], Result], *, writes: bool = False) -> Result:
        found = await super().asked(action, writes=writes)
        self.log.debug("asked", token=self.token.reveal() if self.token else "")
        return found


@rejected_by("test_a_question_too_many_is_a_fault")
class TellsItsToken(MemoryForge):
    def fault(self, error: Exception) -> Any:
        return super().fault(ValueError(f"{error} with {self.secret.reveal()}"))


@rejected_by("test_silence_can_be_left")
class KeepsALockWhenCancelled(MemoryForge):
    async def asked(self, action: Callable[[], Result], *, writes: bool = False) -> Result:
        self.lock = getattr(self, "lock", None) or anyio.Semaphore(1)
        await self.lock.acquire()
        try:
            found = await super().asked(action, writes=writes)
        except Exception:
            self.lock.release()
            raise
        self.lock.release()
        return found


@rejected_by("test_silence_can_be_left")
class TurnsCancellationIntoAnAnswer(MemoryForge):
    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        try:
            return await super().publish(check, remote)
        except BaseException:  # noqa: BLE001 - that is what is wrong with it
            return PublishFailed("no answer", 30.0)


@rejected_by("test_a_comment_is_written_and_changed")
class WritesCommentsAnew(MemoryForge):
    async def comment(
        self, repository: RepositoryId, number: int, body: str, remote: str | None
    ) -> Published | PublishFailed:
        del remote
        return await super().comment(repository, number, body, None)


@rejected_by("test_what_a_person_quotes_is_not_our_comment")
class OverwritesPeople(MemoryForge):
    def is_ours(self, *, by_a_person: bool) -> bool:
        del by_a_person
        return True


@rejected_by("test_a_comment_is_found_behind_many_others")
class LooksAtOnePageOfComments(MemoryForge):
    async def find_comment(self, repository: RepositoryId, number: int, mark: str) -> str | None:
        del repository
        first = await self.told(lambda: self.server.page_of_comments(number, 0))
        return next((str(name) for name, body, by_a_person in first if mark in body and not by_a_person), None)


@rejected_by("test_a_webhook_is_made_once")
class MakesAWebhookEachTime(MemoryForge):
    def makes_another(self, url: str) -> bool:
        del url
        return True


@rejected_by("test_deliveries_that_failed_are_asked_for_again")
class AsksForAllAgain(MemoryForge):
    async def missed_deliveries(self, *, since: float, known: Collection[str]) -> Sequence[str]:
        del known
        return await super().missed_deliveries(since=since, known=())


@rejected_by("test_examination_names_what_does_not_work")
class FindsAllWell(MemoryForge):
    async def examine(self) -> Sequence[Finding]:
        return [Finding("checks", well=True, text="granted")]


@rejected_by("test_news_tells_of_all_that_is_open_and_each_time_the_same")
class TellsNewsOnce(MemoryForge):
    was_asked = False

    async def news(self, repository: RepositoryId, *, since: float) -> Sequence[ForgeEvent]:
        asked, self.was_asked = self.was_asked, True
        return [] if asked else await super().news(repository, since=since)


@rejected_by("test_it_serves_what_it_is_configured_for")
class ServesTheWholeForge(MemoryForge):
    def serves(self, repository: RepositoryId, branch: Branch | None = None) -> bool:
        del branch
        return repository.forge == self.host


@pytest.mark.parametrize("kind", list(REJECTED), ids=lambda kind: kind.__name__)
class TestWrongForges(ForgeConformance):
    fetches_by_git = False

    @pytest.fixture
    async def laboratory(self, forge_log: RecordingLogger, kind: type[MemoryForge]) -> ForgeLaboratory:
        return MemoryLaboratory(kind, forge_log)
