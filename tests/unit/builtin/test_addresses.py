"""The guard of addresses: what a name leads to is judged each time, and what is returned is what was judged."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import attrs
import pytest

from ekaci_core.api import InfrastructureFault, Reach, UsageFault
from ekaci_core.builtin.addresses import CheckedAddresses, resolve_by_system

pytestmark = pytest.mark.anyio

PUBLIC = ("93.184.216.34", "2606:2800:21f::1")


@attrs.define
class Answers:
    """A resolver that gives one answer after the other, as that of somebody who rebinds his name does."""

    answers: list[Sequence[str] | Exception]
    asked: list[tuple[str, int]] = attrs.field(factory=list)

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked.append((name, port))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_name_that_is_bound_anew_is_refused_the_second_time() -> None:
    answers = Answers([PUBLIC, ["127.0.0.1"], [*PUBLIC, "169.254.169.254"], PUBLIC])
    guard = CheckedAddresses(resolver=answers)
    assert await guard.resolve("cache.example.org", 443) == PUBLIC
    with pytest.raises(UsageFault, match=r"it leads to 127.0.0.1, which is this machine itself") as raised:
        await guard.resolve("cache.example.org", 443)
    assert raised.value.where == "cache.example.org"
    assert "security.allow_private_cache_hosts" in (raised.value.do or "")
    with pytest.raises(UsageFault, match=r"it leads to 169.254.169.254, which is a metadata service"):
        await guard.resolve("cache.example.org", 443)
    assert await guard.resolve("Cache.Example.org.", 443) == PUBLIC
    assert answers.asked == [("cache.example.org", 443)] * 4


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "100.64.0.1", "::1", "fd12::1", "0.0.0.0", "192.0.2.1"])  # noqa: S104 - judged, not listened at
async def test_private_places_are_reached_where_that_is_allowed(address: str) -> None:
    def answers() -> Answers:
        return Answers([[*PUBLIC, address]])

    with pytest.raises(UsageFault, match=f"leads to {address}"):
        await CheckedAddresses(resolver=answers()).resolve("a.example.org", 1)
    assert await CheckedAddresses(allow_private=True, resolver=answers()).resolve("a.example.org", 1)
    assert await CheckedAddresses(resolver=answers()).resolve("a.example.org", 1, reach=Reach.PRIVATE)
    with pytest.raises(UsageFault):
        await CheckedAddresses(resolver=Answers([])).resolve(address, 1)
    assert await CheckedAddresses(resolver=Answers([])).resolve(address, 1, reach=Reach.PRIVATE) == (address,)


@pytest.mark.parametrize("address", ["169.254.1.1", "fe80::1%2", "fd00:ec2::254", "::ffff:169.254.169.254"])
async def test_metadata_services_and_link_local_places_are_never_reached(address: str) -> None:
    for reach in Reach:
        guard = CheckedAddresses(allow_private=True, resolver=Answers([[address], ["10.0.0.1", address]]))
        for _ in range(2):
            with pytest.raises(UsageFault, match=f"leads to {address}"):
                await guard.resolve("a.example.org", 443, reach=reach)
        with pytest.raises(UsageFault, match=r"it (is|means .*, which is) (link-local|a metadata service)"):
            await guard.resolve(address, 443, reach=reach)


async def test_an_address_is_not_asked_for_and_comes_back_in_its_usual_spelling() -> None:
    guard = CheckedAddresses(allow_private=True, resolver=Answers([]))
    assert await guard.resolve("2130706433", 80) == ("127.0.0.1",)
    assert await guard.resolve("[::1]", 80) == ("::1",)


async def test_a_name_that_does_not_resolve_is_a_fault_of_the_network() -> None:
    failure = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    guard = CheckedAddresses(resolver=Answers([failure, [], UnicodeError("label too long")]))
    for reason in ("Temporary failure", "it has no address", "there is no such name"):
        with pytest.raises(InfrastructureFault, match=f"does not resolve: {reason}") as raised:
            await guard.resolve("cache.example.org", 443)
        assert raised.value.where == "cache.example.org"
        assert raised.value.do
    with pytest.raises(UsageFault, match="not a host"):
        await guard.resolve("a b", 443)


async def test_the_resolver_of_the_machine_knows_addresses_and_no_invalid_names() -> None:
    assert await resolve_by_system("127.0.0.1", 80) == ("127.0.0.1",)
    with pytest.raises(OSError, match=r"\S"):
        await resolve_by_system("ekaci-nobody.invalid", 80)
