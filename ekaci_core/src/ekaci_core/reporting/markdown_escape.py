"""Names, sentences and logs of others inside GitHub flavoured Markdown, without power over the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ekaci_core.reporting.clean import clean

_SPECIAL: Final = re.compile(r"[\\`*_{}\[\]<>#!|~&@$^]|:(?=/)|(?<=www)\.|^[-+=:]", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"^(\d+)([.)])(?=\s|$)")
_IN_BACKTICKS: Final = re.compile(r"[^\s`|\\]([^`|\\]*[^\s`|\\])?")
_BACKTICKS: Final = re.compile(r"`+")
_ZERO_WIDTH_SPACE: Final = "&#8203;"


def escape(text: str) -> str:
    """Return one line that shows exactly this text: no emphasis, link, mention, image, table cell or HTML.

    Mentions and issue numbers are kept from becoming links by an invisible space, since forges look for them after
    entities are decoded.
    """
    line = clean(text).strip()
    numbered = _NUMBERED.match(line)
    if numbered:  # would begin a list
        return f"{numbered[1]}&#{ord(numbered[2])};{_SPECIAL.sub(_entity, line[numbered.end() :])}"
    return _SPECIAL.sub(_entity, line)


def _entity(match: re.Match[str]) -> str:
    entity = f"&#{ord(match[0])};"
    return entity + _ZERO_WIDTH_SPACE if match[0] in "@#" else entity


def code(text: str) -> str:
    """Return it as code within a line or table cell: in backticks where that is safe, else as HTML."""
    line = clean(text)
    return f"`{line}`" if _IN_BACKTICKS.fullmatch(line) else html_code(line)


def html_code(text: str) -> str:
    """Return it as code in HTML, for places where Markdown is not read."""
    return f"<code>{escape(text)}</code>"


def fenced(lines: Iterable[str]) -> list[str]:
    """Return lines as a code block whose fence is longer than any run of backticks in it."""
    cleaned = [clean(line) for line in lines]
    longest = max((len(run) for line in cleaned for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *cleaned, fence]
