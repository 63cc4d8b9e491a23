"""What GitHub asks of an App beyond the contract of forges, at the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote_plus

import attrs
import pytest
from tests.plugins.forge_github.github_laboratory import GitHubLaboratory, GitHubScene, GivenKey, github_laboratory
from tests.standins.github import faults
from tests.standins.github.server import running_github

from ekaci_core.api import (
    CredentialUse,
    Forge,
    InfrastructureFault,
    Permission,
    Person,
    Published,
    PublishFailed,
    Refused,
    Secret,
    WebhookRequest,
)
from ekaci_core.testing.forge_checks import check_of
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_core.testing.forges import forge_context
from ekaci_forge_github.config import GitHubAppConfig
from ekaci_forge_github.kind import GitHubType

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubScene]:
    with running_github(tmp_path_factory.mktemp("github")) as github:
        yield GitHubScene(github)


@pytest.fixture
async def laboratory(scene: GitHubScene) -> AsyncIterator[GitHubLaboratory]:
    context = forge_context(RecordingLogger(), GivenKey(scene.app.id, scene.app.private_key))
    async with github_laboratory(scene, context) as laboratory:
        yield laboratory


async def _pull(laboratory: GitHubLaboratory) -> bool:
    return await laboratory.forge.pull_request(laboratory.repository, 1) == laboratory.pull_requests[0]


async def test_a_clock_that_is_a_little_fast_is_borne(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    """GitHub refuses tokens from the future; the App's clock is 45 seconds ahead of it."""
    scene.github.shift(-45)
    try:
        assert await _pull(laboratory)
    finally:
        scene.github.shift(45)


async def test_tokens_reach_no_further_than_they_must(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    await laboratory.forge.clone_access(laboratory.repository)
    for each in scene.github.world.grants.values():
        assert each.repositories == frozenset({scene.place.id})
        assert dict(each.permissions) == {"metadata": "read", "contents": "read"}


async def test_all_that_it_authorises_itself_with_was_told_to_the_core_before(scene: GitHubScene) -> None:
    concealed: list[str] = []
    given = forge_context(RecordingLogger(), GivenKey(scene.app.id, scene.app.private_key))
    context = attrs.evolve(given, conceal=lambda secret: concealed.append(secret.reveal()))
    async with github_laboratory(scene, context) as laboratory:
        await laboratory.forge.clone_access(laboratory.repository)
        assert await _pull(laboratory)
        used = {each.headers["authorization"].removeprefix("Bearer ") for each in scene.github.seen}
    assert {each[:3] for each in used} == {"eyJ", "ghs"}, "one that it signed itself, and one that it was issued"
    assert set(concealed) == used | set(scene.github.world.issued), "the one for git among them"


async def test_a_token_serves_many_requests(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    for _ in range(5):
        assert await _pull(laboratory)
    assert sum(each.path.endswith("/access_tokens") for each in scene.github.seen) == 1


async def test_a_renamed_repository_is_followed_or_told(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    """The token never goes to another host, and a check is not lost in silence."""
    scene.github.people.rename(scene.place, "palace")
    try:
        answer = await laboratory.forge.publish(check_of(laboratory), None)
    finally:
        scene.github.people.rename(scene.place, "place")
    shown = await laboratory.shown(laboratory.repository, laboratory.sha)
    assert (len(shown) == 1) if isinstance(answer, Published) else (not shown and answer.reason)


async def test_an_exhausted_hour_is_waited_for(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    assert await _pull(laboratory)
    scene.github.limits.hourly = 1
    try:
        with pytest.raises(InfrastructureFault):
            await _pull(laboratory)
        answer = await laboratory.forge.publish(check_of(laboratory), None)
        assert isinstance(answer, PublishFailed)
        assert answer.retry_after_seconds is not None
        assert answer.retry_after_seconds > 3000
    finally:
        scene.github.limits.hourly = 5000


@pytest.mark.parametrize("status", [403, 429])
async def test_a_secondary_limit_is_obeyed(laboratory: GitHubLaboratory, scene: GitHubScene, status: int) -> None:
    limits = scene.github.limits
    limits.writes_a_minute, limits.secondary_status = 1, status
    try:
        assert isinstance(await laboratory.forge.publish(check_of(laboratory), None), Published)
        other = check_of(laboratory, context="other", external_id="other")
        answer = await laboratory.forge.publish(other, None)
        assert isinstance(answer, PublishFailed)
        assert answer.retry_after_seconds is not None
        assert 30 < answer.retry_after_seconds <= 62
    finally:
        limits.writes_a_minute, limits.secondary_status = 80, 403


async def test_a_permission_that_was_not_granted_is_named(laboratory: GitHubLaboratory) -> None:
    await laboratory.withdraw()
    answer = await laboratory.forge.publish(check_of(laboratory), None)
    assert isinstance(answer, PublishFailed)
    assert "checks" in answer.reason


async def test_comments_need_one_of_two_permissions(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    for name in ("issues", "pull_requests"):
        scene.reset()
        scene.app.permissions[name] = "read"
        for each in scene.github.world.installations.values():
            each.permissions[name] = "read"
        async with laboratory.another() as forge:
            answer = await forge.comment(laboratory.repository, 1, "hello", None)
            assert isinstance(answer, Published), (name, answer)


async def test_a_suspended_installation_is_a_fault(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    assert await _pull(laboratory)
    installation = next(iter(scene.github.world.installations.values()))
    installation.suspended = True
    try:
        with pytest.raises(InfrastructureFault):
            await _pull(laboratory)
        answer = await laboratory.forge.publish(check_of(laboratory), None)
        assert isinstance(answer, PublishFailed)
    finally:
        installation.suspended = False


async def test_an_app_that_was_removed_and_installed_again(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    assert await _pull(laboratory)
    world = scene.github.world
    old = next(iter(world.installations.values()))
    del world.installations[old.id]
    places = [scene.place, scene.twin, scene.unserved]
    with pytest.raises(InfrastructureFault):
        await laboratory.forge.permission(laboratory.repository, laboratory.people[Permission.WRITE])
    world.install(scene.app, "octo", places)
    for _ in range(2):
        try:
            found = await _pull(laboratory)
        except InfrastructureFault:
            continue
        assert found
        return
    pytest.fail("it does not find its new installation")


async def test_enterprise_server_has_its_api_below_a_path(scene: GitHubScene) -> None:
    scene.reset()
    context = forge_context(RecordingLogger(), GivenKey(scene.app.id, scene.app.private_key))
    config = GitHubAppConfig(base_url=f"{scene.github.url}/api/v3", credentials=CredentialUse("given"))
    async with GitHubType().open(config, context) as forge:
        assert forge.host == scene.github.host
        found = await forge.pull_request(scene.identifier(), 1)
        assert found is not None
    scene.github.check()


async def test_a_form_is_a_document_too(laboratory: GitHubLaboratory) -> None:
    for each in laboratory.deliveries:
        body = b"payload=" + quote_plus(each.request.body).encode()
        signed = laboratory.sign(each.request.headers["x-github-event"], body)
        headers = {**signed.headers, "content-type": "application/x-www-form-urlencoded"}
        received = laboratory.forge.receive(WebhookRequest(headers, body))
        assert not isinstance(received, Refused)
        assert laboratory.forge.parse(received) == each.event


async def test_without_a_secret_nothing_is_believed(scene: GitHubScene, laboratory: GitHubLaboratory) -> None:
    context = forge_context(RecordingLogger(), GivenKey(scene.app.id, scene.app.private_key))
    for secret in (None, Secret("")):
        config = GitHubAppConfig(base_url=scene.github.url, credentials=CredentialUse("given"), webhook_secret=secret)
        async with GitHubType().open(config, context) as forge:
            assert _refuses(forge, laboratory.deliveries[0].request)
            assert _refuses(forge, laboratory.sign("push", b"{}", secret=""))
            assert _refuses(forge, laboratory.with_signature(laboratory.deliveries[0].request, None))


def _refuses(forge: Forge, request: WebhookRequest) -> bool:
    return isinstance(forge.receive(request), Refused)


async def test_what_did_not_change_is_not_sent_again(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    assert await _pull(laboratory)
    assert await _pull(laboratory)
    assert [each.status for each in scene.github.seen if each.path.endswith("/pulls/1")] == [200, 304]


async def test_a_fault_while_a_token_is_given_is_no_refusal(laboratory: GitHubLaboratory, scene: GitHubScene) -> None:
    scene.github.fail(faults.status(500, operation="apps/create-installation-access-token"))
    with pytest.raises(InfrastructureFault):
        await laboratory.forge.permission(laboratory.repository, Person("wanda", 1))
    answer = await laboratory.forge.publish(attrs.evolve(check_of(laboratory)), None)
    assert isinstance(answer, PublishFailed)
    assert answer.retry_after_seconds is not None
