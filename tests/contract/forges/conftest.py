"""Of the kit, each wrong forge gets the test that is there to reject it: the others would say nothing new."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from tests.contract.forges.wrong_forges import REJECTED  # noqa: PLC0415 - it is not there for other tests

    items[:] = [item for item in items if not isinstance(item, pytest.Function) or _wanted(item, REJECTED)]


def _wanted(item: pytest.Function, rejected: dict[type, str]) -> bool:
    kind = getattr(item, "callspec", None) and item.callspec.params.get("kind")
    return kind not in rejected or item.originalname == rejected[kind]
