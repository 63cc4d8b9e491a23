"""Which caches may have what of a review. Pure.

A repository names caches, in the revision that is the base: a change cannot allow itself anything. Permissions are the
server's.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

import attrs

from ekaci_core.config.merge import ReviewJob
from ekaci_core.model.forge import Branch, PullRequest, RepositoryId
from ekaci_core.model.policy import Permissions
from ekaci_core.model.review import Occasion, ReviewWish


@attrs.frozen(kw_only=True)
class CacheRule:
    """What the server says of one of its caches.

    Attributes:
        id: what repositories call it.
        permissions: who may push.
        allow_untrusted: it takes what people made who may not write, and forks: nobody trusts it.
        closure: it gets all that an output refers to, too.
        fixed_output_only: it gets outputs of fixed-output derivations alone.
        concurrent: so many pushes at once.
    """

    id: str
    permissions: Permissions = Permissions()
    allow_untrusted: bool = False
    closure: bool = True
    fixed_output_only: bool = False
    concurrent: int = 2


@attrs.frozen
class Origin:
    """Where what a review builds comes from.

    Attributes:
        repository: where the review is asked for.
        lands: whether it is of something whose results may leave this machine at all.
        trusted: whether its author may write to the repository, and it comes from there.
        branch: the branch that permissions are judged by; a fork has none.
    """

    repository: RepositoryId
    lands: bool
    trusted: bool
    branch: Branch | None


def origin_of(wish: ReviewWish, pull: PullRequest | None) -> Origin:
    """Say where a review's commits come from; ``pull`` is its pull request, where it is of one that is known."""
    if wish.occasion is Occasion.BRANCH:
        return Origin(wish.repository, lands=True, trusted=wish.trusted, branch=wish.base)
    if wish.occasion is not Occasion.PULL_REQUEST:
        # A merge group is pushed as a branch once it is merged; what an operator names is of no branch.
        return Origin(wish.repository, lands=False, trusted=False, branch=None)
    if pull is None or pull.is_from_fork:
        return Origin(wish.repository, lands=True, trusted=False, branch=None)
    return Origin(wish.repository, lands=True, trusted=wish.trusted, branch=pull.head)


class Why(enum.Enum):
    """Why a cache gets nothing."""

    UNKNOWN = "unknown"
    UNTRUSTED = "untrusted"
    DENIED = "denied"


@attrs.frozen
class Refusal:
    """A cache that a repository names and that gets nothing; ``message`` is for operators."""

    cache: str
    why: Why
    message: str


@attrs.frozen
class Grants:
    """What a review may push.

    Attributes:
        jobs: caches by name of the job; jobs without any are left out.
        refusals: the others that are named, each once.
    """

    jobs: Mapping[str, tuple[CacheRule, ...]]
    refusals: tuple[Refusal, ...]


def grants(jobs: Iterable[ReviewJob], rules: Mapping[str, CacheRule], origin: Origin) -> Grants:
    """Decide for all jobs of a review."""
    if not origin.lands:
        return Grants({}, ())
    allowed: dict[str, tuple[CacheRule, ...]] = {}
    refusals: dict[str, Refusal] = {}
    for job in jobs:
        found = []
        for name in named(job):
            judged = judge(name, rules, origin)
            if isinstance(judged, Refusal):
                refusals.setdefault(name, judged)
            else:
                found.append(judged)
        if found:
            allowed[job.name] = tuple(found)
    return Grants(allowed, tuple(refusals.values()))


def named(job: ReviewJob) -> Sequence[str]:
    """Return the caches that base names for a job and that head has not taken away: a change may narrow."""
    if job.head is None:
        return ()
    return [name for name in dict.fromkeys(job.caches) if name in job.head.caches]


def judge(name: str, rules: Mapping[str, CacheRule], origin: Origin) -> CacheRule | Refusal:
    """Decide for one cache."""
    rule = rules.get(name)
    if rule is None:
        return Refusal(name, Why.UNKNOWN, f"Cache ID '{name}' not found in server registry, skipping")
    if not origin.trusted and not rule.allow_untrusted:
        what = f"Cache '{name}' takes nothing of people who may not write to {origin.repository.path}, nor of forks"
        return Refusal(name, Why.UNTRUSTED, what)
    denied = _denied(rule.permissions, origin)
    if denied is not None:
        return Refusal(name, Why.DENIED, f"Permission denied for cache '{name}' in {origin.repository.path}: {denied}")
    return rule


def _denied(permissions: Permissions, origin: Origin) -> str | None:
    path = origin.repository.path
    if not permissions.allows_repository(path):
        return f"Repository {path} is not allowed"
    if permissions.allow_all or not permissions.allowed_branches:
        return None
    if origin.branch is None:
        return "Branch information required, and a fork has no branch here"
    return None if permissions.allows(path, origin.branch) else f"Branch {origin.branch} is not allowed"
