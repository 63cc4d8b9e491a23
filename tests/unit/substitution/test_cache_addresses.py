from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.substitution.addresses import CacheAddress, parse_address, shown
from ekaci_core.substitution.credentials import read_netrc


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://cache.example.org", CacheAddress("https://cache.example.org")),
        ("https://cache.example.org/", CacheAddress("https://cache.example.org")),
        ("http://[::1]:80/a/b/", CacheAddress("http://[::1]:80/a/b")),
        ("https://a?priority=10&trusted=1", CacheAddress("https://a", priority=10, trusted=True)),
        ("https://a?trusted=true&want-mass-query=1", CacheAddress("https://a", trusted=True)),
        ("https://a?trusted=0&priority=x", CacheAddress("https://a")),
        ("https://me:p%40ss@a:8080/x", CacheAddress("https://a:8080/x", credentials=("me", "p@ss"))),
        ("https://token@a", CacheAddress("https://a", credentials=("token", ""))),
        ("file:///var/cache?priority=3", CacheAddress("file:///var/cache", priority=3)),
    ],
)
def test_addresses(text: str, address: CacheAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auto",
        "daemon",
        "/srv/store",
        "s3://bucket",
        "ssh://a",
        "ssh-ng://a",
        "local?root=/x",
        "https://",
        "http://a:x",
    ],
)
def test_others_only_nix_can_ask(text: str) -> None:
    assert parse_address(text) is None


def test_a_folder_may_hold_odd_characters() -> None:
    address = parse_address("file:///a%20b")
    assert address is not None
    assert address.folder == "/a b"
    http = parse_address("http://a")
    assert http is not None
    assert http.folder is None


def test_what_is_secret_is_not_shown() -> None:
    assert "p4ss" not in repr(parse_address("https://me:p4ss@a"))
    assert shown("s3://key:p4ss@bucket?secret=p4ss&profile=x") == "s3://bucket"
    assert shown("daemon") == "daemon"


def test_names_and_passwords_come_from_netrc(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine a.example.org login me password sesame\ndefault login any password x\n")
    find = read_netrc(str(file))
    assert find("a.example.org") == ("me", "sesame")
    assert find("b.example.org") == ("any", "x")


@pytest.mark.parametrize("text", [None, "machine", "\xff", "machine a login me password x y z"])
def test_without_a_file_that_can_be_read_there_are_none(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "netrc"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    assert read_netrc(str(file))("a") is None
    assert read_netrc("")("a") is None
