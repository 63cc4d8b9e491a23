"""Verdicts as notes at commits: ``git notes --ref=ekaci show COMMIT``."""

from __future__ import annotations

from typing import Final

import anyio

from ekaci_core.api import Check, InfrastructureFault, Logger
from ekaci_forge_git.access import Access
from ekaci_forge_git.cache import Cache

REF: Final = "refs/notes/ekaci"
TRIES: Final = 5
_LONGEST: Final = 60_000
_RACES: Final = ("non-fast-forward", "fetch first", "stale info", "cannot lock ref", "failed to update ref")


def text_of(check: Check) -> str:
    """Write a verdict as a note."""
    conclusion = check.conclusion.value if check.conclusion else check.status.value
    parts = [f"{check.context}: {conclusion}", check.title, check.summary, check.text]
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    text = "".join(each for each in text if each == "\n" or each >= " ").encode(errors="replace").decode()
    return text[:_LONGEST] + "\n"


class Notes:
    """Writes notes and pushes them."""

    def __init__(self, cache: Cache, access: Access, log: Logger) -> None:
        """Take what is open."""
        self._cache = cache
        self._access = access
        self._log = log
        self._lock = anyio.Lock()
        self._refused = False

    async def write(self, check: Check) -> None:
        """Let the note of a commit say this; where pushing is refused, that is logged once and is no fault.

        Raises:
            InfrastructureFault: the remote does not answer, or others write all the time.
        """
        where = str(self._cache.remote.repository)
        if not await self._cache.has(check.sha):
            self._log.warning("note_without_commit", repository=where, sha=check.sha)
            return
        async with self._lock:
            for _ in range(TRIES):
                if await self._tried(text_of(check), check.sha):
                    return
        raise InfrastructureFault(f"others write {REF} all the time", where=where, do="it is tried again")

    async def _tried(self, text: str, sha: str) -> bool:
        """Write on top of what the remote has; returns whether that is the end of it."""
        git, where, url = self._cache.git, str(self._cache.remote.repository), self._cache.remote.url
        variables = await self._access.variables()
        # A pattern that fits nothing is no fault, a name is; nothing but this ref fits.
        spec = f"+{REF}*:{REF}*"
        await git.must("fetch", "--quiet", "--no-tags", "--prune", "--", url, spec, where=where, secrets=variables)
        stands = await git.ask("notes", f"--ref={REF}", "show", sha, quiet=True)
        if not stands.status and stands.output == text.encode():
            return True
        words = ("notes", f"--ref={REF}", "add", "--force", "--file=-", sha)
        await git.must(*words, where=where, stdin=text.encode())
        pushed = await git.ask("push", "--quiet", "--", url, f"{REF}:{REF}", secrets=variables)
        if not pushed.status:
            self._refused = False
            return True
        if any(race in pushed.said for race in _RACES):
            return False
        if "remote rejected" in pushed.said or "denied" in pushed.said.lower() or "403" in pushed.said:
            if not self._refused:
                self._refused = True
                self._log.warning("notes_refused", repository=where, reason=pushed.last_words)
            return True
        do = "it is tried again; set notes = false where nothing is to be pushed"
        raise InfrastructureFault(f"the note was not pushed: {pushed.last_words}", where=where, do=do)
