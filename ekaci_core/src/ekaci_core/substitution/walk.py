"""The way from what is wanted to what must be built or fetched, without I/O: it says what to look up and is told."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterable

import attrs

from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.nix.narinfo import NarInfo
from ekaci_core.nix.recipes import Recipe


class Said(enum.Enum):
    """What is known of a path other than that a cache has it."""

    ABSENT = "absent"
    UNDECIDED = "undecided"


class _Way(enum.Enum):
    WAITING = enum.auto()
    FETCHED = enum.auto()
    BUILT = enum.auto()
    DOUBTFUL = enum.auto()


@attrs.define(eq=False)
class _Wish:
    """Some outputs of a derivation; ``names`` None means all. ``missing`` are those that are not in the store."""

    drv: DrvPath
    recipe: Recipe
    missing: frozenset[StorePath]
    way: _Way = _Way.WAITING


class Walk:
    """Goes through derivations as Nix's dry run does: from dependents to inputs, no further than need be.

    Outputs that are in the store end a way. Else they are fetched, if caches have all that are wanted and all that
    these refer to; else the derivation is built, and its inputs are wanted.

    Attributes:
        asked: paths to look up, in the order in which they came up; the caller takes them out and calls `told`.
        beyond: derivations of which only Nix can say what they take, with the outputs wanted (None: all).
    """

    def __init__(
        self,
        read: Callable[[DrvPath], Recipe | None],
        exists: Callable[[StorePath], bool],
        *,
        substitutes: bool = True,
        always: bool = False,
        fallback: bool = False,
    ) -> None:
        """Begin with nothing.

        Args:
            read: yields a derivation that exists; None where it is none that can be read here.
            exists: says whether a path is valid in the store.
            substitutes: whether anything may be fetched at all.
            always: whether a derivation's own ``allowSubstitutes = false`` is passed over.
            fallback: whether what is undecided counts as absent.
        """
        self.asked: deque[StorePath] = deque()
        self.beyond: dict[DrvPath, set[str] | None] = {}
        self._read = read
        self._exists = exists
        self._substitutes = substitutes
        self._always = always
        self._fallback = fallback
        self._seen: set[tuple[DrvPath, frozenset[str] | None]] = set()
        self._unknown: set[StorePath] = set()
        self._wishes: list[_Wish] = []
        self._waiting: dict[StorePath, list[_Wish]] = {}
        self._said: dict[StorePath, NarInfo | Said | None] = {}
        self._followed: set[StorePath] = set()

    def want(self, drvs: Iterable[DrvPath]) -> None:
        """Want all outputs of these."""
        self._go(deque((drv, None) for drv in drvs))

    def told(self, path: StorePath, said: NarInfo | Said) -> None:
        """Learn what caches have of a path that was asked for."""
        self._said[path] = said
        if path in self._followed and isinstance(said, NarInfo):
            self._follow(said.references)
        for wish in self._waiting.pop(path, ()):
            self._decide(wish)

    def revise(self) -> bool:
        """Once nothing is asked any more: build what cannot be fetched, as something it refers to is not to be had.

        Returns whether that changed anything; then there may be more to look up.
        """
        incomplete = self._incomplete()
        changed = False
        for wish in [each for each in self._wishes if each.way is _Way.FETCHED]:
            lost = [incomplete[path] for path in wish.missing if path in incomplete]
            if lost:
                changed = True
                self._give_up(wish, doubtful=all(lost))
        return changed

    @property
    def doubtful(self) -> list[DrvPath]:
        """Those of which no cache could say whether they can be fetched."""
        return [wish.drv for wish in self._wishes if wish.way is _Way.DOUBTFUL]

    def plan(self) -> BuildPlan:
        """Return what it comes to, once nothing is asked any more and `revise` changes nothing."""
        fetched: set[StorePath] = set()
        waiting = [path for wish in self._wishes if wish.way is _Way.FETCHED for path in wish.missing]
        while waiting:
            path = waiting.pop()
            info = self._said.get(path)
            if path not in fetched and isinstance(info, NarInfo):
                fetched.add(path)
                waiting.extend(info.references)
        built = frozenset(wish.drv for wish in self._wishes if wish.way is _Way.BUILT)
        return BuildPlan(built, frozenset(fetched), frozenset(self._unknown))

    def _go(self, wanted: deque[tuple[DrvPath, frozenset[str] | None]]) -> None:
        while wanted:
            drv, names = wanted.popleft()
            if (drv, names) not in self._seen:
                self._seen.add((drv, names))
                wish = self._wish(drv, names)
                if wish is not None and self._settle(wish):
                    wanted.extend(wish.recipe.inputs())

    def _wish(self, drv: DrvPath, names: frozenset[str] | None) -> _Wish | None:
        """Make a wish of it, unless there is nothing to do for it or nothing that can be done here."""
        if not self._exists(drv):
            self._unknown.add(drv)
            return None
        recipe = self._read(drv)
        if recipe is None or any(output.path is None for output in recipe.outputs):
            self._leave_to_nix(drv, names)
            return None
        missing = frozenset(
            output.path
            for output in recipe.outputs
            if output.path is not None and (names is None or output.name in names) and not self._exists(output.path)
        )
        if not missing:
            return None
        wish = _Wish(drv, recipe, missing)
        self._wishes.append(wish)
        return wish

    def _leave_to_nix(self, drv: DrvPath, names: frozenset[str] | None) -> None:
        known = self.beyond.setdefault(drv, set())
        if names is None or known is None:
            self.beyond[drv] = None
        else:
            known.update(names)

    def _settle(self, wish: _Wish) -> bool:
        """Find out what can be said at once; return whether it is now known to be built."""
        if not self._substitutes or not (self._always or wish.recipe.may_be_substituted):
            wish.way = _Way.BUILT
            return True
        for path in wish.missing:
            self._ask(path)
            if self._said[path] is None:
                self._waiting.setdefault(path, []).append(wish)
        return self._judge(wish)

    def _judge(self, wish: _Wish) -> bool:
        """Decide if enough is known, and return whether it is built, in which case its inputs must be gone to."""
        if wish.way is not _Way.WAITING:
            return False
        said = [self._said[path] for path in wish.missing]
        if Said.ABSENT in said or (self._fallback and Said.UNDECIDED in said):
            wish.way = _Way.BUILT
            return True
        if None in said:
            return False
        if Said.UNDECIDED in said:
            wish.way = _Way.DOUBTFUL
            return False
        wish.way = _Way.FETCHED
        self._follow(wish.missing)
        return False

    def _decide(self, wish: _Wish) -> None:
        if self._judge(wish):
            self._go(deque(wish.recipe.inputs()))

    def _give_up(self, wish: _Wish, *, doubtful: bool) -> None:
        if doubtful and not self._fallback:
            wish.way = _Way.DOUBTFUL
            return
        wish.way = _Way.BUILT
        self._go(deque(wish.recipe.inputs()))

    def _ask(self, path: StorePath) -> None:
        if path not in self._said:
            self._said[path] = None
            self.asked.append(path)

    def _follow(self, paths: Iterable[StorePath]) -> None:
        """Look up all that these refer to, as far as it is not in the store."""
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path in self._followed or self._exists(path):
                continue
            self._followed.add(path)
            self._ask(path)
            info = self._said[path]
            if isinstance(info, NarInfo):
                waiting.extend(info.references)

    def _incomplete(self) -> dict[StorePath, bool]:
        """Find the paths that are not to be had as a whole; the value says whether that is only not decided."""
        users: dict[StorePath, list[StorePath]] = {}
        for path in self._followed:
            info = self._said[path]
            for reference in info.references if isinstance(info, NarInfo) else ():
                users.setdefault(reference, []).append(path)
        found: dict[StorePath, bool] = {}
        # What is absent comes last, so that it has the last word.
        for kind in (Said.UNDECIDED, Said.ABSENT):
            waiting = [path for path in self._followed if self._said[path] is kind]
            reached = set(waiting)
            while waiting:
                path = waiting.pop()
                found[path] = kind is Said.UNDECIDED
                new = [each for each in users.get(path, ()) if each not in reached]
                reached.update(new)
                waiting.extend(new)
        return found
