"""Attic by its own program: how it is started, and what its end means."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import anyio
import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import FIRST, SECOND, AtticLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.programs import Installed, all_ended, running

from ekaci_cache_backends.attic.cache import AtticType
from ekaci_cache_backends.batches import BATCH_BYTES
from ekaci_core.api import Pushed, PushFailed, PushRequest, StorePath

pytestmark = pytest.mark.nix


async def _outcomes(laboratory: AtticLaboratory, *paths: StorePath) -> list[object]:
    async with laboratory.open() as cache:
        outcomes = await cache.push(PushRequest(paths, laboratory.witness.write_log))
    return [outcomes[path] for path in paths]


async def test_what_the_program_is_given(
    attic_by_program: AtticLaboratory, attic_program: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHIX_AUTH_TOKEN", "of-the-server")
    attic_by_program.settings |= {"destination": "central:main", "endpoint": attic_by_program.server.address}
    first, second = await attic_by_program.path(), await attic_by_program.path()
    assert await _outcomes(attic_by_program, first, second) == [Pushed(), Pushed()]
    (seen,) = attic_program.started
    assert seen["argv"] == ["push", "--no-closure", "central:main", first, second]
    home = Path(seen["environment"]["HOME"])
    assert seen["home_mode"] == 0o700
    assert seen["mode"] == 0o600
    assert seen["folder"] == str(home)
    assert home != Path(os.environ["HOME"])
    assert attic_program.home_is_gone
    assert tomllib.loads(seen["configuration"]) == {
        "default-server": "central",
        "servers": {"central": {"endpoint": f"{attic_by_program.server.address}/", "token": FIRST}},
    }
    given = seen["environment"]
    assert given["PATH"] == attic_by_program.witness.environment["PATH"]
    assert given["LC_ALL"] == "C.UTF-8"
    assert given["NIX_CONFIG"] == attic_by_program.witness.environment["NIX_CONFIG"]
    assert not [value for value in given.values() if FIRST in value or value == "of-the-server"]
    assert {name for name in given if name.startswith("XDG_")} == {
        f"XDG_{kind}_HOME" for kind in ("CACHE", "CONFIG", "DATA", "STATE")
    }
    assert "LS_COLORS" not in given
    log = "".join(attic_by_program.witness.said)
    assert f"✅ {first.base_name}" in log


async def test_many_paths_are_several_command_lines(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    attic_program.instead("raise SystemExit(0)")
    name = "n" * 150
    paths = [StorePath(f"/nix/store/{number:032d}-{name}") for number in range(2 * BATCH_BYTES // 196 + 10)]
    assert await _outcomes(attic_by_program, *paths) == [Pushed()] * len(paths)
    started = [each["argv"][3:] for each in attic_program.started]
    assert [path for each in started for path in each] == paths
    assert len(started) == 3
    assert all(sum(len(path) + 1 for path in each) <= BATCH_BYTES for each in started)


async def test_a_token_that_is_refused_in_the_middle_is_renewed_once(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    """The server takes questions with the old token, and uploads with the new one only."""
    attic_program.instead(
        "import os, pathlib\n"
        "text = (pathlib.Path(os.environ['XDG_CONFIG_HOME']) / 'attic/config.toml').read_text()\n"
        f"if {FIRST!r} in text:\n"
        "    raise SystemExit('Error: Unauthorized: Unauthorized.')\n"
    )
    path = await attic_by_program.path()
    assert await _outcomes(attic_by_program, path) == [Pushed()]
    assert attic_by_program.witness.renewals == 1
    tokens = [tomllib.loads(each["configuration"])["servers"]["ekaci"]["token"] for each in attic_program.started]
    assert tokens == [FIRST, SECOND]


async def test_a_program_that_is_refused_twice_has_failed_for_good_and_is_not_started_again(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    attic_program.instead("raise SystemExit('Error: AccessError: Access error: Permission denied')")
    name = "n" * 150
    paths = [StorePath(f"/nix/store/{number:032d}-{name}") for number in range(BATCH_BYTES // 196 + 10)]
    outcomes = await _outcomes(attic_by_program, *paths)
    assert all(isinstance(each, PushFailed) and not each.transient for each in outcomes)
    assert "the token is refused" in str(outcomes[0])
    assert len(attic_program.started) == 2


async def test_each_path_has_its_own_reason(attic_by_program: AtticLaboratory, attic_program: Installed) -> None:
    good, bad, worse = [await attic_by_program.path() for _ in range(3)]
    attic_by_program.server.broken_uploads.add(bad)
    outcomes = await _outcomes(attic_by_program, bad, good)
    assert outcomes[1] == Pushed()
    failed = outcomes[0]
    assert isinstance(failed, PushFailed)
    assert failed.transient
    assert "the server is in trouble" in failed.reason
    assert len(attic_program.started) == 1
    attic_program.instead(
        "import sys\n"
        f"sys.stderr.write('❌ {bad.base_name}: HTTP 413 Payload Too Large: too much\\n')\n"
        f"sys.stderr.write('❌ {worse.base_name}: HTTP 502 Bad Gateway: oh\\n')\n"
        "raise SystemExit('Error: HTTP 413 Payload Too Large: too much')\n"
    )
    first, second = await _outcomes(attic_by_program, bad, worse)
    assert isinstance(first, PushFailed)
    assert isinstance(second, PushFailed)
    assert [first.transient, second.transient] == [False, True]


async def test_one_that_is_gone_does_not_keep_the_others(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    """The program gives up before it sends anything, so that the rest are sent one by one."""
    good, other = await attic_by_program.path(), await attic_by_program.path()
    gone = StorePath(f"/nix/store/{'0' * 32}-gone")
    outcomes = await _outcomes(attic_by_program, good, gone, other)
    assert outcomes[0] == outcomes[2] == Pushed()
    failed = outcomes[1]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert len(attic_program.started) == 4


@pytest.mark.parametrize(
    ("code", "transient", "said"),
    [
        ("import os\nos.kill(os.getpid(), 9)", True, "ended by signal 9"),
        ("raise SystemExit(3)", True, "failed with status 3"),
        ("raise SystemExit('Error: NoSuchCache: The requested cache does not exist.')", False, "no such cache"),
        ("raise SystemExit('Error: error sending request for url (http://x/): dns error')", True, "cannot be reached"),
    ],
)
async def test_how_it_ends(
    attic_by_program: AtticLaboratory,
    attic_program: Installed,
    code: str,
    transient: bool,  # noqa: FBT001 - a row of the table
    said: str,
) -> None:
    attic_program.instead(code)
    (failed,) = await _outcomes(attic_by_program, await attic_by_program.path())
    assert isinstance(failed, PushFailed)
    assert failed.transient is transient
    assert said in failed.reason


async def test_a_program_that_went_away_is_told(attic_by_program: AtticLaboratory, attic_program: Installed) -> None:
    path = await attic_by_program.path()
    async with attic_by_program.open() as cache:
        attic_program.file.unlink()
        (failed,) = (await cache.push(PushRequest([path], attic_by_program.witness.write_log))).values()
    assert isinstance(failed, PushFailed)
    assert "attic" in failed.reason
    assert failed.transient


async def test_cancellation_ends_all_of_its_processes_and_removes_its_home(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    attic_program.linger()
    path = await attic_by_program.path()
    async with attic_by_program.open() as cache, anyio.create_task_group() as tasks:
        tasks.start_soon(cache.push, PushRequest([path], attic_by_program.witness.write_log))
        pids = await attic_program.lingering()
        assert len(running(pids)) == 2
        assert not attic_program.home_is_gone
        tasks.cancel_scope.cancel()
    assert attic_by_program.witness.running == 0
    await all_ended(pids)
    assert attic_program.home_is_gone


async def test_the_address_is_judged_before_the_program_is_started(
    attic_by_program: AtticLaboratory, attic_program: Installed
) -> None:
    """Asking and starting are apart: the name may lead elsewhere by then."""
    path = await attic_by_program.path()
    async with AtticType().open(attic_by_program.config(), attic_by_program.witness.context) as cache:
        assert await cache.missing([path]) == frozenset({path})  # over a connection that stays open
        attic_by_program.witness.allowed = frozenset()
        (failed,) = (await cache.push(PushRequest([path], attic_by_program.witness.write_log))).values()
    assert isinstance(failed, PushFailed)
    assert "not allowed" in failed.reason
    assert attic_program.started == []


@pytest.mark.parametrize("address", ["http://169.254.169.254/", "http://10.0.0.1:8080/below/", "file:///etc/", "x"])
async def test_a_server_that_sends_the_program_where_nobody_may_go_is_not_followed(
    attic_by_program: AtticLaboratory, attic_program: Installed, address: str
) -> None:
    attic_by_program.server.api_endpoint = address
    (failed,) = await _outcomes(attic_by_program, await attic_by_program.path())
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert attic_program.started == []
