"""The configuration, read with what the plugins of this machine bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from ekaci_core.api import Logger, UsageFault
from ekaci_core.config.builders import parse_builders
from ekaci_core.config.convert import address
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.given import Given
from ekaci_core.config.hooks import hook_notes
from ekaci_core.config.lacking import credential_uses, lacking
from ekaci_core.config.load import DO, server_config
from ekaci_core.config.machine_file import MachineFile, read_machine_file
from ekaci_core.config.problems import ConfigurationProblems, Problem
from ekaci_core.config.repository import parse_repository_config
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shapes import Shapes
from ekaci_core.config.start import missing_for_start, without_app
from ekaci_core.config.variables import SPECIAL
from ekaci_core.registry import Kind, Registry
from ekaci_core.registry.guard import Translating

_OF_THE_PERSON: Final = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


@attrs.frozen
class Judgement:
    """A file that can be used, and what may not be meant so or is not there on this machine."""

    config: ServerConfig
    warnings: tuple[Problem, ...]


def configuration(
    environment: Mapping[str, str],
    registry: Registry,
    log: Logger,
    *,
    file: Path | None = None,
    flags: Sequence[Given] = (),
) -> ServerConfig:
    """Read the server's configuration.

    Args:
        environment: variables that stand for keys, and those that say where files are.
        registry: knows the types of builders, forges and credential sources.
        log: where surprises of plugins go.
        file: what the command line names; None to look where `read_machine_file` does.
        flags: what else the command line says.

    Raises:
        UsageFault: it cannot be used (`ConfigurationProblems`, with every fault), or not be read.
    """
    return _complete(read_machine_file(environment, file), environment, registry, log, flags)


def judge(file: Path, environment: Mapping[str, str], registry: Registry, log: Logger) -> Judgement:
    """Judge a file by itself: variables that stand for keys do not count.

    Raises:
        UsageFault: as for `configuration`.
    """
    person = {name: environment[name] for name in _OF_THE_PERSON if name in environment}
    read = read_machine_file(environment, file)
    config = _complete(read, {"HOME": "/", **person}, registry, log, ())
    warnings = [
        *config.warnings,
        *without_app(config),
        *missing_plugins(config, registry),
        *lacking(config, environment),
    ]
    if not any(environment.get(name) for name, key in SPECIAL.items() if key == "security.webhook_secret"):
        warnings += missing_for_start(config)
    return Judgement(config, tuple(sorted(warnings, key=config.places.line)))


def judge_repository(file: Path) -> tuple[str, ...]:
    """Judge the configuration file of a repository; return its warnings.

    Raises:
        UsageFault: it cannot be used (`ConfigurationFault`, with every fault), or not be read.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise UsageFault("there is no such file", where=str(file), do="name a file that is there") from None
    except OSError as error:
        raise UsageFault(f"cannot be read: {error.strerror}", where=str(file), do="mend its permissions") from None
    config = parse_repository_config(text, str(file))
    return (*config.warnings, *(f"{config.origin}: {note}" for note in hook_notes(config.jobs.values())))


def missing_plugins(config: ServerConfig, registry: Registry) -> tuple[Problem, ...]:
    """Name the forges, caches and credential sources that no active plugin brings, each where it is first used."""
    tables = {registry.forge_type(name).table for name in registry.names(Kind.FORGE)}
    sources = registry.names(Kind.CREDENTIAL)
    found: dict[str, str] = {}
    for entry in config.forges:
        if entry.table not in tables:
            found.setdefault(f"no active plugin brings [[{entry.table}]]", entry.at)
    for each in credential_uses(config):
        if each.use.source not in sources:
            found.setdefault(f"no active plugin brings the credential source {each.use.source}", each.at)
    for cache in config.caches:
        if cache.cache_type not in registry.names(Kind.CACHE):
            what = f"no active plugin brings the cache type {cache.cache_type}"
            found.setdefault(what, address(cache.at, "cache_type"))
    return tuple(Problem(at, what, config.places.nearest(at)) for what, at in found.items())


def _complete(
    file: MachineFile, environment: Mapping[str, str], registry: Registry, log: Logger, flags: Sequence[Given]
) -> ServerConfig:
    problems: list[Problem] = []
    config: ServerConfig | None = None
    try:
        config = server_config(file, environment, flags, shapes_of(registry))
    except ConfigurationProblems as faulty:
        problems += faulty.problems
    problems += _builder_problems(file, registry, log)
    if config is not None:
        problems += _evaluator_problems(config, registry)
    if config is None or problems:
        raise ConfigurationProblems(file.origin, sorted(problems, key=file.places.line), do=DO)
    return config


def shapes_of(registry: Registry) -> Shapes:
    """Collect the classes of configuration that active plugins bring."""
    forges = [registry.forge_type(name) for name in registry.names(Kind.FORGE)]
    sources: dict[str, type[Any]] = {
        name: registry.credential_type(name).config for name in registry.names(Kind.CREDENTIAL)
    }
    caches = {name: registry.cache_type(name).config for name in registry.names(Kind.CACHE)}
    return Shapes().extended(forges={each.table: each.config for each in forges}, sources=sources, caches=caches)


def _builder_problems(file: MachineFile, registry: Registry, log: Logger) -> Iterator[Problem]:
    try:
        with Translating("[[builders]]", log):
            parse_builders(file, lambda name: registry.builder_type(name).config)
    except ConfigurationFault as faulty:
        for fault in faulty.faults:
            at, _, what = fault.partition(": ")
            yield Problem(at, what, file.places.nearest(at))


def _evaluator_problems(config: ServerConfig, registry: Registry) -> Iterator[Problem]:
    at = address("eval", "evaluator")
    try:
        registry.evaluator_type(config.eval.evaluator)
    except UsageFault as fault:
        yield Problem(at, f"{fault.what}: {fault.where}; {fault.do}", config.places.nearest(at))
