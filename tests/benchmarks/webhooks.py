"""Measure how long a forge waits until a delivery is acknowledged: it is durable then, while intake handles others.

script/bench webhooks [--count 1000] [--connections 50] [--bytes 25000]

A real server and a generator, each in a process of its own, over connections that are kept alive; every delivery is
sent twice. Prints percentiles in milliseconds, and the processor time that the server took for each request.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parents[1] / "process/webhooks"


def processor_seconds(process: int) -> float:
    """Return the processor time that a process took, all threads together."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(count: int, connections: int, size: int) -> dict[str, Any]:
    """Run both programs; returns what the generator saw."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, str(PROGRAMS / "server.py"), folder, "0"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port = server.stdout.readline().strip()
                before = processor_seconds(server.pid)
                load = [sys.executable, str(PROGRAMS / "load.py"), port, str(count), str(connections), str(size)]
                answer = subprocess.run(load, check=True, capture_output=True, text=True).stdout
                processor = processor_seconds(server.pid) - before
            finally:
                server.terminate()
    return {**json.loads(answer.removeprefix("half\n")), "processor": processor}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--bytes", type=int, default=25_000)
    given = parser.parse_args()
    seen = measured(given.count, given.connections, given.bytes)
    times = seen["milliseconds"]
    cuts = statistics.quantiles(times, n=100)
    sys.stdout.write(f"{len(times)} acknowledgements over {given.connections} connections in {seen['seconds']:.1f} s\n")
    sys.stdout.write(f"p50 {cuts[49]:.1f} ms  p90 {cuts[89]:.1f} ms  p99 {cuts[98]:.1f} ms  max {max(times):.1f} ms\n")
    sys.stdout.write(f"{seen['processor'] / len(times) * 1000:.2f} ms of processor time each\n")


if __name__ == "__main__":
    main()
