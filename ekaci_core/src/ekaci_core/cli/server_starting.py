"""``ekaci github``, ``git``, ``repo`` and ``job``: work for a running server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ekaci_core.cli.review_lines import jobset_lines, review_title
from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import say, write_out
from ekaci_core.cli.tables import write_document
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE
from ekaci_core.model.verdict import Decision
from ekaci_core.process.plain import plain

Command = TypeVar("Command", bound=Callable[..., Any])

_LOOK_SECONDS: Final = 1.0
_WAITS_FOR_MORE: Final = frozenset({"waiting", "fault"})


def _start_options(command: Command) -> Command:
    again = click.option("--again", is_flag=True, help="Also where there is a result already.")
    wait = click.option("--wait", is_flag=True, help="Wait for the result, print it, and end with its exit status.")
    decorated: Command = server_options(again(wait(command)))
    return decorated


@click.command()
@click.argument("domain")
@click.argument("owner")
@click.argument("repo")
@click.argument("pr", type=click.IntRange(min=1))
@_start_options
def github(domain: str, owner: str, repo: str, pr: int, **options: Any) -> int:
    """Have the pull request PR of OWNER/REPO at DOMAIN reviewed as it is now."""
    return _begun("GitHub", {"domain": domain, "owner": owner, "repo": repo, "pr": pr}, **options)


@click.command()
@click.argument("domain")
@click.argument("owner")
@click.argument("repo")
@click.argument("commitish")
@_start_options
def git(domain: str, owner: str, repo: str, commitish: str, **options: Any) -> int:
    """Have COMMITISH, a branch, a tag or a whole commit name, of OWNER/REPO at DOMAIN reviewed.

    It is compared with where it left the default branch, and what that branch has already with its parent. Nothing is
    reported at the forge.
    """
    return _begun("Git", {"domain": domain, "owner": owner, "repo": repo, "commitish": commitish}, **options)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_start_options
def repo(directory: Path, **options: Any) -> int:
    """Have the configured jobs of the git repository at DIR evaluated and built, uncommitted changes included."""
    return _begun("Repo", {"dir": str(directory.absolute())}, **options)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_start_options
def job(file: Path, **options: Any) -> int:
    """Have FILE, which lies in a git repository, evaluated and built."""
    return _begun("Job", {"file": str(file.absolute())}, **options)


def _begun(kind: str, fields: dict[str, object], *, again: bool, wait: bool, server: Path | None, form: str) -> int:
    review = ask(server, kind, **fields, again=again)
    if wait:
        return _ended(server, review, form)
    if form == "json":
        write_document(review)
    else:
        write_out(f"{review_title(review)}\n  `ekaci jobset {review['id']}` says how it comes out")
    return 0


def _ended(server: Path | None, review: dict[str, Any], form: str) -> int:
    shown = ""
    while review["live"] and review["state"] not in _WAITS_FOR_MORE:
        if (title := review_title(review)) != shown:
            say(title)
            shown = title
        time.sleep(_LOOK_SECONDS)
        review = ask(server, "Review", id=review["id"])["review"]
    answer = ask(server, "Jobset", review=review["id"])
    if form == "json":
        write_document(answer)
    else:
        write_out("\n".join(jobset_lines(answer)))
    if review["state"] == "waiting":
        say(f"  somebody has to approve it: ekaci approve {plain(review['repository'])} {review['sha']}")
        return Decision.WAIT.exit_status
    decision = answer["review"]["decision"]
    return EXIT_INFRASTRUCTURE if decision is None else Decision(decision).exit_status
