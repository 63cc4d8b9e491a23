"""What a repository says of itself in its configuration file, and what a review is of."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ekaci_core.model.ids import CommitSha, TreeHash


@attrs.frozen
class SizeCheck:
    """``size_check`` of a job."""

    max_increase_percent: float
    base_branch: str = "main"


@attrs.frozen
class PostBuildHook:
    """A command after a successful build; the server decides whether it may run."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Job:
    """A Nix expression to evaluate and the derivations to build from it.

    ``file`` is relative to the root of the repository, with forward slashes and without a leading one. Where
    ``flake`` is true, ``file`` is the flake and its checks and packages for the system are the attributes; an
    ``attr_path`` of ``checks`` or ``packages`` keeps only those.
    """

    name: str
    file: str
    attr_path: str | None = None
    allow_eval_failures: bool = False
    caches: tuple[str, ...] = ()
    size_check: SizeCheck | None = None
    flake: bool = False
    post_build_hooks: tuple[PostBuildHook, ...] = ()
    fod_post_build_hooks: tuple[PostBuildHook, ...] = ()


@attrs.frozen
class Check:
    """A sandboxed command in a development shell, ``shell``; with ``shell_nix`` the one that ``shell.nix`` makes."""

    name: str
    command: str
    shell: str | None = None
    shell_nix: bool = False
    allow_network: bool = False
    ro_bind: tuple[str, ...] = ()


@attrs.frozen
class SummarySettings:
    """``package_change_summary``."""

    enabled: bool = True
    max_packages_listed: int = 100
    include_rebuild_only: bool = False


@attrs.frozen
class ImpactSettings:
    """``rebuild_impact``; ``compute_full_blast_radius`` is accepted, the full one is always computed."""

    enabled: bool = True
    max_top_blast_radius: int = 5
    compute_full_blast_radius: bool = False


@attrs.frozen
class RepositoryConfig:
    """One side's configuration. ``origin`` is the file it came from, or how the jobs were found without one."""

    origin: str
    jobs: Mapping[str, Job] = attrs.field(factory=dict)
    checks: Mapping[str, Check] = attrs.field(factory=dict)
    summary: SummarySettings = SummarySettings()
    impact: ImpactSettings = ImpactSettings()
    warnings: tuple[str, ...] = ()


@attrs.frozen
class Revision:
    """One side of a review: a commit, or the uncommitted state of a working tree (then ``commit`` is its HEAD).

    ``label`` is how the person named it or how it was found, for reports.
    """

    commit: CommitSha
    tree: TreeHash
    label: str
    dirty: bool = False
