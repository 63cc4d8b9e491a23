"""Cachix: how its program is started, what its end means, and what is asked over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import anyio
import attrs
import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_laboratory import FIRST, SECOND, CachixLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.programs import Installed, all_ended, running
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply

from ekaci_cache_backends.batches import BATCH_BYTES
from ekaci_cache_backends.cachix.cache import CachixCache, CachixType
from ekaci_core.api import (
    AlreadyPresent,
    InfrastructureFault,
    Pushed,
    PushFailed,
    PushRequest,
    Reach,
    StorePath,
    UsageFault,
)

pytestmark = pytest.mark.nix


async def _push(cache: CachixCache, laboratory: CachixLaboratory, *paths: StorePath) -> list[object]:
    outcomes = await cache.push(PushRequest(paths, laboratory.witness.write_log))
    return [outcomes[path] for path in paths]


async def _outcomes(laboratory: CachixLaboratory, *paths: StorePath) -> list[object]:
    async with laboratory.open() as cache:
        return await _push(cache, laboratory, *paths)


async def test_what_the_program_is_given(
    cachix: CachixLaboratory, cachix_program: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTIC_TOKEN", "of-the-server")
    cachix.witness.leases = {"planted": [{"CACHIX_AUTH_TOKEN": FIRST, "CACHIX_SIGNING_KEY": "key", "OTHER": "x"}]}
    first, second = await cachix.path(), await cachix.path()
    assert await _outcomes(cachix, first, second) == [Pushed(), Pushed()]
    (seen,) = cachix_program.started
    assert seen["argv"] == ["--hostname", cachix.server.address, "push", "mine", first, second]
    given = seen["environment"]
    home = Path(given["HOME"])
    assert (given["CACHIX_AUTH_TOKEN"], given["CACHIX_SIGNING_KEY"]) == (FIRST, "key")
    assert seen["home_mode"] == 0o700
    assert seen["folder"] == str(home)
    assert home != Path(os.environ["HOME"])
    assert cachix_program.home_is_gone
    assert given["XDG_CONFIG_HOME"].startswith(str(home))
    assert given["PATH"] == cachix.witness.environment["PATH"]
    assert not given.keys() & {"ATTIC_TOKEN", "OTHER", "LS_COLORS"}
    assert seen["stdin"] == ""
    assert "Pushing" in "".join(cachix.witness.said)


async def test_at_cachix_itself_it_is_told_the_name_and_the_paths_alone(
    cachix: CachixLaboratory, cachix_program: Installed
) -> None:
    """Nothing is asked here: the context leads nowhere, and the first question fails. The command is looked at."""
    cachix_program.instead("raise SystemExit(0)")
    path = await cachix.path()
    context = attrs.evolve(cachix.witness.context, addresses=_AtTheStandIn())
    config = cachix.config(endpoint="https://cachix.org")
    async with CachixType().open(config, context) as cache:
        end = await cache._run([path], await cache._credentials.resolve(), cachix.witness.write_log)
    assert end.status == 0
    (seen,) = cachix_program.started
    assert seen["argv"] == ["push", "mine", path]


class _AtTheStandIn:
    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        assert (host, port, reach) == ("cachix.org", 443, Reach.PUBLIC)
        return ("127.0.0.1",)


async def test_many_paths_are_several_command_lines(cachix: CachixLaboratory, cachix_program: Installed) -> None:
    cachix_program.instead("raise SystemExit(0)")
    name = "n" * 150
    paths = [StorePath(f"/nix/store/{number:032d}-{name}") for number in range(2 * BATCH_BYTES // 196 + 10)]
    assert await _outcomes(cachix, *paths) == [Pushed()] * len(paths)
    started = [each["argv"][4:] for each in cachix_program.started]
    assert [path for each in started for path in each] == paths
    assert len(started) == 3


async def test_what_the_program_leaves_out_has_failed(cachix: CachixLaboratory) -> None:
    """It warns, and ends well."""
    good, gone = await cachix.path(), StorePath(f"/nix/store/{'0' * 32}-gone")
    outcomes = await _outcomes(cachix, gone, good)
    assert outcomes[1] == Pushed()
    failed = outcomes[0]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "does not have it" in failed.reason


async def test_a_token_that_is_refused_in_the_middle_is_renewed_once(
    cachix: CachixLaboratory, cachix_program: Installed
) -> None:
    cachix_program.instead(
        "import os\n"
        f"if os.environ['CACHIX_AUTH_TOKEN'] == {FIRST!r}:\n"
        "    raise SystemExit('Binary cache mine doesn\\'t exist or you don\\'t have access. '\n"
        "                     'Error: Cachix Auth token has expired.')\n"
    )
    path = await cachix.path()
    assert await _outcomes(cachix, path) == [Pushed()]
    assert cachix.witness.renewals == 1
    assert [each["environment"]["CACHIX_AUTH_TOKEN"] for each in cachix_program.started] == [FIRST, SECOND]


async def test_what_made_it_before_the_program_failed_is_there(
    cachix: CachixLaboratory, cachix_program: Installed
) -> None:
    """Whether a path arrived is asked, not guessed."""
    first, second = await cachix.path(), await cachix.path()
    cachix_program.instead(
        "import json, os, sys, urllib.request\n"
        "fields = {'Authorization': 'Bearer ' + os.environ['CACHIX_AUTH_TOKEN']}\n"
        f"url = {cachix.server.address!r} + '/stand-in/mine'\n"
        f"urllib.request.urlopen(urllib.request.Request(url, json.dumps([{first!r}]).encode(), fields)).close()\n"
        "raise SystemExit('cachix: HttpExceptionRequest (ConnectionFailure Network.Socket.connect)')\n"
    )
    outcomes = await _outcomes(cachix, first, second)
    assert outcomes[0] == Pushed()
    failed = outcomes[1]
    assert isinstance(failed, PushFailed)
    assert failed.transient


async def test_a_path_that_spoils_a_batch_fails_alone(cachix: CachixLaboratory, cachix_program: Installed) -> None:
    bad = await cachix.path()
    others = [await cachix.path() for _ in range(3)]
    cachix_program.instead(
        "import sys\n"
        f"if {bad!r} in sys.argv:\n"
        "    raise SystemExit('cachix: NarHashMismatch \"Nar hash mismatch between nix-store --dump and nix db\"')\n"
    )
    outcomes = await _outcomes(cachix, others[0], bad, *others[1:])
    assert outcomes[0] == outcomes[2] == outcomes[3] == Pushed()
    failed = outcomes[1]
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "not what the store has registered" in failed.reason


async def test_what_is_present_starts_no_program(cachix: CachixLaboratory, cachix_program: Installed) -> None:
    path = await cachix.path()
    cachix.server.kept.append(path)
    assert await _outcomes(cachix, path) == [AlreadyPresent()]
    assert cachix_program.started == []


async def test_a_public_cache_with_a_signing_key_needs_no_token(
    cachix: CachixLaboratory, cachix_program: Installed
) -> None:
    cachix.server.is_public = True
    cachix.witness.leases = {"planted": [{"CACHIX_SIGNING_KEY": "key"}]}
    cachix_program.instead("raise SystemExit(0)")
    here, there = await cachix.path(), await cachix.path()
    cachix.server.kept.append(there)
    assert await _outcomes(cachix, here, there) == [Pushed(), AlreadyPresent()]
    assert "CACHIX_AUTH_TOKEN" not in cachix_program.started[0]["environment"]
    assert "authorization" not in cachix.server.requests[0].fields


async def test_a_private_cache_that_cannot_be_asked_counts_as_empty(cachix: CachixLaboratory) -> None:
    cachix.witness.leases = {"planted": [{"CACHIX_SIGNING_KEY": "key"}]}
    path = await cachix.path()
    cachix.server.kept.append(path)
    async with cachix.open() as cache:
        assert await cache.missing([path]) == frozenset({path})


@pytest.mark.parametrize("leases", [[{}], [{"ATTIC_TOKEN": "of-another-cache"}]])
async def test_credentials_without_a_token_are_told(
    cachix: CachixLaboratory, cachix_program: Installed, leases: Sequence[Mapping[str, str]]
) -> None:
    cachix.witness.leases = {"planted": leases}
    (failed,) = await _outcomes(cachix, await cachix.path())
    assert isinstance(failed, PushFailed)
    assert not failed.transient
    assert "cachix-token" in failed.reason
    assert cachix_program.started == []


async def test_a_cache_that_does_not_exist_is_named(cachix: CachixLaboratory) -> None:
    path = await cachix.path()
    async with CachixType().open(cachix.config(destination="other"), cachix.witness.context) as cache:
        with pytest.raises(UsageFault, match="'other'"):
            await cache.missing([path])
        (failed,) = await _push(cache, cachix, path)
    assert isinstance(failed, PushFailed)
    assert not failed.transient


@pytest.mark.parametrize("body", [b"{}", b'["' + b"0" * 32 + b'"]', b"[1]", b"nonsense"])
async def test_other_answers_are_not_believed(cachix: CachixLaboratory, body: bytes) -> None:
    cachix.server.reply = Reply(HTTPStatus.OK, body)
    path = await cachix.path()
    async with cachix.open() as cache:
        with pytest.raises(InfrastructureFault, match="not Cachix's"):
            await cache.missing([path])


async def test_cancellation_ends_all_of_its_processes_and_removes_its_home(
    cachix: CachixLaboratory, cachix_program: Installed
) -> None:
    cachix_program.linger()
    path = await cachix.path()
    async with cachix.open() as cache, anyio.create_task_group() as tasks:
        tasks.start_soon(cache.push, PushRequest([path], cachix.witness.write_log))
        pids = await cachix_program.lingering()
        assert len(running(pids)) == 2
        assert not cachix_program.home_is_gone
        tasks.cancel_scope.cancel()
    assert cachix.witness.running == 0
    await all_ended(pids)
    assert cachix_program.home_is_gone
