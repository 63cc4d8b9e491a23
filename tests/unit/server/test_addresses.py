"""Names of caches and Vaults when the server starts: what does not resolve is said, what leads astray is a fault."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
import pytest

from ekaci_core.builtin.addresses import CheckedAddresses
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.config.server import ServerConfig
from ekaci_core.server.addresses import addresses_of, check_names

pytestmark = pytest.mark.anyio

TEXT = """\
[[caches]]
id = "a"
cache_type = "nix-copy"
destination = "https://good.example.org"
credentials = { vault = { address = "https://near.example.org", secret_path = "a/b" } }
[[caches]]
id = "b"
cache_type = "nix-copy"
destination = "s3://bucket?endpoint=http://NAME"
credentials = "none"
"""
ANSWERS = {
    "good.example.org": ["93.184.216.34"],
    "near.example.org": ["10.0.0.1"],
    "astray.example.org": ["93.184.216.34", "169.254.169.254"],
}


async def resolver(name: str, _: int) -> Sequence[str]:
    if name == "silent.example.org":
        await anyio.sleep_forever()
    if name not in ANSWERS:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return ANSWERS[name]


def config(name: str, head: str = "") -> ServerConfig:
    return server_config(parse_machine_file(head + TEXT.replace("NAME", name), "ekaci.toml"), {"HOME": "/home/ci"})


async def warnings(of: ServerConfig, seconds: float = 10.0) -> list[str]:
    allow = of.security.allow_private_cache_hosts
    found = await check_names(of, CheckedAddresses(allow_private=allow, resolver=resolver), seconds=seconds)
    return [str(each) for each in found]


async def test_what_resolves_to_where_it_may_is_no_word_worth() -> None:
    assert await warnings(config("good.example.org")) == []


async def test_a_name_that_does_not_resolve_yet_is_a_warning_at_its_place() -> None:
    [said] = await warnings(config("gone.example.org"))
    assert said == (
        "ekaci.toml:9: caches[1].destination: gone.example.org: the name does not resolve: Name or service not known; "
        "it is asked again when it is used"
    )


async def test_a_resolver_that_is_silent_holds_nobody_up() -> None:
    [said] = await warnings(config("silent.example.org"), seconds=0.05)
    assert "silent.example.org: the name has not resolved within 0.05 s" in said


async def test_a_name_that_leads_astray_is_a_fault_at_its_place() -> None:
    for name, address in (("near.example.org", "10.0.0.1"), ("astray.example.org", "169.254.169.254")):
        with pytest.raises(ConfigurationProblems) as raised:
            await warnings(config(name))
        [problem] = raised.value.problems
        assert str(problem).startswith(f"ekaci.toml:9: caches[1].destination: {name}: it leads to {address}, which is")
    allowed = "[security]\nallow_private_cache_hosts = true\n"
    assert await warnings(config("near.example.org", allowed)) == []
    with pytest.raises(ConfigurationProblems):
        await warnings(config("astray.example.org", allowed))


async def test_the_guard_of_a_server_obeys_its_configuration() -> None:
    assert addresses_of(config("x.example.org")) == CheckedAddresses()
    allowed = config("x.example.org", "[security]\nallow_private_cache_hosts = true\n")
    assert addresses_of(allowed) == CheckedAddresses(allow_private=True)
