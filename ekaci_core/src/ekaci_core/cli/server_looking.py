"""``ekaci info``, ``status``, ``prs``, ``jobs`` and ``jobset``: what a running server has in hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from ekaci_core.cli.review_lines import decided, jobset_lines, review_title
from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import limit_option, point, table, write_document
from ekaci_core.process.plain import plain

_TITLE_CHARACTERS: Final = 60


@click.command()
@server_options
def info(*, server: Path | None, form: str) -> int:
    """Say whether the server works, and its version."""
    answer = ask(server, "Info")
    if form == "json":
        write_document(answer)
    else:
        write_out(f"{answer['status']}, version {answer['version']}")
    return 0


@click.command()
@server_options
def status(*, server: Path | None, form: str) -> int:
    """Say what the server has in hand: reviews, deliveries, checks to be sent, builders, forges."""
    answer = ask(server, "Status")
    if form == "json":
        write_document(answer)
    else:
        write_out("\n".join(_status(answer)))
    return 0


@click.command()
@click.argument("repository", required=False)
@limit_option(100)
@server_options
def prs(repository: str | None, *, limit: int, server: Path | None, form: str) -> int:
    """List the open pull requests that the server knows, of REPOSITORY or of all, each with its newest review."""
    answer = ask(server, "Prs", repository=repository, limit=limit)
    if form == "json":
        write_document(answer)
    elif not answer:
        write_out("No open pull request is known.")
    else:
        rows: list[tuple[str, ...]] = [("PULL REQUEST", "COMMIT", "REVIEW", "STATE", "VERDICT", "AUTHOR", "TITLE")]
        rows += [_pull_request(each) for each in answer]
        write_out("\n".join(table(rows)))
    return 0


@click.command()
@click.argument("sha")
@server_options
def jobs(sha: str, *, server: Path | None, form: str) -> int:
    """List the reviews of the commit SHA, which may be shortened, and their jobs."""
    answer = ask(server, "Jobs", sha=sha)
    if form == "json":
        write_document(answer)
        return 0
    lines = [line for each in answer for line in _jobs(each)]
    write_out("\n".join(lines or ["The server knows no review of this commit."]))
    return 0


@click.command()
@click.argument("review", type=click.IntRange(min=1))
@server_options
def jobset(review: int, *, server: Path | None, form: str) -> int:
    """List the packages that REVIEW, a number, found new, changed or removed, and what became of them."""
    answer = ask(server, "Jobset", review=review)
    if form == "json":
        write_document(answer)
    else:
        write_out("\n".join(jobset_lines(answer)))
    return 0


def _status(answer: Mapping[str, Any]) -> list[str]:
    store = answer["store"]
    rows = [
        ("server", f"{answer['status']}, version {answer['version']}, up for {_duration(answer['uptime_seconds'])}"),
        ("nix", answer["nix"]),
        ("database", f"{store['path']} ({store['bytes'] / 2**20:.1f} MiB)"),
        ("reviews", _counts(answer["reviews"])),
        *(("", review_title(each)) for each in answer["running"]),
        ("deliveries", _counts(answer["deliveries"])),
        *_outbox(answer["outbox"]),
        *(
            ("builder", f"{each['name']}: {each['used']} of {each['slots']} slots, {', '.join(each['systems'])}")
            for each in answer["builders"]
        ),
        *(("cache", _cache(each)) for each in answer["caches"]),
        *(("forge", f"{each['instance']} ({each['type']} at {each['host']})") for each in answer["forges"]),
        *_credentials(answer["credentials"]),
    ]
    return table(rows)


def _credentials(tally: Mapping[str, int]) -> list[tuple[str, str]]:
    if not tally["down"]:
        return []
    of = f"{tally['down']} of {tally['uses']} uses have a source that is down"
    return [("credentials", f"{of}, {tally['unusable']} have nothing that holds; see `ekaci credentials list`")]


def _cache(cache: Mapping[str, Any]) -> str:
    pushes = _counts({state: count for state, count in cache["pushes"].items() if count})
    fault = f"; {plain(cache['fault'], 200)}" if cache["fault"] else ""
    return f"{plain(cache['id'], 40)}: pushes {pushes}{fault}"


def _outbox(outbox: Mapping[str, Any]) -> list[tuple[str, str]]:
    waiting = f"{outbox['waiting']} to be sent"
    if outbox["oldest_seconds"] is not None:
        waiting += f", the first for {_duration(outbox['oldest_seconds'])}"
    if outbox["given_up"]:
        waiting += f"; {outbox['given_up']} given up"
    faults = [("", f"{count} of them: {plain(fault, 200)}") for fault, count in outbox["faults"].items()]
    return [("checks", waiting), *faults]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items())) or "none"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"


def _pull_request(pull: Mapping[str, Any]) -> tuple[str, ...]:
    review = pull["review"]
    title = plain(pull["title"], _TITLE_CHARACTERS)
    return (
        f"{pull['repository']}#{pull['number']}",
        pull["sha"][:12],
        "-" if review is None else str(review["id"]),
        "-" if review is None else review["state"].replace("_", " "),
        "-" if review is None else decided(review),
        plain(pull["author"], _TITLE_CHARACTERS),
        f"(draft) {title}" if pull["draft"] else title,
    )


def _jobs(found: Mapping[str, Any]) -> list[str]:
    review = found["review"]
    lines = [review_title(review)]
    if review["detail"]:
        lines.append(f"  {plain(review['detail'], 500)}")
    for job in found["jobs"]:
        how = _counts(job["standings"]) if job["standings"] else "nothing changed"
        lines.append(f"  {plain(job['job'], 100)}: {how}")
    if not found["jobs"]:
        lines += [f"  {plain(each['context'], 100)}: {plain(each['title'], 200)}" for each in found["checks"]]
    if review["live"]:
        lines.append(f"  asked for at {point(review['asked_at'])}")
    return lines
