from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import attrs
import pytest

from ekaci_core.logs import BuildLog, log_of, open_log
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import StorePath
from ekaci_core.server.retention import LogFolder, LogLimits, Retention, expired
from ekaci_core.store import Store, open_store
from ekaci_core.store.push import WantedPush
from ekaci_core.testing.facts import attribute, drv, evaluated, key, record
from ekaci_core.testing.store_forges import HERE

pytestmark = pytest.mark.anyio

NOW = 2_000_000_000.0
DAY = 86_400.0


@attrs.frozen
class Shelf:
    """Logs and roots in a folder, swept at `NOW` by a review that began a minute before."""

    folder: Path
    store: Store

    def built(self, name: str, days_ago: float = 1, size: int = 10) -> Path:
        """Lay down the log and the roots of a build."""
        log = self.folder / "logs" / drv(name).hash_part / "build.log"
        log.parent.mkdir(parents=True)
        log.write_bytes(b"x" * size)
        os.utime(log, (NOW - days_ago * DAY,) * 2)
        roots = self.folder / "roots"
        roots.mkdir(exist_ok=True)
        for output in ("", "-dev"):
            (roots / f"{drv(name).hash_part}-{name}{output}").symlink_to("/nowhere")
        return log

    def aged(self, folder: Path, days_ago: float) -> None:
        """Make all files in a folder so old."""
        for path in folder.iterdir():
            os.utime(path, (NOW - days_ago * DAY,) * 2)

    async def sweep(
        self, limits: LogLimits | None = None, *, keep: Collection[Path] = (), forgotten: bool = False
    ) -> None:
        """Sweep."""
        retention = Retention(self.store, self.folder / "logs", self.folder / "roots", limits or LogLimits())
        await retention.sweep(now=NOW, since=NOW - 60, keep=keep, forgotten=forgotten)

    def has(self, name: str) -> tuple[bool, int]:
        """Whether the log is there, and how many roots."""
        hash_part = drv(name).hash_part
        return (self.folder / "logs" / hash_part).exists(), len(list((self.folder / "roots").glob(f"{hash_part}-*")))


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    (tmp_path / "logs").mkdir()
    async with open_store(None) as store:
        yield Shelf(tmp_path, store)


def names(shelf: Shelf, name: str) -> list[str]:
    return sorted(path.name for path in (shelf.folder / "logs" / drv(name).hash_part).iterdir())


def folder(name: str, written_at: float, size: int) -> LogFolder:
    return LogFolder(Path("/logs", name), written_at, size)


def test_what_is_too_old_expires_and_the_oldest_of_what_is_too_much() -> None:
    logs = [folder("d", 1, 1), folder("a", 100, 60), folder("c", 70, 30), folder("b", 80, 30)]
    assert [log.path.name for log in expired(logs, LogLimits(1000, 99), 100)] == []
    assert [log.path.name for log in expired(logs, LogLimits(1000, 25), 100)] == ["c", "d"]
    assert [log.path.name for log in expired(logs, LogLimits(90, 1000), 100)] == ["c", "d"]
    assert [log.path.name for log in expired(logs, LogLimits(0, 1000), 100)] == ["a", "b", "c", "d"]
    assert expired([], LogLimits(), 100) == []


async def test_old_logs_go_and_roots_stay_while_nothing_was_forgotten(shelf: Shelf) -> None:
    shelf.built("old", days_ago=31)
    shelf.built("new", days_ago=29)
    await shelf.sweep()
    assert (shelf.has("old"), shelf.has("new")) == ((False, 2), (True, 2))


async def test_over_the_size_the_oldest_go(shelf: Shelf) -> None:
    for days, name in enumerate(("first", "second", "third"), 1):
        shelf.built(name, days_ago=days, size=400)
    await shelf.sweep(LogLimits(total_bytes=900))
    assert [shelf.has(name)[0] for name in ("first", "second", "third")] == [True, True, False]


async def test_this_reviews_logs_and_those_its_report_names_stay(shelf: Shelf) -> None:
    shelf.built("just-written", days_ago=0)
    named = shelf.built("named", days_ago=50)
    shelf.built("other", days_ago=50)
    await shelf.sweep(LogLimits(total_bytes=0), keep=[named], forgotten=True)
    assert [shelf.has(name)[0] for name in ("just-written", "named", "other")] == [True, True, False]


async def test_what_no_evaluation_mentions_goes_once_one_was_forgotten(shelf: Shelf) -> None:
    await evaluated(shelf.store, [record("lib"), record("app", "lib")], [attribute("app")])
    old = await evaluated(shelf.store, [record("gone")], [attribute("gone")], of=key("other"))
    for name in ("lib", "app", "gone", "of-another-database"):
        shelf.built(name)
        if name != "of-another-database":
            await shelf.store.begin_attempt(drv(name), builder="local", log_path=None, now=1)
    await shelf.store.drop_evaluations([old])
    await shelf.sweep(forgotten=False)
    assert shelf.has("gone") == (True, 2)
    await shelf.sweep(forgotten=True)
    assert {name: shelf.has(name) for name in ("lib", "app", "gone", "of-another-database")} == {
        "lib": (True, 2),
        "app": (True, 2),
        "gone": (False, 0),
        "of-another-database": (False, 0),
    }


async def test_what_a_build_that_was_stopped_early_left_goes_too(shelf: Shelf) -> None:
    empty = shelf.folder / "logs" / drv("stopped").hash_part
    empty.mkdir()
    os.utime(empty, (NOW - 40 * DAY,) * 2)
    await shelf.sweep()
    assert not empty.exists()


async def test_files_of_others_are_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    (kept / "build.log").write_text("mine")
    os.utime(kept / "build.log", (0, 0))
    (shelf.folder / "logs" / "notes").mkdir()
    (shelf.folder / "logs" / drv("link").hash_part).symlink_to(kept)
    (shelf.folder / "roots").mkdir()
    (shelf.folder / "roots" / f"{drv('file').hash_part}-file").write_text("no link")
    await shelf.sweep(LogLimits(total_bytes=0, age_seconds=0), forgotten=True)
    assert sorted(path.name for path in (shelf.folder / "logs").iterdir()) == sorted(["notes", drv("link").hash_part])
    assert (kept / "build.log").exists()
    assert shelf.has("file") == (False, 1)


async def test_what_stays_is_compressed_but_what_the_report_names(shelf: Shelf) -> None:
    for name in ("named", "other", "tiny"):
        shelf.built(name, size=10 if name == "tiny" else 100_000)
    await shelf.sweep(keep=[shelf.folder / "logs" / drv("named").hash_part / "build.log.gz"])
    assert {name: names(shelf, name) for name in ("named", "other", "tiny")} == {
        "named": ["build.log"],
        "other": ["build.log.gz"],
        "tiny": ["build.log"],
    }
    with open_log(log_of(shelf.folder / "logs", drv("other").hash_part)) as log:
        assert log.read(0, 200_000) == b"x" * 100_000


async def test_logs_count_as_they_are_on_the_disk_and_are_as_old_as_their_build(shelf: Shelf) -> None:
    shelf.built("fresh", days_ago=10, size=100_000)
    shelf.built("older", days_ago=29, size=100_000)
    await shelf.sweep(LogLimits(total_bytes=10_000))
    assert (shelf.has("fresh")[0], shelf.has("older")[0]) == (True, True)
    await shelf.sweep(LogLimits(age_seconds=20 * DAY))
    assert (shelf.has("fresh")[0], shelf.has("older")[0]) == (True, False)


async def test_what_a_crash_left_beside_a_log_goes(shelf: Shelf) -> None:
    log = shelf.built("crashed", size=100_000)
    for left in ("build.log.new", "build.log.gz.abcd.new"):
        (log.parent / left).write_bytes(b"half")
    await shelf.sweep()
    assert names(shelf, "crashed") == ["build.log.gz"]
    (log.parent / "build.log.00000000000000000100").write_bytes(b"a segment of what is sealed")
    await shelf.sweep()
    assert names(shelf, "crashed") == ["build.log.gz"]


async def test_a_live_log_is_neither_compressed_nor_removed(shelf: Shelf) -> None:
    log = shelf.built("live")
    with BuildLog(log) as live:
        live.write(b"x" * 100_000)
        for days in (1, 50):
            os.utime(log, (NOW - days * DAY,) * 2)
            await shelf.sweep()
            assert names(shelf, "live") == ["build.log"]


async def test_what_cannot_be_compressed_is_said_and_the_old_goes_all_the_same(shelf: Shelf) -> None:
    broken = shelf.built("broken", size=10_000).with_name("build.log.gz")
    broken.mkdir()
    shelf.built("old", days_ago=31)
    with pytest.raises(InfrastructureFault, match="cannot be compressed or removed") as raised:
        await shelf.sweep()
    assert str(raised.value.where).startswith(str(broken))
    assert not shelf.has("old")[0]


async def test_a_folder_that_cannot_be_read_is_named(shelf: Shelf) -> None:
    (shelf.folder / "logs").rmdir()
    with pytest.raises(InfrastructureFault, match="cannot be compressed or removed") as raised:
        await shelf.sweep()
    assert raised.value.where == str(shelf.folder / "logs")


async def test_logs_of_pushes_stay_as_long_as_the_pushes_are_remembered(tmp_path: Path) -> None:
    known, unknown = drv("known"), drv("unknown")
    for each in (known, unknown):
        (tmp_path / "logs" / each.hash_part).mkdir(parents=True)
        (tmp_path / "logs" / each.hash_part / "hook-push-one.log").write_text("x" * 500_000)
    (tmp_path / "outputs").mkdir()
    root = tmp_path / "outputs" / f"{known.hash_part}-known"
    root.symlink_to("/nix/store/nothing")
    now = (tmp_path / "logs" / known.hash_part / "hook-push-one.log").stat().st_mtime
    async with open_store(None) as store:
        path = StorePath.parse("0" * 32 + "-known")
        await store.want_pushes([WantedPush(cache="one", path=path, derivation=known, repository=HERE)], now=1.0)
        retention = Retention(store, tmp_path / "logs", tmp_path / "outputs")
        await retention.sweep(now=now + 7200, since=now + 3600, keep=(), forgotten=True)
    assert [each.name for each in (tmp_path / "logs").iterdir()] == [known.hash_part]
    assert [each.name for each in (tmp_path / "logs" / known.hash_part).iterdir()] == ["hook-push-one.log"]
    assert not root.is_symlink(), "what waits to be pushed has roots of its own"


async def test_logs_of_hooks_are_compressed_and_go_with_the_builds(shelf: Shelf) -> None:
    build = shelf.built("a", size=10)
    hook = build.with_name("hook-push.log")
    with BuildLog(hook) as log:
        log.write(b"pushed\n" * 10_000)
    (build.parent / "hook-push.log.gz.abc.new").touch()
    of_cache = build.with_name("hook-push-main.log")
    of_cache.write_bytes(b"it is appended to\n" * 10_000)
    shelf.aged(build.parent, days_ago=2)
    await shelf.sweep()
    assert sorted(path.name for path in build.parent.iterdir()) == ["build.log", of_cache.name, "hook-push.log.gz"]
    with open_log(hook) as found:
        assert found.size == 70_000
    shelf.aged(build.parent, days_ago=40)
    await shelf.sweep()
    assert not build.parent.exists()


async def test_a_hook_that_writes_keeps_the_logs_of_its_derivation(shelf: Shelf) -> None:
    build = shelf.built("a", days_ago=40)
    with BuildLog(build.with_name("hook-push.log")) as log:
        log.write(b"begun\n")
        shelf.aged(build.parent, days_ago=40)
        await shelf.sweep()
        assert build.exists()
    await shelf.sweep()
    assert not build.parent.exists()
