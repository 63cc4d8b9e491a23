"""The strict converter: from plain data to attrs classes without guessing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar, get_args, get_origin

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.errors import AttributeValidationNote
from cattrs.gen import make_dict_structure_fn

from ekaci_core.config.suggest import did_you_mean

Kind = TypeVar("Kind")

_NAMES: Final[Mapping[type, str]] = {str: "a string", int: "a whole number", bool: "true or false"}
_LONGEST_SHOWN: Final = 60


class WrongValue(Exception):
    """A value that a hook refuses; the text reads well behind ``address: ``."""


class WrongMembers(Exception):
    """Faults inside a list or mapping, each with its index or key."""

    def __init__(self, faults: Sequence[tuple[str | int, Exception]]) -> None:
        super().__init__(faults)
        self.faults = faults


def strict_converter(*, table: str = "an object") -> Converter:
    """Make a converter that takes values of exactly the right type and refuses unknown keys.

    ``table`` is what people call a mapping in the kind of file that they wrote. A whole number may stand for a float;
    nothing else is converted. It knows attrs classes, ``tuple[X, ...]``, ``Mapping[str, X]`` and ``X | None``. Hooks
    for further types raise `WrongValue`.
    """
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in _NAMES:
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_factory(attrs.has, lambda kind: _object(kind, converter, table))
    converter.register_structure_hook_func(_is_tuple, lambda value, kind: _list(value, kind, converter))
    converter.register_structure_hook_func(_is_mapping, lambda value, kind: _mapping(value, kind, converter, table))
    return converter


@attrs.frozen
class Located:
    """A fault and its place.

    Attributes:
        at: the address to name.
        what: what is wrong there.
        spot: the address of the very key that is wrong, which ``at`` need not hold.
    """

    at: str
    what: str
    spot: str


def explain(error: Exception, *, at: str = "") -> tuple[str, ...]:
    """Name every fault that structuring found, as ``address: what is wrong``.

    Args:
        error: what the converter raised. Anything that is no fault of the data is raised again.
        at: the address of what was structured.
    """
    return tuple(f"{fault.at}: {fault.what}" if fault.at else fault.what for fault in _faults(error, at))


def locate(error: Exception, *, at: str = "") -> tuple[Located, ...]:
    """Name every fault as `explain` does, with its place apart."""
    return tuple(_faults(error, at))


def named(error: Exception) -> Exception:
    """Return an error that `locate` can name: what a validator of the class itself refuses becomes a `WrongValue`."""
    try:
        locate(error)
    except ValueError as refused:
        return WrongValue(str(refused))
    return error


def address(parent: str, key: str | int) -> str:
    """Write where a value stands: ``jobs.hello.caches[0]``; keys that are no words stand in quotes."""
    if isinstance(key, int):
        return f"{parent}[{key}]"
    word = _shortened(key) if key.replace("-", "_").isidentifier() else f'"{shown_key(key)}"'
    return f"{parent}.{word}" if parent else word


def shown_key(key: str) -> str:
    """Make a text from a file safe and short enough to print between quotes."""
    text = key if key.isprintable() else key.encode("unicode_escape").decode("ascii")
    return _shortened(text.replace('"', '\\"'))


def expected(what: str, value: object) -> NoReturn:
    """Refuse a value that is not ``what``.

    Raises:
        WrongValue: always.
    """
    raise WrongValue(f"expected {what}, got {_shown(value)}")


def _is_tuple(kind: Any) -> bool:
    origin: object = get_origin(kind)
    return origin is tuple


def _is_mapping(kind: Any) -> bool:
    origin: object = get_origin(kind)
    return origin is Mapping


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{shown_key(value)}"'
    if isinstance(value, int) and value.bit_length() > 4 * _LONGEST_SHOWN:
        return "a huge number"  # longer ones may be too long to print at all
    kinds = ((type(None), "null"), (Mapping, "an object"), (list, "a list"))
    words = [word for kind, word in kinds if isinstance(value, kind)]
    return words[0] if words else _shortened(str(value).lower() if isinstance(value, bool) else str(value))


def _exactly(kind: type[Kind]) -> Callable[[object, object], Kind]:
    def structure(value: object, _: object) -> Kind:
        if not isinstance(value, kind) or type(value) is not kind:
            expected(_NAMES[kind], value)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            expected("whole characters", value)
        return value

    return structure


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        expected("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        expected("a finite number", value)
    return number


def _object(kind: type[Kind], converter: Converter, table: str) -> Callable[[object, object], Kind]:
    structure = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def checked(value: object, _: object) -> Kind:
        if not isinstance(value, Mapping):
            expected(table, value)
        return structure(value, kind)

    return checked


def _list(value: object, kind: Any, converter: Converter) -> tuple[Any, ...]:
    if not isinstance(value, list):
        expected("a list", value)
    member = get_args(kind)[0]
    members, faults = [], []
    for index, item in enumerate(value):
        try:
            members.append(converter.structure(item, member))
        except (WrongValue, WrongMembers, ClassValidationError) as error:
            faults.append((index, error))
    if faults:
        raise WrongMembers(faults)
    return tuple(members)


def _mapping(value: object, kind: Any, converter: Converter, table: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        expected(table, value)
    key_kind, member = get_args(kind)
    members, faults = {}, []
    for key, item in value.items():
        for structured, this in ((key, key_kind), (item, member)):
            try:
                members[key] = converter.structure(structured, this)
            except (WrongValue, WrongMembers, ClassValidationError) as error:
                faults.append((key, error))
    if faults:
        raise WrongMembers(faults)
    return members


def _faults(error: Exception, at: str) -> Iterator[Located]:
    match error:
        case WrongValue():
            yield Located(at, str(error), at)
        case WrongMembers():
            for key, fault in error.faults:
                yield from _faults(fault, address(at, key))
        case ForbiddenExtraKeysError():
            known = [field.alias for field in attrs.fields(error.cl)]
            for key in sorted(error.extra_fields):
                what = f'unknown key "{shown_key(key)}"{did_you_mean(key, known)}'
                yield Located(at, what, address(at, key))
        case ClassValidationError():
            for fault in error.exceptions:
                yield from _faults_of_class(fault, at)
        case _:
            raise error


def _faults_of_class(fault: Exception, at: str) -> Iterator[Located]:
    notes = [note for note in getattr(fault, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
    if not notes:
        yield from _faults(fault, at)
    elif isinstance(fault, KeyError):
        yield Located(at, f'the key "{notes[0].name}" is missing', at)
    else:
        yield from _faults(fault, address(at, notes[0].name))
