"""Machines that a configuration names: judged as they are written, where they stand."""

from __future__ import annotations

import pytest

from ekaci_core.api import Reach
from ekaci_core.config.load import server_config
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.config.machines import Machine, machines
from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shapes import Shapes

ALLOWED = "[security]\nallow_private_cache_hosts = true\n"
SECRET = "hunter2-canary"  # noqa: S105 - of nothing


def load(destination: str, kind: str = "nix-copy", *, head: str = "", credentials: str = '"none"') -> ServerConfig:
    text = f"{head}[[caches]]\nid = 'a'\ncache_type = '{kind}'\ndestination = '{destination}'\n"
    shapes = Shapes().extended(caches={"oci": None})
    return server_config(
        parse_machine_file(f"{text}credentials = {credentials}\n", "ekaci.toml"), {"HOME": "/home/ci"}, (), shapes
    )


def fault(destination: str, kind: str = "nix-copy", *, head: str = "", credentials: str = '"none"') -> str:
    with pytest.raises(ConfigurationProblems) as raised:
        load(destination, kind, head=head, credentials=credentials)
    [problem] = raised.value.problems
    return str(problem)


def vault(address: str) -> str:
    return f'{{ vault = {{ address = "{address}", secret_path = "a/b" }} }}'


@pytest.mark.parametrize(
    ("destination", "kind", "expected"),
    [
        ("s3://bucket/path?region=us-east-1", "nix-copy", [("bucket", 443, False)]),
        ("s3://20261120?region=x", "nix-copy", []),
        (
            "s3://b?region=x&endpoint=https://minio.internal:9000",
            "nix-copy",
            [("b", 443, False), ("minio.internal", 9000, True)],
        ),
        ("s3://b?endpoint=minio.example.org", "nix-copy", [("b", 443, False), ("minio.example.org", 443, True)]),
        ("s3://b?endpoint=&region=x", "nix-copy", [("b", 443, False)]),
        ("https://u:p@cache.example.org:8443/x", "nix-copy", [("cache.example.org", 8443, True)]),
        ("HTTP://Cache.Example.org", "nix-copy", [("cache.example.org", 80, True)]),
        ("ssh://ci@store.example.org", "nix-copy", [("store.example.org", 22, True)]),
        ("ssh-ng://store.example.org", "nix-copy", [("store.example.org", 22, True)]),
        ("file:///var/cache?compression=none", "nix-copy", []),
        ("https://[2606:4700::1111]/x", "nix-copy", [("2606:4700::1111", 443, True)]),
        ("mine", "cachix", []),
        ("my-oss_project.2", "cachix", []),
        ("https://attic.example.org/mine", "attic", [("attic.example.org", 443, True)]),
        ("attic.example.org:mine", "attic", [("attic.example.org", 443, True)]),
        ("local:mine", "attic", [("local", 443, False)]),
        ("oci://registry.example.org/x", "oci", [("registry.example.org", 443, True)]),
        ("whatever it likes", "oci", []),
    ],
)
def test_the_machines_of_a_destination(destination: str, kind: str, expected: list[tuple[str, int, bool]]) -> None:
    assert list(machines(load(destination, kind))) == [
        Machine("caches[0].destination", host, port, Reach.PUBLIC, resolves) for host, port, resolves in expected
    ]


@pytest.mark.parametrize(
    "destination",
    [
        "http://127.0.0.1:8080",
        "https://2130706433",
        "https://0177.0.0.1",
        "ssh://2130706433",
        "ssh-ng://root@0x7f.1",
        "https://u:hunter2-canary@localhost",
        "https://cache.example.org@127.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://LOCALHOST./",
        "https://printer.local",
        "https://10.0.0.1",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://100.64.0.1",
        "https://0.0.0.0",
        "s3://localhost/x",
        "s3://127.0.0.1/x",
        "s3://b?endpoint=http://127.0.0.1:9000",
        "s3://b?endpoint=127.1:9000",
        "s3://b?endpoint=[::1]:9000",
        "s3://b?endpoint=http%3A%2F%2F10.0.0.1",
        "s3://b?endpoint=https://fine.example.org&endpoint=10.0.0.1",
        "s3://b?proxy=http://192.168.0.1",
    ],
)
def test_private_places_are_faults_unless_they_are_allowed(destination: str) -> None:
    said = fault(destination)
    assert said.startswith("ekaci.toml:4: caches[0].destination: ")
    assert "security.allow_private_cache_hosts = true" in said
    assert SECRET not in said
    assert load(destination, head=ALLOWED).caches


@pytest.mark.parametrize(
    "destination",
    [
        "http://169.254.169.254/latest",
        "https://2852039166",
        "https://metadata.google.internal",
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://168.63.129.16",
        "s3://b?endpoint=http://169.254.169.254",
        "s3://b?endpoint=100.100.100.200",
        "s3://b?region=x&endpoint=http%3a%2f%2f[fd00:ec2::254]",
    ],
)
def test_metadata_services_and_link_local_places_are_faults_whatever_is_allowed(destination: str) -> None:
    for head in ("", ALLOWED):
        said = fault(destination, head=head)
        assert "caches[0].destination: " in said
        assert said.endswith("name another host: nothing may reach that, whatever is configured")


@pytest.mark.parametrize(
    ("destination", "kind", "said"),
    [
        ("bucket", "nix-copy", "it has no scheme; write an address such as"),
        ("ftp://cache.example.org", "nix-copy", 'there is no scheme "ftp://"; write one of s3, https, http, ssh'),
        ("unix:///nix/socket?x=://", "nix-copy", 'there is no scheme "unix://"'),
        ("https:///x", "nix-copy", 'it names no host; write one behind "https://"'),
        ("https://a.example.org\\\\@127.0.0.1", "nix-copy", "no address that all programs read alike"),
        ("https://a b", "nix-copy", "no address that all programs read alike"),
        ("s3://b#?endpoint=http://10.0.0.1", "nix-copy", "no address that all programs read alike"),
        ("https://a:b", "nix-copy", "no address that all programs read alike"),
        ("https://a:0", "nix-copy", "no address that all programs read alike"),
        ("https://[::1", "nix-copy", "no address that all programs read alike"),
        ("ssh://-oProxyCommand=x", "nix-copy", "not a host"),
        ("file://host/x", "nix-copy", "write three slashes: file:///"),
        ("s3://b?endpoint=:9000", "nix-copy", "endpoint names no host"),
        ("s3://b?region=x;endpoint=http://10.0.0.1", "nix-copy", "region names no host"),
        ("../x", "cachix", "it is no name of a cache"),
        ("-x", "cachix", "it is no name of a cache"),
        ("mine", "attic", 'it is no cache; write "https://attic.example.org/cache", or "server:cache"'),
        ("10.0.0.1:mine", "attic", "it is in a private network"),
        ("localhost:mine", "attic", "it is this machine itself"),
        ("oci://10.0.0.1/x", "oci", "it is in a private network"),
    ],
)
def test_what_is_no_destination_of_its_type(destination: str, kind: str, said: str) -> None:
    found = fault(destination, kind)
    assert found.startswith("ekaci.toml:4: caches[0].destination: ")
    assert said in found


@pytest.mark.parametrize("address", ["http://169.254.169.254", "https://[fe80::1]:8200", "http://metadata.goog"])
def test_a_vault_cannot_be_at_a_metadata_service(address: str) -> None:
    said = fault("mine", "cachix", credentials=vault(address), head=ALLOWED)
    assert said.startswith("ekaci.toml:7: caches[0].credentials.vault.address: ")
    assert said.endswith("name another host: nothing may reach that, whatever is configured")


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("http://127.0.0.1:8200", ("127.0.0.1", 8200)),
        ("https://vault.internal", ("vault.internal", 443)),
        ("http://10.0.0.1", ("10.0.0.1", 80)),
        ("vault.example.org", None),  # which its type refuses
        ("https://a:b", None),
    ],
)
def test_a_vault_may_be_on_this_machine_and_in_private_networks(address: str, machine: tuple[str, int] | None) -> None:
    found = machines(load("mine", "cachix", credentials=vault(address)))
    spot = "caches[0].credentials.vault.address"
    assert list(found) == ([] if machine is None else [Machine(spot, *machine, Reach.PRIVATE)])


def test_where_what_is_allowed_cannot_be_read_nothing_is_judged_by_it() -> None:
    said = fault("http://127.0.0.1", head='[security]\nallow_private_cache_hosts = "yes"\n')
    assert "security.allow_private_cache_hosts" in said
