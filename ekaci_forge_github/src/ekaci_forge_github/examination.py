"""What the app was granted, beside what is needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.api import Finding
from ekaci_core.api.fields import Fields, Malformed
from ekaci_forge_github.api import PAGE, Api
from ekaci_forge_github.client import Call
from ekaci_forge_github.faults import ApiFault, one_line
from ekaci_forge_github.uses import Granted, Use, covers, in_words


@attrs.frozen
class Need:
    """Permissions of which any one is enough, and what does not work without."""

    alternatives: tuple[Granted, ...]
    feature: str


NEEDS: Final = (
    Need(Use.CHECKS.alternatives, "check runs: no result is shown"),
    Need(Use.CONTENTS.alternatives, "reading configuration files and cloning private repositories"),
    Need(Use.METADATA.alternatives, "asking who may write to a repository, and so approval"),
    Need(Use.PULL_REQUESTS.alternatives, "pull requests: nothing is reviewed"),
    Need(Use.COMMENTS.alternatives, "comments, and answers to those of people"),
    # Without these GitHub sends no events:
    # https://docs.github.com/en/webhooks/webhook-events-and-payloads
    Need(({"issues": "read"},), "comment commands"),
    Need(({"merge_queues": "read"},), "merge queues: groups wait for checks for ever"),
    Need(({"actions": "read"},), "approval by letting a workflow run"),
)

EVENTS: Final[Mapping[str, str]] = {
    "pull_request": "pull requests: nothing is reviewed by itself",
    "push": "results of the base branch in advance",
    "merge_group": "merge queues: groups wait for checks for ever",
    "issue_comment": "comment commands",
    "pull_request_review": "what reviews of people say",
    "workflow_run": "approval by letting a workflow run",
    "repository": "repositories that are renamed or deleted",
    # Who may write checks has these without asking: https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
    "check_run": "buttons at checks and re-running one check",
    "check_suite": "re-running all checks",
}
_WITH_CHECKS: Final = ("check_run", "check_suite")


def findings(subject: str, granted: Granted, events: Collection[str]) -> list[Finding]:
    """Compare with what is needed. Pure."""
    found: list[Finding] = []
    for need in NEEDS:
        well = any(covers(granted, each) for each in need.alternatives)
        text = f"permission {in_words(need.alternatives)}"
        found.append(Finding(subject, well=well, text=text, feature="" if well else need.feature))
    automatic = _WITH_CHECKS if covers(granted, {"checks": "write"}) else ()
    for event, feature in EVENTS.items():
        well = event in events or event in automatic
        found.append(Finding(subject, well=well, text=f"event {event}", feature="" if well else feature))
    return found


async def examine(api: Api) -> Sequence[Finding]:
    """Ask for the app and its installations, and compare."""
    call = Call("GET", "/app")
    try:
        app = Fields((await api.app.call(call)).data)
        name = one_line(app.text("slug", "app"))
        found = [Finding(name, well=True, text=f"GitHub at {api.addresses.host} knows the app")]
        found += findings(name, _granted(app), _events(app))
        async for item in api.app_pages(Call("GET", "/app/installations", {"per_page": PAGE})):
            found += _installation(Fields(item))
    except Malformed as error:
        raise ApiFault(f"GitHub's answer is not understood: {error}", where=call.shown) from None
    return found


def _installation(described: Fields) -> list[Finding]:
    """Only what differs: permissions that an owner has not accepted yet, and installations that are suspended."""
    account = described.object("account") if described.has("account") else None
    key = "login" if account and account.has("login") else "slug"
    subject = f"installation of {one_line(account.text(key, '?')) if account else '?'}"
    if described.has("suspended_at"):
        return [Finding(subject, well=False, text="is suspended", feature="everything there")]
    lacking = [each for each in findings(subject, _granted(described), _events(described)) if not each.well]
    return lacking or [Finding(subject, well=True, text="has accepted all that the app needs")]


def _granted(described: Fields) -> dict[str, str]:
    return {name: str(level) for name, level in described.mapping("permissions").items()}


def _events(described: Fields) -> set[str]:
    return {event for event in described.values("events") if isinstance(event, str)}
