"""Plugins: from entry point to open instance, guarded at every step."""

from ekaci_core.registry.catalogue import DISABLED_VARIABLE, Registry, load_registry
from ekaci_core.registry.instances import Instances
from ekaci_core.registry.kinds import Kind
from ekaci_core.registry.report import PluginReport, PluginState

__all__ = ["DISABLED_VARIABLE", "Instances", "Kind", "PluginReport", "PluginState", "Registry", "load_registry"]
