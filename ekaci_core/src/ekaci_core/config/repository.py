"""The configuration file of a repository: untrusted, so that it can ask for little and break nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
import cattrs

from ekaci_core.config.convert import WrongValue, explain
from ekaci_core.config.faults import ConfigurationFault, MissingJobFile, UnusableJobFile, shown
from ekaci_core.config.plain_json import parse_json
from ekaci_core.config.shape import CheckShape, FileShape, FlakeShape, HookShape, JobShape, shape_converter
from ekaci_core.config.unknown import without_unknown_keys
from ekaci_core.model.repository import (
    Check,
    ImpactSettings,
    Job,
    PostBuildHook,
    RepositoryConfig,
    SizeCheck,
    SummarySettings,
)

CONFIG_FILES: Final = (".eka-ci/config.json", ".ekaci/config.json")
"""Where the file may be; the first one counts."""

FLAKE_JOB: Final = "flake"
"""The name of the job that a flake makes."""

ReadFile = Callable[[str], Awaitable[bytes | None]]
"""Reads a file of one revision by its path from the root, None where there is none."""

_converter: Final = shape_converter()


async def find_repository_config(read: ReadFile) -> RepositoryConfig | None:
    """Read the configuration of a revision, None where it has none.

    Raises:
        ConfigurationFault: it cannot be used; names every fault.
    """
    found = [(name, text) for name in CONFIG_FILES if (text := await read(name)) is not None]
    if not found:
        return None
    (name, text), *others = found
    config = parse_repository_config(text, name)
    ignored = tuple(f"{other} is ignored: {name} counts" for other, _ in others)
    return attrs.evolve(config, warnings=(*ignored, *config.warnings))


def parse_repository_config(text: bytes, origin: str) -> RepositoryConfig:
    """Parse a configuration file. Unknown keys are warnings, everything else that is wrong is a fault.

    Raises:
        ConfigurationFault: it cannot be used; names every fault with its address.
    """
    raw, warnings = without_unknown_keys(parse_json(text, origin), FileShape)
    try:
        shape = _converter.structure(raw, FileShape)
    except (WrongValue, cattrs.ClassValidationError) as error:
        raise ConfigurationFault(origin, explain(error), do="see the reference of the configuration file") from None
    jobs = {str(name): _job(str(name), job) for name, job in shape.jobs.items()}
    if (flake := _flake_job(shape.flake)) is not None:
        if FLAKE_JOB in jobs:
            fault = f'jobs.{FLAKE_JOB}: the name belongs to the job that "flake" makes'
            raise ConfigurationFault(origin, [fault], do="give the job another name")
        jobs[FLAKE_JOB] = flake
    notes = [*warnings]
    if shape.change_set is not None:
        notes.append("change_set is not applied: every change is evaluated")
    if not jobs:
        notes.append("it defines no jobs")
    return RepositoryConfig(
        origin=origin,
        jobs=jobs,
        checks={str(name): _check(str(name), check) for name, check in shape.checks.items()},
        summary=_summary(shape),
        impact=_impact(shape),
        warnings=tuple(f"{origin}: {note}" for note in shown(notes)),
    )


def job_file(checkout: Path, job: Job) -> Path:
    """Find a job's file in a checkout; the path is not resolved, so that Nix sees the repository's own names.

    Raises:
        MissingJobFile: there is none, or it is no file.
        UnusableJobFile: a symbolic link leads out of the checkout, or in a circle.
    """
    path = checkout / job.file
    where = f"jobs.{job.name}.file"
    try:
        real = path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingJobFile(f"there is no file {job.file!r}", where=where, do="correct it, or add the file") from None
    except (RuntimeError, OSError) as error:  # a loop of links: RuntimeError until Python 3.12
        what = (
            f"{job.file!r} cannot be followed: {error.strerror if isinstance(error, OSError) else 'links in a circle'}"
        )
        raise UnusableJobFile(what, where=where, do="name a plain file") from None
    if not real.is_relative_to(checkout.resolve()):
        raise UnusableJobFile(
            f"{job.file!r} leads out of the repository through a symbolic link", where=where, do="name a file inside it"
        )
    if not real.is_file():
        raise MissingJobFile(
            f"{job.file!r} is not a file", where=where, do=f"name the file itself, for example {job.file}/default.nix"
        )
    return path


def _job(name: str, shape: JobShape) -> Job:
    size = shape.size_check
    return Job(
        name=name,
        file=shape.file,
        attr_path=shape.attr_path,
        allow_eval_failures=shape.allow_eval_failures,
        caches=tuple(shape.caches),
        size_check=None if size is None else SizeCheck(size.max_increase_percent, size.base_branch),
        post_build_hooks=tuple(_hook(hook) for hook in shape.post_build_hooks),
        fod_post_build_hooks=tuple(_hook(hook) for hook in shape.fod_post_build_hooks),
    )


def _hook(shape: HookShape) -> PostBuildHook:
    env: Mapping[str, str] = {str(name): value for name, value in shape.env.items()}
    return PostBuildHook(shape.name, tuple(shape.command), env)


def _check(name: str, shape: CheckShape) -> Check:
    return Check(
        name=name,
        command=shape.command,
        shell=shape.shell,
        shell_nix=shape.shell_nix,
        allow_network=shape.allow_network,
        ro_bind=tuple(shape.ro_bind),
    )


def _flake_job(shape: FlakeShape | None) -> Job | None:
    if shape is None or not (shape.checks.enable or shape.packages.enable):
        return None
    both = shape.checks.enable and shape.packages.enable
    attr_path = None if both else "checks" if shape.checks.enable else "packages"
    return Job(name=FLAKE_JOB, file="flake.nix", attr_path=attr_path, flake=True)


def _summary(shape: FileShape) -> SummarySettings:
    given = shape.package_change_summary
    return SummarySettings() if given is None else SummarySettings(**attrs.asdict(given))


def _impact(shape: FileShape) -> ImpactSettings:
    given = shape.rebuild_impact
    return ImpactSettings() if given is None else ImpactSettings(**attrs.asdict(given))
