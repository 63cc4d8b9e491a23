"""A job as one Nix file, for programs that want a file."""

from __future__ import annotations

from pathlib import Path

from ekaci_core.api import EvaluationRequest
from ekaci_core.builtin.evaluators.worker import EXPRESSION, job_settings
from ekaci_core.nix.repl import nix_json, nix_string


def wrapped_job(request: EvaluationRequest, scratch: Path) -> Path:
    """Return the job's own file, or one in ``scratch`` where the job is a flake or only a part of its file."""
    if not request.flake and not request.attr_path:
        return request.root / request.file.lstrip("/")
    job = f"(import {nix_string(str(EXPRESSION))} {nix_json(job_settings(request, mark='', queries=''))}).root"
    if request.flake:
        job = f"builtins.mapAttrs (name: set: set // {{ recurseForDerivations = true; }}) {job}"
    file = scratch / "job.nix"
    file.write_text(job + "\n")
    return file
