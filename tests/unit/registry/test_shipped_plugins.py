from __future__ import annotations

from importlib.metadata import distribution
from typing import TYPE_CHECKING

from ekaci_core.registry import Kind, PluginState, load_registry

if TYPE_CHECKING:
    from tests.unit.registry.conftest import RecordingLog


def test_the_core_is_admitted_like_any_plugin(log: RecordingLog) -> None:
    registry = load_registry({}, log, [distribution("ekaci-core")])
    (report,) = registry.reports
    assert (report.name, report.distribution, report.state) == ("builtin", "ekaci-core", PluginState.ACTIVE)
    assert registry.names(Kind.EVALUATOR) == ("auto", "nix", "nix-eval-jobs")
    assert registry.names(Kind.BUILDER) == ("local",)
    assert log.entries == []


def test_what_needs_no_configuration_has_defaults(log: RecordingLog) -> None:
    registry = load_registry({}, log, [distribution("ekaci-core")])
    for name in registry.names(Kind.EVALUATOR):
        registry.evaluator_type(name).config()
    for name in registry.names(Kind.BUILDER):
        registry.builder_type(name).config()


def test_the_core_can_be_disabled_too(log: RecordingLog) -> None:
    registry = load_registry({"EKACI_DISABLED_PLUGINS": "builtin"}, log, [distribution("ekaci-core")])
    assert [report.state for report in registry.reports] == [PluginState.DISABLED]
    assert registry.names(Kind.BUILDER) == ()
