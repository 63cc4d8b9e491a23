"""Which caches may have what of a review."""

from __future__ import annotations

import attrs
import pytest

from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.policy import CacheRule, Grants, Origin, Refusal, Why, grants, origin_of
from ekaci_core.model.forge import Branch
from ekaci_core.model.policy import Permissions
from ekaci_core.model.repository import Job
from ekaci_core.model.review import Occasion
from ekaci_core.testing.store_forges import FORK, HERE, pull_request, wish

OWN = pull_request(head_repository=HERE, head=Branch("topic"))
FOREIGN = pull_request(head_repository=FORK)
ALL = CacheRule(id="one")


def job(name: str = "a", base: tuple[str, ...] = ("one",), head: tuple[str, ...] | None = None) -> ReviewJob:
    before, after = Job(name, "x.nix", caches=base), Job(name, "x.nix", caches=base if head is None else head)
    return ReviewJob(name, before, after, caches=base)


def only(rule: CacheRule, origin: Origin) -> Grants:
    return grants([job(base=(rule.id,))], {rule.id: rule}, origin)


def push(branch: str = "main") -> Origin:
    return origin_of(wish(number=None, base=Branch(branch)), None)


PERMISSIONS = [
    (("main",), "main", True),
    (("main",), "mainline", False),
    (("main",), "not/main", False),
    (("main",), "Main", False),
    (("release/*",), "release/v1.0", True),
    (("release/*",), "release/v1/hotfix", True),
    (("release/*",), "release", False),
    (("release/*",), "prerelease/1", False),
    (("*/hotfix",), "me/hotfix", True),
    (("*/hotfix",), "me/my/hotfix", True),
    (("*/hotfix",), "hotfix", False),
    (("*/hotfix",), "me/hotfix-2", False),
    (("*",), "anything/at.all", True),
    (("main", "release/*"), "release/1", True),
    (("v1.0",), "v1x0", False),
    (("a|b",), "a", False),
    (("main",), "main\n", False),
    ((), "anything", True),
]


@pytest.mark.parametrize(("patterns", "branch", "allowed"), PERMISSIONS)
def test_branches_are_matched_whole(patterns: tuple[str, ...], branch: str, *, allowed: bool) -> None:
    permissions = Permissions(allow_all=False, allowed_repos=("myorg/*",), allowed_branches=patterns)
    assert permissions.allows("myorg/any", branch) is allowed


REPOSITORIES = [
    (("myorg/*",), "myorg/one", True),
    (("myorg/*",), "MyOrg/One", True),
    (("MYORG/one",), "myorg/ONE", True),
    (("myorg/*",), "myorg-evil/one", False),
    (("myorg/*",), "evil/myorg/one", False),
    (("company/production-*",), "company/production-web", True),
    (("company/production-*",), "company/staging-web", False),
    (("company/production-*",), "company/my-production-web", False),
    (("myorg/one",), "myorg/one2", False),
    (("*",), "any/body", True),
]


@pytest.mark.parametrize(("patterns", "path", "allowed"), REPOSITORIES)
def test_repositories_are_matched_whole_and_without_case(
    patterns: tuple[str, ...], path: str, *, allowed: bool
) -> None:
    permissions = Permissions(allow_all=False, allowed_repos=patterns)
    assert permissions.allows_repository(path) is allowed
    assert permissions.allows(path, "main") is allowed


def test_lists_that_are_empty_do_not_restrict_and_both_empty_allow_nothing() -> None:
    assert not Permissions(allow_all=False).allows("a/b", "main")
    assert Permissions(allow_all=False, allowed_branches=("main",)).allows("a/b", "main")
    assert Permissions(allow_all=True, allowed_repos=("x/y",), allowed_branches=("z",)).allows("a/b", "main")


def test_a_push_is_judged_by_its_branch() -> None:
    rule = attrs.evolve(ALL, permissions=Permissions(allow_all=False, allowed_branches=("main",)))
    assert only(rule, push("main")).jobs == {"a": (rule,)}
    assert only(rule, push("develop")) == Grants(
        {},
        (
            Refusal(
                "one",
                Why.DENIED,
                "Permission denied for cache 'one' in Owner/repository: Branch develop is not allowed",
            ),
        ),
    )


def test_a_pull_request_is_judged_by_its_head_branch() -> None:
    rule = attrs.evolve(ALL, permissions=Permissions(allow_all=False, allowed_branches=("topic",)))
    assert only(rule, origin_of(wish(), OWN)).jobs == {"a": (rule,)}
    onto = attrs.evolve(ALL, permissions=Permissions(allow_all=False, allowed_branches=("main",)))
    assert only(onto, origin_of(wish(), OWN)).refusals[0].message.endswith(": Branch topic is not allowed")


def test_a_repository_that_is_not_allowed_is_named() -> None:
    rule = attrs.evolve(ALL, permissions=Permissions(allow_all=False, allowed_repos=("other/*",)))
    [refusal] = only(rule, push()).refusals
    assert refusal.message == (
        "Permission denied for cache 'one' in Owner/repository: Repository Owner/repository is not allowed"
    )


@pytest.mark.parametrize(
    "origin",
    [
        origin_of(wish(), FOREIGN),
        origin_of(wish(trusted=False), FOREIGN),
        origin_of(wish(trusted=False), OWN),
        origin_of(wish(), pull_request(head_repository=None)),
        origin_of(wish(), None),
    ],
    ids=["fork", "untrusted-fork", "untrusted", "fork-that-is-gone", "unknown"],
)
def test_caches_that_people_trust_get_nothing_of_others(origin: Origin) -> None:
    assert only(ALL, origin).jobs == {}
    [refusal] = only(ALL, origin).refusals
    assert refusal.why is Why.UNTRUSTED
    open_rule = attrs.evolve(ALL, allow_untrusted=True)
    assert only(open_rule, origin).jobs == {"a": (open_rule,)}


def test_a_fork_has_no_branch_that_could_be_allowed() -> None:
    anything = Permissions(allow_all=False, allowed_branches=("*",))
    rule = attrs.evolve(ALL, allow_untrusted=True, permissions=anything)
    [refusal] = only(rule, origin_of(wish(), FOREIGN)).refusals
    assert (refusal.why, "Branch information required" in refusal.message) == (Why.DENIED, True)
    assert only(rule, origin_of(wish(trusted=False), OWN)).jobs == {"a": (rule,)}


@pytest.mark.parametrize("occasion", [Occasion.MERGE_GROUP, Occasion.COMMIT, Occasion.DIRECTORY])
def test_merge_groups_and_what_operators_name_are_pushed_nowhere(occasion: Occasion) -> None:
    origin = origin_of(wish(number=None, occasion=occasion), None)
    assert only(attrs.evolve(ALL, allow_untrusted=True), origin) == Grants({}, ())


def test_a_cache_that_is_not_there_is_told_once() -> None:
    found = grants([job("a", ("no", "one")), job("b", ("no",))], {"one": ALL}, push())
    assert found.jobs == {"a": (ALL,)}
    assert [each.message for each in found.refusals] == ["Cache ID 'no' not found in server registry, skipping"]


def test_a_change_narrows_and_never_widens() -> None:
    rules = {name: CacheRule(id=name) for name in ("one", "two")}
    origin = origin_of(wish(), OWN)
    assert grants([job(base=("one",), head=("one", "two"))], rules, origin).jobs == {"a": (rules["one"],)}
    assert grants([job(base=("one", "two"), head=("two",))], rules, origin).jobs == {"a": (rules["two"],)}
    assert grants([job(base=("one",), head=("two",))], rules, origin) == Grants({}, ())
    new = ReviewJob("a", None, Job("a", "x.nix", caches=("one",)))
    assert grants([new], rules, origin) == Grants({}, ())
    dropped = ReviewJob("a", Job("a", "x.nix", caches=("one",)), None, caches=("one",))
    assert grants([dropped], rules, origin) == Grants({}, ())
