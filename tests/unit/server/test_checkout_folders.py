"""Where checkouts go: memory if it is ours and there is plenty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ekaci_core.server.checkouts import CheckoutFolders, private_folder

MIB = 1024 * 1024


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    shared = tmp_path / "shm"
    shared.mkdir()
    shared.chmod(0o1777)
    return shared


def test_the_folder_is_made_for_its_owner_alone_and_found_again(shared: Path) -> None:
    folder = private_folder(shared)
    assert folder == shared / f"ekaci-{os.geteuid()}"
    assert folder is not None
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert private_folder(shared) == folder


def test_a_symbolic_link_of_that_name_is_not_followed(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (shared / f"ekaci-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    assert private_folder(shared) is None


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_look_into_is_not_used(shared: Path, mode: int) -> None:
    folder = shared / f"ekaci-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(mode)
    assert private_folder(shared) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_folder_is_not_used(shared: Path) -> None:
    folder = shared / f"ekaci-{os.geteuid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    assert private_folder(shared) is None


def test_a_place_where_anybody_may_replace_it_is_not_used(shared: Path) -> None:
    shared.chmod(0o777)
    assert private_folder(shared) is None


def test_where_there_is_no_such_place_there_is_no_folder(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "missing") is None
    (tmp_path / "file").touch()
    assert private_folder(tmp_path / "file") is None


def test_a_checkout_may_take_a_twentieth_of_the_memory(tmp_path: Path) -> None:
    folders = CheckoutFolders(disk=tmp_path / "disk", memory=tmp_path)
    assert folders.holding(5 * MIB, available_mib=100) == tmp_path
    assert folders.holding(5 * MIB + 1, available_mib=100) == tmp_path / "disk"


def test_a_checkout_goes_to_disk_where_the_memory_has_a_small_file_system(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    folders = CheckoutFolders(disk=tmp_path / "disk", memory=tmp_path)
    too_much = free.f_bavail * free.f_frsize // 2
    assert folders.holding(too_much, available_mib=too_much) == tmp_path / "disk"


def test_without_memory_it_is_the_disk(tmp_path: Path) -> None:
    assert CheckoutFolders(disk=tmp_path, memory=None).holding(1, available_mib=1000) == tmp_path
