"""Which hooks are run of what, and for whom."""

from __future__ import annotations

import attrs
import pytest

from ekaci_core.config.hooks import HookEntry
from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.hooks.choosing import BuiltDerivation, BuiltJob, choose
from ekaci_core.delivery.hooks.rules import HookRefused, HookRules, branch_of, definition_of, read_definition
from ekaci_core.model.forge import Branch
from ekaci_core.model.hook import HookOrigin, HookState
from ekaci_core.model.policy import Permissions
from ekaci_core.model.repository import PostBuildHook
from ekaci_core.model.review import Occasion
from ekaci_core.store.hook_execution import HookExecution, HookExecutionId
from ekaci_core.testing.facts import drv
from ekaci_core.testing.store_forges import FORK, HERE, pull_request, sha, wish

TOPIC = Branch("topic")
PLAIN, FETCHED = BuiltDerivation(drv("a"), False, 5.0), BuiltDerivation(drv("f"), True, 6.0)  # noqa: FBT003


def entry(name: str, *, fod: bool = False, **more: object) -> HookEntry:
    return HookEntry(name=name, command=("c",), fod=fod, **more)  # type: ignore[arg-type]


def own(name: str, *command: str) -> PostBuildHook:
    return PostBuildHook(name, command or ("c",), {"A": "b"})


def job(name: str = "one", *built: BuiltDerivation, hooks: tuple[PostBuildHook, ...] = ()) -> BuiltJob:
    return BuiltJob(ReviewJob(name, None, None, post_build_hooks=hooks), built or (PLAIN, FETCHED))


def pairs(rules: HookRules, *jobs: BuiltJob) -> list[tuple[str, str, str]]:
    chosen = choose(jobs, rules, HERE, TOPIC)
    return [(each.hook, each.drv.name, each.job) for each in chosen.wanted]


def test_hooks_for_fixed_outputs_are_run_of_these_beside_the_others() -> None:
    rules = HookRules((entry("all"), entry("fod", fod=True)))
    assert pairs(rules, job()) == [("all", "a", "one"), ("all", "f", "one"), ("fod", "f", "one")]


def test_each_pair_is_there_once_for_the_first_job_that_has_it() -> None:
    rules = HookRules((entry("all"),))
    assert pairs(rules, job("one", PLAIN), job("two", PLAIN, FETCHED)) == [("all", "a", "one"), ("all", "f", "two")]


def test_a_hook_is_run_for_whom_it_is_allowed() -> None:
    for permissions, allowed in (
        (Permissions(), True),
        (Permissions(allow_all=False), False),
        (Permissions(False, ("owner/*",)), True),  # noqa: FBT003
        (Permissions(False, ("other/*",)), False),  # noqa: FBT003
        (Permissions(False, (), ("topic",)), True),  # noqa: FBT003
        (Permissions(False, ("owner/*",), ("main",)), False),  # noqa: FBT003
    ):
        rules = HookRules((entry("it", permissions=permissions),))
        assert bool(pairs(rules, job())) is allowed, permissions


def test_what_is_chosen_says_all_that_a_run_needs() -> None:
    (wanted,) = choose([job("one", FETCHED)], HookRules((entry("fod", fod=True),)), HERE, TOPIC).wanted
    assert (wanted.origin, wanted.fod, wanted.built_at, wanted.definition) == (HookOrigin.SERVER, True, 6.0, "")


def test_hooks_of_a_repository_are_run_where_it_is_listed() -> None:
    hooks = (own("mine"), own("mine", "second"))
    listed = HookRules(allowed_repos=("OWNER/*",))
    (wanted,) = choose([job("one", PLAIN, hooks=hooks)], listed, HERE, TOPIC).wanted
    assert (wanted.hook, wanted.origin) == ("mine", HookOrigin.REPOSITORY)
    assert read_definition(wanted.definition) == (("c",), {"A": "b"}), "the first of a name counts"
    for patterns in ((), ("other/*",), ("owner",), ("*/repo",)):
        chosen = choose([job("one", PLAIN, hooks=hooks)], HookRules(allowed_repos=patterns), HERE, TOPIC)
        assert chosen.wanted == ()
        assert chosen.refused == {"mine": "the repository is not in security.allowed_hook_repos"}


def test_no_hook_of_a_repository_has_the_name_of_something_of_the_server() -> None:
    rules = HookRules((entry("push"),), allowed_repos=("*",), taken=frozenset({"push", "push-main"}))
    chosen = choose([job("one", PLAIN, hooks=(own("push"), own("push-main"), own("mine")))], rules, HERE, TOPIC)
    assert [(each.hook, each.origin) for each in chosen.wanted] == [
        ("push", HookOrigin.SERVER),
        ("mine", HookOrigin.REPOSITORY),
    ]
    assert set(chosen.refused) == {"push", "push-main"}


def test_for_which_branch_hooks_are_run() -> None:
    same = pull_request(head=TOPIC, head_repository=HERE)
    assert branch_of(wish(), same) == "topic"
    assert branch_of(wish(number=None), None) == "main"
    for other in (None, pull_request(head_repository=FORK), pull_request(head_repository=None)):
        assert branch_of(wish(), other) is None
    for untrusted in (wish(trusted=False), wish(number=None, trusted=False)):
        assert branch_of(untrusted, same) is None
    for occasion in (Occasion.MERGE_GROUP, Occasion.COMMIT, Occasion.DIRECTORY):
        assert branch_of(wish(number=None, occasion=occasion), None) is None


def execution(**changes: object) -> HookExecution:
    plain = HookExecution(
        id=HookExecutionId(1),
        review=None,
        repository=HERE,
        drv=drv("a"),
        origin=HookOrigin.SERVER,
        hook="it",
        fod=False,
        job="one",
        branch=TOPIC,
        sha=sha("a"),
        definition="",
        state=HookState.QUEUED,
        asked_at=1.0,
    )
    return attrs.evolve(plain, **changes)  # type: ignore[arg-type]


def test_what_is_run_is_what_the_configuration_says_now() -> None:
    rules = HookRules((entry("it", env={"A": "b"}, sandbox=False),), allowed_repos=("owner/*",), own_network=False)
    hook = rules.hook_of(execution())
    assert (hook.command, hook.env, hook.sandbox, hook.network) == (("c",), {"A": "b"}, False, True)
    of_repository = execution(origin=HookOrigin.REPOSITORY, definition=definition_of(own("it", "x", "y")))
    hook = rules.hook_of(of_repository)
    assert (hook.command, hook.env, hook.sandbox, hook.network) == (("x", "y"), {"A": "b"}, True, False)
    with pytest.raises(HookRefused, match="no such hook"):
        rules.hook_of(execution(fod=True))
    with pytest.raises(HookRefused, match="no such hook"):
        HookRules((entry("it", permissions=Permissions(allow_all=False)),)).hook_of(execution())
    with pytest.raises(HookRefused, match="allowed_hook_repos"):
        HookRules((entry("it"),)).hook_of(of_repository)
