"""News that was asked for, as the inbox keeps it: what happened, and nothing of the forge's own words."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from cattrs import BaseValidationError, Converter
from cattrs.strategies import configure_tagged_union

from ekaci_core.api import BadName, Branch, CommitSha, ForgeEvent, RepositoryId

NEWS_KIND: Final = "polled news"
"""The kind of such deliveries. No header of a webhook makes one: there the kind is a word."""


class NotNews(ValueError):
    """A payload is no news that an EkaCI of this version wrote."""


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(CommitSha, lambda text, _: CommitSha.parse(text))
    converter.register_structure_hook(Branch, lambda text, _: Branch.parse(text))
    converter.register_structure_hook(RepositoryId, lambda pair, _: RepositoryId.parse(*pair))
    converter.register_unstructure_hook(RepositoryId, lambda each: [each.forge, each.path])
    configure_tagged_union(ForgeEvent, converter)
    return converter


_CONVERTER: Final = _converter()


def payload_of(event: ForgeEvent) -> bytes:
    """Write news; equal news are equal bytes."""
    return json.dumps(_CONVERTER.unstructure(event, ForgeEvent), sort_keys=True).encode()


def name_of(payload: bytes) -> str:
    """Name a delivery after what it says: told again, it is the same."""
    return f"news-{hashlib.sha256(payload).hexdigest()[:40]}"


def event_of(payload: bytes) -> ForgeEvent:
    """Undo `payload_of`.

    Raises:
        NotNews: it cannot be read.
    """
    try:
        event: ForgeEvent = _CONVERTER.structure(json.loads(payload), ForgeEvent)  # type: ignore[arg-type]
    except (BadName, BaseValidationError, ValueError, TypeError, LookupError) as error:
        raise NotNews(f"written by another version of EkaCI: {type(error).__name__}") from None
    return event
