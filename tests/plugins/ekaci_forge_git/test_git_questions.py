"""What is asked of a plain repository, by the contract of forges, with real bare repositories behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.plugins.ekaci_forge_git.bare import Bare, context_of, opened

from ekaci_core.api import Forge, ForgeCapability, InfrastructureFault, RepositoryId
from ekaci_core.testing.forge_laboratory import RecordingLogger

pytestmark = pytest.mark.anyio


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    made = Bare.made(tmp_path / "packages.git")
    for number in range(3):
        made.push(f"pr/{number}", f"No {number}", onto=made("rev-parse", "main"))
    return made


@pytest.fixture
async def forge(bare: Bare, tmp_path: Path) -> AsyncIterator[Forge]:
    async with opened(bare, tmp_path / "cache", context_of(RecordingLogger())) as made:
        yield made


async def test_it_serves_its_repository_alone(forge: Forge) -> None:
    (repository,) = await forge.repositories()
    assert forge.host == repository.forge
    assert forge.serves(RepositoryId(repository.forge, repository.path.upper()))
    for other in (RepositoryId(repository.forge, "other/packages"), RepositoryId("example.org", repository.path)):
        assert not forge.serves(other)
        with pytest.raises(InfrastructureFault, match="not this remote"):
            await forge.pull_request(other, 1)
        with pytest.raises(InfrastructureFault, match="not this remote"):
            await forge.clone_access(other)


async def test_it_can_be_polled_and_examined(forge: Forge, bare: Bare) -> None:
    assert ForgeCapability.NEWS in forge.capabilities
    (finding,) = await forge.examine()
    assert finding.well
    bare.folder.rename(bare.folder.with_name("away"))
    (finding,) = await forge.examine()
    assert not finding.well
    assert finding.feature


async def test_every_open_branch_is_told(forge: Forge) -> None:
    (repository,) = await forge.repositories()
    found = await forge.open_pull_requests(repository)
    assert sorted(str(each.head) for each in found) == ["pr/0", "pr/1", "pr/2"]
    for each in found:
        assert await forge.pull_request(repository, each.number) == each
        assert str(each.number) in forge.pull_request_ref(each.number)
    assert await forge.pull_request(repository, 99_999) is None


async def test_a_base_that_is_not_there_is_a_fault(bare: Bare, tmp_path: Path) -> None:
    async with opened(bare, tmp_path / "other", context_of(RecordingLogger()), base="none") as forge:
        (repository,) = await forge.repositories()
        with pytest.raises(InfrastructureFault, match="there is no branch none"):
            await forge.news(repository, since=0.0)


async def test_what_was_written_by_another_version_is_forgotten(bare: Bare, tmp_path: Path) -> None:
    log = RecordingLogger()
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        (repository,) = await forge.repositories()
        before = await forge.open_pull_requests(repository)
    (place,) = (tmp_path / "cache").rglob("ekaci-branches.json")
    for text in ("[]", "{}", '{"changes": [{"branch": "-x"}]}', "{"):
        place.write_text(text)
        async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
            after = await forge.open_pull_requests(repository)
            assert [each.head_sha for each in after] == [each.head_sha for each in before]
            assert all(new.updated_at > old.updated_at for new, old in zip(after, before, strict=True))
    assert sum("branches_forgotten" in line for line in log.lines) == 4
