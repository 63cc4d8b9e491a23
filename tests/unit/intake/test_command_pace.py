from __future__ import annotations

from ekaci_core.intake.pace import CommandPace
from ekaci_core.model.forge import Person, RepositoryId

HERE, THERE = (RepositoryId.parse("forge.example", path) for path in ("one/repo", "two/repo"))
ANN, BOB = Person("ann", 1), Person("bob", 2)


def test_a_person_gives_a_command_every_five_seconds_in_a_repository() -> None:
    pace = CommandPace()
    assert pace.allows(ANN, HERE, 1, 100)
    assert not pace.allows(ANN, HERE, 2, 104.9)
    assert pace.allows(BOB, HERE, 3, 101)
    assert pace.allows(ANN, THERE, 4, 101)
    assert pace.allows(ANN, HERE, 5, 105)


def test_what_was_refused_does_not_count() -> None:
    pace = CommandPace()
    assert pace.allows(ANN, HERE, 1, 100)
    assert not pace.allows(ANN, HERE, 2, 104)
    assert pace.allows(ANN, HERE, 3, 106)


def test_a_comment_that_is_handled_again_is_allowed_again() -> None:
    pace = CommandPace()
    assert pace.allows(ANN, HERE, 1, 100)
    assert pace.allows(ANN, HERE, 1, 100)


def test_an_older_comment_that_comes_later_is_measured_too() -> None:
    pace = CommandPace()
    assert pace.allows(ANN, HERE, 2, 100)
    assert not pace.allows(ANN, HERE, 1, 97)


def test_memory_is_bounded() -> None:
    pace = CommandPace(most_people=2)
    assert all(pace.allows(Person("x", number), HERE, number, 100) for number in range(1, 4))
    assert pace.allows(Person("x", 1), HERE, 9, 100), "the longest ago is forgotten"
    assert not pace.allows(Person("x", 3), HERE, 10, 100)
