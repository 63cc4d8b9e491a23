"""The server's configuration, complete: what the file, variables and options say, and defaults for the rest."""

from __future__ import annotations

from pathlib import Path

import attrs

from ekaci_core.config.bounds import BuildingSettings, RetentionSettings
from ekaci_core.config.entries import CacheEntry, ForgeEntry
from ekaci_core.config.hooks import HookEntry
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.config.problems import Places, Problem
from ekaci_core.config.server_parts import (
    EvalSettings,
    GraphSettings,
    OauthSettings,
    RebuildSettings,
    SecuritySettings,
    WebSettings,
)


@attrs.frozen(kw_only=True)
class ServerConfig:
    """All settings of a server, checked.

    Attributes:
        file: what was read; `parse_builders` takes ``[[builders]]`` from it.
        db_path: the database.
        logs_dir: logs of builds and hooks.
        workspace_root: clones and checkouts.
        socket_path: the socket for ``ekaci`` commands.
        require_approval: changes of people without write access wait for approval.
        merge_queue_require_approval: entries of a merge queue wait for it too.
        default_merge_method: how a comment that names no method merges.
        max_failed_check_runs: so many attributes that fail get a check run of their own.
        shutdown_grace_seconds: what is being built when the server stops may take so long to end.
        repository_weights: parts of the builders, for `weight_of`.
        review_as_merged: repositories whose pull requests are reviewed as they would be once merged.
        web: the HTTP server.
        oauth: logging in; ``redirect_url`` is always there.
        security: secrets of webhooks, and what hooks and caches may do.
        building: how much is built at once, and for how long.
        graph: the graph in memory.
        eval: how attributes are evaluated.
        rebuild: changes that are not built.
        retention: what is kept, and for how long.
        caches: ``[[caches]]``.
        hooks: ``[[post_build_hooks]]``, then ``[[fod_post_build_hooks]]``.
        forges: the entries of all forges' arrays, each with the secret of its webhooks.
        warnings: what may not be meant so.
        places: where each value comes from.
    """

    file: MachineFile
    db_path: Path
    logs_dir: Path
    workspace_root: Path
    socket_path: Path
    require_approval: bool
    merge_queue_require_approval: bool
    default_merge_method: str
    max_failed_check_runs: int
    shutdown_grace_seconds: int
    repository_weights: tuple[str, ...]
    review_as_merged: tuple[str, ...]
    web: WebSettings
    oauth: OauthSettings
    security: SecuritySettings
    building: BuildingSettings
    graph: GraphSettings
    eval: EvalSettings
    rebuild: RebuildSettings
    retention: RetentionSettings
    caches: tuple[CacheEntry, ...]
    forges: tuple[ForgeEntry, ...]
    warnings: tuple[Problem, ...]
    hooks: tuple[HookEntry, ...] = ()
    places: Places = attrs.field(repr=False)
