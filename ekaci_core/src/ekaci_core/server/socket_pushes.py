"""Answers of commands about pushes to caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ekaci_core.api import UsageFault
from ekaci_core.config.suggest import did_you_mean
from ekaci_core.delivery import CacheReport
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.socket_naming import bounded, row
from ekaci_core.store.push import Push, PushId, PushState


async def pushes(services: Services, request: asked.Pushes) -> Mapping[str, Any]:
    """Say how caches are doing, and list pushes."""
    reports = await services.delivering.pushing.report()
    _check(request.cache, reports)
    state = None
    if request.state is not None:
        known = {each.value: each for each in PushState}
        if request.state not in known:
            raise UsageFault(f"{request.state[:60]!r} is no state", do=f"there are: {', '.join(known)}")
        state = known[request.state]
    found = await services.store.pushes(cache=request.cache, state=state, limit=bounded(request.limit))
    return {
        "caches": [_cache(each) for each in reports if request.cache in (None, each.id)],
        "pushes": [_document(each) for each in found],
    }


async def retry_pushes(services: Services, request: asked.RetryPushes, person: str) -> Mapping[str, Any]:
    """Have failed ones pushed again."""
    _check(request.cache, await services.delivering.pushing.report())
    push = None if request.id is None else PushId(row(request.id, "push"))
    count = await services.store.retry_pushes(cache=request.cache, push=push, now=services.clock.now())
    if push is not None and not count:
        raise UsageFault(f"no failed push has the number {push}", do="`ekaci pushes list --state failed` lists them")
    services.log.info("pushes_retried", pushes=count, cache=request.cache, by=person)
    services.delivering.pushing.hurry(request.cache)
    return {"pushes": count}


def cache_documents(reports: Sequence[CacheReport]) -> list[dict[str, Any]]:
    """Write how caches are doing."""
    return [_cache(each) for each in reports]


def _check(cache: str | None, reports: Sequence[CacheReport]) -> None:
    ids = [each.id for each in reports]
    if cache is not None and cache not in ids:
        there = f"there are: {', '.join(ids)}" if ids else "none is configured"
        raise UsageFault(f"no cache has the id {cache[:60]!r}{did_you_mean(cache, ids)}", do=there)


def _cache(report: CacheReport) -> dict[str, Any]:
    return {
        "id": report.id,
        "fault": report.fault,
        "left_alone": report.left_alone,
        "pushes": {state.value: report.counts.get(state, 0) for state in PushState},
    }


def _document(push: Push) -> dict[str, Any]:
    wanted = push.wanted
    return {
        "id": push.id,
        "cache": wanted.cache,
        "path": wanted.path,
        "drv_path": wanted.derivation,
        "repository": str(wanted.repository),
        "review": wanted.review,
        "state": push.state.value,
        "attempts": push.attempts,
        "not_before": push.not_before or None,
        "reason": push.reason,
        "asked_at": push.asked_at,
        "changed_at": push.changed_at,
        "sent_bytes": push.sent_bytes,
    }
