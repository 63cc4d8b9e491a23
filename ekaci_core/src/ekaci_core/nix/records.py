"""From derivation files to the small records that the store keeps."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from ekaci_core.model.derivation import Derivation, DerivationRecord, Output
from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.aterm import MalformedDerivation, parse_derivation, unescape

# Everything in front of the environment, where outputs, inputs, sources and platform hold no escaped character. Files
# that are written otherwise go through `parse_derivation`, which costs some ten times as much.
_PLAIN: Final = rb'"[^"\\]*+"'
_ANY: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_HEAD: Final = re.compile(
    rb"Derive\(\[((?:\(PLAIN,PLAIN,PLAIN,PLAIN\),?+)*+)\],"
    rb"\[((?:\(PLAIN,\[(?:PLAIN,?+)*+\]\),?+)*+)\],"
    rb'\[(?:PLAIN,?+)*+\],"([^"\\]*+)",ANY,\[(?:ANY,?+)*+\],(?=\[)'.replace(b"PLAIN", _PLAIN).replace(b"ANY", _ANY),
    re.DOTALL,
)
_OUTPUT: Final = re.compile(rb'\("([^"]*)","([^"]*)","([^"]*)","([^"]*)"\)')
_INPUT: Final = re.compile(rb'\("([^"]*)",')
_CHUNK: Final = 256 * 1024
_KEYS: Final = {
    name: b'("%s","' % name.encode()
    for name in ("__json", "pname", "version", "requiredSystemFeatures", "preferLocalBuild")
}
_VALUE: Final = re.compile(rb'([^"\\]*+(?:\\.[^"\\]*+)*+)"\)', re.DOTALL)


class VanishedDerivation(InfrastructureFault):
    """A derivation file that should be in the store and is not."""

    def __init__(self, path: str) -> None:
        """Name the file."""
        super().__init__(
            "the derivation is no longer in the store",
            where=path,
            do="run again: it is instantiated anew; if it happens often, garbage is collected while EkaCI evaluates",
        )


def read_file(path: DrvPath) -> bytes:
    """Read a derivation file from the store's directory.

    Raises:
        VanishedDerivation: there is none.
        InfrastructureFault: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return _all_of(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise VanishedDerivation(path) from None
    except OSError as error:
        raise InfrastructureFault(
            f"cannot read the derivation: {error.strerror}", where=path, do="make the store readable"
        ) from None


def read_record(path: DrvPath) -> DerivationRecord:
    """Read one derivation file.

    Raises:
        VanishedDerivation, MalformedDerivation, InfrastructureFault: there is none, or none that can be read.
    """
    return _Parser().record(path, read_file(path))


def _all_of(descriptor: int) -> bytes:
    data = os.read(descriptor, _CHUNK)
    if len(data) < _CHUNK:  # nearly always: of a regular file that was all
        return data
    chunks = [data]
    while data := os.read(descriptor, _CHUNK):
        chunks.append(data)
    return b"".join(chunks)


def read_closure(
    roots: Iterable[DrvPath],
    is_known: Callable[[DrvPath], bool],
    *,
    read: Callable[[DrvPath], bytes] = read_file,
) -> list[DerivationRecord]:
    """Read these derivations and all they need, except what is known, whose own inputs are known too.

    Blocks for as long as reading takes (about 0.1 ms a derivation): call it from a worker thread.

    Args:
        roots: where to begin; known ones are left out as well.
        is_known: asked once for each path.
        read: yields a file's contents.

    Returns:
        Each once, inputs before dependents; the order depends on nothing but the arguments.

    Raises:
        VanishedDerivation, MalformedDerivation, InfrastructureFault: a file is missing or broken.
    """
    return read_unknown(roots, lambda paths: {path for path in paths if is_known(path)}, read=read)


def read_unknown(
    roots: Iterable[DrvPath],
    known_among: Callable[[Collection[DrvPath]], Collection[DrvPath]],
    *,
    read: Callable[[DrvPath], bytes] = read_file,
) -> list[DerivationRecord]:
    """Do as `read_closure` does, and ask what is known for a whole generation of inputs at once.

    Args:
        roots: where to begin.
        known_among: returns those that are known of the paths given; each path is asked for once.
        read: yields a file's contents.
    """
    parser = _Parser()
    roots = list(dict.fromkeys(roots))
    records: dict[DrvPath, DerivationRecord] = {}
    seen = set(roots)
    generation = roots
    while generation:
        known = set(known_among(generation))
        following: list[DrvPath] = []
        for path in generation:
            if path in known:
                continue
            record = records[path] = parser.record(path, read(path))
            for needed in record.inputs:
                if needed not in seen:
                    seen.add(needed)
                    following.append(needed)
        generation = following
    return _inputs_first(roots, records)


def parse_record(path: DrvPath, data: bytes) -> DerivationRecord:
    """Make the record from a derivation file's contents, without decoding what it does not need.

    Raises:
        MalformedDerivation: it is not a derivation.
    """
    return _Parser().record(path, data)


def record_of(path: DrvPath, derivation: Derivation) -> DerivationRecord:
    """Make the record of a derivation that is at hand as a whole."""
    env = derivation.env
    return _record(path, derivation.system, tuple(derivation.input_drvs), derivation.outputs, env.get, where=path)


def _inputs_first(roots: Iterable[DrvPath], records: dict[DrvPath, DerivationRecord]) -> list[DerivationRecord]:
    ordered: list[DerivationRecord] = []
    unfinished = set(records)
    for root in roots:
        # Depth first without recursion: a derivation is entered, its inputs follow, then it is finished.
        entered: set[DrvPath] = set()
        stack = [root]
        while stack:
            path = stack[-1]
            if path not in unfinished:
                stack.pop()
                continue
            record = records[path]
            waiting = () if path in entered else [each for each in reversed(record.inputs) if each in unfinished]
            if waiting:
                entered.add(path)
                if not entered.isdisjoint(waiting):
                    raise MalformedDerivation("it needs itself", where=path)
                stack.extend(waiting)
                continue
            stack.pop()
            unfinished.discard(path)
            entered.discard(path)
            ordered.append(record)
    return ordered


class _Parser:
    """Parses one file after the other, and shares what they have in common: paths, platforms, names of outputs."""

    __slots__ = ("_paths", "_systems", "_texts")

    def __init__(self) -> None:
        self._paths: dict[bytes, DrvPath] = {}
        self._systems: dict[bytes, System] = {}
        self._texts: dict[bytes, str] = {}

    def record(self, path: DrvPath, data: bytes) -> DerivationRecord:
        head = _HEAD.match(data)
        if head is None or not data.endswith((b'")])', b",[])")):
            return record_of(path, parse_derivation(data, where=path))
        outputs, inputs, platform = head.groups()
        begin = head.end()

        def field(name: str) -> str | None:
            # A quote inside a string is always escaped, so this can only be found where a key of the environment is.
            key = _KEYS[name]
            at = data.find(key, begin)
            if at < 0:
                return None
            value = _VALUE.match(data, at + len(key))
            if value is None:
                raise MalformedDerivation(f"the value of {name} does not end", where=path)
            return unescape(value[1])

        try:
            return _record(
                path,
                self._systems.get(platform) or self._system(platform),
                tuple([self._paths.get(each) or self._path(each) for each in _INPUT.findall(inputs)]),
                tuple([self._output(*each) for each in _OUTPUT.findall(outputs)]),
                field,
                where=path,
            )
        except BadName as error:
            raise MalformedDerivation(error.what, where=path) from None

    def _path(self, raw: bytes) -> DrvPath:
        path = self._paths[raw] = DrvPath.parse(raw.decode("utf-8", "surrogateescape"))
        return path

    def _system(self, raw: bytes) -> System:
        system = self._systems[raw] = System(raw.decode("utf-8", "surrogateescape"))
        return system

    def _text(self, raw: bytes) -> str:
        text = self._texts.get(raw)
        if text is None:
            text = self._texts[raw] = raw.decode("utf-8", "surrogateescape")
        return text

    def _output(self, name: bytes, path: bytes, method: bytes, content_hash: bytes) -> Output:
        return Output(
            self._text(name),
            StorePath.parse(path.decode("utf-8", "surrogateescape")) if path else None,
            self._text(method) if method else "",
            content_hash.decode("utf-8", "surrogateescape") if content_hash else "",
        )


def _record(
    path: DrvPath,
    system: System,
    inputs: tuple[DrvPath, ...],
    outputs: tuple[Output, ...],
    field: Callable[[str], str | None],
    *,
    where: str,
) -> DerivationRecord:
    structured = field("__json")
    if structured is None:
        pname, version = field("pname") or None, field("version") or None
        features = tuple((field("requiredSystemFeatures") or "").split())
        prefer_local = field("preferLocalBuild") == "1"
    else:
        attributes = _object(structured, where)
        pname, version = _text_in(attributes, "pname"), _text_in(attributes, "version")
        listed = attributes.get("requiredSystemFeatures")
        features = tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()
        prefer_local = attributes.get("preferLocalBuild") is True
    return DerivationRecord(path, path.name, system, inputs, outputs, pname, version, features, prefer_local)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedDerivation("its structured attributes are not JSON", where=where) from None
    if not isinstance(value, dict):
        raise MalformedDerivation("its structured attributes are not a JSON object", where=where)
    return value


def _text_in(attributes: dict[str, Any], key: str) -> str | None:
    value = attributes.get(key)
    return value if isinstance(value, str) and value else None
