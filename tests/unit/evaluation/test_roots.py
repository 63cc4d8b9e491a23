from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ekaci_core.evaluation.roots import Roots
from ekaci_core.model.errors import InfrastructureFault


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots.at(tmp_path / "roots")


def test_a_new_directory_is_empty_and_held(roots: Roots) -> None:
    lease = roots.new()
    assert list(lease.directory.iterdir()) == []
    assert roots.take_over(lease.directory) is None
    lease.release()
    lease.release()
    alone = roots.take_over(lease.directory)
    assert alone is not None
    alone.release()


def test_several_may_use_one_and_none_while_it_is_removed(roots: Roots) -> None:
    first = roots.new()
    second = roots.use(str(first.directory))
    assert second is not None
    first.release()
    assert roots.take_over(first.directory) is None
    second.release()
    alone = roots.take_over(first.directory)
    assert alone is not None
    assert roots.use(str(first.directory)) is None
    alone.remove()
    assert roots.present() == []


def test_what_is_gone_cannot_be_used(roots: Roots, tmp_path: Path) -> None:
    lease = roots.new()
    lease.remove()
    assert roots.use(str(lease.directory)) is None
    (tmp_path / "foreign").mkdir()
    assert roots.use(str(tmp_path / "foreign")) is None
    assert roots.present() == []


def test_whoever_uses_a_directory_never_loses_it(roots: Roots) -> None:
    """Whoever opened a lock's file just before it was removed must not believe to hold the directory."""
    lost: list[Path] = []

    def use(directory: Path) -> None:
        lease = None
        while lease is None and directory.is_dir():
            lease = roots.use(str(directory))
        if lease is not None:
            if not lease.directory.is_dir() or roots.take_over(lease.directory) is not None:
                lost.append(directory)
            lease.release()

    with ThreadPoolExecutor(2) as threads:
        for _ in range(100):
            lease = roots.new()
            lease.release()
            user = threads.submit(use, lease.directory)
            alone = roots.take_over(lease.directory)
            if alone is not None:
                alone.remove()
            user.result()
    assert lost == []


def test_only_our_own_directories_are_listed(roots: Roots, tmp_path: Path) -> None:
    lease = roots.new()
    for name in ("evaluation-short", "other", f"evaluation-{'z' * 32}"):
        (tmp_path / "roots" / name).mkdir()
    left = tmp_path / "roots" / f"evaluation-{'a' * 32}.lock"
    left.touch()
    assert set(roots.present()) == {lease.directory, left.with_suffix("")}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureFault, match="gc roots cannot be kept") as raised:
        Roots.at(tmp_path / "file" / "roots").new()
    assert raised.value.where == str(tmp_path / "file" / "roots")
    assert raised.value.do
