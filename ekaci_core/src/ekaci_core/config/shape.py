"""The configuration file of a repository, as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NewType

import attrs
from cattrs import Converter

from ekaci_core.config.convert import expected, strict_converter
from ekaci_core.model.hook import HOOK_NAME_WORDS, is_hook_name, is_hook_variable

LONGEST_NAME: Final = 200

Name = NewType("Name", str)
"""What reports print: 1 to `LONGEST_NAME` printable characters."""
Text = NewType("Text", str)
"""Not empty, without NUL."""
HookName = NewType("HookName", str)
"""`HOOK_NAME_WORDS`."""
HookVariable = NewType("HookVariable", str)
"""Of a variable that no hook has from us."""
SourceFile = NewType("SourceFile", str)
"""A path below the repository's root; structured without leading slash and empty parts."""
Count = NewType("Count", int)
"""Not negative."""
Percentage = NewType("Percentage", float)
"""Not negative, finite."""


@attrs.frozen
class HookShape:
    """One of ``post_build_hooks``."""

    name: HookName
    command: tuple[Text, ...]
    env: Mapping[HookVariable, str] = attrs.field(factory=dict)


@attrs.frozen
class SizeCheckShape:
    """``size_check`` of a job."""

    max_increase_percent: Percentage
    base_branch: Name = Name("main")


@attrs.frozen
class JobShape:
    """A member of ``jobs``."""

    file: SourceFile
    attr_path: Text | None = None
    allow_eval_failures: bool = False
    caches: tuple[Name, ...] = ()
    size_check: SizeCheckShape | None = None
    post_build_hooks: tuple[HookShape, ...] = ()
    fod_post_build_hooks: tuple[HookShape, ...] = ()


@attrs.frozen
class CheckShape:
    """A member of ``checks``."""

    command: Text
    shell: Text | None = None
    shell_nix: bool = False
    allow_network: bool = False
    ro_bind: tuple[Text, ...] = ()


@attrs.frozen
class EnabledShape:
    """``flake.checks`` and ``flake.packages``."""

    enable: bool = False


@attrs.frozen
class FlakeShape:
    """``flake``."""

    checks: EnabledShape = EnabledShape()
    packages: EnabledShape = EnabledShape()


@attrs.frozen
class SummaryShape:
    """``package_change_summary``."""

    enabled: bool = True
    max_packages_listed: Count = Count(100)
    include_rebuild_only: bool = False


@attrs.frozen
class ImpactShape:
    """``rebuild_impact``."""

    enabled: bool = True
    max_top_blast_radius: Count = Count(5)
    compute_full_blast_radius: bool = False


@attrs.frozen
class FileShape:
    """The whole file. ``change_set`` may hold anything, since nothing reads it."""

    jobs: Mapping[Name, JobShape] = attrs.field(factory=dict)
    checks: Mapping[Name, CheckShape] = attrs.field(factory=dict)
    flake: FlakeShape | None = None
    package_change_summary: SummaryShape | None = None
    rebuild_impact: ImpactShape | None = None
    change_set: Any = None


def shape_converter() -> Converter:
    """Make the converter for `FileShape`."""
    converter = strict_converter()
    converter.register_structure_hook_func(lambda kind: kind is Name, _name)
    converter.register_structure_hook_func(lambda kind: kind is Text, _text)
    converter.register_structure_hook_func(lambda kind: kind is HookName, _hook_name)
    converter.register_structure_hook_func(lambda kind: kind is HookVariable, _hook_variable)
    converter.register_structure_hook_func(lambda kind: kind is SourceFile, _source_file)
    converter.register_structure_hook_func(lambda kind: kind is Count, _count)
    converter.register_structure_hook_func(lambda kind: kind is Percentage, _percentage)
    return converter


def source_file(text: str) -> SourceFile:
    """Bring the name of a file below the root of a repository into its one form.

    Raises:
        WrongValue: it is none, or leads out of the repository.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        expected('a file inside the repository, without ".."', text)
    if not parts or text.endswith("/") or not text.isprintable():
        expected("a file, relative to the root of the repository", text)
    return SourceFile("/".join(parts))


_strict: Final = strict_converter()


def _name(value: object, _: object) -> Name:
    text = _strict.structure(value, str)
    if not text.isprintable() or not 1 <= len(text) <= LONGEST_NAME:
        expected(f"1 to {LONGEST_NAME} printable characters", text)
    return Name(text)


def _hook_name(value: object, _: object) -> HookName:
    text = _strict.structure(value, str)
    if not is_hook_name(text):
        expected(HOOK_NAME_WORDS, text)
    return HookName(text)


def _hook_variable(value: object, _: object) -> HookVariable:
    text = _strict.structure(value, str)
    if not is_hook_variable(text):
        expected("the name of a variable, and none that every hook is given", text)
    return HookVariable(text)


def _text(value: object, _: object) -> Text:
    text = _strict.structure(value, str)
    if not text or "\0" in text:
        expected("text that is not empty and holds no NUL", text)
    return Text(text)


def _source_file(value: object, _: object) -> SourceFile:
    return source_file(_strict.structure(value, str))


def _count(value: object, _: object) -> Count:
    number = _strict.structure(value, int)
    if number < 0:
        expected("a number that is not negative", number)
    return Count(number)


def _percentage(value: object, _: object) -> Percentage:
    number = _strict.structure(value, float)
    if number < 0:
        expected("a number that is not negative", value)
    return Percentage(number)
