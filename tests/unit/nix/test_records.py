from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.derivation import Derivation, DerivationRecord, Output
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.aterm import MalformedDerivation, render_derivation
from ekaci_core.nix.records import (
    VanishedDerivation,
    parse_record,
    read_closure,
    read_file,
    read_unknown,
    record_of,
)

HASH = "a" * 32
PATH = DrvPath(f"/nix/store/{HASH}-hello-2.12.drv")
OUT = Output("out", StorePath(f"/nix/store/{HASH}-hello-2.12"))


def drv(name: str) -> DrvPath:
    return DrvPath(f"/nix/store/{HASH}-{name}.drv")


def derivation(
    env: Mapping[str, str] | None = None,
    inputs: Sequence[DrvPath] = (),
    outputs: tuple[Output, ...] = (OUT,),
    args: tuple[str, ...] = (),
) -> Derivation:
    return Derivation(
        outputs, dict.fromkeys(inputs, ("out",)), (), System("x86_64-linux"), "/bin/sh", args, dict(env or {})
    )


def recorded(env: Mapping[str, str]) -> DerivationRecord:
    """Make the record by both ways, which must agree."""
    whole = derivation(env)
    record = parse_record(PATH, render_derivation(whole))
    assert record == record_of(PATH, whole)
    return record


def test_a_record_has_what_the_file_says() -> None:
    record = parse_record(
        PATH,
        render_derivation(
            derivation(
                {"pname": "hello", "version": "2.12", "requiredSystemFeatures": "kvm  big-parallel\n"},
                inputs=[drv("b"), drv("a")],
                outputs=(Output("dev", None, "r:sha256"), OUT),
            )
        ),
    )
    assert record == DerivationRecord(
        path=PATH,
        name="hello-2.12",
        system=System("x86_64-linux"),
        inputs=(drv("b"), drv("a")),
        outputs=(Output("dev", None, "r:sha256"), OUT),
        pname="hello",
        version="2.12",
        features=("kvm", "big-parallel"),
    )
    assert type(record.inputs[0]) is DrvPath
    assert type(record.system) is System


@pytest.mark.parametrize(
    ("env", "pname", "version", "features", "prefer_local"),
    [
        ({}, None, None, (), False),
        ({"pname": "", "version": "", "requiredSystemFeatures": "", "preferLocalBuild": ""}, None, None, (), False),
        ({"preferLocalBuild": "1"}, None, None, (), True),
        ({"preferLocalBuild": "true"}, None, None, (), False),
        ({"pname": 'a"b\\c\n'}, 'a"b\\c\n', None, (), False),
        ({"script": '("pname","fake")', "pname": "true"}, "true", None, (), False),
        ({"script": '("version","1")'}, None, None, (), False),
        ({"args": "(", "other": ',"pname","x")'}, None, None, (), False),
    ],
)
def test_plain_environments(
    env: Mapping[str, str],
    pname: str | None,
    version: str | None,
    features: tuple[str, ...],
    prefer_local: bool,  # noqa: FBT001 - a table's column
) -> None:
    record = recorded(env)
    assert (record.pname, record.version, record.features, record.prefer_local) == (
        pname,
        version,
        features,
        prefer_local,
    )


@pytest.mark.parametrize(
    ("attributes", "pname", "version", "features", "prefer_local"),
    [
        ({}, None, None, (), False),
        ({"pname": "p", "version": "1", "preferLocalBuild": True}, "p", "1", (), True),
        ({"requiredSystemFeatures": ["kvm", "nixos-test"]}, None, None, ("kvm", "nixos-test"), False),
        (
            {"pname": 3, "version": ["1"], "preferLocalBuild": "1", "requiredSystemFeatures": "kvm"},
            None,
            None,
            (),
            False,
        ),
    ],
)
def test_structured_attributes(
    attributes: Mapping[str, object],
    pname: str | None,
    version: str | None,
    features: tuple[str, ...],
    prefer_local: bool,  # noqa: FBT001 - a table's column
) -> None:
    record = recorded({"__json": json.dumps(attributes), "pname": "of no account", "preferLocalBuild": "1"})
    assert (record.pname, record.version, record.features, record.prefer_local) == (
        pname,
        version,
        features,
        prefer_local,
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_structured_attributes_that_are_no_object_are_a_fault(text: str) -> None:
    with pytest.raises(MalformedDerivation, match="structured attributes are not"):
        parse_record(PATH, render_derivation(derivation({"__json": text})))


keys = st.sampled_from(["pname", "version", "requiredSystemFeatures", "preferLocalBuild", "name", '("pname","', "z"])
values = st.one_of(
    st.text(st.sampled_from('"\\\n()[],pname 1'), max_size=20),
    st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


@given(
    st.dictionaries(keys, values, max_size=6),
    st.lists(st.integers(0, 5), unique=True),
    st.lists(values, max_size=3).map(tuple),
)
def test_the_short_way_and_the_whole_way_agree(env: dict[str, str], inputs: list[int], args: tuple[str, ...]) -> None:
    whole = derivation(env, [drv(f"input-{number}") for number in inputs], args=args)
    assert parse_record(PATH, render_derivation(whole)) == record_of(PATH, whole)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        render_derivation(derivation({"pname": "hello", "z": "last"}))[:-3],
        render_derivation(derivation({"pname": "hello"})).replace(b"hello-2.12", b"no store path"),
        render_derivation(derivation(inputs=[drv("x")])).replace(b"x.drv", b"x.txt"),
        render_derivation(derivation({"pname": "hello"})).replace(b'hello")])', b'hello\\")])'),
    ],
)
def test_a_broken_file_is_a_fault_that_names_it(data: bytes) -> None:
    with pytest.raises(MalformedDerivation) as raised:
        parse_record(PATH, data)
    assert raised.value.where == PATH


def test_dynamic_inputs_are_inputs() -> None:
    text = (
        f'DrvWithVersion("xp-dyn-drv",[("out","","r:sha256","")],[("{drv("a")}",(["out"],[("out",["out"])]))],[],'
        '"x86_64-linux","/bin/sh",[],[("pname","dynamic")])'
    )
    record = parse_record(PATH, text.encode())
    assert (record.inputs, record.pname) == ((drv("a"),), "dynamic")


# --- closures ---


class Files:
    """A store of derivations that remembers what was read."""

    def __init__(self, inputs: Mapping[str, Sequence[str]]) -> None:
        self.inputs = {drv(name): [drv(each) for each in needed] for name, needed in inputs.items()}
        self.read_paths: list[DrvPath] = []

    def read(self, path: DrvPath) -> bytes:
        self.read_paths.append(path)
        if path not in self.inputs:
            raise VanishedDerivation(path)
        return render_derivation(derivation(inputs=self.inputs[path]))


DIAMOND = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": [], "alone": []}


def names_of(records: Sequence[DerivationRecord]) -> list[str]:
    return [record.name for record in records]


def nothing(path: DrvPath) -> bool:
    return not path


def test_a_closure_comes_inputs_first_and_each_is_read_once() -> None:
    files = Files(DIAMOND)
    assert names_of(read_closure([drv("d"), drv("alone"), drv("b")], nothing, read=files.read)) == [
        "a",
        "b",
        "c",
        "d",
        "alone",
    ]
    assert sorted(files.read_paths) == sorted(files.inputs)


def test_equal_paths_are_one_object() -> None:
    records = {each.name: each for each in read_closure([drv("d")], nothing, read=Files(DIAMOND).read)}
    assert records["b"].inputs[0] is records["c"].inputs[0]
    assert records["b"].system is records["c"].system


def test_what_is_known_is_not_read_and_not_followed() -> None:
    files = Files(DIAMOND)
    known = {drv("b"), drv("alone")}
    assert names_of(read_closure([drv("d"), drv("alone")], known.__contains__, read=files.read)) == ["a", "c", "d"]
    assert not known & set(files.read_paths)


def test_what_is_known_is_asked_for_a_generation_at_once_and_once_a_path() -> None:
    asked: list[list[str]] = []

    def known_among(paths: Collection[DrvPath]) -> Collection[DrvPath]:
        asked.append([path.name for path in paths])
        return []

    read_unknown([drv("d"), drv("d")], known_among, read=Files(DIAMOND).read)
    assert asked == [["d"], ["b", "c"], ["a"]]


def test_a_vanished_derivation_is_named() -> None:
    with pytest.raises(VanishedDerivation) as raised:
        read_closure([drv("x")], nothing, read=Files({"x": ["gone"]}).read)
    assert (raised.value.where, raised.value.exit_status) == (drv("gone"), 3)
    assert raised.value.do


@pytest.mark.parametrize("inputs", [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": ["b", "c"], "b": ["c"], "c": ["b"]}])
def test_derivations_that_need_themselves_are_refused(inputs: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(MalformedDerivation, match="needs itself"):
        read_closure([drv("a")], nothing, read=Files(inputs).read)


def test_a_chain_deeper_than_the_stack() -> None:
    files = Files({f"n{number}": [f"n{number - 1}"] if number else [] for number in range(3000)})
    assert names_of(read_closure([drv("n2999")], nothing, read=files.read)) == [f"n{number}" for number in range(3000)]


@given(st.data())
def test_any_closure_is_complete_and_in_order(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    inputs = {
        f"n{node}": [f"n{each}" for each in data.draw(st.sets(st.integers(0, node - 1), max_size=4))] if node else []
        for node in range(size)
    }
    roots = [drv(f"n{node}") for node in data.draw(st.lists(st.integers(0, size - 1), max_size=6))]
    records = read_closure(roots, nothing, read=Files(inputs).read)
    seen: set[DrvPath] = set()
    for record in records:
        assert seen.issuperset(record.inputs)
        assert record.path not in seen
        seen.add(record.path)
    assert seen == set(roots) | {each for record in records for each in record.inputs}
    assert records == read_closure(roots, nothing, read=Files(inputs).read)


def test_files_are_read_from_the_file_system(tmp_path: Path) -> None:
    path = DrvPath(tmp_path / f"{HASH}-x.drv")
    with pytest.raises(VanishedDerivation):
        read_file(path)
    Path(path).write_bytes(b"Derive\xff")
    assert read_file(path) == b"Derive\xff"
    Path(path).unlink()
    Path(path).mkdir()
    with pytest.raises(InfrastructureFault, match="cannot read the derivation"):
        read_file(path)
