"""``[retention]``: what stays of builds and evaluations, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import cattrs

from ekaci_core.config.convert import WrongValue, explain, strict_converter
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import read_machine_file

_DAY_SECONDS: Final = 24 * 60 * 60
_SHORTEST_LOG_BYTES: Final = 64 * 1024

_converter: Final = strict_converter()


@attrs.frozen
class RetentionSettings:
    """Bounds of what is kept.

    Attributes:
        log_max_bytes: of one log, its head and its end together.
        logs_total_bytes: of all logs as they are on the disk; over that, the oldest go.
        logs_max_age_seconds: logs that nobody wrote for so long go.
        evaluations_kept: so many finished evaluations stay, those that were used last.
        evaluations_max_age_seconds: finished evaluations that nobody used for so long go.
    """

    log_max_bytes: int = 128 * 1024**2
    logs_total_bytes: int = 2 * 1024**3
    logs_max_age_seconds: float = 30 * _DAY_SECONDS
    evaluations_kept: int = 20
    evaluations_max_age_seconds: float = 90 * _DAY_SECONDS


_LEAST: Final[Mapping[str, float]] = {"log_max_bytes": _SHORTEST_LOG_BYTES}


def parse_retention(raw: Mapping[str, Any], origin: str) -> RetentionSettings:
    """Structure the table; what is left out has its default.

    Args:
        raw: the table ``retention``.
        origin: the file that it stands in.

    Raises:
        ConfigurationFault: it cannot be used; names every fault.
    """
    do = "see `[retention]` in the reference of the `ekaci` command"
    try:
        settings = _converter.structure(raw, RetentionSettings)
    except (WrongValue, cattrs.ClassValidationError) as error:
        raise ConfigurationFault(origin, explain(error, at="retention"), do=do) from None
    low = [
        f"retention.{name}: expected at least {least}, got {value}"
        for name, value in attrs.asdict(settings).items()
        if value < (least := _LEAST.get(name, 0))
    ]
    if low:
        raise ConfigurationFault(origin, low, do=do)
    return settings


def read_retention(environment: Mapping[str, str]) -> RetentionSettings:
    """Read the table from the machine's configuration file, the defaults where there is none.

    Raises:
        UsageFault: the file cannot be read, or is no TOML (`ConfigurationFault` where its contents are wrong).
    """
    file = read_machine_file(environment)
    return parse_retention(file.contents.get("retention", {}), file.origin)
