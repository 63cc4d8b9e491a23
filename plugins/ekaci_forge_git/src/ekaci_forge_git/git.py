"""One call of git: with settings of ours alone, and secrets only in its environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.api import InfrastructureFault, Programs, Secret

QUESTION_SECONDS: Final = 40.0
"""How long a question may take; the server itself gives up after a minute."""

_SETTINGS: Final = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=true", "credential.helper=",
    "http.followRedirects=false", "protocol.allow=never", "submodule.recurse=false",
    "transfer.fsckObjects=true", "fetch.fsck.zeroPaddedFilemode=ignore", "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore", "fetch.unpackLimit=1", "gc.auto=0", "maintenance.auto=false",
    "user.name=EkaCI", "user.email=ekaci@localhost", "push.gpgSign=false", "commit.gpgSign=false",
)  # fmt: skip
_DROPPED: Final = ("GIT_", "SSH_ASKPASS")
# What git says on its standard error must not stand in the content of a file.
_QUIET: Final = ("sh", "-c", 'exec "$@" 2>/dev/null', "sh")


@attrs.frozen
class Done:
    """What git answered."""

    status: int
    output: bytes
    said: str

    @property
    def text(self) -> str:
        """The output as text; bytes that are no text are replaced, and no name with such is taken."""
        return self.output.decode(errors="replace")

    @property
    def last_words(self) -> str:
        """The line that says most."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        for line in lines:
            word, colon, rest = line.partition(": ")
            if colon and word in ("fatal", "error"):
                return rest
        return lines[-1] if lines else "it gave no reason"


@attrs.frozen
class Git:
    """Runs git in the copy of one remote."""

    programs: Programs
    surroundings: Mapping[str, str]
    folder: Path
    protocol: str

    async def ask(
        self,
        *words: str,
        stdin: bytes = b"",
        secrets: Mapping[str, str | Secret] | None = None,
        seconds: float = QUESTION_SECONDS,
        quiet: bool = False,
    ) -> Done:
        """Run git to its end, whatever that is.

        Args:
            words: the command and its options; names that others gave go through ``stdin``.
            stdin: what git reads.
            secrets: variables with what the remote asks for.
            seconds: how long it may take.
            quiet: whether only its standard output is wanted.

        Raises:
            InfrastructureFault: git is missing or takes too long.
        """
        settings = [word for each in (*_SETTINGS, f"protocol.{self.protocol}.allow=always") for word in ("-c", each)]
        argv = [*(_QUIET if quiet else ()), "git", *settings, *words]
        output = bytearray()
        with anyio.move_on_after(seconds):
            end = await self.programs.run(
                argv,
                environment={**self._environment(), **(secrets or {})},
                stdin=stdin,
                folder=self.folder,
                log=output.extend,
            )
            return Done(end.status, bytes(output), end.output)
        what = f"git {words[0]} took longer than {seconds:.0f} s"
        raise InfrastructureFault(what, where=str(self.folder), do="see whether the remote can be reached")

    async def must(self, *words: str, where: str, **options: object) -> Done:
        """Run git, which must not fail.

        Raises:
            InfrastructureFault: it failed.
        """
        done = await self.ask(*words, **options)  # type: ignore[arg-type]
        if done.status:
            raise failed(words, done, where)
        return done

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in self.surroundings.items() if not name.startswith(_DROPPED)}
        return kept | {
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        }


def failed(words: Sequence[str], done: Done, where: str) -> InfrastructureFault:
    """Say that git failed."""
    do = "see whether the repository can be reached from here with these credentials"
    return InfrastructureFault(f"git {words[0]} failed: {done.last_words}", where=where, do=do)
