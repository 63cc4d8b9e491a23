"""Where keys stand in a TOML file."""

from __future__ import annotations

from typing import Any

import tomli
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.config.convert import address
from ekaci_core.config.positions import key_lines

TEXT = '''\
top = 1 # = [
"quoted.key" = "a # b"
a.b.'c d' = { x = 1,
  y = [1, { z = "]" }],
  # nothing
  w.v = 1979-05-27 07:32:00,
}
long = """
[not.a.table]
key = 1
"""
raw = \'\'\'
x = \'\'\'

[table]   # = 1
list = [
  "a",
  [ 1, 2 ],
  { deep = { er = true } },
]

[[array]]
n = 1
[[array.inner]]
m = 1
[array.inner.more]
o = 1
[[array]]
n = 2
[[array.inner]]
m = 2
["gr\\u00fcn".x]
p = 1
'''


def test_every_kind_of_key_has_its_line() -> None:
    lines = key_lines(TEXT)
    assert {key: lines[key] for key in lines if not key.startswith("array")} == {
        "top": 1,
        '"quoted.key"': 2,
        "a": 3,
        "a.b": 3,
        'a.b."c d"': 3,
        'a.b."c d".x': 3,
        'a.b."c d".y': 4,
        'a.b."c d".y[0]': 4,
        'a.b."c d".y[1]': 4,
        'a.b."c d".y[1].z': 4,
        'a.b."c d".w': 6,
        'a.b."c d".w.v': 6,
        "long": 8,
        "raw": 12,
        "table": 15,
        "table.list": 16,
        "table.list[0]": 17,
        "table.list[1]": 18,
        "table.list[1][0]": 18,
        "table.list[1][1]": 18,
        "table.list[2]": 19,
        "table.list[2].deep": 19,
        "table.list[2].deep.er": 19,
        "grün": 32,
        "grün.x": 32,
        "grün.x.p": 33,
    }
    assert {key: lines[key] for key in lines if key.startswith("array")} == {
        "array": 22,
        "array[0]": 22,
        "array[0].n": 23,
        "array[0].inner": 24,
        "array[0].inner[0]": 24,
        "array[0].inner[0].m": 25,
        "array[0].inner[0].more": 26,
        "array[0].inner[0].more.o": 27,
        "array[1]": 28,
        "array[1].n": 29,
        "array[1].inner": 30,
        "array[1].inner[0]": 30,
        "array[1].inner[0].m": 31,
    }
    assert addresses(tomli.loads(TEXT)) == lines.keys()


def addresses(value: Any, at: str = "") -> set[str]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = set()
    for key, member in members:
        where = address(at, key)
        found |= {where} | addresses(member, where)
    return found


KEYS = st.sampled_from(["a", "b-c", "d.e", 'f"', "g'", "ü", " ", "#", "=", "[x]"])
SCALARS = st.sampled_from(
    ["1", "'#'", '"\\""', '"""\n[x]\ny = 1\n"""', "'''\n'' ]'''", "1.5", "true", "1979-05-27 07:32:00"]
)


def quoted(key: str) -> str:
    return '"' + key.replace('"', '\\"') + '"'


def inline(members: dict[str, str]) -> str:
    return "{ " + ",\n ".join(f"{quoted(key)} = {value}" for key, value in members.items()) + " }"


VALUES = st.recursive(
    SCALARS,
    lambda values: (
        st.lists(values, max_size=3).map(lambda items: "[ " + ", # x = [\n".join(items) + "\n]")
        | st.dictionaries(KEYS, values, max_size=3).map(inline)
    ),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_whatever_a_parser_takes_has_lines(top: dict[str, str], tables: list[dict[str, str]]) -> None:
    text = "".join(f"{quoted(key)} = {value}\n" for key, value in top.items())
    for table in tables:
        text += "[[t]]\n" + "".join(f"{quoted(key)} = {value} # y\n" for key, value in table.items())
    parsed = tomli.loads(text)
    lines = key_lines(text)
    assert lines.keys() == addresses(parsed)
    assert all(1 <= line <= text.count("\n") for line in lines.values())


@given(st.text(alphabet="ab=[]{}\"'\n#., \\", max_size=40))
def test_what_is_no_toml_does_no_harm(text: str) -> None:
    assert isinstance(key_lines(text), dict)
