"""The contract of a forge's comments and signs."""

from __future__ import annotations

from typing import Final

import pytest

from ekaci_core.api import ForgeCapability, Published, PublishFailed
from ekaci_core.testing.forge_laboratory import ForgeLaboratory

MARK: Final = "<!-- of the conformance -->"
MANY: Final = 60
"""More than any forge lists on one page by default."""


class CommentConformance:
    """Writing, changing and answering comments."""

    async def test_a_comment_is_written_and_changed(self, laboratory: ForgeLaboratory) -> None:
        before = list(await laboratory.shown_comments(self._number(laboratory)))
        remote = await self._comment(laboratory, "**first** @everybody")
        assert await self._comment(laboratory, "second", remote) == remote
        assert list(await laboratory.shown_comments(self._number(laboratory))) == [*before, "second"]

    async def test_another_comment_is_another(self, laboratory: ForgeLaboratory) -> None:
        first, second = await self._comment(laboratory, "one"), await self._comment(laboratory, "two")
        assert first != second
        shown = list(await laboratory.shown_comments(self._number(laboratory)))
        assert shown[-2:] == ["one", "two"]

    async def test_a_comment_over_the_limit_is_cut(self, laboratory: ForgeLaboratory) -> None:
        long = "Grüße, 漢字 and 😀; " * 90_000
        await self._comment(laboratory, long)
        text = list(await laboratory.shown_comments(self._number(laboratory)))[-1]
        assert text.startswith(long[:10_000])
        assert "�" not in text

    @pytest.mark.parametrize("body", ["a\0b", "a\ud800b", "\x1b[31m", "a\r\nb"])
    async def test_a_comment_that_nobody_expected_is_written(self, laboratory: ForgeLaboratory, body: str) -> None:
        await self._comment(laboratory, body)

    async def test_a_comment_that_was_removed_is_forgotten(self, laboratory: ForgeLaboratory) -> None:
        remote = await self._comment(laboratory, "one")
        await laboratory.lose_comment(remote)
        answer = await laboratory.forge.comment(laboratory.repository, self._number(laboratory), "two", remote)
        if isinstance(answer, PublishFailed):
            assert answer.forget, "else it is tried for ever"
            await self._comment(laboratory, "two")
        assert list(await laboratory.shown_comments(self._number(laboratory)))[-1] == "two"

    @pytest.mark.parametrize("remote", ["", "../../../user", "a b", "99999999999999999999999999"])
    async def test_a_name_that_it_never_gave_changes_no_comment(self, laboratory: ForgeLaboratory, remote: str) -> None:
        before = list(await laboratory.shown_comments(self._number(laboratory)))
        answer = await laboratory.forge.comment(laboratory.repository, self._number(laboratory), "new", remote)
        assert isinstance(answer, Published) or answer.forget
        assert list(await laboratory.shown_comments(self._number(laboratory)))[: len(before)] == before

    async def test_a_comment_is_found_by_its_mark(self, laboratory: ForgeLaboratory) -> None:
        number = self._number(laboratory)
        assert await laboratory.forge.find_comment(laboratory.repository, number, MARK) is None
        remote = await self._comment(laboratory, f"{MARK}\none")
        await self._comment(laboratory, "another")
        await self._comment(laboratory, f"two\n{MARK}")
        assert await laboratory.forge.find_comment(laboratory.repository, number, MARK) == remote, "the oldest"
        async with laboratory.another() as forge:
            assert await forge.find_comment(laboratory.repository, number, MARK) == remote, "nothing is remembered"
        other = laboratory.pull_requests[1].number
        assert await laboratory.forge.find_comment(laboratory.repository, other, MARK) is None

    async def test_a_comment_is_found_behind_many_others(self, laboratory: ForgeLaboratory) -> None:
        number = self._number(laboratory)
        for index in range(MANY):
            await laboratory.say(number, f"word {index}")
        remote = await self._comment(laboratory, MARK)
        assert await laboratory.forge.find_comment(laboratory.repository, number, MARK) == remote

    async def test_what_a_person_quotes_is_not_our_comment(self, laboratory: ForgeLaboratory) -> None:
        number = self._number(laboratory)
        await laboratory.say(number, f"> {MARK}\n\nI do not agree.")
        assert await laboratory.forge.find_comment(laboratory.repository, number, MARK) is None
        remote = await self._comment(laboratory, MARK)
        assert await laboratory.forge.find_comment(laboratory.repository, number, MARK) == remote

    async def test_a_pull_request_that_is_not_there_cannot_be_commented(self, laboratory: ForgeLaboratory) -> None:
        answer = await laboratory.forge.comment(laboratory.repository, 99_999, "one", None)
        assert isinstance(answer, PublishFailed)

    @pytest.mark.parametrize("accepted", [True, False])
    async def test_a_comment_is_answered_by_a_sign(self, laboratory: ForgeLaboratory, *, accepted: bool) -> None:
        for _ in range(2):
            await laboratory.forge.react(laboratory.repository, laboratory.comment, accepted=accepted)
        shown = list(await laboratory.shown_reactions(laboratory.comment))
        expected = 1 if ForgeCapability.REACTIONS in laboratory.forge.capabilities else 0
        assert len(shown) == expected

    async def test_signs_tell_yes_from_no(self, laboratory: ForgeLaboratory) -> None:
        if ForgeCapability.REACTIONS in laboratory.forge.capabilities:
            for accepted in (True, False):
                await laboratory.forge.react(laboratory.repository, laboratory.comment, accepted=accepted)
            assert len(set(await laboratory.shown_reactions(laboratory.comment))) == 2

    def _number(self, laboratory: ForgeLaboratory) -> int:
        return laboratory.pull_requests[0].number

    async def _comment(self, laboratory: ForgeLaboratory, body: str, remote: str | None = None) -> str:
        number = self._number(laboratory)
        answer = await laboratory.forge.comment(laboratory.repository, number, body, remote)
        assert isinstance(answer, Published), answer
        assert answer.remote
        return answer.remote
