"""The types of all active plugins, by kind and name, and what became of the others."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution
from typing import Final, cast

import attrs

from ekaci_core.api import BuilderType, CacheType, CredentialType, EvaluatorType, ForgeType, Logger, UsageFault
from ekaci_core.registry.admit import Admission, admit
from ekaci_core.registry.discover import Candidate, discover, normal_name
from ekaci_core.registry.kinds import Kind
from ekaci_core.registry.registered import RegisteredType
from ekaci_core.registry.report import PluginReport, PluginState

DISABLED_VARIABLE: Final = "EKACI_DISABLED_PLUGINS"


class Registry:
    """Every plugin that was found, and the types of those that are active."""

    def __init__(self, admissions: Sequence[Admission]) -> None:
        self.reports = tuple(admission.report for admission in admissions)
        self._types: dict[tuple[Kind, str], tuple[RegisteredType, PluginReport]] = {
            (kind, each.name): (each, admission.report) for admission in admissions for kind, each in admission.types
        }

    @property
    def rejected(self) -> tuple[PluginReport, ...]:
        """Plugins that are installed and cannot take part."""
        return tuple(report for report in self.reports if report.state is PluginState.REJECTED)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """The names that configuration may use, sorted."""
        return tuple(sorted(name for registered, name in self._types if registered is kind))

    def evaluator_type(self, name: str) -> EvaluatorType:
        """Return the evaluator type of this name.

        Raises:
            UsageFault: no active plugin registers it; the message says which are there and which were rejected.
        """
        return cast("EvaluatorType", self._type(Kind.EVALUATOR, name))

    def builder_type(self, name: str) -> BuilderType:
        """Return the builder type of this name.

        Raises:
            UsageFault: as for `evaluator_type`.
        """
        return cast("BuilderType", self._type(Kind.BUILDER, name))

    def forge_type(self, name: str) -> ForgeType:
        """Return the forge type of this name.

        Raises:
            UsageFault: as for `evaluator_type`.
        """
        return cast("ForgeType", self._type(Kind.FORGE, name))

    def credential_type(self, name: str) -> CredentialType:
        """Return the type of credential source of this name.

        Raises:
            UsageFault: as for `evaluator_type`.
        """
        return cast("CredentialType", self._type(Kind.CREDENTIAL, name))

    def cache_type(self, name: str) -> CacheType:
        """Return the type of cache of this name.

        Raises:
            UsageFault: as for `evaluator_type`.
        """
        return cast("CacheType", self._type(Kind.CACHE, name))

    def provider(self, kind: Kind, name: str) -> PluginReport:
        """Return the plugin that registers a type which is there."""
        return self._types[kind, name][1]

    def _type(self, kind: Kind, name: str) -> RegisteredType:
        if (kind, name) in self._types:
            return self._types[kind, name][0]
        raise UsageFault(f"no active plugin registers this {kind.value}", where=name, do=self._advice(kind, name))

    def _advice(self, kind: Kind, name: str) -> str:
        there = self.names(kind)
        choice = f", or choose one of {', '.join(there)}" if there else ""
        absent = [report for report in self.reports if report.state is not PluginState.ACTIVE]
        concerned = [each for each in absent if f"{kind.value} {name}" in each.registers or each.name == name] or absent
        if concerned:
            shown = "; ".join(f"{each.provenance} is {each.state.value}: {each.reason}" for each in concerned)
            return f"mend what follows{choice} ({shown})"
        close = difflib.get_close_matches(name, there, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"install the plugin that brings it{choice}{meant}"


def load_registry(
    environment: Mapping[str, str], log: Logger, installed: Sequence[Distribution] | None = None
) -> Registry:
    """Find and admit every installed plugin; warn of those that cannot take part.

    Args:
        environment: `DISABLED_VARIABLE` in it lists names of plugins or distributions, between commas or blanks,
            that are not even imported.
        log: gets one warning for each rejected plugin and each name in the list that is not installed.
        installed: the distributions to look at; None for all that Python can import from.
    """
    found = discover(installed)
    disabled = set(map(normal_name, environment.get(DISABLED_VARIABLE, "").replace(",", " ").split()))
    admissions = [_admit_or_not(candidate, disabled) for candidate in found.candidates]
    admissions = _without_duplicates(admissions) + [Admission(report) for report in found.unreadable]
    registry = Registry(admissions)
    for report in registry.rejected:
        log.warning("plugin_rejected", plugin=report.provenance, reason=report.reason)
    known = {normal_name(name) for report in registry.reports for name in (report.name, report.distribution)}
    for name in sorted(disabled - known):
        log.warning("disabled_plugin_unknown", name=name, variable=DISABLED_VARIABLE)
    return registry


def _admit_or_not(candidate: Candidate, disabled: set[str]) -> Admission:
    if disabled & {normal_name(candidate.name), normal_name(candidate.distribution)}:
        return Admission(candidate.report(PluginState.DISABLED, f"listed in {DISABLED_VARIABLE}"))
    return admit(candidate)


def _without_duplicates(admissions: Sequence[Admission]) -> list[Admission]:
    """Reject whoever brings what an earlier plugin has: the core's own come first, then the order of names."""
    taken: dict[str, PluginReport] = {}
    result: list[Admission] = []
    for admission in admissions:
        report = admission.report
        claims = (f"plugin {report.name}", *report.registers) if report.state is PluginState.ACTIVE else ()
        clash = next((claim for claim in claims if claim in taken), None)
        if clash is None:
            taken |= dict.fromkeys(claims, report)
            result.append(admission)
            continue
        first = taken[clash]
        reason = (
            f"{clash} of {report.distribution} {report.version} is there already: "
            f"{first.provenance} brings it; uninstall or disable one of them"
        )
        result.append(Admission(_rejected(report, reason)))
    return result


def _rejected(report: PluginReport, reason: str) -> PluginReport:
    return attrs.evolve(report, state=PluginState.REJECTED, reason=reason)
