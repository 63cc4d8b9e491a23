from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.derivation import Derivation, Output
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.aterm import MalformedDerivation, parse_derivation, render_derivation

A, B, C = ("/nix/store/" + letter * 32 for letter in "abc")

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8).map("n-".__add__)
hashes = st.text("0123456789abcdfghijklmnpqrsvwxyz", min_size=32, max_size=32)
store_paths = st.builds(lambda digest, name: StorePath(f"/nix/store/{digest}-{name}"), hashes, names)
drv_paths = store_paths.map(lambda path: DrvPath(path + ".drv"))
# Any bytes at all, as the file system and Nix see text.
texts = st.one_of(
    st.text(st.sampled_from('"\\\n\r\t,()[]$ \u00e9\u4e2d\x00'), max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
outputs = st.builds(
    Output,
    names,
    st.one_of(st.none(), store_paths),
    st.sampled_from(["", "sha256", "r:sha256"]),
    st.sampled_from(["", "ab"]),
)
derivations = st.builds(
    Derivation,
    outputs=st.lists(outputs, min_size=1, max_size=3, unique_by=lambda each: each.name).map(tuple),
    input_drvs=st.dictionaries(drv_paths, st.lists(names, min_size=1, max_size=3, unique=True).map(tuple), max_size=4),
    input_srcs=st.lists(store_paths, max_size=3).map(tuple),
    system=texts.map(System),
    builder=texts,
    args=st.lists(texts, max_size=3).map(tuple),
    env=st.dictionaries(texts, texts, max_size=5),
)


@given(derivations)
def test_what_is_rendered_is_parsed_again(derivation: Derivation) -> None:
    rendered = render_derivation(derivation)
    parsed = parse_derivation(rendered)
    assert parsed == derivation
    assert list(parsed.env) == list(derivation.env)
    assert render_derivation(parsed) == rendered


@given(derivations, st.data())
def test_a_file_cut_short_is_refused(derivation: Derivation, data: st.DataObject) -> None:
    rendered = render_derivation(derivation)
    length = data.draw(st.integers(0, len(rendered) - 1))
    with pytest.raises(MalformedDerivation):
        parse_derivation(rendered[:length])


@given(derivations, st.data())
def test_no_change_of_a_byte_leads_to_anything_but_a_derivation_or_the_fault(
    derivation: Derivation, data: st.DataObject
) -> None:
    rendered = bytearray(render_derivation(derivation))
    rendered[data.draw(st.integers(0, len(rendered) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDerivation):
        parse_derivation(bytes(rendered))


def test_every_part_is_read() -> None:
    text = (
        f'Derive([("dev","{A}-x-dev","",""),("out","{B}-x","","")],[("{C}-y.drv",["dev","out"])],["{A}-src"],'
        '"x86_64-linux","/bin/sh",["-c","echo \\"a\\\\b\\"\\n"],[("name","x"),("t","a\\tb\\rc\\d")])'
    )
    derivation = parse_derivation(text, where="x.drv")
    assert derivation == Derivation(
        outputs=(Output("dev", StorePath(f"{A}-x-dev")), Output("out", StorePath(f"{B}-x"))),
        input_drvs={DrvPath(f"{C}-y.drv"): ("dev", "out")},
        input_srcs=(StorePath(f"{A}-src"),),
        system=System("x86_64-linux"),
        builder="/bin/sh",
        args=("-c", 'echo "a\\b"\n'),
        env={"name": "x", "t": "a\tb\rcd"},
    )


@pytest.mark.parametrize(
    ("written", "output", "is_fixed"),
    [
        (f'("out","{A}-x","","")', Output("out", StorePath(f"{A}-x")), False),
        (f'("out","{A}-x","r:sha256","00ff")', Output("out", StorePath(f"{A}-x"), "r:sha256", "00ff"), True),
        ('("out","","r:sha256","")', Output("out", None, "r:sha256"), False),  # floating
        ('("out","","","")', Output("out", None), False),  # deferred
    ],
)
def test_the_kinds_of_outputs(written: str, output: Output, is_fixed: bool) -> None:  # noqa: FBT001 - a table's column
    (found,) = parse_derivation(f'Derive([{written}],[],[],"s","b",[],[])').outputs
    assert (found, found.is_fixed) == (output, is_fixed)


def test_of_dynamic_inputs_the_first_level_is_kept() -> None:
    text = (
        f'DrvWithVersion("xp-dyn-drv",[("out","","","")],[("{A}-plain.drv",["out"]),'
        f'("{B}-maker.drv",(["doc"],[("out",["bin","dev"]),("tool",([],[("out",["out"])]))]))],[],"s","b",[],[])'
    )
    assert parse_derivation(text).input_drvs == {
        DrvPath(f"{A}-plain.drv"): ("out",),
        DrvPath(f"{B}-maker.drv"): ("doc", "out", "tool"),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected `Derive(` at byte 0, found the end of the file"),
        ("\0" * 4096, "expected `Derive(` at byte 0"),
        ('Derive([("out","","")],', "expected `,` at byte 20, found ')],'"),
        ('Derive([("out","","",""),],[],[],"s","b",[],[])', "expected `(` at byte 25"),
        ('Derive([],[],[],"s","b",[],[])x', "expected the end at byte 30, found 'x'"),
        ('Derive([],[],[],"s","b",[],[("a","unended', "expected a string at byte 33"),
        ('Derive([],[],[],"s","b\\', "expected a string at byte 20"),
        ('Derive([("out","/etc/passwd","","")],[],[],"s","b",[],[])', "not a store path: '/etc/passwd'"),
        (f'Derive([],[("{A}-not-a-derivation",["out"])],[],"s","b",[],[])', "not a derivation path"),
        ('DrvWithVersion("xp-next",[],[],[],"s","b",[],[])', "its format 'xp-next' is not known"),
        (
            f'DrvWithVersion("xp-dyn-drv",[],[("{A}-x.drv",' + '([],[("out",' * 9999,
            "dynamic inputs nest deeper than 50",
        ),
    ],
)
def test_a_malformed_file_is_a_fault_that_says_where(text: str, problem: str) -> None:
    with pytest.raises(MalformedDerivation) as raised:
        parse_derivation(text, where=f"{A}-broken.drv")
    assert str(raised.value).startswith(f"{A}-broken.drv: malformed derivation: ")
    assert problem in raised.value.what


def test_bytes_that_are_no_utf8_survive() -> None:
    raw = b'Derive([],[],[],"s","b",[],[("latin","caf\xe9")])'
    assert parse_derivation(raw).env["latin"] == "caf\udce9"
    assert render_derivation(parse_derivation(raw)) == raw
