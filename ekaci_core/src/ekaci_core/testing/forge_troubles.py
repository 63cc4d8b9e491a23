"""The contract of a forge on a bad day: a fault and never a wrong answer, soon, and without pressing the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import attrs
import pytest

from ekaci_core.api import Conclusion, InfrastructureFault, Permission, Published, PublishFailed
from ekaci_core.testing.forge_checks import check_of, concluded
from ekaci_core.testing.forge_laboratory import RETRY_AFTER_SECONDS, ForgeLaboratory, ForgeTrouble
from ekaci_core.testing.forge_questions import forge_questions, keep_fault

PATIENCE_SECONDS: Final = 45
"""The core gives up a little later."""
_AFTERWARDS_SECONDS: Final = 10
_MOST_REQUESTS: Final = 15
_FEW_REQUESTS: Final = 5
_PASSING: Final = (
    ForgeTrouble.SERVER_ERROR, ForgeTrouble.BAD_GATEWAY, ForgeTrouble.RESET, ForgeTrouble.GARBAGE, ForgeTrouble.CUT,
)  # fmt: skip
_REFUSING: Final = (ForgeTrouble.UNAUTHORISED, ForgeTrouble.FORBIDDEN)
_QUESTIONS: Final = ("pull_request", "open_pull_requests", "repositories", "permission", "read_file", "find_comment")


class TroubleConformance:
    """Everything that can go wrong on the way."""

    said: list[str]
    """What faults said, with all that hangs on them; looked through for secrets."""

    @pytest.mark.parametrize("trouble", [*_PASSING, *_REFUSING])
    async def test_a_question_without_an_answer_is_a_fault(
        self, laboratory: ForgeLaboratory, trouble: ForgeTrouble
    ) -> None:
        before = laboratory.requests()
        laboratory.fail(trouble)
        async with anyio.create_task_group() as tasks:
            for question in _QUESTIONS:
                tasks.start_soon(self._fault, self._question(laboratory, question))
        pressed = laboratory.requests() - before
        assert pressed <= _MOST_REQUESTS * len(_QUESTIONS), "it presses a server that is in trouble"
        laboratory.recover()
        for question in _QUESTIONS:
            await self._question(laboratory, question)()

    @pytest.mark.parametrize("question", _QUESTIONS)
    async def test_a_question_too_many_is_a_fault(self, laboratory: ForgeLaboratory, question: str) -> None:
        call = self._question(laboratory, question)
        before = laboratory.requests()
        laboratory.fail(ForgeTrouble.TOO_MANY)
        await self._fault(call)
        assert laboratory.requests() - before <= _FEW_REQUESTS, "it was told to wait"

    @pytest.mark.parametrize("trouble", _PASSING)
    async def test_a_short_trouble_is_not_remembered(self, laboratory: ForgeLaboratory, trouble: ForgeTrouble) -> None:
        laboratory.fail(trouble, times=1)
        with anyio.fail_after(PATIENCE_SECONDS):
            try:
                await laboratory.forge.pull_request(laboratory.repository, laboratory.pull_requests[0].number)
            except InfrastructureFault as fault:
                keep_fault(fault, self.said)
            found = await laboratory.forge.pull_request(laboratory.repository, laboratory.pull_requests[0].number)
        assert found == laboratory.pull_requests[0]

    async def test_nobody_may_anything_while_the_forge_does_not_answer(self, laboratory: ForgeLaboratory) -> None:
        """The answer of another time may be remembered for a while, but never that of another person."""
        writer, stranger = laboratory.people[Permission.WRITE], laboratory.people[Permission.NONE]
        assert await laboratory.forge.permission(laboratory.repository, writer) >= Permission.WRITE
        laboratory.fail(ForgeTrouble.SERVER_ERROR)
        await self._fault(lambda: laboratory.forge.permission(laboratory.repository, stranger))
        laboratory.recover()
        assert await laboratory.forge.permission(laboratory.repository, stranger) is Permission.NONE

    @pytest.mark.parametrize("trouble", [*_PASSING, *_REFUSING, ForgeTrouble.CONFLICT, ForgeTrouble.NOT_FOUND])
    async def test_what_cannot_be_shown_is_said(self, laboratory: ForgeLaboratory, trouble: ForgeTrouble) -> None:
        old = concluded(check_of(laboratory), Conclusion.SUCCESS)
        new = attrs.evolve(old, context="new", external_id="review-7/new")
        remote = self._published(await laboratory.forge.publish(old, None))
        answers: dict[str, Published | PublishFailed] = {}

        async def show(name: str, call: Callable[[], Awaitable[Published | PublishFailed]]) -> None:
            answers[name] = await call()

        before, forge = laboratory.requests(), laboratory.forge
        number = laboratory.pull_requests[0].number
        laboratory.fail(trouble)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(show, "changing", lambda: forge.publish(old, remote))
                tasks.start_soon(show, "making", lambda: forge.publish(new, None))
                tasks.start_soon(show, "commenting", lambda: forge.comment(laboratory.repository, number, "a", None))
        assert laboratory.requests() - before <= _MOST_REQUESTS * len(answers)
        for name, answer in answers.items():
            self.said.append(repr(answer))
            assert isinstance(answer, PublishFailed), (name, answer)
            assert answer.reason
            assert trouble not in _PASSING or answer.retry_after_seconds is not None, name
            assert trouble not in (*_PASSING, *_REFUSING) or not answer.forget, "what was there is still there"
        laboratory.recover()
        changing = answers["changing"]
        forgotten = isinstance(changing, PublishFailed) and changing.forget
        self._published(await forge.publish(old, None if forgotten else remote))
        self._published(await forge.publish(new, None))
        shown = await laboratory.shown(laboratory.repository, laboratory.sha)
        assert [each.passes for each in shown] == [True, True], shown

    async def test_what_can_never_be_shown_is_said(self, laboratory: ForgeLaboratory) -> None:
        laboratory.fail(ForgeTrouble.UNPROCESSABLE, only_writes=True)
        answer = await laboratory.forge.publish(check_of(laboratory), None)
        assert isinstance(answer, PublishFailed), answer
        assert answer.retry_after_seconds is None, "trying the same again cannot help"

    @pytest.mark.parametrize("known", [True, False], ids=["changing", "making"])
    async def test_it_waits_as_long_as_it_is_told(self, laboratory: ForgeLaboratory, *, known: bool) -> None:
        check = check_of(laboratory)
        remote = self._published(await laboratory.forge.publish(check, None)) if known else None
        before = laboratory.requests()
        laboratory.fail(ForgeTrouble.TOO_MANY)
        with anyio.fail_after(PATIENCE_SECONDS):
            answer = await laboratory.forge.publish(check, remote)
        assert isinstance(answer, PublishFailed), answer
        assert answer.retry_after_seconds is not None
        assert answer.retry_after_seconds >= RETRY_AFTER_SECONDS - 2
        assert not answer.forget
        assert laboratory.requests() - before <= _FEW_REQUESTS

    async def test_it_signs_in_again(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        await laboratory.forge.publish(check, None)
        await laboratory.sign_out()
        first = await laboratory.forge.publish(concluded(check, Conclusion.SUCCESS), None)
        if isinstance(first, PublishFailed):
            assert first.retry_after_seconds is not None
            self._published(await laboratory.forge.publish(concluded(check, Conclusion.SUCCESS), None))
        await laboratory.sign_out()
        try:
            await laboratory.forge.pull_request(laboratory.repository, 1)
        except InfrastructureFault as fault:
            keep_fault(fault, self.said)
        assert await laboratory.forge.pull_request(laboratory.repository, 99_999) is None

    @pytest.mark.parametrize(
        "question", [*_QUESTIONS, "publish", "comment", "clone_access", "examine", "missed", "install_webhook"]
    )
    async def test_silence_can_be_left(self, laboratory: ForgeLaboratory, question: str) -> None:
        call = self._question(laboratory, question)
        laboratory.fail(ForgeTrouble.SILENCE)
        with anyio.fail_after(PATIENCE_SECONDS), anyio.move_on_after(0.4) as scope:
            await call()
        if not scope.cancel_called:
            pytest.skip("it needs no answer")
        assert scope.cancelled_caught, "cancellation is not to be answered"
        laboratory.recover()
        number = laboratory.pull_requests[0].number
        with anyio.fail_after(_AFTERWARDS_SECONDS):
            found = await laboratory.forge.pull_request(laboratory.repository, number)
        assert found == laboratory.pull_requests[0], "a cancelled call is no obstacle for others"

    async def test_a_cancelled_publication_can_be_repeated(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        for delay in (0.0, 0.01, 0.03, 0.06):
            with anyio.move_on_after(delay):
                await laboratory.forge.publish(check, None)
        self._published(await laboratory.forge.publish(concluded(check, Conclusion.SUCCESS), None))
        await anyio.sleep(0.2)  # what was cancelled may still be done by the server
        assert len(await laboratory.shown(laboratory.repository, laboratory.sha)) == 1

    def _question(self, laboratory: ForgeLaboratory, name: str) -> Callable[[], Awaitable[Any]]:
        forge, repository = laboratory.forge, laboratory.repository
        number = laboratory.pull_requests[0].number
        more: dict[str, Callable[[], Awaitable[Any]]] = {
            "publish": lambda: forge.publish(check_of(laboratory), None),
            "comment": lambda: forge.comment(repository, number, "one", None),
            "clone_access": lambda: forge.clone_access(repository),
            "examine": forge.examine,
            "install_webhook": lambda: forge.install_webhook(repository, "https://ci.example.org/webhook"),
            "missed": lambda: forge.missed_deliveries(since=0.0, known=()),
        }
        person = laboratory.people[Permission.WRITE]
        more |= forge_questions(forge, repository, laboratory.sha, person)
        return more[name]

    async def _fault(self, call: Callable[[], Awaitable[Any]]) -> None:
        with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(InfrastructureFault) as caught:
            await call()
        keep_fault(caught.value, self.said)

    def _published(self, answer: Published | PublishFailed) -> str:
        assert isinstance(answer, Published), answer
        return answer.remote
