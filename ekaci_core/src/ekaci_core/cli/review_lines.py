"""A server's review in lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ekaci_core.cli.tables import more, table
from ekaci_core.process.plain import plain

_PACKAGES_SHOWN: Final = 200
_WORDS: Final = {"merge": "merge", "wait": "wait", "do_not_merge": "do not merge"}


def decided(review: Mapping[str, Any]) -> str:
    """Return the verdict in words, a dash where there is none."""
    return _WORDS.get(review["decision"] or "", "-")


def review_title(review: Mapping[str, Any]) -> str:
    """Say in one line what a review is of, and how far it is."""
    what = plain(review["repository"], 200)
    if review["number"] is not None:
        what += f"#{review['number']}"
    elif review["file"]:
        what += f", file {plain(review['file'], 200)}"
    elif review["occasion"] in ("branch", "merge_group"):
        what += f", {review['occasion'].replace('_', ' ')} {plain(review['base'], 100)}"
    state = review["state"].replace("_", " ")
    if review["decision"] is not None:
        state += f": {decided(review)}"
    return f"review {review['id']} of {what} at {review['sha'][:12]}: {state}"


def jobset_lines(answer: Mapping[str, Any]) -> list[str]:
    """Say how a review came out: reasons, packages, errors of their evaluation."""
    review, packages = answer["review"], answer["packages"]
    lines = [review_title(review)]
    if review["detail"]:
        lines.append(f"  {plain(review['detail'], 1000)}")
    lines += [f"  {plain(reason)}" for reason in answer["reasons"]]
    rows: list[tuple[str, ...]] = [("JOB", "PACKAGE", "SYSTEM", "CHANGE", "STATE", "STANDING")]
    rows += [_package(each) for each in packages[:_PACKAGES_SHOWN]]
    if packages:
        lines += [*table(rows), *more(min(len(packages), _PACKAGES_SHOWN), len(packages))]
    return [*lines, *map(_error, answer["evaluation_errors"])]


def _package(each: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("job", "attr", "system", "change", "head_state", "standing")
    return tuple(plain(str(each[key] or "-"), 100) for key in keys)


def _error(each: Mapping[str, Any]) -> str:
    where = plain(f"{each['job']} {each['attr'] or ''}".rstrip(), 200)
    return f"{where} cannot be evaluated ({each['status']}): {plain(each['message'].split(chr(10))[0], 500)}"
