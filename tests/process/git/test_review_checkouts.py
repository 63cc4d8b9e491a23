"""The checkouts of a review: in which folder they are, and that both folders are tidied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ekaci_core.git import open_repository
from ekaci_core.model.event import ReviewSide
from ekaci_core.server.checkouts import CheckoutFolders, Checkouts
from ekaci_core.server.inputs import read_inputs
from ekaci_core.server.options import ReviewOptions

pytestmark = pytest.mark.anyio

PAGE = 4096


def folders_in(parent: Path) -> list[Path]:
    return list(parent.iterdir())


@pytest.mark.parametrize("where", ["memory", "disk"])
async def test_both_sides_are_written_once_and_removed(bench: Any, tmp_path: Path, where: str) -> None:
    bench.commit("file", "second\n")
    inputs = await read_inputs(ReviewOptions(bench.top, base="HEAD~1", head="HEAD", file="file"))
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    folders = CheckoutFolders(disk, memory if where == "memory" else None)
    async with Checkouts.opened(inputs, folders) as checkouts:
        base, head = await checkouts.of(ReviewSide.BASE), await checkouts.of(ReviewSide.HEAD)
        assert (base / "file").read_text() == "content\n"
        assert (head / "file").read_text() == "second\n"
        assert await checkouts.of(ReviewSide.BASE) == base
        used = tmp_path / where
        assert used in base.parents
        assert used in head.parents
    assert list(used.iterdir()) == []


async def test_what_others_have_left_is_removed_from_both_folders(tmp_path: Path) -> None:
    folders = CheckoutFolders(tmp_path / "disk", tmp_path / "memory")
    for parent in ("disk", "memory"):
        left = tmp_path / parent / "checkout-abandoned"
        (left / "source/project").mkdir(parents=True)
        (left / "lock").touch()
    await folders.prune()
    assert [*folders_in(tmp_path / "disk"), *folders_in(tmp_path / "memory")] == []


async def test_the_size_counts_every_file_in_whole_pages(bench: Any) -> None:
    repository = await open_repository(bench.top)
    assert await repository.size_on_disk(await repository.resolve("HEAD")) == PAGE
    (bench.top / "link").symlink_to("file")
    bench.write("deep/empty", "")
    bench.write("deep/exact", "x" * PAGE)
    bench.write("with tab\tand\nline", "y" * (PAGE + 1))
    bench.commit("more", "z\n")
    assert await repository.size_on_disk(await repository.resolve("HEAD")) == 6 * PAGE
