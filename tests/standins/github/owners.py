"""What owners do at the stand-in: rename repositories, and give Apps to use what they have."""

from __future__ import annotations

from typing import Any

from tests.standins.github.records import App, Installation, Repository
from tests.standins.github.world import World


class Owners:
    """Acts on a world as owners of repositories and of Apps do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shapes = world.shapes

    def rename(self, repository: Repository, name: str) -> None:
        """Give a repository another name; the old one leads to it."""
        with self._world.lock:
            repository.earlier_names.append(repository.full_name.lower())
            changes = {"repository": {"name": {"from": repository.name}}}
            repository.name = name
            body = {"action": "renamed", "changes": changes}
            self._world.tell("repository", body, repository=repository, sender=repository.owner)

    def transfer(self, repository: Repository, login: str) -> None:
        """Give a repository to another account; that account's installations hear of it."""
        with self._world.lock:
            old = repository.owner
            repository.earlier_names.append(repository.full_name.lower())
            repository.owner = self._world.account(login)
            kind = "organization" if old.type == "Organization" else "user"
            changes = {"owner": {"from": {kind: self._shapes.user(old)}}}
            body = {"action": "transferred", "changes": changes}
            self._world.tell("repository", body, repository=repository, sender=old)

    def delete(self, repository: Repository) -> None:
        """Delete a repository."""
        with self._world.lock:
            body = {"action": "deleted"}
            self._world.tell("repository", body, repository=repository, sender=repository.owner)
            repository.gone = True

    def installation(self, installation: Installation, action: str) -> None:
        """Tell of an installation: ``created``, ``deleted``, ``suspend`` or ``unsuspend``; what that means is done."""
        with self._world.lock:
            installation.suspended = action == "suspend"
            chosen = self._given(installation)
            body = {
                "action": action,
                "installation": self._shapes.installation(installation),
                "repositories": [self._short(each) for each in chosen],
            }
            self._world.tell("installation", body, sender=installation.account, installation=installation)
            if action == "deleted":
                del self._world.installations[installation.id]

    def select(self, installation: Installation, repositories: list[Repository]) -> None:
        """Give an installation these repositories and no others."""
        with self._world.lock:
            before = {each.id: each for each in self._given(installation)}
            after = {each.id: each for each in repositories}
            installation.repositories = set(after)
            for action, some in (("added", after.keys() - before), ("removed", before.keys() - after)):
                if some:
                    lists: dict[str, Any] = {"repositories_added": [], "repositories_removed": []}
                    lists[f"repositories_{action}"] = [self._short({**before, **after}[number]) for number in some]
                    body = {
                        "action": action,
                        "installation": self._shapes.installation(installation),
                        "repository_selection": "selected",
                        "requester": None,
                        **lists,
                    }
                    self._world.tell(
                        "installation_repositories", body, sender=installation.account, installation=installation
                    )

    def ping(self, app: App) -> None:
        """Send what GitHub sends when a webhook is made."""
        hook = {"type": "App", "id": 292430182, "name": "web", "active": True, "events": app.events, "app_id": app.id}
        self._world.tell("ping", {"zen": "Keep it logically awesome.", "hook_id": hook["id"], "hook": hook}, only=app)

    def _given(self, installation: Installation) -> list[Repository]:
        return [
            each
            for each in self._world.repositories.values()
            if not each.gone and self._world.covering(installation.app, each) is installation
        ]

    def _short(self, repository: Repository) -> dict[str, Any]:
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
        }
