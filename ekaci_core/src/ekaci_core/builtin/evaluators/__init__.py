"""The evaluators that ship with the core."""

from ekaci_core.builtin.evaluators.auto import AutoConfig, AutoType, choose
from ekaci_core.builtin.evaluators.nix import NixConfig, NixEvaluator, NixType
from ekaci_core.builtin.evaluators.nix_eval_jobs import NixEvalJobsConfig, NixEvalJobsEvaluator, NixEvalJobsType

__all__ = [
    "AutoConfig",
    "AutoType",
    "NixConfig",
    "NixEvalJobsConfig",
    "NixEvalJobsEvaluator",
    "NixEvalJobsType",
    "NixEvaluator",
    "NixType",
    "choose",
]
