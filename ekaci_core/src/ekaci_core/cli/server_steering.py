"""``ekaci approve``, ``approve-user``, ``approved-users``, ``resync-checks`` and ``forge``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import point, table, write_document
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE
from ekaci_core.process.plain import plain

_EXIT_MISSING: Final = 1
_LONGEST_NUMBER: Final = 9


@click.command()
@click.argument("repository")
@click.argument("number_or_sha")
@server_options
def approve(repository: str, number_or_sha: str, *, server: Path | None, form: str) -> int:
    """Let a commit be evaluated and built: NUMBER_OR_SHA is a pull request of REPOSITORY, or a commit."""
    answer = ask(server, "Approve", repository=repository, **_named(number_or_sha))
    if form == "json":
        write_document(answer)
    else:
        write_out(f"{answer['repository']}: {'; '.join(answer['done'])}")
    return 0


@click.command("approve-user")
@click.argument("login")
@click.option("--domain", metavar="HOST", help="The forge  [default: the only one].")
@click.option("--id", "number", type=click.IntRange(min=1), metavar="N", help="The forge's own number of the person.")
@click.option("--notes", default="", metavar="TEXT", help="Why; kept with the approval.")
@click.option("--remove", is_flag=True, help="Trust LOGIN no more.")
@server_options
def approve_user(
    login: str, *, domain: str | None, number: int | None, notes: str, remove: bool, server: Path | None, form: str
) -> int:
    """Trust LOGIN until further notice: what this person changes waits for no approval."""
    if remove:
        answer = ask(server, "RemoveApprovedUser", login=login, domain=domain)
        said = f"{answer['login']} is not approved at {answer['domain']} any more"
    else:
        answer = ask(server, "ApproveUser", login=login, domain=domain, id=number, notes=notes)
        said = f"{answer['domain']}, person {answer['id']}: {'; '.join(answer['done'])}"
    if form == "json":
        write_document(answer)
    else:
        write_out(said)
    return 0


@click.command("approved-users")
@click.option("--domain", metavar="HOST", help="Only of this forge.")
@server_options
def approved_users(*, domain: str | None, server: Path | None, form: str) -> int:
    """List the people whose changes wait for no approval."""
    answer = ask(server, "ApprovedUsers", domain=domain)
    if form == "json":
        write_document(answer)
    elif not answer:
        write_out("Nobody is approved.")
    else:
        rows: list[tuple[str, ...]] = [("LOGIN", "NUMBER", "FORGE", "SINCE", "NOTES")]
        rows += [
            (each["login"], str(each["id"]), each["domain"], point(each["approved_at"]), plain(each["notes"], 200))
            for each in answer
        ]
        write_out("\n".join(table(rows)))
    return 0


@click.command("resync-checks")
@click.argument("repository")
@click.argument("number_or_sha")
@server_options
def resync_checks(repository: str, number_or_sha: str, *, server: Path | None, form: str) -> int:
    """Have the checks of a pull request of REPOSITORY, or of a commit, sent again as they are to be."""
    answer = ask(server, "ResyncChecks", repository=repository, **_named(number_or_sha))
    if form == "json":
        write_document(answer)
    else:
        write_out(f"{answer['repository']} at {answer['sha'][:12]}: checks that are sent again: {answer['checks']}")
    return 0


@click.group()
def forge() -> None:
    """Look at the forges of a running server, and have their events sent to it."""


@forge.command()
@server_options
def check(*, server: Path | None, form: str) -> int:
    """Compare what each forge grants with what is needed, and say what does not work without what is missing."""
    answer = ask(server, "ForgeCheck")
    if form == "json":
        write_document(answer)
    else:
        write_out("\n".join(_findings(answer)) if answer else "No forge is configured.")
    return _status(answer)


@forge.command()
@click.argument("instance", required=False)
@click.argument("repositories", nargs=-1, metavar="[OWNER/NAME]...")
@click.option("--url", metavar="URL", help="Where forges reach the server  [default: its web.public_url].")
@server_options
def setup(
    instance: str | None, repositories: tuple[str, ...], *, url: str | None, server: Path | None, form: str
) -> int:
    """Make the webhooks of repositories, or correct them: of INSTANCE, its id or host, or of all forges."""
    answer = ask(server, "ForgeSetup", instance=instance, repositories=list(repositories), url=url)
    if form == "json":
        write_document(answer)
    else:
        write_out("\n".join(_findings(answer)) if answer else "No forge has webhooks here.")
    return _status(answer)


def _status(answer: list[Mapping[str, Any]]) -> int:
    if any(each["fault"] for each in answer):
        return EXIT_INFRASTRUCTURE
    return 0 if all(finding["well"] for each in answer for finding in each["findings"]) else _EXIT_MISSING


def _findings(answer: list[Mapping[str, Any]]) -> list[str]:
    lines = []
    for each in answer:
        lines.append(f"{each['instance']} ({each['type']} at {each['host']})")
        if each["fault"]:
            lines.append(f"  it cannot be asked: {plain(each['fault'])}")
        for finding in each["findings"]:
            mark = "ok" if finding["well"] else "MISSING"
            lines.append(f"  {mark}: {plain(finding['subject'])}: {plain(finding['text'])}")
            if finding["feature"]:
                lines.append(f"    without it: {plain(finding['feature'])}")
        if not each["fault"] and not each["findings"]:
            lines.append("  nothing to compare")
    return lines


def _named(text: str) -> dict[str, object]:
    if text.isdecimal() and len(text) <= _LONGEST_NUMBER:  # a shortened commit of digits alone can be made longer
        return {"number": int(text)}
    return {"sha": text}
