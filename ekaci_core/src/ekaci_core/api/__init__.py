"""The public surface for plugins. What is not in ``__all__`` here or in `ekaci_core.hookspecs` is private."""

from ekaci_core.api.builder import (
    Builder,
    BuilderType,
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    Built,
    DiscoversBuilders,
    InLocalStore,
    TransientKind,
)
from ekaci_core.api.context import Clock, Logger, PluginContext
from ekaci_core.api.errors import EkaciError, EvaluatorUnavailable, InfrastructureFault, UsageFault
from ekaci_core.api.evaluator import EvaluationRequest, Evaluator, EvaluatorType
from ekaci_core.api.nix import HearNix, NixAnswer, NixConversation, NixPrograms, Realised
from ekaci_core.api.nix_events import NixEvent, NixMessage, NixResult, NixStarted, NixStopped
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import Derivation, DerivationRecord, Output
from ekaci_core.model.evaluation import (
    META_KEYS,
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    FaultKind,
    NullAttribute,
    UnchangedAttribute,
)
from ekaci_core.model.ids import AttrPath, DrvPath, StorePath, System

PLUGIN_API = 1
"""The version of this contract. A plugin states the one it was written for as ``EKACI_PLUGIN_API``."""

__all__ = [
    "META_KEYS",
    "PLUGIN_API",
    "AttrPath",
    "AttributeFault",
    "BuildFailed",
    "BuildInterrupted",
    "BuildOutcome",
    "BuildRequest",
    "BuildState",
    "Builder",
    "BuilderType",
    "Built",
    "Clock",
    "Derivation",
    "DerivationRecord",
    "DiscoversBuilders",
    "DrvPath",
    "EkaciError",
    "EvaluatedAttribute",
    "EvaluatedItem",
    "EvaluationRequest",
    "Evaluator",
    "EvaluatorType",
    "EvaluatorUnavailable",
    "FaultKind",
    "HearNix",
    "InLocalStore",
    "InfrastructureFault",
    "Logger",
    "NixAnswer",
    "NixConversation",
    "NixEvent",
    "NixMessage",
    "NixPrograms",
    "NixResult",
    "NixStarted",
    "NixStopped",
    "NullAttribute",
    "Output",
    "PluginContext",
    "Realised",
    "StorePath",
    "System",
    "TransientKind",
    "UnchangedAttribute",
    "UsageFault",
]
