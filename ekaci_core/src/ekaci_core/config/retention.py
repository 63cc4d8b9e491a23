"""``[retention]``: what stays of builds and evaluations, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cattrs

from ekaci_core.config.bounds import RetentionSettings
from ekaci_core.config.convert import WrongValue, explain, strict_converter
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import read_machine_file
from ekaci_core.config.rules import register_rules

__all__ = ["RetentionSettings", "parse_retention", "read_retention"]

_converter: Final = strict_converter()
register_rules(_converter)


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
        return _converter.structure(raw, RetentionSettings)
    except (WrongValue, cattrs.ClassValidationError) as error:
        raise ConfigurationFault(origin, explain(error, at="retention"), do=do) from None


def read_retention(environment: Mapping[str, str]) -> RetentionSettings:
    """Read the table from the machine's configuration file, the defaults where there is none.

    Raises:
        UsageFault: the file cannot be read, or is no TOML (`ConfigurationFault` where its contents are wrong).
    """
    file = read_machine_file(environment)
    return parse_retention(file.contents.get("retention", {}), file.origin)
