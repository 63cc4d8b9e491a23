"""The real server in a process of its own, whatever forge it works for."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

SERVER = str(Path(sys.executable).parent / "eka-ci-server")
PATIENCE_SECONDS = 90.0


class ServerProcess:
    """The server's process. It can be started again. Who inherits it has these attributes, and says what it is for."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None
    settings: str
    grace_seconds: int
    evaluator: str
    url: str

    def shown(self) -> str:
        """Say which checks stand where."""
        raise NotImplementedError

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def configured(self, forge: str, *, address: str = "127.0.0.1") -> None:
        """Write the configuration; ``forge`` is the tables of the forge."""
        (self.folder / "ekaci.toml").write_text(
            f"""
db_path = "{self.folder}/db/sqlite.db"
logs_dir = "{self.folder}/logs"
workspace_root = "{self.folder}/work"
shutdown_grace_seconds = {self.grace_seconds}
{self.settings}

[web]
address = "{address}"
port = 0

[unix]
socket_path = "{self.folder}/sock"

[eval]
evaluator = "{self.evaluator}"
workers = 2
{forge}"""
        )

    def launched(self, variables: Mapping[str, str]) -> None:
        """Start it with its configuration and these variables, and wait until it listens."""
        environment = {**self.environment, **variables}
        path = self.folder / "server.log"
        before = path.read_text().count("listening at") if path.exists() else 0
        with path.open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "--config-file", str(self.folder / "ekaci.toml")],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.wait(lambda: self.log.count("listening at") > before)
        self.url = re.findall(r"listening at (http://\S+)", self.log)[-1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"it did not stop:\n{self.log}") from None

    def wait(self, holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert self.process is None or self.process.poll() is None, f"the server ended:\n{self.log}"
            assert time.monotonic() < until, f"it did not happen:\n{self.log}\n{self.shown()}"
            time.sleep(0.05)

    def nix_store(self, *words: str) -> str:
        """Run the Nix program of that name as the server would."""
        argv = ["nix-store", *words]
        return subprocess.run(argv, env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Read from the server's database, beside it."""
        with closing(sqlite3.connect(f"file:{self.folder}/db/sqlite.db?mode=ro", uri=True, timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> list[str]:
        return [state for (state,) in self.ask("SELECT state FROM review ORDER BY id")]

    def rounds(self, sha: str) -> list[int]:
        return [number for (number,) in self.ask(f"SELECT round FROM review WHERE head_sha = '{sha}'")]  # noqa: S608

    def building(self) -> str:
        """Name what is being built."""
        return self._named("attempt.ended_at IS NULL")

    def built(self) -> str:
        """Name what was built."""
        return self._named("attempt.ended_at IS NOT NULL")

    def attempts(self, name: str) -> int:
        """Count the attempts at a derivation."""
        return f"{self.building()} {self.built()}".count(f"-{name}")

    def _named(self, which: str) -> str:
        joined = "SELECT d.path FROM attempt JOIN derivation AS d ON d.id = attempt.derivation"
        return " ".join(str(path) for (path,) in self.ask(f"{joined} WHERE {which}"))
