"""Which hooks there are, and whose they may be. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import attrs

from ekaci_core.config.hooks import HookEntry
from ekaci_core.model.forge import Branch, PullRequest, RepositoryId
from ekaci_core.model.hook import HookOrigin
from ekaci_core.model.policy import compile_globs
from ekaci_core.model.repository import PostBuildHook
from ekaci_core.model.review import Occasion, ReviewWish
from ekaci_core.model.secret import Secret
from ekaci_core.store.hook_execution import HookExecution


class HookRefused(Exception):
    """A hook that is not run; says why."""


@attrs.frozen
class Hook:
    """A hook as it is run; see `HookKeys`."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str | Secret] = attrs.field(factory=dict, repr=False)
    sandbox: bool = True
    network: bool = True
    ro_bind: tuple[Path, ...] = ()


@attrs.frozen(slots=False)
class HookRules:
    """What the server's configuration says of hooks.

    Attributes:
        entries: its own.
        allowed_repos: repositories, by patterns, whose own are run.
        own_network: whether these have the machine's network.
        taken: names that no hook of a repository can have, as something of the server writes logs under them.
    """

    entries: tuple[HookEntry, ...] = ()
    allowed_repos: tuple[str, ...] = ()
    own_network: bool = True
    taken: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether no hook is ever run."""
        return not self.entries and not self.allowed_repos

    def of_server(self, repository: RepositoryId, branch: Branch) -> Sequence[HookEntry]:
        """List the server's that are run for a branch of a repository."""
        return [each for each in self.entries if each.permissions.allows(repository.path, branch)]

    def runs_own_of(self, repository: RepositoryId) -> bool:
        """Whether hooks are run that a repository's own configuration names."""
        return self._allowed.fullmatch(repository.path) is not None

    def hook_of(self, execution: HookExecution) -> Hook:
        """Say what is to be run, as the configuration is now.

        Raises:
            HookRefused: it may not be run, or not any more.
        """
        if execution.origin is HookOrigin.REPOSITORY:
            return self._own(execution)
        for entry in self.entries:
            if entry.name == execution.hook and entry.fod == execution.fod:
                if not entry.permissions.allows(execution.repository.path, execution.branch):
                    break
                given = (entry.name, entry.command, entry.env, entry.sandbox, entry.network, entry.ro_bind)
                return Hook(*given)
        raise HookRefused("the server's configuration has no such hook for this repository and branch any more")

    def _own(self, execution: HookExecution) -> Hook:
        if not self.runs_own_of(execution.repository):
            raise HookRefused("the repository is not in security.allowed_hook_repos any more")
        command, env = read_definition(execution.definition)
        return Hook(execution.hook, command, env, network=self.own_network)

    @cached_property
    def _allowed(self) -> re.Pattern[str]:
        return compile_globs(self.allowed_repos, ignore_case=True)


def definition_of(hook: PostBuildHook) -> str:
    """Write down a repository's hook, as rows keep it."""
    return json.dumps({"command": list(hook.command), "env": dict(hook.env)}, sort_keys=True)


def read_definition(text: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Undo `definition_of`: a command and its variables."""
    document = json.loads(text)
    return tuple(document["command"]), document["env"]


def branch_of(wish: ReviewWish, pull: PullRequest | None) -> Branch | None:
    """Say for which branch hooks are run of what a review builds; None where they are not run at all.

    They are run for a branch that was pushed, and for a pull request whose author may write and whose branch is in the
    same repository. A merge group is pushed as a branch once it is merged; what an operator names is of no branch.
    """
    if not wish.trusted:
        return None
    if wish.occasion is Occasion.BRANCH:
        return wish.base
    if wish.occasion is not Occasion.PULL_REQUEST or pull is None or pull.is_from_fork:
        return None
    return pull.head
