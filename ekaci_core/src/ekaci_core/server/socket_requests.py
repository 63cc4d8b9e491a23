"""What can be asked at the socket: ``{"type": "Info"}``, the other keys as the fields of the class of that name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import cattrs

from ekaci_core.api import UsageFault
from ekaci_core.config.convert import WrongValue, explain, strict_converter
from ekaci_core.config.suggest import did_you_mean


@attrs.frozen
class Info:
    """Whether the server works, and its version."""


@attrs.frozen
class Status:
    """What it has in hand."""


@attrs.frozen
class Queue:
    """What waits and what is being built, in the order of starting; ``limit`` 0 for all."""

    limit: int = 100


@attrs.frozen
class Prs:
    """Open pull requests, each with its newest review; those of one repository, or of all."""

    repository: str | None = None
    limit: int = 100


@attrs.frozen
class Jobs:
    """The reviews of a commit and their jobs; ``sha`` may be the beginning of a commit's name."""

    sha: str


@attrs.frozen
class Jobset:
    """The packages of a review."""

    review: int


@attrs.frozen
class Review:
    """A review with its report."""

    id: int


@attrs.frozen
class ResyncChecks:
    """Send what is wanted at a commit, or at the head of a pull request, again."""

    repository: str
    sha: str | None = None
    number: int | None = None


@attrs.frozen
class Deliveries:
    """The newest deliveries, those in one state or all."""

    state: str | None = None
    limit: int = 100


@attrs.frozen
class Delivery:
    """A delivery with what it said."""

    id: int


@attrs.frozen
class Hooks:
    """The newest runs of post-build hooks, those in one state or all."""

    state: str | None = None
    limit: int = 100


@attrs.frozen
class Replay:
    """Handle a delivery again."""

    id: int


@attrs.frozen
class Pushes:
    """How caches are doing, and the newest pushes: to one cache, in one state, or all."""

    cache: str | None = None
    state: str | None = None
    limit: int = 100


@attrs.frozen
class RetryPushes:
    """Try failed pushes again: one, those to one cache, or all."""

    cache: str | None = None
    id: int | None = None


@attrs.frozen
class Approve:
    """Let a commit be evaluated and built: the head of a pull request, or one that is named."""

    repository: str
    sha: str | None = None
    number: int | None = None


@attrs.frozen
class ApproveUser:
    """Trust a person until further notice. ``id`` is the forge's own number, where we have not met the person yet."""

    login: str
    domain: str | None = None
    id: int | None = None
    notes: str = ""


@attrs.frozen
class RemoveApprovedUser:
    """Trust a person no more."""

    login: str
    domain: str | None = None


@attrs.frozen
class ApprovedUsers:
    """Who is trusted."""

    domain: str | None = None


@attrs.frozen
class ForgeCheck:
    """Compare what forges grant with what is needed."""


@attrs.frozen
class ForgeSetup:
    """Have events sent here: of all repositories of all instances, or of those that are named.

    ``url`` is where forges reach the server, where that is not ``web.public_url``.
    """

    instance: str | None = None
    repositories: tuple[str, ...] = ()
    url: str | None = None


@attrs.frozen
class Poll:
    """Ask forges that are polled, now."""


@attrs.frozen
class Credentials:
    """How it is with the secrets of every use."""


@attrs.frozen
class ReloadCredentials:
    """Read all secrets anew."""


@attrs.frozen
class DrvStatus:
    """The state of a derivation's build."""

    drv_path: str


@attrs.frozen
class GitHub:
    """Review a pull request as the forge has it now; ``again`` where there is a result already."""

    domain: str
    owner: str
    repo: str
    pr: int
    again: bool = False


@attrs.frozen
class Git:
    """Review a commit, branch or tag of a repository at a forge."""

    domain: str
    owner: str
    repo: str
    commitish: str
    again: bool = False


@attrs.frozen
class Repo:
    """Evaluate and build the configured jobs of a directory; ``dir`` is absolute."""

    dir: str
    again: bool = False


@attrs.frozen
class Job:
    """Evaluate and build one file; ``file`` is absolute."""

    file: str
    again: bool = False


@attrs.frozen
class Build:
    """Build a derivation and all it needs."""

    drv_path: str
    force: bool = False
    rebuild_all: bool = False


Request = (
    Info
    | Status
    | Queue
    | Prs
    | Jobs
    | Jobset
    | Review
    | ResyncChecks
    | Deliveries
    | Delivery
    | Hooks
    | Replay
    | Pushes
    | RetryPushes
    | Approve
    | ApproveUser
    | RemoveApprovedUser
    | ApprovedUsers
    | ForgeCheck
    | ForgeSetup
    | Poll
    | Credentials
    | ReloadCredentials
    | DrvStatus
    | GitHub
    | Git
    | Repo
    | Job
    | Build
)

REQUESTS: Final[Mapping[str, type[Request]]] = {kind.__name__: kind for kind in Request.__args__}
"""By ``type``."""

_CONVERTER: Final = strict_converter()


def parse_request(document: object) -> Request:
    """Understand a request.

    Raises:
        UsageFault: it is none.
    """
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise UsageFault("the request is not an object with a type", do='send {"type": "Info"}, for example')
    fields: dict[str, Any] = dict(document)
    name = fields.pop("type")
    if name not in REQUESTS:
        raise UsageFault(f'there is no request "{name[:60]}"{did_you_mean(name, REQUESTS)}', do="update the server")
    try:
        request: Request = _CONVERTER.structure(fields, REQUESTS[name])
    except (WrongValue, cattrs.ClassValidationError) as error:
        raise UsageFault("; ".join(explain(error)), where=name) from None
    return request
