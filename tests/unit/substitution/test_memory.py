from __future__ import annotations

from ekaci_core.model.ids import StorePath
from ekaci_core.nix.narinfo import NarInfo
from ekaci_core.substitution.memory import Answer, Memory

PATH = StorePath.parse("0" * 32 + "-it")
THERE = Answer(NarInfo(PATH, "sha256:x", 1, ()))
ABSENT = Answer(None)


def test_answers_are_forgotten_after_their_time() -> None:
    memory = Memory(positive_ttl=100, negative_ttl=10)
    memory.keep("there", THERE, 1000)
    memory.keep("absent", ABSENT, 1000)
    assert (memory.find("there", 1009), memory.find("absent", 1009)) == (THERE, ABSENT)
    assert (memory.find("there", 1010), memory.find("absent", 1010)) == (THERE, None)
    assert memory.find("there", 1100) is None
    assert memory.find("never asked", 1000) is None


def test_the_oldest_go_first() -> None:
    memory = Memory(positive_ttl=100, negative_ttl=100, most=2)
    for name in ("a", "b", "a", "c"):
        memory.keep(name, ABSENT, 0)
    assert [memory.find(name, 1) for name in ("a", "b", "c")] == [ABSENT, None, ABSENT]
