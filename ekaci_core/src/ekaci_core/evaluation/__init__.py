"""Evaluations: streamed into the store while they run, and taken from it when they are known."""

from ekaci_core.evaluation.admission import Budget, budget
from ekaci_core.evaluation.evaluations import Evaluated, Evaluations, Lookup
from ekaci_core.evaluation.keys import evaluation_key, resolved_nix_path
from ekaci_core.evaluation.machine import Machine, this_machine
from ekaci_core.evaluation.person import person_digest

__all__ = [
    "Budget",
    "Evaluated",
    "Evaluations",
    "Lookup",
    "Machine",
    "budget",
    "evaluation_key",
    "person_digest",
    "resolved_nix_path",
    "this_machine",
]
