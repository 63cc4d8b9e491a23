"""The server's configuration as it is written, but for the arrays of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs

from ekaci_core.config.bounds import BuildingSettings, RetentionSettings
from ekaci_core.config.rules import at_least, within
from ekaci_core.config.server_parts import (
    EvalSettings,
    GraphTiers,
    MergeMethod,
    OauthSettings,
    RebuildSettings,
    SecuritySettings,
    UnixSettings,
    WebSettings,
)
from ekaci_core.config.weights import RepositoryPattern, RepositoryWeight


@attrs.frozen
class ServerShape(BuildingSettings):
    """Keys at the top, and tables.

    Attributes:
        db_path: the database; None for the usual place.
        logs_dir: logs of builds and hooks; None for the usual place.
        workspace_root: clones and checkouts; None for the usual place.
        require_approval: changes of people without write access wait for approval.
        merge_queue_require_approval: entries of a merge queue wait for it too.
        default_merge_method: how a comment that names no method merges.
        graph_lru_capacity: derivations that the graph keeps in memory.
        max_failed_check_runs: so many attributes that fail get a check run of their own.
        shutdown_grace_seconds: what is being built when the server stops may take so long to end.
        repository_weights: how large a part of the builders repositories have, the first that matches; 1 for others.
        review_as_merged: repositories whose pull requests are reviewed as they would be once merged.
    """

    db_path: Path | None = None
    logs_dir: Path | None = None
    workspace_root: Path | None = None
    require_approval: bool = False
    merge_queue_require_approval: bool = False
    default_merge_method: MergeMethod = "squash"
    graph_lru_capacity: Annotated[int, at_least(0)] = 100_000
    max_failed_check_runs: Annotated[int, within(0, 1000)] = 20
    shutdown_grace_seconds: Annotated[int, within(0, 86_400)] = 60
    repository_weights: tuple[RepositoryWeight, ...] = ()
    review_as_merged: tuple[RepositoryPattern, ...] = ()
    web: WebSettings = WebSettings()
    unix: UnixSettings = UnixSettings()
    oauth: OauthSettings = OauthSettings()
    security: SecuritySettings = SecuritySettings()
    graph: GraphTiers = GraphTiers()
    eval: EvalSettings = EvalSettings()
    rebuild: RebuildSettings = RebuildSettings()
    retention: RetentionSettings = RetentionSettings()
