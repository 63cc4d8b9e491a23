"""Evaluate the jobs of a review on both of its sides."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import EvaluationRequest, Evaluator
from ekaci_core.builtin.evaluators.worker import flake_reference
from ekaci_core.changes import JobContents
from ekaci_core.config.faults import MissingJobFile, UnusableJobFile
from ekaci_core.config.merge import ReviewJob
from ekaci_core.config.repository import job_file
from ekaci_core.evaluation import (
    Budget,
    Evaluations,
    budget,
    evaluation_key,
    person_digest,
    resolved_nix_path,
    this_machine,
)
from ekaci_core.model.evaluation import EvaluationKey, FaultKind
from ekaci_core.model.event import ReviewSide
from ekaci_core.model.ids import AttrPath
from ekaci_core.model.repository import Job
from ekaci_core.nix.attribute_names import Place, attribute_names
from ekaci_core.nix.confinement import is_refusal
from ekaci_core.nix.settings import NixSettings
from ekaci_core.server.checkouts import Checkouts
from ekaci_core.server.inputs import ReviewInputs
from ekaci_core.server.matching import check_globs
from ekaci_core.server.options import ReviewOptions
from ekaci_core.store.contract import EvaluationContents, EvaluationRecord, Store

# Colons separate entries, and stand in addresses as well: `nixpkgs=https://example.org/x.tar.gz:/etc/more`.
_ENTRY: Final = re.compile(r"(?:[^:]|:(?=//))+")


_CONFINED: Final = (
    "head was evaluated without access to this machine, because its author may not write to the repository"
)
_UNAPPROVED: Final = (
    "nothing was built for it (import from derivation): that is done once somebody who may write approves this commit,"
    " with the button here or the comment `/ekaci approve`"
)
_UNSANDBOXED: Final = (
    "nothing was built for it (import from derivation), and an approval does not change that, because Nix does not keep"
    " every build in a sandbox here (`sandbox = true` and `sandbox-fallback = false` are needed)"
)


@attrs.frozen
class _Task:
    side: ReviewSide
    job: Job
    key: EvaluationKey


class SideEvaluations:
    """Makes or finds the evaluations of all jobs on both sides. ``notes`` grows as they are made."""

    def __init__(
        self,
        inputs: ReviewInputs,
        options: ReviewOptions,
        *,
        store: Store,
        evaluator: Evaluator,
        evaluations: Evaluations,
        checkouts: Checkouts,
        settings: NixSettings,
        environment: Mapping[str, str],
    ) -> None:
        self.notes: list[str] = []
        self._inputs = inputs
        self._options = options
        self._store = store
        self._evaluator = evaluator
        self._evaluations = evaluations
        self._checkouts = checkouts
        self._settings = settings
        self._environment = environment
        self._nix_path = tuple(_ENTRY.findall(environment.get("NIX_PATH", "")))
        self._resolved_path = resolved_nix_path(dict.fromkeys((*self._nix_path, *settings.nix_path)))

    async def all(self) -> tuple[JobContents, ...]:
        """Evaluate every job on every side that has it, as many at once as the machine can take.

        Raises:
            EkaciError: an evaluator, the store or a checkout failed.
        """
        jobs = self._inputs.configuration.jobs
        person = await anyio.to_thread.run_sync(person_digest, self._environment)
        tasks = {
            (job.name, side): self._task(side, of_side, person)
            for job in jobs
            for side, of_side in ((ReviewSide.BASE, job.base), (ReviewSide.HEAD, job.head))
            if of_side is not None
        }
        found = await self._run(list(tasks.values()))
        contents = tuple(self._contents(job, tasks, found) for job in jobs)
        if any(_was_refused(each.head) for each in contents):
            self.notes.append(_CONFINED)
            if not self._options.confined_builds:
                self.notes.append(_UNAPPROVED if self._settings.really_sandboxes else _UNSANDBOXED)
        self.notes += await check_globs(self._options.attr_globs, contents, partial(self._names, jobs))
        return contents

    async def _names(self, jobs: Sequence[ReviewJob], places: Sequence[Place]) -> Mapping[Place, Sequence[str]]:
        names: dict[Place, list[str]] = {}
        for job in jobs:
            side, of_side = (ReviewSide.BASE, job.base) if job.head is None else (ReviewSide.HEAD, job.head)
            if of_side is not None:
                found = await self._names_of(side, of_side, places)
                names |= {place: [*names.get(place, ()), *more] for place, more in found.items()}
        return names

    async def _names_of(self, side: ReviewSide, job: Job, places: Sequence[Place]) -> Mapping[Place, Sequence[str]]:
        root = await self._checkouts.of(side)
        try:
            file = job_file(root, job)
        except UnusableJobFile:  # of a base alone, which was noted
            return {}
        return await attribute_names(
            places,
            file=file,
            flake=flake_reference(EvaluationRequest(root=root, file=job.file, gc_roots=root, flake=job.flake)),
            begin=AttrPath(job.attr_path or "").parts,
            system=self._options.system,
            environment=self._environment,
        )

    def _task(self, side: ReviewSide, job: Job, person: str) -> _Task:
        key = evaluation_key(
            tree=self._inputs.revision(side).tree,
            job=job,
            evaluator=self._evaluator.identity,
            source_name=self._inputs.repository.source_name,
            own_system=self._settings.system,
            system=self._options.system,
            attr_globs=self._options.attr_globs,
            nix_path=self._resolved_path,
            settings=self._settings.evaluation,
            person=person,
            confined=self._is_confined(side),
            builds=self._options.confined_builds,
        )
        return _Task(side, job, key)

    def _is_confined(self, side: ReviewSide) -> bool:
        return side is ReviewSide.HEAD and self._options.confine_head

    async def _run(self, tasks: Sequence[_Task]) -> Mapping[EvaluationKey, EvaluationContents | None]:
        found: dict[EvaluationKey, EvaluationContents | None] = {}
        distinct = list({task.key: task for task in tasks}.values())
        fresh = self._options.fresh
        unknown = [task for task in distinct if fresh or await self._store.find_evaluation(task.key) is None]
        share = self._budget(max(1, len(unknown)))
        turn = anyio.CapacityLimiter(share.at_once)
        jobs: dict[str, list[_Task]] = {}
        for task in distinct:
            jobs.setdefault(task.job.name, []).append(task)
        async with anyio.create_task_group() as group:
            for side in dict.fromkeys(task.side for task in unknown):
                group.start_soon(self._checkouts.of, side, name=f"check out {side.value}")
            for name, of_job in jobs.items():
                work = partial(self._job, of_job, unknown, found, partial(self._made, share=share, turn=turn))
                group.start_soon(work, name=f"evaluate {name}")
        return found

    async def _job(
        self,
        tasks: Sequence[_Task],
        unknown: Collection[_Task],
        found: dict[EvaluationKey, EvaluationContents | None],
        make: Callable[[_Task, EvaluationRecord | None], Awaitable[EvaluationContents | None]],
    ) -> None:
        """Look up what may be known of one job, then make the rest, which may well be much the same."""
        known: dict[EvaluationKey, EvaluationRecord] = {}

        async def look_up(task: _Task) -> None:
            looked = await self._evaluations.look_up(task.key, task.side)
            self.notes.extend(looked.notes)
            if looked.record is not None:
                known[task.key] = looked.record

        async def one(task: _Task) -> None:
            record = known.get(task.key)
            if record is not None:
                found[task.key] = await self._store.contents(record.id)
            else:
                found[task.key] = await make(task, next(iter(known.values()), None))

        async with anyio.create_task_group() as group:
            for task in tasks:
                if task not in unknown:
                    group.start_soon(look_up, task, name=f"look up {task.job.name} of {task.side.value}")
        async with anyio.create_task_group() as group:
            for task in sorted(tasks, key=lambda task: task.key in known):  # what takes longer first
                group.start_soon(one, task, name=f"evaluate {task.job.name} of {task.side.value}")

    def _budget(self, evaluations: int) -> Budget:
        machine = this_machine()
        return budget(
            cpus=machine.cpus,
            available_mib=machine.available_mib,
            evaluations=evaluations,
            workers=self._options.eval_workers,
            memory_mib=self._options.eval_memory_mib,
        )

    async def _made(
        self, task: _Task, earlier: EvaluationRecord | None, *, share: Budget, turn: anyio.CapacityLimiter
    ) -> EvaluationContents | None:
        confined = self._is_confined(task.side)

        async def request(gc_roots: Path) -> EvaluationRequest:
            root = await self._checkouts.of(task.side)
            job_file(root, task.job)
            return EvaluationRequest(
                root=root,
                file=task.job.file,
                gc_roots=gc_roots,
                attr_path=task.job.attr_path,
                flake=task.job.flake,
                system=self._options.system,
                attr_globs=self._options.attr_globs,
                workers=share.workers,
                memory_mib=share.memory_mib,
                timeout_seconds=self._options.eval_timeout_seconds,
                # Confined, entries of our own are added, which would hide the defaults.
                nix_path=(self._nix_path or self._settings.nix_path) if confined else self._nix_path,
                confined=confined,
                builds=confined and self._options.confined_builds,
                alone=share.at_once == 1,
            )

        try:
            async with turn:
                evaluated = await self._evaluations.make(
                    task.key, task.side, request, anew=self._options.fresh, earlier=earlier
                )
        except UnusableJobFile as fault:
            if task.side is ReviewSide.HEAD:
                raise
            why = "has no" if isinstance(fault, MissingJobFile) else "cannot use its"
            self.notes.append(f"base {why} {task.job.file}: every attribute of {task.job.name} is new")
            return None
        self.notes.extend(evaluated.notes)
        return await self._store.contents(evaluated.record.id)

    def _contents(
        self,
        job: ReviewJob,
        tasks: Mapping[tuple[str, ReviewSide], _Task],
        found: Mapping[EvaluationKey, EvaluationContents | None],
    ) -> JobContents:
        base, head = (
            None if task is None else found[task.key]
            for task in (tasks.get((job.name, side)) for side in (ReviewSide.BASE, ReviewSide.HEAD))
        )
        return JobContents(
            job=job.name,
            base=base,
            head=_with_refusals(head) if self._options.confine_head else head,
            allow_eval_failures=job.allow_eval_failures,
        )


def _with_refusals(contents: EvaluationContents | None) -> EvaluationContents | None:
    """Tell what a confined evaluation was not allowed from mistakes of whoever wrote it."""
    if contents is None or not any(is_refusal(fault.message) for fault in contents.faults):
        return contents
    return attrs.evolve(
        contents,
        faults=tuple(
            attrs.evolve(fault, kind=FaultKind.REFUSED) if is_refusal(fault.message) else fault
            for fault in contents.faults
        ),
    )


def _was_refused(contents: EvaluationContents | None) -> bool:
    return contents is not None and any(fault.kind is FaultKind.REFUSED for fault in contents.faults)
