"""Which hooks are run of which derivations. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.hooks.rules import HookRules, definition_of
from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.hook import HookOrigin
from ekaci_core.model.ids import DrvPath
from ekaci_core.model.repository import PostBuildHook
from ekaci_core.store.hook_execution import WantedHook

_NOT_ALLOWED: Final = "the repository is not in security.allowed_hook_repos"


@attrs.frozen
class BuiltDerivation:
    """A derivation that was built here; ``built_at`` is in seconds since the epoch."""

    drv: DrvPath
    is_fod: bool
    built_at: float


@attrs.frozen
class BuiltJob:
    """A job, and what was built of what it has new or changed, with all that this needs."""

    job: ReviewJob
    built: Sequence[BuiltDerivation]


@attrs.frozen
class Chosen:
    """Hooks to be run, and by name those of the repository that are not, with the reason."""

    wanted: tuple[WantedHook, ...]
    refused: dict[str, str]


@attrs.frozen
class _Candidate:
    name: str
    origin: HookOrigin
    fod: bool
    definition: str = ""


def choose(jobs: Sequence[BuiltJob], rules: HookRules, repository: RepositoryId, branch: Branch) -> Chosen:
    """Pair hooks and derivations: each pair once, for the first job that has the derivation.

    Hooks for fixed-output derivations are run of these alone, beside the others.
    """
    server = [_Candidate(each.name, HookOrigin.SERVER, each.fod) for each in rules.of_server(repository, branch)]
    refused: dict[str, str] = {}
    wanted: dict[tuple[HookOrigin, str, DrvPath], WantedHook] = {}
    for each in jobs:
        hooks = [*server, *_own(each.job, rules, repository, refused)]
        for built in each.built:
            for hook in hooks:
                if hook.fod and not built.is_fod:
                    continue
                new = WantedHook(
                    hook=hook.name,
                    origin=hook.origin,
                    fod=hook.fod,
                    job=each.job.name,
                    drv=built.drv,
                    built_at=built.built_at,
                    definition=hook.definition,
                )
                wanted.setdefault((hook.origin, hook.name, built.drv), new)
    return Chosen(tuple(wanted.values()), refused)


def _own(job: ReviewJob, rules: HookRules, repository: RepositoryId, refused: dict[str, str]) -> Iterator[_Candidate]:
    allowed = rules.runs_own_of(repository)
    seen: set[str] = set()
    for hook, fod in _hooks_of(job):
        if not allowed:
            refused[hook.name] = _NOT_ALLOWED
        elif hook.name in rules.taken:
            refused[hook.name] = "something of the server has this name"
        elif hook.name not in seen:
            seen.add(hook.name)
            yield _Candidate(hook.name, HookOrigin.REPOSITORY, fod, definition_of(hook))


def _hooks_of(job: ReviewJob) -> Iterator[tuple[PostBuildHook, bool]]:
    yield from ((hook, False) for hook in job.post_build_hooks)
    yield from ((hook, True) for hook in job.fod_post_build_hooks)
