"""Which names an expression has at some places, for suggestions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ekaci_core.nix.repl import nix_json
from ekaci_core.process import ChildTimedOut, OutputTooLarge, run

_SECONDS: Final = 60

Place = tuple[str, ...]
"""The names on the way from the expression to a set."""

# Functions are called as evaluators do.
_EXPRESSION: Final = """
let
  inherit (builtins) functionArgs head intersectAttrs isAttrs isFunction map tail;
  query = builtins.fromJSON %s;
  arguments = if query.system == null then { } else { inherit (query) system; };
  call = value: if isFunction value && functionArgs value != { }
    then value (intersectAttrs (functionArgs value) arguments) else value;
  system = if query.system == null then builtins.currentSystem else query.system;
  flake = builtins.getFlake query.flake;
  root = if query.flake == null then call (import query.file) else {
    checks = flake.checks.${system} or { };
    packages = flake.packages.${system} or { };
  };
  at = value: path:
    if path == [ ] then value
    else if isAttrs value && value ? ${head path} then at (call value.${head path}) (tail path)
    else null;
  job = if query.flake == null then at root query.begin else root;
  look = path: let found = at job path; in
    if isAttrs found && (found.type or null) != "derivation" then builtins.attrNames found else null;
in map look query.places
"""


async def attribute_names(
    places: Sequence[Place],
    *,
    file: Path,
    flake: str | None = None,
    begin: Place = (),
    system: str | None = None,
    environment: Mapping[str, str],
) -> dict[Place, list[str]]:
    """Return the names of the sets at these places. What is no set, or cannot be told within a minute, is left out.

    Args:
        places: where to look, from the beginning of the job.
        file: the expression.
        flake: the reference of the flake whose checks and packages are looked at instead.
        begin: where in the expression the job begins.
        system: the platform; None for the machine's own.
        environment: that of all programs of Nix.
    """
    query = {"file": str(file), "flake": flake, "begin": begin, "system": system, "places": places}
    argv = ["nix-instantiate", "--eval", "--strict", "--json", "--expr", _EXPRESSION % nix_json(query)]
    try:
        done = await run(argv, env=environment, cwd=file.parent, timeout_seconds=_SECONDS)
        answer = json.loads(done.stdout) if done.status == 0 else []
    except (ChildTimedOut, OutputTooLarge, ValueError):
        return {}
    return {place: names for place, names in zip(places, answer, strict=False) if names is not None}
