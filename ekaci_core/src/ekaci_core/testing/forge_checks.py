"""The contract of what a forge shows: each check once, as it was said last, whatever happened between."""

from __future__ import annotations

from typing import Any, Final

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Annotation,
    AnnotationLevel,
    Check,
    CheckButton,
    CheckStatus,
    Conclusion,
    ForgeCapability,
    Published,
    PublishFailed,
    RepositoryId,
)
from ekaci_core.testing.forge_laboratory import ForgeLaboratory, ForgeTrouble, ShownCheck

_PASSING: Final = {Conclusion.SUCCESS}
_EITHER: Final = {Conclusion.NEUTRAL}


def check_of(laboratory: ForgeLaboratory, **changes: Any) -> Check:
    """Return a check that is under way at the laboratory's commit."""
    made = Check(
        repository=laboratory.repository,
        sha=laboratory.sha,
        context="EkaCI: Verdict",
        status=CheckStatus.IN_PROGRESS,
        title="Building",
        summary="2 of 3 are built.",
        text="| a | b |\n|---|---|",
        external_id="review-7/verdict",
        started_at=1_700_000_000.0,
    )
    return attrs.evolve(made, **changes)


def concluded(check: Check, conclusion: Conclusion, **changes: Any) -> Check:
    """Return a check as it is at its end."""
    ended = {"status": CheckStatus.COMPLETED, "conclusion": conclusion, "completed_at": 1_700_000_060.0}
    return attrs.evolve(check, **{**ended, **changes})


class CheckConformance:
    """Publishing checks."""

    async def test_a_check_is_shown(self, laboratory: ForgeLaboratory) -> None:
        await self._publish(laboratory, check_of(laboratory))
        only = await self._only(laboratory)
        assert (only.context, only.passes) == ("EkaCI: Verdict", False)
        if ForgeCapability.CHECK_RUNS in laboratory.forge.capabilities:
            assert (only.title, only.status) == ("Building", CheckStatus.IN_PROGRESS)
            assert "2 of 3 are built." in only.summary
            assert "| a | b |" in only.text

    @pytest.mark.parametrize("status", [CheckStatus.QUEUED, CheckStatus.IN_PROGRESS])
    async def test_what_is_not_done_does_not_pass(self, laboratory: ForgeLaboratory, status: CheckStatus) -> None:
        await self._publish(laboratory, check_of(laboratory, status=status))
        assert not (await self._only(laboratory)).passes

    @pytest.mark.parametrize("conclusion", Conclusion)
    async def test_only_what_is_good_passes(self, laboratory: ForgeLaboratory, conclusion: Conclusion) -> None:
        await self._publish(laboratory, concluded(check_of(laboratory), conclusion))
        only = await self._only(laboratory)
        if conclusion not in _EITHER:
            assert only.passes is (conclusion in _PASSING)
        if conclusion is not Conclusion.ACTION_REQUIRED:
            assert only.status is CheckStatus.COMPLETED

    async def test_a_check_changes_in_its_place(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        remote = await self._publish(laboratory, check)
        for number in range(3):
            remote = await self._publish(laboratory, attrs.evolve(check, title=f"{number} of 3"), remote)
        await self._publish(laboratory, concluded(check, Conclusion.SUCCESS, title="Merge"), remote)
        only = await self._only(laboratory)
        assert only.passes
        if ForgeCapability.CHECK_RUNS in laboratory.forge.capabilities:
            assert only.title == "Merge"

    async def test_a_check_can_begin_again(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        remote = await self._publish(laboratory, concluded(check, Conclusion.SUCCESS))
        await self._publish(laboratory, check, remote)
        assert not await self._stands(laboratory, "EkaCI: Verdict")

    async def test_making_it_twice_makes_one(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        await self._publish(laboratory, check)
        await self._publish(laboratory, concluded(check, Conclusion.SUCCESS))
        assert (await self._only(laboratory)).passes

    async def test_making_it_after_a_restart_makes_one(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        await self._publish(laboratory, check)
        async with laboratory.another() as forge:
            answer = await forge.publish(concluded(check, Conclusion.FAILURE), None)
            assert isinstance(answer, Published), answer
        assert not (await self._only(laboratory)).passes

    @pytest.mark.parametrize("trouble", [ForgeTrouble.LOST, ForgeTrouble.CUT])
    async def test_a_lost_answer_makes_no_second_check(
        self, laboratory: ForgeLaboratory, trouble: ForgeTrouble
    ) -> None:
        check = check_of(laboratory)
        laboratory.fail(trouble, times=1, only_writes=True)
        first = await laboratory.forge.publish(check, None)
        laboratory.recover()
        remote = first.remote if isinstance(first, Published) else None
        if isinstance(first, PublishFailed):
            assert first.retry_after_seconds is not None, "trying again does help"
        await self._publish(laboratory, concluded(check, Conclusion.SUCCESS), remote)
        assert (await self._only(laboratory)).passes

    async def test_a_lost_answer_and_a_restart_make_no_second_check(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        laboratory.fail(ForgeTrouble.LOST, only_writes=True)
        assert isinstance(await laboratory.forge.publish(check, None), PublishFailed)
        laboratory.recover()
        async with laboratory.another() as forge:
            answer = await forge.publish(concluded(check, Conclusion.SUCCESS), None)
            assert isinstance(answer, Published), answer
        assert await self._stands(laboratory, "EkaCI: Verdict")
        assert len(await laboratory.shown(laboratory.repository, laboratory.sha)) == 1

    async def test_checks_stand_beside_each_other(self, laboratory: ForgeLaboratory) -> None:
        names = [f"check {number}" for number in range(6)]

        async def publish(name: str) -> None:
            await self._publish(laboratory, check_of(laboratory, context=name, external_id=f"review-7/{name}"))

        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(publish, name)
        shown = await laboratory.shown(laboratory.repository, laboratory.sha)
        assert sorted(each.context for each in shown) == names

    async def test_the_same_commit_in_two_repositories(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        await self._publish(laboratory, check)
        elsewhere = attrs.evolve(check, repository=laboratory.twin, external_id="review-8/verdict")
        await self._publish(laboratory, concluded(elsewhere, Conclusion.SUCCESS))
        assert not (await self._only(laboratory)).passes
        assert (await self._only(laboratory, laboratory.twin)).passes

    async def test_texts_over_the_limits_are_cut(self, laboratory: ForgeLaboratory) -> None:
        # Two texts of which one is cut within a character, wherever somebody cuts by bytes.
        long, odd = "😀" * 90_000, "x" + "😀" * 90_000
        buttons = tuple(CheckButton("Do " + long[:300], long[:300], f"button-{number}") for number in range(2))
        check = check_of(laboratory, title=long, summary=long, text=odd, buttons=buttons)
        await self._publish(laboratory, concluded(check, Conclusion.FAILURE))
        only = await self._only(laboratory)
        assert not only.passes
        for text in (only.title, only.summary, only.text, *only.buttons):
            text.encode()
            assert "�" not in text, "cut in the middle of a character"
        if ForgeCapability.CHECK_RUNS in laboratory.forge.capabilities:
            assert only.title.startswith("😀")
            for text, whole in ((only.summary, long), (only.text, odd)):
                assert text.startswith(whole[:10_000]), "as much as there is room for"
        if ForgeCapability.CHECK_BUTTONS in laboratory.forge.capabilities:
            assert len(only.buttons) == 2

    @pytest.mark.parametrize(
        "text", ["\0", "\x1b[31mred", "a\ud800b", "", " \n", "x" * 65_535, "é" * 65_535, "\r\n" * 9]
    )
    async def test_texts_that_nobody_expected_are_shown(self, laboratory: ForgeLaboratory, text: str) -> None:
        check = check_of(laboratory, title=text[:100], summary=text, text=text)
        await self._publish(laboratory, concluded(check, Conclusion.SUCCESS))
        assert (await self._only(laboratory)).passes

    async def test_every_annotation_is_shown_once(self, laboratory: ForgeLaboratory) -> None:
        level = AnnotationLevel.FAILURE
        long = Annotation("a.nix", 1, level, "é" * 60_000, "t" * 999)
        annotations = (long, *(Annotation("a.nix", line, level, f"no {line}") for line in range(2, 121)))
        check = check_of(laboratory, annotations=annotations)
        await self._publish(laboratory, concluded(check, Conclusion.FAILURE))
        if ForgeCapability.ANNOTATIONS in laboratory.forge.capabilities:
            assert (await self._only(laboratory)).annotations == 120

    async def test_buttons_are_shown(self, laboratory: ForgeLaboratory) -> None:
        if ForgeCapability.CHECK_BUTTONS in laboratory.forge.capabilities:
            button = CheckButton("Approve", "Let it be built", "approve")
            check = check_of(laboratory, buttons=(button,))
            await self._publish(laboratory, concluded(check, Conclusion.ACTION_REQUIRED))
            assert (await self._only(laboratory)).buttons == ("Approve",)

    async def test_a_check_that_was_removed_is_made_anew(self, laboratory: ForgeLaboratory) -> None:
        check = check_of(laboratory)
        remote = await self._publish(laboratory, check)
        await laboratory.lose_check(remote)
        answer = await laboratory.forge.publish(check, remote)
        if isinstance(answer, PublishFailed):
            assert answer.forget, "else it is tried for ever"
            await self._publish(laboratory, check)
        await self._only(laboratory)

    @pytest.mark.parametrize("remote", ["", "0", "../../../user", "a b", "99999999999999999999999999", "é"])
    async def test_a_name_that_it_never_gave_does_no_harm(self, laboratory: ForgeLaboratory, remote: str) -> None:
        answer = await laboratory.forge.publish(check_of(laboratory), remote)
        if isinstance(answer, PublishFailed):
            assert answer.forget
        assert len(await laboratory.shown(laboratory.repository, laboratory.sha)) <= 1

    async def _publish(self, laboratory: ForgeLaboratory, check: Check, remote: str | None = None) -> str:
        answer = await laboratory.forge.publish(check, remote)
        assert isinstance(answer, Published), answer
        assert answer.remote
        return answer.remote

    async def _only(self, laboratory: ForgeLaboratory, repository: RepositoryId | None = None) -> ShownCheck:
        shown = await laboratory.shown(repository or laboratory.repository, laboratory.sha)
        assert len(shown) == 1, shown
        return shown[0]

    async def _stands(self, laboratory: ForgeLaboratory, context: str) -> bool:
        """Whether a check passes; a forge may have to make another run to begin again, and the last one counts."""
        shown = await laboratory.shown(laboratory.repository, laboratory.sha)
        return [each for each in shown if each.context == context][-1].passes
