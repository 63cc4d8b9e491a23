import pytest

from ekaci_core.reporting.wording import counted, duration, few


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 packages"), (1, "1 package"), (2, "2 packages"), (12345, "12,345 packages")]
)
def test_counted(number: int, text: str) -> None:
    assert counted(number, "package") == text


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d"], "a, b, c and 1 more")],
)
def test_few(names: str, text: str) -> None:
    assert few(list(names), 3) == text


def test_names_are_cleaned() -> None:
    assert few(["a\x1b[31m\nb"]) == "a b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (10.4, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
