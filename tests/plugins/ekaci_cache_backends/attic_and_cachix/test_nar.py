"""Archives are what Nix writes, byte by byte."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ekaci_cache_backends.attic.nar import CHUNK, ObjectChanged, archive
from ekaci_core.api import StorePath

_NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
_LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=64), st.booleans()),
    st.tuples(st.just("link"), st.binary(min_size=1, max_size=20).filter(lambda text: b"\0" not in text)),
)
_TREES = st.recursive(_LEAVES, lambda inner: st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12)


def _make(path: bytes, tree: Any) -> None:
    if isinstance(tree, dict):
        os.mkdir(path)  # noqa: PTH102 - names are bytes
        for name, inner in tree.items():
            _make(path + b"/" + name, inner)
    elif tree[0] == "link":
        os.symlink(tree[1], path)  # noqa: PTH211 - likewise
    else:
        with open(path, "wb") as file:  # noqa: PTH123 - likewise
            file.write(tree[1])
        os.chmod(path, 0o755 if tree[2] else 0o644)  # noqa: PTH101 - likewise


async def _archived(path: Path) -> bytes:
    return b"".join([piece async for piece in archive(StorePath(str(path)))])


def _dumped(path: Path) -> bytes:
    return subprocess.run(["nix-store", "--dump", str(path)], check=True, capture_output=True).stdout


@pytest.mark.nix
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=_TREES)
async def test_a_tree(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tree") / "tree"
    _make(os.fsencode(path), tree)
    assert await _archived(path) == _dumped(path)


@pytest.mark.nix
async def test_files_longer_than_a_piece_and_folders_deeper_than_a_stack(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    _make_deep(path)
    (path / "long").write_bytes(os.urandom(3 * CHUNK + 5))
    try:
        pieces = [piece async for piece in archive(StorePath(str(path)))]
        assert b"".join(pieces) == _dumped(path)
    finally:
        _remove(path)
    assert max(map(len, pieces)) < 3 * CHUNK, "a long file is not read at once"


def _make_deep(path: Path) -> None:
    path.mkdir()
    folder = os.fsencode(path)
    for _ in range(1500):
        folder += b"/d"
        os.mkdir(folder)  # noqa: PTH102 - pathlib would call itself as often


def _remove(path: Path) -> None:
    subprocess.run(["rm", "-r", str(path)], check=True)  # Python's own way would call itself too


async def test_what_is_no_store_object_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ObjectChanged, match="neither a file"):
        await _archived(tmp_path)


async def test_a_file_that_shrinks_meanwhile_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(4 * CHUNK))
    pieces = archive(StorePath(str(file)))
    await anext(pieces)
    os.truncate(file, CHUNK)
    with pytest.raises(ObjectChanged, match="became shorter"):
        _ = [piece async for piece in pieces]
