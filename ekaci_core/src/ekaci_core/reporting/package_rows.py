"""The rows of the table of changed packages, in words that text and Markdown share."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import attrs

from ekaci_core.model.change import AttributeChange
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.digest import Digest


class RowKind(enum.Enum):
    """What a row tells; the value is how the row calls it."""

    ADDED = "added"
    REMOVED = "removed"
    BUMP = "bump"
    RENAMED = "renamed"
    LICENCE = "licence"
    MAINTAINERS = "maintainers"
    REBUILD = "rebuild"


@attrs.frozen
class PackageRow:
    """One change of the attribute called ``attr``. ``change`` is text, for example ``1.25.1 → 1.26.0``."""

    kind: RowKind
    attr: str
    change: str


def package_rows(found: Digest, *, rebuild_only: bool) -> list[PackageRow]:
    """List the changes that a reader would name, by kind; rebuilds without one only where they are wanted."""
    return list(_rows(found, rebuild_only=rebuild_only))


def packages_in(rows: Iterable[PackageRow]) -> int:
    """Count the packages that rows are about; one may have several."""
    return len({row.attr for row in rows})


def _rows(found: Digest, *, rebuild_only: bool) -> Iterator[PackageRow]:
    def row(kind: RowKind, change: AttributeChange, text: str) -> PackageRow:
        return PackageRow(kind, clean(found.names.label(change.place)), clean(text))

    for each in found.added:
        yield row(RowKind.ADDED, each, _added(each))
    for each in found.removed:
        yield row(RowKind.REMOVED, each, _removed(each))
    for each in found.bumped:
        yield row(RowKind.BUMP, each, f"{_version(each, head=False)} → {_version(each, head=True)}")
    for each in found.renamed:
        yield row(RowKind.RENAMED, each, _renamed(each))
    for each in found.licences:
        yield row(RowKind.LICENCE, each, _licences(each))
    for each in found.maintainers:
        yield row(RowKind.MAINTAINERS, each, _maintainers(each))
    for each in found.rebuild_only if rebuild_only else ():
        yield row(RowKind.REBUILD, each, each.head.name if each.head else "")


def _version(change: AttributeChange, *, head: bool) -> str:
    side = change.head if head else change.base
    return (side.version if side else None) or "without a version"


def _added(change: AttributeChange) -> str:
    version = _version(change, head=True)
    return f"{version}, could not be evaluated on base" if change.base_fault else version


def _removed(change: AttributeChange) -> str:
    had = change.base.version if change.base else None
    words = [*([f"was {had}"] if had else []), *(["can no longer be evaluated"] if change.head_fault else [])]
    return ", ".join(words)


def _renamed(change: AttributeChange) -> str:
    return f"{change.base.name if change.base else '?'} → {change.head.name if change.head else '?'}"


def _licences(change: AttributeChange) -> str:
    before, after = (side.meta.licenses if side else () for side in (change.base, change.head))
    return f"{', '.join(before) or 'none'} → {', '.join(after) or 'none'}"


def _maintainers(change: AttributeChange) -> str:
    before, after = (set(side.meta.maintainers) if side else set() for side in (change.base, change.head))
    return ", ".join(
        [*(f"+{each}" for each in sorted(after - before)), *(f"-{each}" for each in sorted(before - after))]
    )
