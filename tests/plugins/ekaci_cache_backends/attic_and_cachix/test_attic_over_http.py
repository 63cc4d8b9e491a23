"""Attic without its program: what is sent, and what Nix makes of it afterwards."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import anyio
import attrs
import pytest
from anyio import to_thread
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import (
    FIRST,
    SECOND,
    AtticLaboratory,
    RealAtticLaboratory,
)
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_stand_in import Kept
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply

from ekaci_cache_backends.attic.cache import AtticCache, AtticType
from ekaci_core.api import (
    AlreadyPresent,
    InfrastructureFault,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    Reach,
    StorePath,
    UsageFault,
)
from ekaci_core.process.running import run

pytestmark = pytest.mark.nix

LARGE = 5 * 1024 * 1024


async def _push(
    cache: AtticCache, laboratory: AtticLaboratory | RealAtticLaboratory, *paths: StorePath
) -> Mapping[StorePath, PushOutcome]:
    return await cache.push(PushRequest(paths, laboratory.witness.write_log))


async def _program_of(laboratory: AtticLaboratory | RealAtticLaboratory, folder: Path) -> Sequence[StorePath]:
    """Add a folder with a large file, a link and an executable, which refers to another path."""
    environment = laboratory.witness.environment
    reference = await laboratory.path()
    (tree := folder / "tree").mkdir()
    (tree / "large").write_bytes(b"".join(f"{number:015d}\n".encode() for number in range(LARGE // 16)))
    (tree / "run").write_text(f"#!/bin/sh\n# {reference}\necho it runs\n")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("run")
    expression = (
        'derivation { name = "whole"; system = builtins.currentSystem; builder = "/bin/sh"; '
        f'reference = builtins.storePath "{reference}"; tree = builtins.path {{ path = {tree}; name = "tree"; }}; '
        'args = [ "-c" "exec 3< $tree/run; read line <&3; echo $tree > $out" ]; }'
    )
    built = await run(["nix-build", "--no-out-link", "--expr", expression], env=environment)
    assert built.status == 0, built.stderr
    top = StorePath.parse(built.text.strip())
    closure = await run(["nix-store", "--query", "--requisites", top], env=environment)
    assert len(closure.text.split()) == 2
    return [reference, *map(StorePath.parse, closure.text.split())]


async def _substituted(path: StorePath, url: str, root: Path, environment: Mapping[str, str]) -> str:
    """Fetch a closure into an empty store, building nothing; return what stands in its file ``run``."""
    lines = [environment["NIX_CONFIG"], f"substituters = {url}", "require-sigs = false", "max-jobs = 0", "builders ="]
    given = {**environment, "NIX_CONFIG": "\n".join(lines)}
    done = await run(["nix-store", "--store", str(root), "--realise", path], env=given, timeout_seconds=60)
    assert done.status == 0, done.stderr
    (found,) = (root / "nix/store").glob("*-tree/link")
    return found.read_text()


@pytest.mark.parametrize("name", ["attic_over_http", "real_attic_laboratory"])
async def test_nix_finds_in_the_cache_what_was_pushed(
    name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    laboratory: AtticLaboratory | RealAtticLaboratory = request.getfixturevalue(name)
    folder = tmp_path_factory.mktemp("substituted")
    paths = await _program_of(laboratory, folder)
    async with laboratory.open() as cache:
        outcomes = await _push(cache, laboratory, *paths)
    assert all(isinstance(each, Pushed) for each in outcomes.values()), outcomes
    assert max(each.sent_bytes or 0 for each in outcomes.values() if isinstance(each, Pushed)) > LARGE
    url = f"{laboratory.server.address}/{laboratory.server.cache}"
    shown = await _substituted(paths[-1], url, folder / "root", laboratory.witness.environment)
    assert shown.endswith("echo it runs\n")


async def test_a_real_server_tells_refused_tokens_from_good_ones(real_attic_laboratory: RealAtticLaboratory) -> None:
    good, may_only_read = real_attic_laboratory.server.tokens
    path = await real_attic_laboratory.path()
    real_attic_laboratory.witness.leases = {"planted": [{"ATTIC_TOKEN": may_only_read}, {"ATTIC_TOKEN": good}]}
    async with real_attic_laboratory.open() as cache:
        assert isinstance((await _push(cache, real_attic_laboratory, path))[path], Pushed)
    assert real_attic_laboratory.witness.renewals == 1
    real_attic_laboratory.witness.leases = {"planted": [{"ATTIC_TOKEN": "nonsense"}]}
    async with real_attic_laboratory.open() as cache:
        (failed,) = (await _push(cache, real_attic_laboratory, path)).values()
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "403" in failed.reason


async def test_every_request_shows_the_token_and_goes_to_the_address_that_was_checked(
    attic_over_http: AtticLaboratory,
) -> None:
    laboratory = attic_over_http
    port = int(laboratory.server.address.rpartition(":")[2])
    guard = _Pinned()
    context = attrs.evolve(laboratory.witness.context, addresses=guard)
    config = laboratory.config(destination=f"http://attic.example.invalid:{port}/main")
    path = await laboratory.path()
    async with AtticType().open(config, context) as cache:
        assert isinstance((await _push(cache, laboratory, path))[path], Pushed)
    assert set(guard.asked) == {("attic.example.invalid", port)}
    requests = laboratory.server.requests
    assert {each.fields["host"] for each in requests} == {f"attic.example.invalid:{port}"}
    assert {each.fields["authorization"] for each in requests} == {f"Bearer {FIRST}"}
    assert [each.method for each in requests] == ["POST", "GET", "PUT"]


@attrs.frozen
class _Pinned:
    """Every name is this machine, as it is to nobody else."""

    asked: list[tuple[str, int]] = attrs.field(factory=list)

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        assert reach is Reach.PUBLIC
        self.asked.append((host, port))
        with socket.socket() as closed:
            closed.bind(("127.0.0.2", 0))  # nobody listens at the first address
        return "127.0.0.2", "127.0.0.1"


async def test_an_address_is_judged_again_when_it_is_used(attic_over_http: AtticLaboratory) -> None:
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        attic_over_http.witness.allowed = frozenset()
        with pytest.raises(UsageFault, match=r"127\.0\.0\.1 is not allowed"):
            await cache.missing([path])
        failed = (await _push(cache, attic_over_http, path))[path]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "allow_private_cache_hosts" in failed.reason
    assert attic_over_http.server.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirection_is_followed(attic_over_http: AtticLaboratory, status: int) -> None:
    target = f"{attic_over_http.server.address}/elsewhere"
    attic_over_http.server.reply = Reply(HTTPStatus(status), b"", {"Location": target})
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        failed = (await _push(cache, attic_over_http, path))[path]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "redirects elsewhere" in failed.reason
    assert attic_over_http.server.asked("elsewhere") == []


async def test_where_the_server_sends_its_own_program_does_not_count(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.server.api_endpoint = "http://elsewhere.example/"
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        assert isinstance((await _push(cache, attic_over_http, path))[path], Pushed)
    assert set(attic_over_http.witness.resolved) == {"127.0.0.1"}


async def test_how_long_a_busy_server_wants_to_be_left_alone(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.server.reply = Reply(HTTPStatus.TOO_MANY_REQUESTS, b"", {"Retry-After": "90"})
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        failed = (await _push(cache, attic_over_http, path))[path]
    assert isinstance(failed, PushFailed)
    assert (failed.transient, failed.retry_after_seconds) == (True, 90)


async def test_a_cache_that_does_not_exist_is_named(attic_over_http: AtticLaboratory) -> None:
    config = attic_over_http.config(destination=f"{attic_over_http.server.address}/other")
    path = await attic_over_http.path()
    async with AtticType().open(config, attic_over_http.witness.context) as cache:
        failed = (await _push(cache, attic_over_http, path))[path]
        with pytest.raises(UsageFault, match="requested cache does not exist"):
            await cache.missing([path])
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "(The requested cache does not exist.)" in failed.reason


async def test_an_interface_below_a_path_is_found_there(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.server.prefix = "/below/here"
    endpoint = f"{attic_over_http.server.address}/below/here"
    path = await attic_over_http.path()
    for settings in ({"destination": f"{endpoint}/main"}, {"destination": "central:main", "endpoint": endpoint}):
        async with AtticType().open(attic_over_http.config(**settings), attic_over_http.witness.context) as cache:
            assert not isinstance((await _push(cache, attic_over_http, path))[path], PushFailed)
    assert list(await attic_over_http.held()) == [path]


async def test_what_has_a_key_of_upstream_is_not_uploaded(attic_over_http: AtticLaboratory, tmp_path: Path) -> None:
    environment = attic_over_http.witness.environment
    signed, plain = await attic_over_http.path(), await attic_over_http.path()
    key, public = tmp_path / "secret", tmp_path / "public"
    made = ["nix-store", "--generate-binary-cache-key", "upstream.example-1", str(key), str(public)]
    assert (await run(made, env=environment)).status == 0
    sign = ["nix", "--extra-experimental-features", "nix-command", "store", "sign", "--key-file", str(key), signed]
    assert (await run(sign, env=environment)).status == 0
    attic_over_http.server.upstream = ["other.example-1", "upstream.example-1"]
    async with attic_over_http.open() as cache:
        outcomes = await _push(cache, attic_over_http, signed, plain)
    assert outcomes[signed] == AlreadyPresent()
    assert isinstance(outcomes[plain], Pushed)
    assert list(await attic_over_http.held()) == [plain]


async def test_a_token_that_may_push_and_not_read_is_enough(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.server.tokens.clear()
    attic_over_http.server.only_push.add(FIRST)
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        assert isinstance((await _push(cache, attic_over_http, path))[path], Pushed)
    assert attic_over_http.witness.renewals == 0


async def test_what_refers_to_a_path_that_failed_is_not_uploaded(attic_over_http: AtticLaboratory) -> None:
    bad = await attic_over_http.path()
    refers, again, other = (
        await attic_over_http.path(bad),
        await attic_over_http.path(),
        await attic_over_http.path(),
    )
    attic_over_http.server.broken_uploads.add(bad)
    async with attic_over_http.open() as cache:
        outcomes = await _push(cache, attic_over_http, refers, bad, again, other)
    assert [isinstance(outcomes[each], Pushed) for each in (refers, bad, again, other)] == [False, False, True, True]
    failed = outcomes[refers]
    assert isinstance(failed, PushFailed)
    assert failed.transient
    assert f"refers to {bad}" in failed.reason
    assert attic_over_http.server.uploads == 3
    log = "".join(attic_over_http.witness.said)
    assert all(path in log for path in (bad, again, other))


async def test_a_path_that_is_not_what_was_registered_fails_alone(attic_over_http: AtticLaboratory) -> None:
    bad, good = await attic_over_http.path(), await attic_over_http.path()
    content = _content(bad)
    try:
        _change(bad, content + b"more")
        async with attic_over_http.open() as cache:
            outcomes = await _push(cache, attic_over_http, bad, good)
            _change(bad, content[::-1])
            other = (await _push(cache, attic_over_http, bad))[bad]
    finally:
        await run(["nix-store", "--delete", bad], env=attic_over_http.witness.environment)
    assert isinstance(outcomes[good], Pushed)
    longer = outcomes[bad]
    assert isinstance(longer, PushFailed)
    assert isinstance(other, PushFailed)
    assert not longer.transient
    assert not other.transient
    assert "not as long as the store has registered" in longer.reason
    assert "Bad NAR Hash or Size" in other.reason
    assert list(await attic_over_http.held()) == [good]


def _content(path: StorePath) -> bytes:
    return Path(path).read_bytes()


def _change(path: StorePath, content: bytes) -> None:
    Path(path).chmod(0o644)
    Path(path).write_bytes(content)


async def test_a_hung_upload_is_given_up_when_it_is_cancelled(attic_over_http: AtticLaboratory) -> None:
    path = await attic_over_http.path()
    server = attic_over_http.server
    config = attic_over_http.config(timeout_seconds=600)
    async with AtticType().open(config, attic_over_http.witness.context) as cache, anyio.create_task_group() as tasks:
        await cache.missing([path])
        server.hanging = True
        tasks.start_soon(cache.push, PushRequest([path], attic_over_http.witness.write_log))
        assert await to_thread.run_sync(server.hung.wait, 30)
        tasks.cancel_scope.cancel()
    assert server.uploads == 0


async def _large(laboratory: AtticLaboratory | RealAtticLaboratory, folder: Path) -> StorePath:
    (file := folder / "large").write_bytes(bytes(32 * 1024 * 1024))
    done = await run(["nix-store", "--add", str(file)], env=laboratory.witness.environment)
    return StorePath.parse(done.text.strip())


async def test_a_token_that_ends_during_a_long_upload_is_renewed(
    attic_over_http: AtticLaboratory, tmp_path: Path
) -> None:
    """The server refuses before it has read the archive, and its answer is lost with the connection."""
    path = await _large(attic_over_http, tmp_path)
    server = attic_over_http.server

    def refuse() -> Reply:
        server.tokens = {SECOND}
        return Reply(HTTPStatus.UNAUTHORIZED)

    server.instead_of_reading.append(refuse)
    async with attic_over_http.open() as cache:
        assert isinstance((await _push(cache, attic_over_http, path))[path], Pushed)
    assert attic_over_http.witness.renewals == 1
    assert server.uploads == 1


async def test_a_server_that_needs_no_archive_has_taken_it(attic_over_http: AtticLaboratory, tmp_path: Path) -> None:
    """One with ``require-proof-of-possession = false`` answers as soon as it knows the hash."""
    path = await _large(attic_over_http, tmp_path)
    server = attic_over_http.server

    def take() -> Reply:
        server.kept[path.hash_part] = Kept({"store_path": str(path)}, b"")
        return Reply(HTTPStatus.OK, b'{"kind":"Deduplicated","file_size":null}')

    server.instead_of_reading.append(take)
    async with attic_over_http.open() as cache:
        assert isinstance((await _push(cache, attic_over_http, path))[path], Pushed)
    assert server.uploads == 0


async def test_a_connection_that_breaks_during_an_upload_is_a_fault_that_passes(
    attic_over_http: AtticLaboratory, tmp_path: Path
) -> None:
    path = await _large(attic_over_http, tmp_path)
    attic_over_http.server.instead_of_reading.append(lambda: Reply(HTTPStatus.BAD_GATEWAY))
    async with attic_over_http.open() as cache:
        failed = (await _push(cache, attic_over_http, path))[path]
    assert isinstance(failed, PushFailed)
    assert failed.transient


async def test_questions_are_asked_in_parts(attic_over_http: AtticLaboratory) -> None:
    unknown = [StorePath(f"/nix/store/{number:032d}-unknown") for number in range(12_000)]
    async with attic_over_http.open() as cache:
        assert await cache.missing(unknown) == frozenset(unknown)
    asked = [len(json.loads(each.body)["store_path_hashes"]) for each in attic_over_http.server.requests]
    assert asked == [5_000, 5_000, 2_000]


@pytest.mark.parametrize("leases", [[{}], [{"CACHIX_AUTH_TOKEN": "of-another-cache"}]])
async def test_credentials_without_a_token_are_told(
    attic_over_http: AtticLaboratory, leases: Sequence[Mapping[str, str]]
) -> None:
    attic_over_http.witness.leases = {"planted": leases}
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        with pytest.raises(UsageFault, match="no ATTIC_TOKEN") as raised:
            await cache.missing([path])
        failed = (await _push(cache, attic_over_http, path))[path]
    assert 'vars = ["ATTIC_TOKEN"]' in str(raised.value.do)
    assert isinstance(failed, PushFailed)
    assert not failed.transient


async def test_a_token_that_is_none_goes_nowhere_and_is_not_shown(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.witness.leases = {"planted": [{"ATTIC_TOKEN": "canary\r\nX-Other: 1"}]}
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        with pytest.raises(UsageFault, match="holds characters") as raised:
            await cache.missing([path])
    assert "canary" not in f"{raised.value!r} {raised.value.do} {raised.value.__cause__!r}"
    assert attic_over_http.server.requests == []


async def test_answers_about_paths_that_nobody_asked_for_are_not_believed(attic_over_http: AtticLaboratory) -> None:
    attic_over_http.server.reply = Reply(HTTPStatus.OK, json.dumps({"missing_paths": ["0" * 32]}).encode())
    path = await attic_over_http.path()
    async with attic_over_http.open() as cache:
        with pytest.raises(InfrastructureFault, match="not Attic's"):
            await cache.missing([path])
