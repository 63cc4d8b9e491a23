"""Branches of a bare repository as pull requests, with real git."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from tests.plugins.ekaci_forge_git.bare import Bare, Counting, Held, context_of, opened

from ekaci_core.api import (
    BranchPushed,
    CredentialUse,
    Forge,
    ForgeMode,
    InfrastructureFault,
    Permission,
    Person,
    PullRequest,
    PullRequestChanged,
    PullRequestState,
    Secret,
    UsageFault,
)
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_git.config import GitRemoteConfig, Remote
from ekaci_forge_git.memory import number_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare.made(tmp_path / "packages.git")


@pytest.fixture
def log() -> RecordingLogger:
    return RecordingLogger()


async def pulls(forge: Forge, since: float = 0.0) -> dict[str, PullRequest]:
    """Return what news tell of branches."""
    (repository,) = await forge.repositories()
    told = await forge.news(repository, since=since)
    return {str(each.pull_request.head): each.pull_request for each in told if isinstance(each, PullRequestChanged)}


async def test_a_branch_is_a_pull_request(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    main = bare("rev-parse", "main")
    head = bare.push("pr/one", "Bump the tool", onto=main)
    bare.push("wip/two", "Not yet", onto=main)
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        found = await pulls(forge)
        (repository,) = await forge.repositories()
        assert str(repository) == "git.local/packages/packages"
        assert list(found) == ["pr/one"]
        one = found["pr/one"]
        assert (one.title, one.head_sha, one.base, one.base_sha) == ("Bump the tool", head, "main", main)
        assert one.author.login == "Ada-Lovelace"
        assert not one.is_from_fork
        assert await forge.pull_request(repository, one.number) == one
        told = await forge.news(repository, since=0.0)
        assert BranchPushed(repository, one.base, None, one.base_sha, is_default=True, actor=None) in told
        assert list(await forge.news(repository, since=0.0)) == list(told)


async def test_a_force_push_to_an_older_commit_is_newer_news(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    old = bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        first = (await pulls(forge))["pr/one"]
        bare.push("pr/one", "Second")
        second = (await pulls(forge))["pr/one"]
        bare("update-ref", "refs/heads/pr/one", old)
        third = (await pulls(forge))["pr/one"]
        assert third.head_sha == first.head_sha == old
        assert first.updated_at < second.updated_at < third.updated_at


@pytest.mark.parametrize("merged", [True, False])
async def test_a_branch_that_is_gone_was_merged_or_closed(
    bare: Bare, tmp_path: Path, log: RecordingLogger, *, merged: bool
) -> None:
    head = bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        first = (await pulls(forge))["pr/one"]
        if merged:
            bare("update-ref", "refs/heads/main", head)
        bare.delete("pr/one")
        gone = (await pulls(forge))["pr/one"]
        assert gone.state is (PullRequestState.MERGED if merged else PullRequestState.CLOSED)
        assert gone.updated_at > first.updated_at
        assert not await pulls(forge, since=gone.updated_at)
        bare("update-ref", "refs/heads/pr/one", head)
        again = (await pulls(forge))["pr/one"]
        assert (again.state, again.number) == (PullRequestState.OPEN, first.number)
        assert again.updated_at > gone.updated_at


async def test_the_base_moves(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    before = bare("rev-parse", "main")
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        await pulls(forge)
        after = bare.push("main", "Another")
        (repository,) = await forge.repositories()
        (pushed,) = await forge.news(repository, since=0.0)
        assert isinstance(pushed, BranchPushed)
        assert (pushed.before, pushed.after) == (before, after)


async def test_a_remote_that_is_away_comes_back(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        before = await pulls(forge)
        bare.folder.rename(tmp_path / "away")
        with pytest.raises(InfrastructureFault, match="ls-remote failed"):
            await pulls(forge)
        (tmp_path / "away").rename(bare.folder)
        assert await pulls(forge) == before


async def test_after_a_restart_everything_is_as_before(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    head = bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        before = await pulls(forge)
    bare.folder.rename(tmp_path / "away")
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        (repository,) = await forge.repositories()
        access = await forge.clone_access(repository)  # before it was asked for anything, and with the remote away
        listed = Bare(Path(access.url))("ls-remote", access.url, forge.pull_request_ref(before["pr/one"].number))
        assert listed.split()[0] == head
    (tmp_path / "away").rename(bare.folder)
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        assert await pulls(forge) == before


async def test_what_a_push_replaced_can_still_be_fetched(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    old = bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        await pulls(forge)
        bare.push("pr/one", "Second", onto=bare("rev-parse", "main"))
        await pulls(forge)
        (repository,) = await forge.repositories()
        elsewhere = Bare.made(tmp_path / "elsewhere.git")
        elsewhere("fetch", "-q", (await forge.clone_access(repository)).url, old)
        assert elsewhere("cat-file", "-t", old) == "commit"


async def test_files_are_read_and_links_are_not(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    sha = bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        (repository,) = await forge.repositories()
        commit = (await pulls(forge))["pr/one"].head_sha
        assert commit == sha
        for path in ("a.nix", "pkgs/default.nix", "odd name#?*[é].nix"):
            assert await forge.read_file(repository, path, commit) == b"First"
        for path in ("link", "link/x", "large", "pkgs", "none", "../a.nix", "/a.nix", "", "a\0b", "*", ":/", "-x"):
            assert await forge.read_file(repository, path, commit) is None


async def test_hostile_names_of_branches_do_no_harm(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    main = bare("rev-parse", "main")
    packed = bare.folder / "packed-refs"
    names = ["-x", "--upload-pack=touch", "pr/-x", "pr/$(touch)", "pr/;touch", "pr/é", "pr/ok", "pr/'\""]
    lines = [f"{main} refs/heads/{name}" for name in names]
    packed.write_text("# pack-refs with: peeled fully-peeled \n" + "\n".join(lines) + "\n")
    async with opened(bare, tmp_path / "cache", context_of(log), changes=("*",)) as forge:
        found = await pulls(forge)
        assert found.keys() == {name for name in names if not name.startswith("-")}
        for pull in found.values():
            assert pull.head_sha == main
    assert any("branch_name_not_taken" in line for line in log.lines)


async def test_a_thousand_branches_need_as_many_programs_as_one(
    bare: Bare, tmp_path: Path, log: RecordingLogger
) -> None:
    main, programs = bare("rev-parse", "main"), Counting()
    lines = "".join(f"create refs/heads/pr/{number} {main}\n" for number in range(1000))
    bare("update-ref", "--stdin", stdin=lines.encode())
    async with opened(bare, tmp_path / "cache", context_of(log, programs=programs)) as forge:
        programs.started.clear()
        assert len(await pulls(forge)) == 1000
        assert len(programs.started) <= 4
        programs.started.clear()
        assert len(await pulls(forge)) == 1000
        assert len(programs.started) == 1, "nothing moved, so nothing is fetched"
        bare("update-ref", "--stdin", stdin=lines.replace("create", "delete").encode())
        programs.started.clear()
        assert {each.state for each in (await pulls(forge)).values()} == {PullRequestState.MERGED}
        assert len(programs.started) <= 4


async def test_settings_and_hooks_of_others_decide_nothing(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[core]\n\tsshCommand = touch {tmp_path}/ran\n[url "/nowhere"]\n\tinsteadOf = /\n'
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "GIT_DIR": "/nowhere",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
    }
    async with opened(bare, tmp_path / "cache", context_of(log, environment=environment)) as forge:
        assert await pulls(forge) == {}


async def test_whose_number_another_has_is_left_out() -> None:
    from ekaci_core.api import Branch  # noqa: PLC0415
    from ekaci_forge_git.memory import told_apart  # noqa: PLC0415

    assert told_apart([Branch("b"), Branch("a")], ()) == ((Branch("a"), Branch("b")), ())
    assert number_of("pr/one") == number_of("pr/one") != number_of("pr/two")
    assert 0 < number_of("pr/one") < 2**31


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/packages.git", "example.org/p/packages"),
        ("https://example.org:8443/a/packages", "example.org:8443/p/packages"),
        ("ssh://git@example.org/packages.git", "example.org/p/packages"),
        ("git@example.org:a/packages.git", "example.org/p/packages"),
        ("git://example.org/packages/", "example.org/p/packages"),
        ("/srv/git/my packages".replace(" ", "_"), "git.local/p/my_packages"),
        ("file:///srv/git/.git", "git.local/p/git"),
    ],
)
async def test_addresses_have_names(url: str, name: str) -> None:
    assert str(Remote.of(GitRemoteConfig(id="p", url=url), "here").repository) == name


@pytest.mark.parametrize(
    "url",
    ["", "-x", "--upload-pack=x", "ext::sh -c x", "ext::x", "packages", "./packages", "ftp://example.org/a", "https://",
     "https://ada:secret@example.org/a", "https://token@example.org/a", "ssh://-oProxyCommand=x/a", "-x:a", "a b:c"],
)  # fmt: skip
async def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageFault) as caught:
        Remote.of(GitRemoteConfig(id="p", url=url), "here")
    assert "secret" not in str(caught.value).replace("secrets do not", "")


async def test_it_can_only_be_polled() -> None:
    with pytest.raises(UsageFault, match="no webhooks"):
        Remote.of(GitRemoteConfig(id="p", url="/srv/a", mode=ForgeMode.WEBHOOK), "here")


@pytest.mark.parametrize("names", [("token",), ("username", "password")])
async def test_secrets_reach_git_through_its_environment(
    tmp_path: Path, log: RecordingLogger, names: tuple[str, ...]
) -> None:
    programs = Counting()
    held = Held({name: Secret(f"{name}-canary") for name in names})
    context = context_of(log, programs=programs, credentials=held)
    url = "https://127.0.0.1:1/packages.git"  # nobody listens
    async with opened(url, tmp_path / "cache", context, credentials=CredentialUse("held")) as forge:
        with pytest.raises(InfrastructureFault) as caught:
            await pulls(forge)
        assert "canary" not in str(caught.value)
    words, variables = programs.started[-1]
    assert "ls-remote" in words
    assert not any("canary" in word for each, _ in programs.started for word in each)
    value = variables["GIT_CONFIG_VALUE_0"]
    assert isinstance(value, Secret)
    pair = base64.b64decode(value.reveal().removeprefix("Authorization: Basic ")).decode()
    assert pair == ("username-canary:password-canary" if len(names) > 1 else "x-access-token:token-canary")
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files
    assert not any(value.reveal().encode() in path.read_bytes() for path in files)


async def test_passwords_are_not_for_ssh(tmp_path: Path, log: RecordingLogger) -> None:
    context = context_of(log, credentials=Held({}))
    with pytest.raises(UsageFault, match="https alone"):
        async with opened("git@example.org:a", tmp_path, context, credentials=CredentialUse("held")):
            pass


async def test_ssh_is_told_the_key_by_the_environment(tmp_path: Path, log: RecordingLogger) -> None:
    programs = Counting()
    context = context_of(log, programs=programs)
    key = str(tmp_path / "a key")
    async with opened("ssh://git@127.0.0.1:1/packages.git", tmp_path / "cache", context, ssh_key=key) as forge:
        with pytest.raises(InfrastructureFault):
            await pulls(forge)
    words, variables = programs.started[-1]
    assert f"'{key}'" in variables["GIT_SSH_COMMAND"]
    assert not any(key in word for word in words)


async def test_who_may_write(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    bare.push("pr/one", "First", onto=bare("rev-parse", "main"))
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        (repository,) = await forge.repositories()
        author = (await pulls(forge))["pr/one"].author
        assert await forge.permission(repository, author) is Permission.WRITE
        assert await forge.person(repository, author.login) == author
        assert await forge.person(repository, "nobody") is None
        for stranger in (Person(author.login, 1), Person("a/b", author.id), Person("", author.id)):
            assert await forge.permission(repository, stranger) is Permission.NONE
