"""What is pushed is what Nix itself writes, byte for byte; another Nix has it from there and builds nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.conftest import KeyPair
from tests.plugins.ekaci_cache_backends.http_server import HttpCache
from tests.plugins.ekaci_cache_backends.s3_server import S3Server, s3_server
from tests.plugins.ekaci_cache_backends.test_s3_caches import client
from tests.plugins.ekaci_cache_backends.workshop import Workshop

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import CredentialUse, Pushed, PushFailed, PushRequest, StorePath
from ekaci_core.process.running import Completed, run
from ekaci_core.testing.cache_witness import CacheWitness

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "canary-secret"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def witness(workshop: Workshop, key_pair: KeyPair) -> CacheWitness:
    return CacheWitness(workshop.environment, leases={"keys": [KEYS], "key": [{"NIX_SIGNING_KEY": key_pair.secret}]})


@pytest.fixture
async def closure(workshop: Workshop) -> list[StorePath]:
    """A library, a program that refers to it, a twin of the same content, and a large file: references first."""
    large = await workshop.file("large", bytes(range(256)) * 100_000)
    library = await workshop.path()
    program = await workshop.path(library, large)
    twin, other_twin = await workshop.file("twin-a", b"same"), await workshop.file("twin-b", b"same")
    return [large, library, program, twin, other_twin]


@attrs.frozen
class Scene:
    """What is pushed, and by what it is read."""

    workshop: Workshop
    witness: CacheWitness
    key_pair: KeyPair
    closure: list[StorePath]


@pytest.fixture
def scene(workshop: Workshop, witness: CacheWitness, key_pair: KeyPair, closure: list[StorePath]) -> Scene:
    return Scene(workshop, witness, key_pair, closure)


async def push(witness: CacheWitness, destination: str, paths: list[StorePath], *, signs: bool = True) -> None:
    config = NixCopyConfig(
        id="cache",
        destination=destination,
        credentials=CredentialUse("keys" if destination.startswith("s3:") else "none"),
        signing_key=CredentialUse("key") if signs else None,
    )
    async with NixCopyType().open(config, witness.context) as cache:
        outcomes = await cache.push(PushRequest(paths, witness.write_log))
    assert [each for each in outcomes.values() if not isinstance(each, Pushed)] == []


async def substitute(scene: Scene, url: str, folder: Path) -> Completed:
    """Realise the program in an empty store elsewhere, with nothing but a cache to have it from."""
    lines = [
        scene.workshop.environment["NIX_CONFIG"],
        f"substituters = {url}",
        f"trusted-public-keys = {scene.key_pair.public}",
        "require-sigs = true",
        "max-jobs = 0",
        "builders =",
    ]
    home = {"NIX_CONFIG": "\n".join(lines), "XDG_CACHE_HOME": str(folder / "home")}
    argv = ["nix-store", "--store", str(folder / "other"), "--realise", scene.closure[2]]
    environment = {**scene.workshop.environment, **home}
    return await run(argv, env=environment)


def content(path: Path) -> bytes:
    return path.read_bytes()


def files_of(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("compression", ["xz", "zstd", "none"])
async def test_a_folder_is_what_nix_copy_writes(scene: Scene, tmp_path: Path, compression: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    parameters = f"compression={compression}&write-nar-listing=true"
    await scene.workshop.nix(
        "nix", "copy", "--to", f"file://{theirs}?{parameters}&secret-key={tmp_path}/key", *scene.closure
    )
    await push(scene.witness, f"file://{ours}?{parameters}", scene.closure)
    written = files_of(theirs)
    assert len([name for name in written if name.suffix == ".narinfo"]) == len(scene.closure)
    assert files_of(ours) == written


async def test_a_folder_that_nobody_signs_is_what_nix_copy_writes(scene: Scene, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    await scene.workshop.nix("nix", "copy", "--to", f"file://{theirs}", *scene.closure)
    await push(scene.witness, f"file://{ours}", scene.closure, signs=False)
    assert files_of(ours) == files_of(theirs)


async def test_nix_substitutes_from_a_bucket_and_builds_nothing(scene: Scene, server: S3Server, tmp_path: Path) -> None:
    with client(server.url) as making:
        making.create_bucket(Bucket="read", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    await push(scene.witness, f"s3://read/nix?region=eu-north-1&endpoint={server.url}", scene.closure)
    done = await substitute(scene, f"{server.url}/read/nix", tmp_path)
    assert done.status == 0, done.stderr
    assert "building" not in done.stderr
    for path in scene.closure[:3]:
        assert content(tmp_path / "other" / path.lstrip("/")) == content(Path(path))


async def test_nix_substitutes_over_http_and_builds_nothing(scene: Scene, tmp_path: Path) -> None:
    with HttpCache(tmp_path / "cache") as server:
        await push(scene.witness, f"{server.url}?compression=zstd", scene.closure)
        assert server.faults == []
        done = await substitute(scene, server.url, tmp_path)
    assert done.status == 0, done.stderr
    assert "building" not in done.stderr
    program = scene.closure[2]
    assert content(tmp_path / "other" / program.lstrip("/")) == content(Path(program))


async def test_nix_itself_pushes_what_that_server_takes(
    workshop: Workshop, closure: list[StorePath], tmp_path: Path
) -> None:
    """The server is as Nix expects servers to be, or the tests above would say little."""
    with HttpCache(tmp_path / "cache") as server:
        await workshop.nix("nix", "copy", "--to", server.url, *closure, XDG_CACHE_HOME=str(tmp_path / "home"))
        assert server.faults == []
        assert sorted(server.arrived) == sorted(closure)


async def test_what_is_not_signed_is_not_believed(scene: Scene, tmp_path: Path) -> None:
    await push(scene.witness, f"file://{tmp_path}/cache", scene.closure, signs=False)
    done = await substitute(scene, f"file://{tmp_path}/cache", tmp_path)
    assert done.status != 0


async def test_a_cache_of_another_store_is_left_alone(
    witness: CacheWitness, closure: list[StorePath], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    put(folder / "nix-cache-info", b"StoreDir: /other/store\n")
    config = NixCopyConfig(id="cache", destination=f"file://{folder}")
    async with NixCopyType().open(config, witness.context) as cache:
        outcome = (await cache.push(PushRequest(closure[:1], witness.write_log)))[closure[0]]
    assert isinstance(outcome, PushFailed)
    assert "it is a cache of the store /other/store" in outcome.reason
    assert not outcome.transient
    assert names_in(folder) == ["nix-cache-info"]


async def test_a_path_whose_files_are_gone_takes_no_other_with_it(
    workshop: Workshop, witness: CacheWitness, tmp_path: Path
) -> None:
    gone, well = await workshop.file(f"gone-{uuid.uuid4().hex}", b"as it was"), await workshop.path()
    refers = await workshop.path(gone)
    remove(Path(gone))
    config = NixCopyConfig(id="cache", destination=f"file://{tmp_path}/cache")
    try:
        async with NixCopyType().open(config, witness.context) as cache:
            outcomes = await cache.push(PushRequest([gone, well, refers], witness.write_log))
            assert await cache.missing([gone, well, refers]) == {gone, refers}
    finally:
        Path(gone).write_bytes(b"as it was")  # noqa: ASYNC240 - what follows finds the store as it was
    assert isinstance(outcomes[gone], PushFailed)
    consequence = outcomes[refers]
    assert isinstance(consequence, PushFailed)
    assert consequence.reason.endswith(f"{gone.base_name}, to which it refers, is not there; see why that failed")
    assert isinstance(outcomes[well], Pushed)


async def test_a_push_leaves_nothing_on_this_machine(
    workshop: Workshop, key_pair: KeyPair, closure: list[StorePath], tmp_path: Path
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    environment = {**workshop.environment, "TMPDIR": str(place)}
    witness = CacheWitness(environment, leases={"key": [{"NIX_SIGNING_KEY": key_pair.secret}]})
    await push(witness, f"file://{tmp_path}/cache", closure)
    assert names_in(place) == []


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def remove(file: Path) -> None:
    file.unlink()
