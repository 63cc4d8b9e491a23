"""A stand-in of Attic's program: judges how it was started, and uploads to a stand-in of the server.

It is written to a file with the interpreter's name in front; what it was given is left beside it as JSON, a line each.
"""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn


class Failed(Exception):
    pass


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def fail(text: object) -> NoReturn:
    say(f"Error: {text}")
    sys.exit(1)


def ask(method: str, server: Mapping[str, str], name: str, body: bytes, fields: Mapping[str, str]) -> Any:
    fields = {"Authorization": f"bearer {server['token']}", **fields}
    request = urllib.request.Request(server["endpoint"] + name, body, fields, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        said = json.loads(error.read())
        raise Failed(f"{said['error']}: {said['message']}") from None
    except urllib.error.URLError as error:
        raise Failed(f"error sending request for url ({server['endpoint']}): {error.reason}") from None


def query(what: str, path: str) -> list[str]:
    done = subprocess.run(["nix-store", "--query", what, path], capture_output=True, text=True, check=True)
    return done.stdout.split()


def describe(path: str, cache: str) -> tuple[dict[str, Any], bytes]:
    base = path.rpartition("/")[2]
    nar = subprocess.run(["nix-store", "--dump", path], capture_output=True, check=True).stdout
    info: dict[str, Any] = {
        "cache": cache,
        "store_path_hash": base[:32],
        "store_path": path,
        "system": None,
        "deriver": None,
    }
    references = [each.rpartition("/")[2] for each in query("--references", path)]
    info |= {"references": references, "sigs": [], "ca": None}
    return info | {"nar_hash": f"sha256:{hashlib.sha256(nar).hexdigest()}", "nar_size": len(nar)}, nar


def push(server: Mapping[str, str], cache: str, paths: Sequence[str]) -> None:
    for path in paths:
        if subprocess.run(["nix-store", "--check-validity", path], capture_output=True, check=False).returncode:
            fail(f"Unknown C++ exception: error: path '{path}' is not valid.")
    hashes = [path.rpartition("/")[2][:32] for path in paths]
    asked = json.dumps({"cache": cache, "store_path_hashes": hashes}).encode()
    missing = ask("POST", server, "_api/v1/get-missing-paths", asked, {"Content-Type": "application/json"})
    failed = None
    for path in paths:
        base = path.rpartition("/")[2]
        if base[:32] not in missing["missing_paths"]:
            continue
        info, nar = describe(path, cache)
        preamble = json.dumps(info).encode()
        try:
            fields = {"X-Attic-Nar-Info-Preamble-Size": str(len(preamble))}
            ask("PUT", server, "_api/v1/upload-path", preamble + nar, fields)
        except Failed as error:
            failed = str(error)
            say(f"❌ {base}: {failed}")
        else:
            say(f"✅ {base} (1.0 MiB/s)")
    if failed:
        fail(failed)


def main() -> None:
    here = Path(__file__)
    configuration = Path(os.environ["XDG_CONFIG_HOME"]) / "attic" / "config.toml"
    home = Path(os.environ["HOME"])
    seen: dict[str, Any] = {
        "argv": sys.argv[1:],
        "environment": dict(os.environ),
        "home_mode": stat.S_IMODE(home.stat().st_mode),
        "folder": str(Path.cwd()),
        "mode": stat.S_IMODE(configuration.stat().st_mode),
        "configuration": configuration.read_text(),
    }
    with here.with_name("started").open("a") as started:
        started.write(f"{json.dumps(seen)}\n")
    if (hook := here.with_name("instead")).exists():
        exec(compile(hook.read_text(), str(hook), "exec"), {"home": home})  # noqa: S102 - the test wrote it
    if sys.argv[1:3] != ["push", "--no-closure"]:
        fail(f"unrecognized subcommand {sys.argv[1:3]}")
    name, paths = sys.argv[3], sys.argv[4:]
    found = re.fullmatch(r"([A-Za-z0-9][\w+-]{0,49}):([A-Za-z0-9][\w+-]{0,49})", name)
    if not found:
        fail("Invalid cache reference")
    servers = tomllib.loads(seen["configuration"])["servers"]
    if found[1] not in servers:
        fail(f'Server "{found[1]}" does not exist')
    try:
        push(servers[found[1]], found[2], paths)
    except Failed as error:
        fail(error)


main()
