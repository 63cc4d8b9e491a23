"""What decides the result of an evaluation, as one key."""

from __future__ import annotations

import hashlib
import json
import os.path
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import STORE_DIR, System, TreeHash
from ekaci_core.model.repository import Job

FORMAT: Final = 2
"""Counts up whenever the same inputs come to be stored differently, so that older results are not taken."""


def evaluation_key(
    *,
    tree: TreeHash,
    job: Job,
    evaluator: str,
    source_name: str,
    own_system: System,
    system: System | None = None,
    attr_globs: Sequence[str] = (),
    nix_path: Sequence[str] = (),
    settings: str = "",
    person: str = "",
    confined: bool = False,
    builds: bool = False,
) -> EvaluationKey:
    """Make the key of one job on one tree.

    Args:
        tree: the contents of the checkout.
        job: what is evaluated; what only concerns its results, as its gates, is left out.
        evaluator: the evaluator's identity.
        source_name: the last component of the checkout's path.
        own_system: the machine's platform, which decides where ``system`` is None.
        system: the platform that was asked for.
        attr_globs: the attributes that were asked for; their order is of no account.
        nix_path: entries as `resolved_nix_path` returns them.
        settings: a digest of Nix's settings that may have a part in the result.
        person: a digest of what expressions read of the person who evaluates, as `person_digest` returns it.
        confined: whether it is kept from reading this machine and from building.
        builds: whether it may build all the same.
    """
    options = {
        "format": FORMAT,
        "flake": job.flake,
        "own_system": own_system,
        "system": system,
        "attr_globs": sorted(set(attr_globs)),
        "nix_path": list(nix_path),
        "settings": settings,
        "person": person,
    }
    if confined:
        options["confined"] = "builds" if builds else True
    return EvaluationKey(
        tree=tree,
        job=job.name,
        file=job.file,
        attr_path=job.attr_path or "",
        evaluator=evaluator,
        source_name=source_name,
        options=hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest(),
    )


def resolved_nix_path(entries: Iterable[str], *, resolve: Callable[[str], str] = os.path.realpath) -> tuple[str, ...]:
    """Say what entries of NIX_PATH stand for, so that a moved channel is another key.

    What lies outside the Nix store may change without a trace, so such an entry is never equal to another. A path that
    does not exist is equal to itself: Nix's own defaults name channels that nobody has.
    """
    return tuple(_resolved(entry, resolve) for entry in entries)


def _resolved(entry: str, resolve: Callable[[str], str]) -> str:
    prefix, equals, target = entry.rpartition("=")
    real = resolve(target) if target.startswith("/") else target
    if target.startswith("/") and not os.path.lexists(real) and not real.startswith(f"{STORE_DIR}/"):
        real = f"{real}#missing"
    elif not real.startswith(f"{STORE_DIR}/"):
        real = f"{real}#{uuid.uuid4().hex}"
    return f"{prefix}{equals}{real}"
