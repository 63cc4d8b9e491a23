"""Hosts in every spelling, and where each leads."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ekaci_core.model.errors import BadName, UsageFault
from ekaci_core.model.hosts import SETTING, judge_address, judge_host, parse_host
from ekaci_core.model.network_places import NEVER, Address, Place, places

# Where it leads, and how that may be written.
SPELLINGS = {
    Place.LOOPBACK: """
        127.0.0.1 127.1 127.0.1 2130706433 0177.0.0.1 017700000001 0x7f.1 0x7F000001 0x7f.0.0.0x1 127.255.255.254
        127.0.0.1. \uff11\uff12\uff17.\uff10.\uff10.\uff11 127\u30020\uff0e0\uff611
        ::1 [::1] 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::FFFF:7f00:1 ::127.0.0.1
        ::ffff:0:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 2002:7f00:0001::1 2001:0:7f00:1::1 64:ff9b:1::7f00:1
        2606:4700::5efe:127.0.0.1 localhost LocalHost LOCALHOST. localhost.localdomain localhost6.localdomain6
        a.b.localhost localhost.example.org ip6-localhost ip6-loopback \uff4cocalhos\uff54 localhost4
    """,
    Place.PRIVATE: """
        10.0.0.1 10.1 167772161 012.0.0.1 010.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 192.168.257 0xc0a80001
        ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1:: fc00::1 fdff::1 fec0::1 printer.local x.localdomain PRINTER.LOCAL.
    """,
    Place.CARRIER: "100.64.0.1 100.127.255.255 1681915905 ::ffff:100.64.0.1",
    Place.LINK_LOCAL: "169.254.0.1 169.254.170.2 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1 64:ff9b::a9fe:101",
    Place.METADATA: """
        169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 ::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe
        2002:a9fe:a9fe::1 ::a9fe:a9fe fd00:ec2::254 FD00:0EC2::254 fd20:ce::254 100.100.100.200 168.63.129.16
        192.0.0.192 fe80::5efe:169.254.169.254 2001:0:a9fe:a9fe::1 2001:0:808:808:0:0:5601:5601
        metadata.google.internal Metadata.Google.Internal. metadata.goog metadata instance-data
    """,
    Place.UNSPECIFIED: "0.0.0.0 0 0x0 00 0.0.0.1 :: [::] ::ffff:0.0.0.0",
    Place.BROADCAST: "255.255.255.255 4294967295 0xffffffff ::ffff:255.255.255.255",
    Place.MULTICAST: "224.0.0.1 239.255.255.255 ff02::1 ::ffff:224.0.0.1",
    Place.RESERVED: """
        192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 240.0.0.1 2001:db8::1 3fff::1 100::1 4000::1 2001::1
    """,
    Place.PUBLIC: """
        8.8.8.8 134744072 011.012.013.014 1.1.1.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.169.0.1
        2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808:: cache.example.org localhostess.com
        my.localhost.example.org local.example.org metadata.example.org bücher.example
        minio.internal xn--bcher-kva.example
    """,
}
CASES = [(text, place) for place, texts in SPELLINGS.items() for text in texts.split()]


def refused(text: str, *, private: bool) -> str | None:
    try:
        judge_host(text, private=private)
    except UsageFault as fault:
        return f"{fault.what}; {fault.do}"
    return None


@pytest.mark.parametrize(("text", "place"), CASES)
def test_where_a_host_leads(text: str, place: Place) -> None:
    said = refused(text, private=False)
    assert (said is None) == (place is Place.PUBLIC)
    if said is not None:
        assert place.value in said or any(each.value in said for each in _others(text))
        assert (SETTING in said) == (refused(text, private=True) is None)
    assert (refused(text, private=True) is not None) == (place in NEVER)


def _others(text: str) -> frozenset[Place]:
    """What the address itself is, where it stands for another one too."""
    return frozenset(place for address in parse_host(text).readings for place in places(address))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-oProxyCommand=x",
        "a b",
        "a@b",
        "a/b",
        "a\\b",
        "a\tb",
        "a\0b",
        "a%00b",
        "256.1.1.1",
        "1.2.3.4.5",
        "4294967296",
        "example.1",
        "example.0x7f",
        "0x.x.0x",
        "::1::",
        "1:2",
        "[a]",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "ü" * 64,
    ],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(BadName):
        parse_host(text)
    with pytest.raises(UsageFault, match="not a host"):
        judge_host(text, private=True)


def test_a_fault_says_what_was_written_what_that_means_and_what_to_do() -> None:
    with pytest.raises(UsageFault) as raised:
        judge_host("2130706433", private=False, where="caches[0].destination")
    assert str(raised.value) == "caches[0].destination: it means 127.0.0.1, which is this machine itself"
    assert raised.value.do == f"name another host, or set {SETTING} = true if it is meant so"
    with pytest.raises(UsageFault) as raised:
        judge_host("010.0.0.1", private=False)
    assert str(raised.value) == "010.0.0.1: it means 8.0.0.1 or 10.0.0.1, which is in a private network"
    with pytest.raises(UsageFault) as raised:
        judge_address("fe80::1%2", private=True, where="x")
    assert str(raised.value) == "x: it leads to fe80::1%2, which is link-local"
    assert raised.value.do == "name another host: nothing may reach that, whatever is configured"


IPV4 = st.ip_addresses(v=4)


@given(IPV4, st.lists(st.sampled_from(["{}", "0{:o}", "0x{:x}", "0X{:X}"]), min_size=4, max_size=4), st.integers(1, 4))
def test_every_spelling_is_read_as_the_c_library_does(
    address: ipaddress.IPv4Address, forms: list[str], parts: int
) -> None:
    value = int(address)
    numbers = [value >> 24 - 8 * index & 0xFF for index in range(parts - 1)]
    numbers.append(value & (1 << 8 * (5 - parts)) - 1)
    text = ".".join(form.format(number) for form, number in zip(forms, numbers, strict=False))
    assert socket.inet_aton(text) == address.packed
    assert parse_host(text).readings[0] == address


@given(st.text(st.sampled_from("0123456789abcdefxX."), max_size=20))
def test_what_the_c_library_takes_for_an_address_is_none_but_that(text: str) -> None:
    try:
        expected = ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return
    assert expected in parse_host(text).readings


@given(IPV4)
def test_what_python_does_not_call_global_is_not_public(address: Address) -> None:
    public = places(address) == {Place.PUBLIC}
    if public:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=6))
def test_no_address_is_public_that_python_does_not_call_global(address: ipaddress.IPv6Address) -> None:
    if places(address) == {Place.PUBLIC}:
        assert address.is_global or address.ipv4_mapped or address.sixtofour
        assert not address.is_multicast
        assert not address.is_link_local


@given(
    IPV4,
    st.sampled_from(
        ["::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "::{}", "64:ff9b:1::{}", "2606:4700::5efe:{}", "fe80::5efe:{}"]
    ),
)
def test_an_address_that_carries_another_is_refused_where_that_is(address: ipaddress.IPv4Address, form: str) -> None:
    assume(int(address) > 1)
    carrying = form.format(address)
    for private in (False, True):
        if refused(str(address), private=private):
            assert refused(carrying, private=private)


@given(st.text(max_size=40), st.booleans())
def test_any_text_is_judged_or_refused(text: str, private: bool) -> None:  # noqa: FBT001 - drawn
    try:
        host = judge_host(text, private=private)
    except UsageFault:
        return
    assert host.name.isascii()
    assert parse_host(host.name) == host
