"""The public surface for plugins. What is not in ``__all__`` here or in `ekaci_core.hookspecs` is private."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

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
from ekaci_core.api.credentials import CredentialResolver, CredentialSource, CredentialType, CredentialUse, Lease
from ekaci_core.api.errors import EkaciError, EvaluatorUnavailable, InfrastructureFault, UsageFault
from ekaci_core.api.evaluator import EvaluationRequest, Evaluator, EvaluatorType
from ekaci_core.api.nix import HearNix, NixAnswer, NixConversation, NixPrograms, Realised
from ekaci_core.api.nix_events import NixEvent, NixMessage, NixResult, NixStarted, NixStopped
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import Derivation, DerivationRecord, Output
from ekaci_core.model.errors import BadName
from ekaci_core.model.evaluation import (
    META_KEYS,
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    FaultKind,
    NullAttribute,
    UnchangedAttribute,
)
from ekaci_core.model.ids import AttrPath, CommitSha, DrvPath, StorePath, System
from ekaci_core.model.secret import Secret

if TYPE_CHECKING:
    from ekaci_core.api.forge import (
        CloneAccess,
        Finding,
        Forge,
        ForgeCapability,
        ForgeConfig,
        ForgeType,
        Published,
        PublishFailed,
        Received,
        Refused,
        WebhookRequest,
        WriteBudget,
    )
    from ekaci_core.model.check import Annotation, AnnotationLevel, Check, CheckButton, CheckStatus, Conclusion
    from ekaci_core.model.forge import Branch, Permission, Person, PullRequest, PullRequestState, RepositoryId
    from ekaci_core.model.forge_event import (
        BranchPushed,
        CheckActionRequested,
        CommentCreated,
        ForgeEvent,
        Ignored,
        InstallationAction,
        InstallationChanged,
        MergeGroupAction,
        MergeGroupChanged,
        Opinion,
        Ping,
        PullRequestAction,
        PullRequestChanged,
        PullRequestReviewed,
        RepositoryAction,
        RepositoryChanged,
        RerunRequested,
        WorkflowRequested,
    )
    from ekaci_core.model.policy import Permissions

PLUGIN_API = 1
"""The version of this contract. A plugin states the one it was written for as ``EKACI_PLUGIN_API``."""

# What only a server needs is loaded when it is asked for: a review at a terminal does not pay for it.
_LATER: Final = {
    "CloneAccess": "ekaci_core.api.forge",
    "Finding": "ekaci_core.api.forge",
    "Forge": "ekaci_core.api.forge",
    "ForgeCapability": "ekaci_core.api.forge",
    "ForgeConfig": "ekaci_core.api.forge",
    "ForgeType": "ekaci_core.api.forge",
    "Published": "ekaci_core.api.forge",
    "PublishFailed": "ekaci_core.api.forge",
    "Received": "ekaci_core.api.forge",
    "Refused": "ekaci_core.api.forge",
    "WebhookRequest": "ekaci_core.api.forge",
    "WriteBudget": "ekaci_core.api.forge",
    "Annotation": "ekaci_core.model.check",
    "AnnotationLevel": "ekaci_core.model.check",
    "Check": "ekaci_core.model.check",
    "CheckButton": "ekaci_core.model.check",
    "CheckStatus": "ekaci_core.model.check",
    "Conclusion": "ekaci_core.model.check",
    "Branch": "ekaci_core.model.forge",
    "Permission": "ekaci_core.model.forge",
    "Person": "ekaci_core.model.forge",
    "PullRequest": "ekaci_core.model.forge",
    "PullRequestState": "ekaci_core.model.forge",
    "RepositoryId": "ekaci_core.model.forge",
    "BranchPushed": "ekaci_core.model.forge_event",
    "CheckActionRequested": "ekaci_core.model.forge_event",
    "CommentCreated": "ekaci_core.model.forge_event",
    "ForgeEvent": "ekaci_core.model.forge_event",
    "Ignored": "ekaci_core.model.forge_event",
    "InstallationAction": "ekaci_core.model.forge_event",
    "InstallationChanged": "ekaci_core.model.forge_event",
    "MergeGroupAction": "ekaci_core.model.forge_event",
    "MergeGroupChanged": "ekaci_core.model.forge_event",
    "Opinion": "ekaci_core.model.forge_event",
    "Ping": "ekaci_core.model.forge_event",
    "PullRequestAction": "ekaci_core.model.forge_event",
    "PullRequestChanged": "ekaci_core.model.forge_event",
    "PullRequestReviewed": "ekaci_core.model.forge_event",
    "RepositoryAction": "ekaci_core.model.forge_event",
    "RepositoryChanged": "ekaci_core.model.forge_event",
    "RerunRequested": "ekaci_core.model.forge_event",
    "WorkflowRequested": "ekaci_core.model.forge_event",
    "Permissions": "ekaci_core.model.policy",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "META_KEYS",
    "PLUGIN_API",
    "Annotation",
    "AnnotationLevel",
    "AttrPath",
    "AttributeFault",
    "BadName",
    "Branch",
    "BranchPushed",
    "BuildFailed",
    "BuildInterrupted",
    "BuildOutcome",
    "BuildRequest",
    "BuildState",
    "Builder",
    "BuilderType",
    "Built",
    "Check",
    "CheckActionRequested",
    "CheckButton",
    "CheckStatus",
    "Clock",
    "CloneAccess",
    "CommentCreated",
    "CommitSha",
    "Conclusion",
    "CredentialResolver",
    "CredentialSource",
    "CredentialType",
    "CredentialUse",
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
    "Finding",
    "Forge",
    "ForgeCapability",
    "ForgeConfig",
    "ForgeEvent",
    "ForgeType",
    "HearNix",
    "Ignored",
    "InLocalStore",
    "InfrastructureFault",
    "InstallationAction",
    "InstallationChanged",
    "Lease",
    "Logger",
    "MergeGroupAction",
    "MergeGroupChanged",
    "NixAnswer",
    "NixConversation",
    "NixEvent",
    "NixMessage",
    "NixPrograms",
    "NixResult",
    "NixStarted",
    "NixStopped",
    "NullAttribute",
    "Opinion",
    "Output",
    "Permission",
    "Permissions",
    "Person",
    "Ping",
    "PluginContext",
    "PublishFailed",
    "Published",
    "PullRequest",
    "PullRequestAction",
    "PullRequestChanged",
    "PullRequestReviewed",
    "PullRequestState",
    "Realised",
    "Received",
    "Refused",
    "RepositoryAction",
    "RepositoryChanged",
    "RepositoryId",
    "RerunRequested",
    "Secret",
    "StorePath",
    "System",
    "TransientKind",
    "UnchangedAttribute",
    "UsageFault",
    "WebhookRequest",
    "WorkflowRequested",
    "WriteBudget",
]
