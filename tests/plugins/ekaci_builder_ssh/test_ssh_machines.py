from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_builder_ssh.machine import Machine
from ekaci_builder_ssh.machines import MachinesFault, parse_machines, read_text
from ekaci_core.api import UsageFault

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0uxbmYQ7hIbyDMDUnlMNyrNSkeHb9pDcPHfKvwXyZk"
KEY_FIELD = base64.b64encode(f"{KEY} root@far\n".encode()).decode()


def parse(text: str, **files: str) -> list[Machine]:
    return parse_machines(text, where="machines", read=lambda path: files.get(path.name))


def test_all_eight_fields() -> None:
    line = f"ssh-ng://builder@far x86_64-linux,i686-linux /etc/nix/key 8 2.5 kvm,big-parallel benchmark {KEY_FIELD}"
    assert parse(line) == [
        Machine(
            uri="ssh-ng://builder@far",
            systems=("x86_64-linux", "i686-linux"),
            ssh_key="/etc/nix/key",
            max_jobs=8,
            speed_factor=2.5,
            supported_features=("kvm", "big-parallel"),
            mandatory_features=("benchmark",),
            host_key=KEY,
        )
    ]


@pytest.mark.parametrize("line", ["far", "ssh://far", "far - - - - - - -", "\tfar  -\t-  # the old one", "far;"])
def test_dashes_and_what_is_left_out_are_nixs_defaults(line: str) -> None:
    assert parse(line) == [Machine(uri="ssh://far")]


def test_lines_semicolons_comments_and_blank_lines() -> None:
    text = "# all of them; not this one\n\n far-1 ; far-2 - - 3\n ;; \nssh-ng://far-3 # ; far-4\n"
    assert [machine.uri for machine in parse(text)] == ["ssh://far-1", "ssh://far-2", "ssh-ng://far-3"]
    assert parse(text)[1].max_jobs == 3
    assert parse("") == parse(" \n# nothing\n") == []


def test_files_are_included_and_may_include_others() -> None:
    files = {"machines": "far-2\n@/etc/nix/more", "more": "far-3"}
    found = parse("far-1; @/etc/nix/machines\nfar-4; @/not/there", **files)
    assert [machine.uri.removeprefix("ssh://") for machine in found] == ["far-1", "far-2", "far-3", "far-4"]


def test_files_are_read_and_one_that_is_not_there_has_no_machines(tmp_path: Path) -> None:
    file = tmp_path / "machines"
    file.write_text("far x86_64-linux\n")
    assert parse_machines(f"@{file}", where="builders") == [Machine("ssh://far", ("x86_64-linux",))]
    assert parse_machines(f"@{tmp_path}/nothing", where="builders") == []
    file.write_bytes(b"far\xff\n")
    with pytest.raises(MachinesFault, match="not UTF-8") as raised:
        read_text(file)
    assert raised.value.where == str(file)
    with pytest.raises(MachinesFault, match="cannot be read"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("far - - many", "'many' is not a number of jobs"),
        ("far - - -1", "'-1' is not a number of jobs"),
        ("far - - 1.5", "'1.5' is not a number of jobs"),
        ("far - - \u0663", "is not a number of jobs"),
        ("far - - 99999999999", "is not a number of jobs"),
        ("far - - 1 fast", "'fast' is not a speed factor"),
        ("far - - 1 0", "'0' is not a speed factor"),
        ("far - - 1 nan", "'nan' is not a speed factor"),
        ("far - - 1 1 - - ???", "not base64"),
        (f"far - - 1 1 - - {base64.b64encode(b'secret').decode()}", "not a public key"),
        (f"far - - 1 1 - - {base64.b64encode(b'ssh-rsa AAAA==' + bytes([255])).decode()}", "not base64"),
        ("far 1 2 3 4 5 6 7 8", "has 9 fields"),
        ("- x86_64-linux", "has no address"),
        ("https://far", "is not reached over SSH"),
        ("daemon://", "is not the address"),
        ("-oProxyCommand=harm", "is not the address"),
        ("ssh://-oProxyCommand=harm", "is not the address"),
        ("@machines", "is not an absolute path"),
    ],
)
def test_what_describes_no_machine_is_named_with_its_line(line: str, what: str) -> None:
    with pytest.raises(MachinesFault, match=what.replace("?", r"\?")) as raised:
        parse(f"good\n\n{line}\n")
    assert raised.value.where == "machines:3"
    assert raised.value.do
    assert isinstance(raised.value, UsageFault)


def test_a_fault_in_an_included_file_names_that_file() -> None:
    with pytest.raises(MachinesFault) as raised:
        parse("@/etc/nix/machines", machines="good\nfar - - x")
    assert raised.value.where == "/etc/nix/machines:2"


@pytest.mark.parametrize(
    "files", [{"a": "@/b", "b": "far; @/a"}, {"a": "@/a"}, {f"{n}": f"@/{n + 1}" for n in range(100)} | {"a": "@/0"}]
)
def test_files_that_include_each_other_are_refused(files: dict[str, str]) -> None:
    with pytest.raises(MachinesFault, match="includes itself"):
        parse("@/a", **files)


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=12).filter(lambda word: word != "-")
LISTS = st.lists(WORDS, max_size=3).map(tuple)
MACHINES = st.builds(
    Machine,
    uri=st.builds("{}://{}".format, st.sampled_from(["ssh", "ssh-ng"]), WORDS.filter(lambda word: word[0] != "-")),
    systems=LISTS,
    ssh_key=st.none() | WORDS.map("/etc/{}".format),
    max_jobs=st.integers(0, 999),
    speed_factor=st.integers(1, 9999).map(lambda number: number / 10),
    supported_features=LISTS,
    mandatory_features=LISTS,
    host_key=st.none() | st.just(KEY),
)
GAPS = st.sampled_from(["\n", ";", " ; ", "\n\n", " # comment; with more\n"])


def render(machine: Machine) -> str:
    key = machine.host_key and base64.b64encode(machine.host_key.encode()).decode()
    fields = [
        machine.uri,
        ",".join(machine.systems),
        machine.ssh_key,
        str(machine.max_jobs),
        str(machine.speed_factor),
        ",".join(machine.supported_features),
        ",".join(machine.mandatory_features),
        key,
    ]
    return " ".join(field or "-" for field in fields)


@given(st.lists(st.tuples(MACHINES, GAPS), max_size=5))
def test_what_is_written_is_read(written: list[tuple[Machine, str]]) -> None:
    text = "".join(render(machine) + gap for machine, gap in written)
    assert parse(text) == [machine for machine, _ in written]


@given(st.text("ab@/-;#\n ,.:=0\u00e9\u2028\x00", max_size=60))
def test_any_text_is_machines_or_a_named_fault(text: str) -> None:
    found: list[Machine] = []
    fault: MachinesFault | None = None
    try:
        found = parse(text)
    except MachinesFault as raised:
        fault = raised
    assert fault is None or (fault.where and fault.do)
    assert all(machine.uri.startswith(("ssh://", "ssh-ng://")) for machine in found)
