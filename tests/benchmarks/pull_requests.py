"""Measure a server under many pull requests at once: first check, verdict, answers meanwhile, writes and memory.

script/bench pull_requests [--count 50]

The real server in a process of its own and the stand-in GitHub, whose limits of writes hold; each pull request adds one
package to the example package set. First one alone, then all others at once. With more than about 17 the limit of 70
writes a minute decides when verdicts are there, with more than about 100 that of an hour.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.endtoend.service import SECRET, VERDICT, Scene, Service, package_set
from tests.standins.github.records import Pull
from tests.standins.github.server import running_github


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def opened(scene: Scene, names: Sequence[str]) -> list[Pull]:
    """Push a new package for each, then open all pull requests at once."""
    for name in names:
        text = f'{{ mkPackage }}: mkPackage {{ pname = "{name}"; version = "1"; build = "echo {name}"; }}\n'
        scene.people.push(scene.place, {f"pkgs/{name}.nix": text}, branch=name)
    return [scene.people.open_pull(scene.place, name, author="ada") for name in names]


def followed(scene: Scene, names: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the seconds until the first check and until the verdict of each."""
    first: dict[str, float] = {}
    ended: dict[str, float] = {}
    began = time.monotonic()
    pulls = opened(scene, names)
    while len(ended) < len(pulls):
        for pull in pulls:
            run = scene.service.checks(scene.place, pull.head_sha).get(VERDICT)
            if run is not None:
                first.setdefault(pull.head_sha, time.monotonic() - began)
                if run.status == "completed":
                    ended.setdefault(pull.head_sha, time.monotonic() - began)
        time.sleep(0.05)
    return sorted(first.values()), sorted(ended.values())


def resident_mib(process: int) -> int:
    """Return what a process holds in memory."""
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def measure(scene: Scene, count: int) -> None:
    """Print the figures."""
    service = scene.service
    service.start()
    first, ended = followed(scene, ["alone"])
    say(f"alone: first check {first[0]:.2f} s, verdict {ended[0]:.2f} s")
    answers: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not over.wait(0.1):
                began = time.monotonic()
                client.get(f"{service.url}/healthz").raise_for_status()
                answers.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    first, ended = followed(scene, [f"p{number}" for number in range(count)])
    over.set()
    asking.join()
    writes = [each for each in scene.github.seen if each.method in ("POST", "PATCH") and "check-runs" in each.path]
    say(f"{count} at once: first check p50 {statistics.median(first):.1f} s, max {first[-1]:.1f} s")
    say(f"  verdict p50 {statistics.median(ended):.1f} s, max {ended[-1]:.1f} s")
    say(f"  /healthz p50 {1000 * statistics.median(answers):.0f} ms, max {1000 * max(answers):.0f} ms")
    say(f"  writes {len(writes)}, answered {dict(Counter(each.status for each in writes))}")
    assert service.process is not None
    say(f"  memory of the server {resident_mib(service.process.pid)} MiB")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("github", "server"):
            (folder / each).mkdir()
        with running_github(folder / "github") as github:
            place = github.world.repository("octo/packages", files=package_set(), roles={"ada": "write"})
            app = github.world.app(webhook_secret=SECRET)
            github.world.install(app, "octo")
            service = Service(github, app, folder / "server", dict(os.environ))
            try:
                measure(Scene(github, app, place, service), arguments.count)
            finally:
                if service.process is not None:
                    service.stop()


if __name__ == "__main__":
    main()
