"""Answers of commands that steer: deliveries, approvals, checks at forges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio
import attrs

from ekaci_core.api import EkaciError, Person, UsageFault
from ekaci_core.intake.command import ApproveCommit, ApproveUser
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.socket_documents import delivery_document
from ekaci_core.server.socket_naming import bounded, host_of, named_commit, repository_of, row, serving
from ekaci_core.store.delivery import DeliveryId, DeliveryState

_EVERY: Final = 1_000_000
_NOTES_CHARACTERS: Final = 1000


@attrs.frozen
class Steering:
    """Changes what the server does, through the same doors as forges' news."""

    services: Services

    async def resync_checks(self, request: asked.ResyncChecks, person: str) -> Mapping[str, Any]:
        """Have what is wanted at a commit sent again."""
        del person
        services = self.services
        repository = repository_of(services.forges, request.repository)
        sha = await named_commit(services.store, repository, request.sha, request.number)
        count = await services.store.resend_posts(repository, sha, now=services.clock.now())
        services.parts.posted.wake()
        return {"repository": str(repository), "sha": sha, "checks": count}

    async def deliveries(self, request: asked.Deliveries, person: str) -> Sequence[Mapping[str, Any]]:
        """List deliveries."""
        del person
        state = None
        if request.state is not None:
            known = {each.value: each for each in DeliveryState}
            if request.state not in known:
                raise UsageFault(f"{request.state[:60]!r} is no state", do=f"there are: {', '.join(known)}")
            state = known[request.state]
        found = await self.services.store.deliveries(state=state, limit=bounded(request.limit))
        return [delivery_document(each) for each in found]

    async def delivery(self, request: asked.Delivery, person: str) -> Mapping[str, Any]:
        """Return one with its payload."""
        del person
        found = await self.services.store.delivery(DeliveryId(row(request.id, "delivery")))
        if found is None:
            raise _no_delivery(request.id)
        return {**delivery_document(found), "payload": found.payload.decode(errors="replace")}

    async def replay(self, request: asked.Replay, person: str) -> Mapping[str, Any]:
        """Have one handled again."""
        services, number = self.services, row(request.id, "delivery")
        if not await services.store.replay_delivery(DeliveryId(number), now=services.clock.now()):
            raise _no_delivery(number)
        services.log.info("delivery_replayed", delivery=number, by=person)
        services.intake.look_again()
        return {"id": number}

    async def approve(self, request: asked.Approve, person: str) -> Mapping[str, Any]:
        """Let a commit be evaluated and built."""
        services = self.services
        repository = repository_of(services.forges, request.repository)
        sha = await named_commit(services.store, repository, request.sha, request.number)
        if request.number is not None:
            current = await serving(services.forges, repository).forge.pull_request(repository, request.number)
            if current is None or current.head_sha != sha:
                # Who approves has looked at what the forge shows, or at what is known here: only where both are the
                # same is it known what was looked at.
                newer = "it is gone" if current is None else f"its head is {current.head_sha} now"
                what = f"the pull request is not as it was known here: {newer}"
                raise UsageFault(what, where=f"{repository}#{request.number}", do="look at it, and name the commit")
        done = await services.intake.commands.carry_out([ApproveCommit(repository, sha, person)])
        services.log.info("commit_approved", repository=str(repository), sha=sha, by=person)
        return {"repository": str(repository), "sha": sha, "by": person, "done": list(done)}

    async def approve_user(self, request: asked.ApproveUser, person: str) -> Mapping[str, Any]:
        """Trust somebody, and let what waits of that person go on."""
        services = self.services
        host = host_of(services.forges, request.domain)
        approved = await self._person(host, request.login, request.id)
        notes = request.notes[:_NOTES_CHARACTERS]
        done = await services.intake.commands.carry_out([ApproveUser(host, approved, notes)])
        services.log.info("user_approved", forge=host, login=approved.login, id=approved.id, by=person)
        return {"domain": host, "login": approved.login, "id": approved.id, "done": list(done)}

    async def remove_approved_user(self, request: asked.RemoveApprovedUser, person: str) -> Mapping[str, Any]:
        """Trust somebody no more."""
        services = self.services
        host = host_of(services.forges, request.domain)
        if not await services.store.remove_approved_user(host, request.login):
            raise UsageFault(f"{request.login!r} is not approved at {host}", do="`ekaci approved-users` lists who is")
        services.log.info("user_removed", forge=host, login=request.login, by=person)
        return {"domain": host, "login": request.login}

    async def approved_users(self, request: asked.ApprovedUsers, person: str) -> Sequence[Mapping[str, Any]]:
        """List who is trusted, at one forge or at all."""
        del person
        forges = self.services.forges
        hosts = {each.forge.host for each in forges.instances}
        if request.domain is not None:
            hosts = {host_of(forges, request.domain)}
        return [
            {
                "domain": host,
                "login": each.person.login,
                "id": each.person.id,
                "approved_at": each.approved_at,
                "notes": each.notes,
            }
            for host in sorted(hosts)
            for each in await self.services.store.approved_users(host)
        ]

    async def poll(self, request: asked.Poll, person: str) -> Sequence[str]:
        """Have forges that are polled asked now; what they tell comes by the inbox."""
        del request
        self.services.log.info("poll_asked_for", by=person)
        self.services.polling.ask_now()
        return list(self.services.polling.instances)

    async def forge_check(self, request: asked.ForgeCheck, person: str) -> Sequence[Mapping[str, Any]]:
        """Ask all forges what they grant, side by side."""
        del request, person
        instances = self.services.forges.instances
        found: dict[int, Mapping[str, Any]] = {}

        async def examine(index: int, each: OpenForge) -> None:
            findings, fault = [], ""
            try:
                findings = [attrs.asdict(finding) for finding in await each.forge.examine()]
            except EkaciError as error:
                fault = str(error)
            found[index] = {
                "type": each.type,
                "instance": each.instance,
                "host": each.forge.host,
                "fault": fault,
                "findings": findings,
            }

        async with anyio.create_task_group() as tasks:
            for index, each in enumerate(instances):
                tasks.start_soon(examine, index, each, name=f"examine {each.instance}")
        return [found[index] for index in range(len(instances))]

    async def _person(self, host: str, login: str, number: int | None) -> Person:
        if not login or not login.isprintable() or " " in login:
            raise UsageFault(f"{login[:60]!r} is no login")
        if number is not None:
            return Person(login, row(number, "person"))
        # People are told apart by number: a login can be given up and taken by another.
        known = await self.services.store.known_pull_requests(open_only=False, limit=_EVERY)
        for pull in known:
            if pull.repository.forge == host and pull.author.login.lower() == login.lower() and pull.author.id > 0:
                return pull.author
        found = await self._found_by_forge(host, login)
        if found is None or found.id <= 0:
            do = "see to the spelling, or give the number of the account with --id"
            raise UsageFault(f"{host} knows nobody by the name {login!r}", do=do)
        return found

    async def _found_by_forge(self, host: str, login: str) -> Person | None:
        services = self.services
        for repository in await services.store.installed(host):
            at = services.forges.serving(repository)
            if at is not None:
                return await at.person(repository, login)
        what = f"no pull request of {login!r} is known, and {host} has given us no repository through which to ask"
        raise UsageFault(what, do="give the number of the account with --id")


def _no_delivery(number: int) -> UsageFault:
    return UsageFault(f"no delivery has the number {number}", do="`ekaci deliveries list` lists the newest")
