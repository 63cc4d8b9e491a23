from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.derivation import Output
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.store.compact import (
    drv_path,
    features_of,
    features_text,
    outputs_of,
    outputs_text,
    packed,
    path_text,
    storable,
    unpacked,
)

HASHES = st.text("0123456789abcdfghijklmnpqrsvwxyz", min_size=32, max_size=32)
NAMES = st.from_regex(r"[0-9a-zA-Z+\-_?=][0-9a-zA-Z+\-._?=]{0,20}", fullmatch=True)
DIRECTORIES = st.sampled_from(["/nix/store", "/other/store"])
PATHS = st.builds("{}/{}-{}".format, DIRECTORIES, HASHES, NAMES)


@given(PATHS.map(lambda path: DrvPath.parse(f"{path}.drv")))
def test_paths_come_back(path: DrvPath) -> None:
    assert drv_path(path_text(path)) == path


def test_a_path_in_the_usual_place_is_short() -> None:
    assert path_text(DrvPath(f"/nix/store/{'a' * 32}-hello.drv")) == f"{'a' * 32}-hello"


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_numbers_come_back_as_little_endian(numbers: list[int]) -> None:
    assert packed(numbers) == b"".join(number.to_bytes(4, "little") for number in numbers)
    assert list(unpacked(packed(numbers))) == numbers


@st.composite
def outputs(draw: st.DrawFn, derivation: str) -> Output:
    name = draw(st.one_of(st.just("out"), NAMES))
    suffix = derivation if name == "out" else f"{derivation}-{name}"
    usual = HASHES.map(lambda digest: f"/nix/store/{digest}-{suffix}")
    path = draw(st.one_of(st.none(), usual.map(StorePath), PATHS.map(StorePath)))
    method = draw(st.sampled_from(["", "sha256", "r:sha256"]))
    content = draw(st.sampled_from(["", "0f" * 32])) if method else ""
    return Output(name, path, method, content)


@given(NAMES.flatmap(lambda name: st.tuples(st.just(name), st.lists(outputs(name)))))
def test_outputs_come_back(derivation: tuple[str, list[Output]]) -> None:
    name, given_outputs = derivation
    assert outputs_of(outputs_text(given_outputs, name), name) == tuple(given_outputs)


def test_the_usual_output_path_is_only_its_hash() -> None:
    output = Output("dev", StorePath(f"/nix/store/{'b' * 32}-hello-1-dev"))
    assert outputs_text([output], "hello-1") == f"dev {'b' * 32}"


@given(st.lists(st.text()).map(tuple))
def test_features_come_back(features: tuple[str, ...]) -> None:
    assert features_of(features_text(features)) == features


@pytest.mark.parametrize(
    ("text", "stored"), [(None, None), ("plain", "plain"), ("ünï", "ünï"), ("a\udcffb", "a?b"), ("\ud800", "?")]
)
def test_only_what_is_no_unicode_is_replaced(text: str | None, stored: str | None) -> None:
    assert storable(text) == stored
