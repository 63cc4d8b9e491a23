"""How the builder is configured and opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import anyio
import pytest
from tests.plugins.ekaci_builder_daemon.stand_in import Dialogue, stand_in

from ekaci_builder_daemon.kind import DaemonBuilderConfig, DaemonBuilderType
from ekaci_core.api import InfrastructureFault, System, UsageFault
from ekaci_core.registry import Kind, load_registry
from ekaci_core.telemetry import LOG
from ekaci_core.testing.builders import plugin_context

pytestmark = pytest.mark.anyio

SETTINGS = """\
#!/bin/sh
case "$*" in *"config show"*) exit 1;; esac
echo '{"system": {"value": "mips64el-netbsd"}, "extra-platforms": {"value": ["pdp11-unix"]},
  "system-features": {"value": ["kvm"]}, "max-jobs": {"value": 7}, "cores": {"value": 3},
  "keep-failed": {"value": true}, "fallback": {"value": true}, "substitute": {"value": false}}'
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which Nix has settings that no machine has, and an older name for asking for them."""
    program = tmp_path / "bin" / "nix"
    program.parent.mkdir()
    program.write_text(SETTINGS)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/bin:/usr/bin", "HOME": str(tmp_path)}


async def polite(dialogue: Dialogue) -> None:
    await dialogue.greet()
    await dialogue.gone()


async def test_nix_says_what_nobody_configured(environment: Mapping[str, str], tmp_path: Path) -> None:
    config = DaemonBuilderConfig(socket=str(tmp_path / "socket"))
    async with (
        stand_in(tmp_path / "socket", polite),
        DaemonBuilderType().open(config, plugin_context(environment)) as builder,
    ):
        assert builder.name == "daemon"
        assert builder.systems == {System("mips64el-netbsd"), System("pdp11-unix")}
        assert builder.features == {"kvm"}
        assert (builder.slots, builder.is_local, builder.speed_factor) == (7, True, 1.0)
        options = builder.options
        assert (options.cores, options.keep_failed, options.fallback, options.substitute) == (3, True, True, False)


async def test_what_is_configured_wins(environment: Mapping[str, str], tmp_path: Path) -> None:
    config = DaemonBuilderConfig(max_jobs=2, systems=("x86_64-linux",), features=(), options={"sandbox": "relaxed"})
    context = plugin_context({**environment, "NIX_DAEMON_SOCKET_PATH": str(tmp_path / "socket")})
    async with stand_in(tmp_path / "socket", polite), DaemonBuilderType().open(config, context) as builder:
        assert builder.slots == 2
        assert builder.systems == {System("x86_64-linux")}
        assert not builder.features
        assert builder.options.more == {"sandbox": "relaxed"}


async def test_the_socket_is_nixs_own_unless_it_is_named(tmp_path: Path) -> None:
    """Nix keeps it below its state directory."""
    context = plugin_context({"NIX_STATE_DIR": str(tmp_path)})
    with pytest.raises(InfrastructureFault) as raised:
        async with DaemonBuilderType().open(DaemonBuilderConfig(), context):
            pass
    assert raised.value.where == f"{tmp_path}/daemon-socket/socket"


async def test_no_daemon_is_said_when_opening(environment: Mapping[str, str], tmp_path: Path) -> None:
    config = DaemonBuilderConfig(socket=str(tmp_path / "nobody"))
    with pytest.raises(InfrastructureFault, match="no connection to the Nix daemon: No such file") as raised:
        async with DaemonBuilderType().open(config, plugin_context(environment)):
            pass
    assert "nix-daemon" in (raised.value.do or "")


async def test_a_path_that_no_socket_can_have_is_told(environment: Mapping[str, str], tmp_path: Path) -> None:
    config = DaemonBuilderConfig(socket=str(tmp_path / ("long" * 40)))
    with pytest.raises(InfrastructureFault, match="too long"):
        async with DaemonBuilderType().open(config, plugin_context(environment)):
            pass


async def test_who_is_turned_away_is_told(environment: Mapping[str, str], tmp_path: Path) -> None:
    """A daemon closes the connections of those whom it does not allow to make any."""

    async def turn_away(dialogue: Dialogue) -> None:
        del dialogue

    config = DaemonBuilderConfig(socket=str(tmp_path / "socket"))
    async with stand_in(tmp_path / "socket", turn_away):
        with pytest.raises(InfrastructureFault, match="no connection") as raised:
            async with DaemonBuilderType().open(config, plugin_context(environment)):
                pass
    assert "allowed-users" in (raised.value.do or "")


async def test_another_program_is_told(environment: Mapping[str, str], tmp_path: Path) -> None:
    async def another(dialogue: Dialogue) -> None:
        await dialogue.say(b"SSH-2.0-OpenSSH_9.9\r\n....")
        await dialogue.gone()

    config = DaemonBuilderConfig(socket=str(tmp_path / "socket"))
    async with stand_in(tmp_path / "socket", another):
        with pytest.raises(InfrastructureFault, match="no Nix daemon") as raised:
            async with DaemonBuilderType().open(config, plugin_context(environment)):
                pass
    assert raised.value.do is not None


async def test_a_nix_without_settings_is_told(tmp_path: Path) -> None:
    config = DaemonBuilderConfig(socket=str(tmp_path / "socket"))
    program = tmp_path / "nix"
    program.write_text("#!/bin/sh\necho no settings here >&2; exit 1\n")
    program.chmod(0o755)
    async with stand_in(tmp_path / "socket", polite):
        with pytest.raises(InfrastructureFault, match="no settings here"):
            async with DaemonBuilderType().open(config, plugin_context({"PATH": f"{tmp_path}:/bin:/usr/bin"})):
                pass


async def test_a_negative_number_of_builds_is_refused() -> None:
    with pytest.raises(UsageFault, match="negative") as raised:
        async with DaemonBuilderType().open(DaemonBuilderConfig(max_jobs=-1), plugin_context(os.environ)):
            pass
    assert raised.value.where == "builders.max_jobs"


async def test_closing_it_closes_its_connections(environment: Mapping[str, str], tmp_path: Path) -> None:
    closed = anyio.Event()

    async def script(dialogue: Dialogue) -> None:
        await dialogue.greet()
        await dialogue.gone()
        closed.set()

    config = DaemonBuilderConfig(socket=str(tmp_path / "socket"))
    async with stand_in(tmp_path / "socket", script):
        async with DaemonBuilderType().open(config, plugin_context(environment)):
            assert not closed.is_set()
        with anyio.fail_after(30):
            await closed.wait()


def test_it_is_admitted_and_finds_no_builder_by_itself() -> None:
    registry = load_registry({}, LOG, [distribution("ekaci-builder-daemon")])
    assert registry.names(Kind.BUILDER) == ("daemon",)
    assert not hasattr(DaemonBuilderType(), "discover")
