"""What every evaluator does when some results are known; part of the conformance of evaluators."""

from __future__ import annotations

import uuid
from typing import Final

from ekaci_core.model.evaluation import EvaluatedAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.testing.evaluator_laboratory import Laboratory

_KNOWN: Final = frozenset({AttrPath("a"), AttrPath("set.b"), AttrPath("long-gone")})


class KnownConformance:
    """An evaluation that is continued."""

    async def test_the_rest_of_a_known_evaluation(self, lab: Laboratory) -> None:
        mark = uuid.uuid4().hex
        expression = f"""{{
          a = mk "a-{mark}"; b = mk "b-{mark}"; bad = throw "bad"; nothing = null;
          set = recurse {{ b = mk "set-b-{mark}"; c = mk "set-c-{mark}"; }};
        }}"""
        roots = lab.root.parent / "kept-roots"
        roots.mkdir()
        whole = await lab.evaluate(expression, gc_roots=roots)
        rest = await lab.evaluate(gc_roots=roots, known=_KNOWN)
        assert rest.keys() >= whole.keys() - _KNOWN
        assert rest.items() <= whole.items()
        for item in whole.values():
            if isinstance(item, EvaluatedAttribute):
                held = await lab.query("--roots", item.drv)
                assert any(root.startswith(str(roots)) for root in held), f"{item.attr} is not protected any more"
