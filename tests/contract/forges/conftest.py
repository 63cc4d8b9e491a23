"""Of the kit, each wrong forge gets the test that is there to reject it: the others would say nothing new."""

from __future__ import annotations

from collections.abc import Generator

import pytest

_REJECTED: set[object] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from tests.contract.forges.wrong_forges import REJECTED  # noqa: PLC0415 - it is not there for other tests

    items[:] = [item for item in items if not isinstance(item, pytest.Function) or _wanted(item, REJECTED)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One rejection is enough."""
    if isinstance(item, pytest.Function) and _kind(item) in _REJECTED:
        pytest.skip("it is rejected already")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, pytest.Function) and report.failed:
        _REJECTED.add(_kind(item))
    return report


def _kind(item: pytest.Function) -> object:
    return item.callspec.params.get("kind") if hasattr(item, "callspec") else None


def _wanted(item: pytest.Function, rejected: dict[type, str]) -> bool:
    kind = _kind(item)
    return not isinstance(kind, type) or kind not in rejected or item.originalname == rejected[kind]
