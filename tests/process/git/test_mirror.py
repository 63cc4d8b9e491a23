"""Copies of repositories at forges, over real HTTP, with a token."""

from __future__ import annotations

import base64
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ekaci_core.api import CloneAccess, CommitSha, InfrastructureFault, RepositoryId, Secret, UsageFault
from ekaci_core.git.mirror import MANY_PACKS, CommitGone, Mirrors, Wanted

TOKEN = "canary-token-5e1f"  # noqa: S105 - it opens nothing
HEADER = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
REPOSITORY = RepositoryId.parse("forge.example.org", "Owner/Packages")


def git(path: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=path, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(path: Path, name: str) -> CommitSha:
    (path / name).write_text(name)
    git(path, "add", "--all")
    git(path, "commit", "-m", name)
    return CommitSha.parse(git(path, "rev-parse", "HEAD"))


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "srv/owner/packages.git"
    path.mkdir(parents=True)
    git(path, "init", ".")
    return path


class _Backend(http.server.BaseHTTPRequestHandler):
    """git http-backend behind a check of the token."""

    root = ""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        return

    def _serve(self, body: bytes) -> None:
        if self.headers.get("Authorization") != HEADER:
            self.send_response(401)
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def url(origin: Path) -> Iterator[str]:
    handler = type("Backend", (_Backend,), {"root": str(origin.parent.parent)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/owner/packages.git"
    server.shutdown()
    thread.join()
    server.server_close()


def access(url: str, header: str = HEADER) -> CloneAccess:
    return CloneAccess(url, {"Authorization": Secret(header)})


async def test_refs_are_fetched_with_a_token_that_stands_nowhere(origin: Path, url: str, tmp_path: Path) -> None:
    first = commit(origin, "one")
    git(origin, "update-ref", "refs/pull/7/head", first)
    mirrors = Mirrors(tmp_path / "mirrors")
    wanted = [Wanted("refs/heads/main"), Wanted("refs/pull/7/head", first)]
    repository, commits = await mirrors.fetch(REPOSITORY, access(url), wanted)
    assert commits == (first, first)
    assert (await repository.resolve(first)).commit == first
    assert repository.source_name == "packages"
    files = [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    assert files
    assert not any(secret in path.read_bytes() for path in files for secret in (TOKEN.encode(), HEADER[6:].encode()))


async def test_a_commit_that_was_pushed_over_is_asked_for_by_name(origin: Path, url: str, tmp_path: Path) -> None:
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(origin, "one")
    git(origin, "checkout", "-q", "-b", "change")
    old = commit(origin, "two")
    git(origin, "reset", "-q", "--hard", "main")
    commit(origin, "three")
    _, commits = await Mirrors(tmp_path / "m").fetch(REPOSITORY, access(url), [Wanted("refs/heads/change", old)])
    assert commits == (old,)


async def test_a_commit_that_is_not_given_out_any_more_is_said_to_be_gone(
    origin: Path, url: str, tmp_path: Path
) -> None:
    commit(origin, "one")
    gone = CommitSha.parse("0123456789" * 4)
    with pytest.raises(CommitGone, match=gone.short):
        await Mirrors(tmp_path / "m").fetch(REPOSITORY, access(url), [Wanted("refs/heads/main", gone)])


async def test_a_branch_that_moves_is_fetched_again(origin: Path, url: str, tmp_path: Path) -> None:
    first = commit(origin, "one")
    mirrors = Mirrors(tmp_path / "m")
    assert (await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main")]))[1] == (first,)
    git(origin, "commit", "--amend", "-m", "another")
    second = CommitSha.parse(git(origin, "rev-parse", "HEAD"))
    assert (await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main")]))[1] == (second,)


async def test_what_is_known_needs_no_forge(origin: Path, url: str, tmp_path: Path) -> None:
    first = commit(origin, "one")
    mirrors = Mirrors(tmp_path / "m")
    await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main", first)])
    nowhere = access("http://127.0.0.1:9/none.git")
    assert (await mirrors.fetch(REPOSITORY, nowhere, [Wanted("refs/heads/main", first)]))[1] == (first,)


@pytest.mark.parametrize("ref", ["--upload-pack=x", "refs/heads/..", "refs/heads/a b", "refs/heads/a\nrefs/x", "main"])
async def test_what_is_no_ref_reaches_no_git(url: str, tmp_path: Path, ref: str) -> None:
    with pytest.raises(UsageFault, match="cannot be a ref"):
        await Mirrors(tmp_path / "m").fetch(REPOSITORY, access(url), [Wanted(ref)])


async def test_a_ref_that_is_not_there(origin: Path, url: str, tmp_path: Path) -> None:
    commit(origin, "one")
    with pytest.raises(UsageFault, match="there is no refs/heads/none"):
        await Mirrors(tmp_path / "m").fetch(REPOSITORY, access(url), [Wanted("refs/heads/none")])


async def test_a_wrong_token_is_a_fault_without_the_token(origin: Path, url: str, tmp_path: Path) -> None:
    commit(origin, "one")
    with pytest.raises(InfrastructureFault) as raised:
        await Mirrors(tmp_path / "m").fetch(REPOSITORY, access(url, "Basic wrong-canary"), [Wanted("refs/heads/main")])
    assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.do}"


async def test_two_names_that_differ_in_case_are_one_repository(tmp_path: Path) -> None:
    mirrors = Mirrors(tmp_path)
    assert mirrors.path(REPOSITORY) == mirrors.path(RepositoryId.parse("FORGE.example.org", "owner/PACKAGES"))
    assert mirrors.path(RepositoryId.parse("localhost:8080", "a/b")).parts[-3:] == ("localhost+8080", "a", "b.git")


async def test_what_a_git_that_was_killed_left_is_no_hindrance(origin: Path, url: str, tmp_path: Path) -> None:
    commit(origin, "one")
    mirrors = Mirrors(tmp_path / "m")
    await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main")])
    path = mirrors.path(REPOSITORY)
    for name in ("packed-refs.lock", "refs/mirror/heads/main.lock", "config.lock"):
        (path / name).touch()
    (path / "config").unlink()
    second = commit(origin, "two")
    assert (await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main")]))[1] == (second,)


async def test_many_packs_are_put_together(origin: Path, url: str, tmp_path: Path) -> None:
    mirrors, commits = Mirrors(tmp_path / "m"), []
    for number in range(MANY_PACKS + 1):
        commits.append(commit(origin, str(number)))
        await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main")])
    packs = mirrors.path(REPOSITORY) / "objects/pack"
    assert len(list(packs.glob("*.pack"))) > MANY_PACKS
    await mirrors.tidy()
    assert len(list(packs.glob("*.pack"))) < 10
    nowhere = access("http://127.0.0.1:9/none.git")
    found = await mirrors.fetch(REPOSITORY, nowhere, [Wanted("refs/heads/main", each) for each in commits])
    assert found[1] == tuple(commits)


async def test_branches_and_tags_are_asked_for(origin: Path, url: str, tmp_path: Path) -> None:
    first = commit(origin, "one")
    git(origin, "tag", "-a", "v1", "-m", "one")
    git(origin, "branch", "release/1")
    second = commit(origin, "two")
    refs = await Mirrors(tmp_path).refs(REPOSITORY, access(url))
    assert refs.default == "refs/heads/main"
    assert refs.commits == {"refs/heads/main": second, "refs/heads/release/1": first, "refs/tags/v1": first}
    with pytest.raises(InfrastructureFault) as raised:
        await Mirrors(tmp_path).refs(REPOSITORY, access(url, "Basic wrong-canary"))
    assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.do}"


async def test_a_repository_to_which_nothing_was_pushed_has_no_default_branch(
    origin: Path, url: str, tmp_path: Path
) -> None:
    del origin
    with pytest.raises(UsageFault, match="no default branch"):
        await Mirrors(tmp_path).refs(REPOSITORY, access(url))


async def test_copies_that_nobody_keeps_or_uses_are_removed(origin: Path, url: str, tmp_path: Path) -> None:
    head = commit(origin, "one")
    folder = tmp_path / "mirrors"
    mirrors = Mirrors(folder)
    paths = ("Kept/packages", "used/packages", "gone/packages")
    kept, used, gone = [RepositoryId.parse("forge.example.org", path) for path in paths]
    for repository in (kept, used, gone):
        await mirrors.fetch(repository, access(url), [Wanted("refs/heads/main", head)])
        os.utime(mirrors.path(repository), (100.0, 100.0))
    await mirrors.fetch(used, access(url), [Wanted("refs/heads/main", head)])
    same = RepositoryId.parse("forge.example.org", "kept/PACKAGES")
    assert await mirrors.remove_unused([same], before=1000.0) == 1
    assert [mirrors.path(each).exists() for each in (kept, used, gone)] == [True, True, False]
    assert not mirrors.path(gone).parent.exists()
    assert await mirrors.remove_unused([same], before=1000.0) == 0
    _, (again,) = await mirrors.fetch(gone, access(url), [Wanted("refs/heads/main", head)])
    assert again == head, "what comes back is copied again"


async def test_a_removal_that_was_cut_short_is_ended_by_the_next(origin: Path, url: str, tmp_path: Path) -> None:
    head = commit(origin, "one")
    mirrors = Mirrors(tmp_path / "mirrors")
    await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main", head)])
    path = mirrors.path(REPOSITORY)
    path.rename(path.with_name(f"{path.name}.removed"))
    await mirrors.fetch(REPOSITORY, access(url), [Wanted("refs/heads/main", head)])
    assert await mirrors.remove_unused([REPOSITORY], before=1e12) == 0
    assert list(path.parent.iterdir()) == [path]


async def test_without_any_copy_there_is_nothing_to_remove(tmp_path: Path) -> None:
    assert await Mirrors(tmp_path / "nowhere").remove_unused([], before=1e12) == 0
