"""Jobs of a repository that says nothing of them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final

import attrs

from ekaci_core.config.convert import WrongValue
from ekaci_core.config.repository import CONFIG_FILES, FLAKE_JOB
from ekaci_core.config.shape import source_file
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.repository import Job, RepositoryConfig

_FILES: Final = ("flake.nix", "default.nix", "ci.nix")
_NONE: Final = f"no {CONFIG_FILES[0]}"


def discover_jobs(names: Collection[str]) -> RepositoryConfig | None:
    """Choose the job of a revision without configuration file, from the files at its root; None without any.

    A flake's checks and packages come before ``default.nix``, and that before ``ci.nix``.
    """
    for file in _FILES:
        if file in names:
            job = _job(file)
            what = "checks and packages of flake.nix" if job.flake else file
            return RepositoryConfig(origin=f"{_NONE}; found {what}", jobs={job.name: job})
    return None


def job_of_file(file: str, attr_path: str | None = None) -> RepositoryConfig:
    """Make the one job of a file that a person names, relative to the root of the repository.

    Raises:
        UsageFault: it leads out of the repository, or is no file's name.
    """
    try:
        job = _job(source_file(file))
    except WrongValue as error:
        raise UsageFault(str(error), where="--file", do="name it relative to the root of the repository") from None
    return RepositoryConfig(origin=f"named: {job.file}", jobs={job.name: attrs.evolve(job, attr_path=attr_path)})


def _job(file: str) -> Job:
    path = PurePosixPath(file)
    flake = path.name == "flake.nix"
    return Job(name=FLAKE_JOB if flake else path.stem, file=file, flake=flake)
