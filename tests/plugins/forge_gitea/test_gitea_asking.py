"""What is asked of Gitea, and how: pages, other names, pauses, certificates, and what nobody may see."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import anyio
import attrs
import pytest
from tests.plugins.forge_gitea.conftest import OpenForge, Small
from tests.standins.certificates import certificate
from tests.standins.gitea.records import Status
from tests.standins.github import faults
from tests.standins.github.exchange import Answer

from ekaci_core.api import Check, CheckStatus, CommitSha, InfrastructureFault, Permission, Person, RepositoryId
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitea.faults import ApiFault
from ekaci_forge_gitea.forge import GiteaForge

pytestmark = pytest.mark.anyio


def status_at(small: Small, sha: str, number: int) -> None:
    world = small.gitea.world
    made = Status(world.next_id(), sha, "success", f"other {number}", "", "", world.account("ada"), world.now())
    small.place.statuses[made.id] = made


async def test_lists_are_read_to_their_end_whatever_the_server_allows(small: Small, forge: GiteaForge) -> None:
    for number in range(1, 8):
        small.gitea.acts.push(small.place, {"n": str(number)}, branch=f"b{number}", by="ada")
        small.gitea.acts.open_pull(small.place, f"b{number}", by="ada")
    for longest in (1, 3, 7, 50):
        small.gitea.world.longest_page = longest
        assert len(await forge.open_pull_requests(small.id)) == 7
        assert [each.path for each in await forge.repositories()] == ["octo/place"]


async def test_no_page_is_asked_for_beyond_what_there_is(small: Small, forge: GiteaForge) -> None:
    before = len(small.gitea.seen)
    await forge.repositories()
    assert len(small.gitea.seen) - before == 1, "the server says how many there are"


async def test_a_status_behind_many_others_is_found(small: Small, forge: GiteaForge) -> None:
    """Lists of statuses have 30 entries by default, and the newest of a name may stand on a later page."""
    sha = small.gitea.acts.push(small.place, {"n": "1"}, branch="b", by="ada")
    check = Check(small.id, CommitSha(sha), "EkaCI: Verdict", CheckStatus.QUEUED, title="Waiting")
    await forge.publish(check, None)
    for number in range(130):
        status_at(small, sha, number)
    written = len(small.place.statuses)
    await forge.publish(check, None)
    assert len(small.place.statuses) == written


async def test_a_repository_that_was_renamed_is_followed(small: Small, forge: GiteaForge) -> None:
    old = small.id
    small.gitea.acts.push(small.place, {"n": "1"}, branch="b", by="ada")
    pull = small.gitea.acts.open_pull(small.place, "b", by="ada")
    small.gitea.acts.rename(small.place, "moved")
    found = await forge.pull_request(old, 1)
    assert found is not None
    assert found.head_sha == pull.head_sha
    sha = CommitSha(pull.head_sha)
    assert await forge.read_file(old, "n", sha) == b"1", "the query goes along"
    await forge.publish(Check(old, sha, "EkaCI: Verdict", CheckStatus.QUEUED), None)
    assert [each.context for each in small.place.statuses.values()] == ["EkaCI: Verdict"], "writes too"


async def test_the_token_goes_nowhere_else(small: Small, forge: GiteaForge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        where = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/api/v1/repos/octo/place/pulls/1"
        small.gitea.fail(faults.status(307, headers={"location": where}))
        with pytest.raises(ApiFault, match="another address"):
            await forge.pull_request(small.id, 1)
        elsewhere.setblocking(False)  # noqa: FBT003 - the library's
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


async def test_while_a_pause_lasts_nothing_is_sent(small: Small, forge: GiteaForge, notes: RecordingLogger) -> None:
    small.gitea.fail(faults.abuse(37, 429))
    with pytest.raises(ApiFault) as caught:
        await forge.pull_request(small.id, 1)
    assert caught.value.retry_after_seconds == 37
    before = len(small.gitea.seen)
    small.gitea.recover()
    with pytest.raises(ApiFault, match="pause"):
        await forge.repositories()
    assert len(small.gitea.seen) == before
    assert any("gitea_asks_for_quiet" in line for line in notes.lines)


async def test_questions_are_asked_again_and_writes_are_not(small: Small, forge: GiteaForge) -> None:
    small.gitea.fail(faults.status(502, times=2))
    assert await forge.pull_request(small.id, 99) is None
    assert small.asked("GET", "/pulls/99") == 3
    small.gitea.acts.push(small.place, {"n": "1"}, branch="b", by="ada")
    small.gitea.acts.open_pull(small.place, "b", by="ada")
    small.gitea.fail(faults.status(502, method="POST"))
    await forge.comment(small.id, 1, "words", None)
    assert small.asked("POST", "/comments") == 1, "it may have been done"


async def test_permissions_are_of_the_person_and_last_five_minutes(small: Small, forge: GiteaForge) -> None:
    ada = small.gitea.world.account("ada")
    person = Person("ada", ada.id)
    assert await forge.permission(small.id, person) is Permission.WRITE
    small.place.roles[ada.id] = "read"
    assert await forge.permission(small.id, person) is Permission.WRITE
    assert small.asked("GET", "/permission") == 1
    assert await forge.permission(small.id, Person("ada", ada.id + 999)) is Permission.NONE
    assert await forge.permission(small.id, Person("octo", small.place.owner.id)) is Permission.ADMIN


async def test_who_is_no_administrator_is_not_told_of_others(small: Small, forge: GiteaForge) -> None:
    small.place.roles[small.gitea.world.account("ekaci").id] = "write"
    with pytest.raises(ApiFault) as caught:
        await forge.permission(small.id, Person("ada", small.gitea.world.account("ada").id))
    assert caught.value.status == 403
    assert "ekaci forge check" in str(caught.value.do)


async def test_what_the_account_only_sees_is_not_given_to_it(small: Small, forge: GiteaForge) -> None:
    world = small.gitea.world
    world.repository("octo/read", roles={"ekaci": "read"})
    world.repository("octo/archived", roles={"ekaci": "admin"}).archived = True
    assert [each.path for each in await forge.repositories()] == ["octo/place"]


async def test_git_gets_the_token_in_a_header(small: Small, forge: GiteaForge) -> None:
    access = await forge.clone_access(small.id)
    assert access.url == f"{small.gitea.url}/octo/place.git"
    assert small.token not in access.url
    assert small.token not in repr(access)
    assert access.headers["Authorization"].reveal().startswith("Basic ")


async def test_another_forges_repository_is_not_asked_for(small: Small, forge: GiteaForge) -> None:
    before = len(small.gitea.seen)
    with pytest.raises(InfrastructureFault, match="another forge"):
        await forge.pull_request(RepositoryId("elsewhere.example", "octo/place"), 1)
    assert len(small.gitea.seen) == before


async def test_what_answers_and_is_no_gitea_is_said(small: Small, forge: GiteaForge) -> None:
    bodies: tuple[object, ...] = ([], 3, {"number": 1}, "text")
    for body in bodies:
        small.gitea.fail(attrs.evolve(faults.status(200), answer=Answer(body, 200)))
        with pytest.raises(ApiFault):
            await forge.pull_request(small.id, 1)
        small.gitea.recover()


async def test_certificates_of_its_own_authority_are_believed_when_they_are_named(
    open_forge: OpenForge, tmp_path: Path
) -> None:
    ca_file, both = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_with, args=(listener, tls), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        fields = {"domain": "127.0.0.1", "port": port, "scheme": "https"}
        where = RepositoryId(f"127.0.0.1:{port}", "octo/place")
        async with open_forge(**fields, ca_file=ca_file) as forge:
            assert await forge.pull_request(where, 1) is None
        async with open_forge(**fields) as forge:
            with anyio.fail_after(30), pytest.raises(ApiFault) as caught:
                await forge.pull_request(where, 1)
        assert "ca_file" in str(caught.value.do)


def _answer_with(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """Answer 404 to whoever believes us."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        try:
            with tls.wrap_socket(plain, server_side=True) as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        except OSError:
            continue
