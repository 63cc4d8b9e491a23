"""Answers of commands that look: nothing of these changes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import attrs

import ekaci_core
from ekaci_core.api import DrvPath, UsageFault
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.placement import Placement
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.builder_reports import running_attempts
from ekaci_core.server.composing import Services
from ekaci_core.server.known import named_derivation
from ekaci_core.server.queue import queue_document, queue_of
from ekaci_core.server.socket_credentials import credentials_tally
from ekaci_core.server.socket_documents import (
    check_document,
    pull_request_document,
    report_document,
    review_document,
)
from ekaci_core.server.socket_naming import bounded, repository_of, row
from ekaci_core.server.socket_pushes import cache_documents
from ekaci_core.store.review import ReviewId, ReviewRecord

_SHORTEST_SHA: Final = 4
_MOST_OF_A_COMMIT: Final = 100


@attrs.frozen
class Looking:
    """Reads the store.

    Attributes:
        began_at: when the server started, by the monotonic clock.
        stopping: whether it stops.
        is_building: whether somebody who asked at the socket waits for a derivation.
    """

    services: Services
    began_at: float
    stopping: Callable[[], bool]
    is_building: Callable[[DrvPath], bool]

    async def info(self, request: asked.Info) -> Mapping[str, Any]:
        """Say whether the server works."""
        del request
        return {"status": "Stopping" if self.stopping() else "Active", "version": ekaci_core.__version__}

    async def status(self, request: asked.Status) -> Mapping[str, Any]:
        """Say what is in hand."""
        del request
        services = self.services
        tally = await services.store.tally()
        now = services.clock.now()
        oldest = tally.posts_oldest
        return {
            **await self.info(asked.Info()),
            "uptime_seconds": services.clock.monotonic() - self.began_at,
            "reviews": {state.value: count for state, count in tally.reviews.items()},
            "running": [review_document(each) for each in services.reviewing.running],
            "deliveries": {state.value: count for state, count in tally.deliveries.items()},
            "outbox": {
                "waiting": tally.posts_waiting,
                "oldest_seconds": None if oldest is None else max(0.0, now - oldest),
                "given_up": tally.posts_given_up,
                "faults": dict(tally.posts_faults),
            },
            "caches": cache_documents(await services.delivering.pushing.report()),
            "builders": await self._builders(),
            "graph": _graph(services.builds.metrics),
            "forges": [
                {"type": each.type, "instance": each.instance, "host": each.forge.host}
                for each in services.forges.instances
            ],
            "credentials": credentials_tally(services),
            "nix": str(services.parts.nix.version),
            "store": await anyio.to_thread.run_sync(_store, services.places.database),
        }

    async def queue(self, request: asked.Queue) -> Mapping[str, Any]:
        """List what waits and what is being built, and why."""
        placement = Placement(self.services.builds.builders)
        found = await queue_of(self.services.store, placement, alive=True, limit=request.limit or None)
        return queue_document(found)

    async def prs(self, request: asked.Prs) -> Sequence[Mapping[str, Any]]:
        """List open pull requests, each with its newest review."""
        store, name = self.services.store, request.repository
        repository = None if name is None else repository_of(self.services.forges, name)
        pulls = await store.known_pull_requests(repository, limit=bounded(request.limit))
        documents = []
        for pull in pulls:
            found = await store.reviews_of(pull.repository, number=pull.number, limit=1)
            documents.append(pull_request_document(pull, found[0] if found else None))
        return documents

    async def jobs(self, request: asked.Jobs) -> Sequence[Mapping[str, Any]]:
        """List the reviews of a commit, with the jobs of each as far as it has ended."""
        sha = request.sha.lower()
        if len(sha) < _SHORTEST_SHA or not sha.isalnum():
            raise UsageFault("this cannot be the beginning of a commit's name", where=request.sha)
        documents = []
        for record in await self.services.store.reviews_at(sha, limit=_MOST_OF_A_COMMIT):
            report = await report_document(await self.services.store.review_result(record.id))
            jobs = [] if report is None else _jobs(report)
            documents.append({"review": review_document(record), "jobs": jobs, "checks": await self._checks(record)})
        return documents

    async def jobset(self, request: asked.Jobset) -> Mapping[str, Any]:
        """List the packages that a review found new, changed or removed."""
        record = await self._record(request.review)
        report = await report_document(await self.services.store.review_result(record.id))
        packages = [] if report is None else report["attributes"]
        shown = ("job", "attr", "system", "change", "head_state", "standing", "head_drv")
        return {
            "review": review_document(record),
            "reasons": [] if report is None else report["reasons"],
            "jobs": [] if report is None else _jobs(report),
            "packages": [{key: each[key] for key in shown} for each in packages],
            "evaluation_errors": [] if report is None else report["evaluation_errors"],
            "notes": [] if report is None else report["notes"],
        }

    async def review(self, request: asked.Review) -> Mapping[str, Any]:
        """Return a review with its report, null while there is none."""
        record = await self._record(request.id)
        report = await report_document(await self.services.store.review_result(record.id))
        return {"review": review_document(record), "checks": await self._checks(record), "result": report}

    async def drv_status(self, request: asked.DrvStatus) -> Mapping[str, Any] | None:
        """Return the state of a build, null where there never was one."""
        store = self.services.store
        drv = await named_derivation(store, request.drv_path)
        change = (await store.last_changes([drv])).get(drv)
        if change is None:
            return None
        build = change.build
        attempt = (await store.last_attempts([drv])).get(drv)
        told = attempt is not None and attempt.outcome is build.state and bool(attempt.reason)
        return {
            "drv_path": drv,
            "status": build.state.label,
            "ended": build.state.is_terminal,
            "asked": self.is_building(drv),
            "failed_dependencies": sorted(build.blockers),
            "failures": build.failures,
            "reason": attempt.reason if told and attempt is not None else change.cause,
            "since": change.at,
            "log": None if attempt is None else attempt.log_path,
        }

    async def _record(self, number: int) -> ReviewRecord:
        found = await self.services.store.review(ReviewId(row(number, "review")))
        if found is None:
            raise UsageFault(f"no review has the number {number}", do="`ekaci jobs SHA` lists those of a commit")
        return found

    async def _checks(self, record: ReviewRecord) -> list[dict[str, Any]]:
        if not record.wish.occasion.is_reported:
            return []
        posts = await self.services.store.posts_at(record.wish.repository, record.wish.head_sha)
        return [check_document(each) for each in posts]

    async def _builders(self) -> list[dict[str, Any]]:
        used = Counter(each.builder for each in await running_attempts(self.services.store))
        return [
            {"name": each.name, "slots": each.slots, "used": used[each.name], "systems": sorted(each.systems)}
            for each in self.services.builds.builders
        ]


def _jobs(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say of each job how many packages stand how."""
    standings: dict[str, Counter[str]] = {}
    for each in report["attributes"]:
        standings.setdefault(each["job"], Counter())[each["standing"]] += 1
    return [{**each, "standings": dict(standings.get(each["job"], {}))} for each in report["jobs"]]


def _store(path: Path) -> dict[str, Any]:
    files = (path, path.with_name(f"{path.name}-wal"))
    return {"path": str(path), "bytes": sum(each.stat().st_size for each in files if each.exists())}


def _graph(metrics: GraphMetrics | None) -> Mapping[str, float]:
    """Write the figures of the graph under the names that a metrics page has."""
    samples = () if metrics is None else metrics.samples()
    return {
        each.name + ("{" + ",".join(f'{name}="{value}"' for name, value in each.labels) + "}" if each.labels else ""): (
            each.value
        )
        for each in samples
    }
