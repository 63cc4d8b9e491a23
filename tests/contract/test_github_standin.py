"""The stand-in GitHub does what GitHub's pages say, and finds requests that GitHub would not understand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.standins.github.faults import Fault, Trouble, abuse, expired, status
from tests.standins.github.records import App, Repository
from tests.standins.github.server import GitHub, running_github


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_token(app: App, now: int, **changes: Any) -> str:
    claims = {"iat": now - 60, "exp": now + 500, "iss": str(app.id), **changes}
    text = f"{encoded({'alg': 'RS256', 'typ': 'JWT'})}.{encoded(claims)}"
    key = serialization.load_pem_private_key(app.private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@attrs.define
class Scene:
    """A stand-in with an App, a private repository that it was given, and one that it was not."""

    github: GitHub
    app: App
    place: Repository
    other: Repository
    client: httpx.Client

    def token(self, **body: Any) -> str:
        installation = next(iter(self.github.world.installations.values()))
        path = f"/app/installations/{installation.id}/access_tokens"
        answer = self.client.post(path, headers=self.as_app(), json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def as_app(self, **changes: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {signed_token(self.app, int(self.github.world.now()), **changes)}"}

    def ask(self, method: str, path: str, *, token: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token()}", **more.pop("headers", {})}
        return self.client.request(method, f"/repos/octo/place{path}", headers=headers, **more)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running_github(tmp_path) as github, httpx.Client(base_url=github.url, trust_env=False) as client:
        place = github.world.repository(
            "octo/place",
            files={"a.nix": "{ }\n", "to a": Path("a.nix"), "out": Path("/etc/passwd"), "d/é ?#%.nix": b"\xff\0"},
        )
        other = github.world.repository("octo/other", files={"a": "a"})
        app = github.world.app(webhook_secret="between us")  # noqa: S106 - of the stand-in
        github.world.install(app, "octo", [place])
        yield Scene(github, app, place, other, client)


def test_an_app_says_who_it_is_by_its_signature(scene: Scene) -> None:
    assert scene.client.get("/app", headers=scene.as_app()).json()["id"] == scene.app.id
    now = int(time.time())
    wrong: tuple[dict[str, Any], ...] = ({"iat": now + 60}, {"exp": now + 900}, {"exp": now - 1}, {"iss": "7"})
    for changes in wrong:
        assert scene.client.get("/app", headers=scene.as_app(**changes)).status_code == 401, changes
    stranger = attrs.evolve(scene.app, private_key=scene.github.world.app("stranger").private_key)
    forged = {"authorization": f"Bearer {signed_token(stranger, now)}"}
    assert scene.client.get("/app", headers=forged).status_code == 401
    assert scene.client.get("/app").status_code == 401


def test_tokens_reach_as_far_as_they_were_given(scene: Scene) -> None:
    assert scene.ask("GET", "").json()["full_name"] == "octo/place"
    headers = {"authorization": f"Bearer {scene.token()}"}
    assert scene.client.get("/repos/octo/other", headers=headers).status_code == 404
    reader = scene.token(repositories=["place"], permissions={"contents": "read"})
    assert scene.ask("GET", "/contents/a.nix", token=reader).status_code == 200
    refused = scene.ask("POST", "/check-runs", token=reader, json={"name": "x", "head_sha": "0" * 40})
    assert refused.status_code == 403
    assert refused.headers["x-accepted-github-permissions"] == "checks=write"
    installation = next(iter(scene.github.world.installations))
    for body in ({"repositories": ["other"]}, {"permissions": {"contents": "write"}}):
        path = f"/app/installations/{installation}/access_tokens"
        assert scene.client.post(path, headers=scene.as_app(), json=body).status_code == 422


def test_tokens_expire_and_can_be_revoked(scene: Scene) -> None:
    token = scene.token()
    scene.github.shift(3601)
    assert scene.ask("GET", "", token=token).status_code == 401
    token = scene.token()
    assert scene.ask("GET", "", token=token).status_code == 200
    scene.github.world.revoke_tokens()
    assert scene.ask("GET", "", token=token).status_code == 401


def test_a_request_outside_the_description_fails_the_test(tmp_path: Path) -> None:
    wrong: list[tuple[str, str, Any]] = [
        ("GET", "/repos/octo/place/nothing-like-this", None),
        ("POST", "/repos/octo/place/check-runs", {"name": "x"}),
        ("POST", "/repos/octo/place/check-runs", {"name": "x", "head_sha": "0" * 40, "colour": "red"}),
        ("POST", "/repos/octo/place/check-runs", {"name": "x", "head_sha": "0" * 40, "status": "running"}),
        ("POST", "/repos/octo/place/check-runs", {"name": "x", "head_sha": "0" * 40, "started_at": "yesterday"}),
        ("GET", "/repos/octo/place/pulls?state=ajar", None),
        ("GET", "/repos/octo/place/pulls?per-page=3", None),
    ]
    with running_github(tmp_path) as github, httpx.Client(base_url=github.url, trust_env=False) as client:
        for method, path, body in wrong:
            client.request(method, path, json=body)
            with pytest.raises(AssertionError, match="outside of GitHub's description"):
                github.check()


def test_check_runs_are_made_changed_and_listed(scene: Scene) -> None:
    sha = scene.github.people.push(scene.place, {"b": "b"})
    token = scene.token()
    made = scene.ask("POST", "/check-runs", token=token, json={"name": "a", "head_sha": sha, "external_id": "7"})
    assert (made.status_code, made.json()["status"]) == (201, "queued")
    path = f"/check-runs/{made.json()['id']}"
    note = {"path": "b", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "no"}
    output = {"title": "t", "summary": "s", "annotations": [note] * 50}
    for _ in range(2):
        assert scene.ask("PATCH", path, token=token, json={"output": output}).status_code == 200
    done = scene.ask("PATCH", path, token=token, json={"status": "completed", "conclusion": "success"}).json()
    assert (done["status"], done["conclusion"], done["output"]["annotations_count"]) == ("completed", "success", 100)
    listed = scene.ask("GET", f"/commits/{sha}/check-runs?check_name=a", token=token).json()
    assert [each["external_id"] for each in listed["check_runs"]] == ["7"]
    for body in (
        {"output": {"title": "t", "summary": "é" * 40_000}},
        {"output": {"title": "t", "summary": ""}},
        {"conclusion": "stale"},
    ):
        assert scene.ask("PATCH", path, token=token, json=body).status_code == 422, body
    missing = scene.ask("POST", "/check-runs", token=token, json={"name": "a", "head_sha": "1" * 40})
    assert missing.status_code == 422
    assert scene.ask("PATCH", "/check-runs/1", token=token, json={"name": "b"}).status_code == 404


def test_files_are_given_as_they_are(scene: Scene) -> None:
    raw = {"accept": "application/vnd.github.raw+json"}
    token = scene.token()
    assert scene.ask("GET", "/contents/d/%C3%A9%20%3F%23%25.nix", token=token, headers=raw).content == b"\xff\0"
    assert scene.ask("GET", "/contents/a.nix", token=token).json()["type"] == "file"
    assert scene.ask("GET", "/contents/to%20a", token=token).json()["type"] == "file", "GitHub follows those"
    assert scene.ask("GET", "/contents/out", token=token).json()["type"] == "symlink"
    kinds = {each["name"]: each["type"] for each in scene.ask("GET", "/contents/", token=token).json()}
    assert kinds == {"a.nix": "file", "to a": "symlink", "out": "symlink", "d": "dir"}
    assert scene.ask("GET", "/contents/none", token=token).status_code == 404
    scene.github.people.push(scene.place, {"large": "x" * 2_000_000})
    assert scene.ask("GET", "/contents/large", token=token).status_code == 403
    assert len(scene.ask("GET", "/contents/large", token=token, headers=raw).content) == 2_000_000


def test_lists_have_pages(scene: Scene) -> None:
    for number in range(5):
        scene.github.people.push(scene.place, {"n": str(number)}, branch=f"b{number}")
        scene.github.people.open_pull(scene.place, f"b{number}", author="ada")
    token, numbers, path = scene.token(), [], "/pulls?per_page=2"
    while path:
        answer = scene.ask("GET", path, token=token)
        numbers += [each["number"] for each in answer.json()]
        path = answer.links.get("next", {}).get("url", "").partition("/repos/octo/place")[2]
    assert numbers == [5, 4, 3, 2, 1]


def test_what_did_not_change_costs_nothing(scene: Scene) -> None:
    token = scene.token()
    first = scene.ask("GET", "/contents/a.nix", token=token)
    again = scene.ask("GET", "/contents/a.nix", token=token, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"] == "4999"
    scene.github.people.push(scene.place, {"a.nix": "1"})
    changed = scene.ask("GET", "/contents/a.nix", token=token, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


def test_limits_bind(scene: Scene) -> None:
    token = scene.token()
    pull = _pull(scene)
    scene.github.limits.writes_a_minute = 2
    answers = [scene.ask("POST", f"/issues/{pull}/comments", token=token, json={"body": "x"}) for _ in range(3)]
    assert [each.status_code for each in answers] == [201, 201, 403]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 61
    scene.github.shift(61)
    assert scene.ask("POST", f"/issues/{pull}/comments", token=token, json={"body": "x"}).status_code == 201
    scene.github.limits.hourly = 5
    last = scene.ask("GET", "", token=token)
    assert last.status_code == 200
    over = scene.ask("GET", "", token=token)
    assert (over.status_code, over.headers["x-ratelimit-remaining"]) == (403, "0")


def _pull(scene: Scene, **more: Any) -> int:
    scene.github.people.push(scene.place, {"x": "x"}, branch="topic")
    return scene.github.people.open_pull(scene.place, "topic", author="ada", **more).number


def test_faults_come_on_demand(scene: Scene) -> None:
    token = scene.token()
    for fault, code in ((status(502), 502), (expired(), 401), (abuse(7), 403), (abuse(7, 429), 429)):
        scene.github.fail(attrs.evolve(fault, times=1, operation="repos/get"))
        answer = scene.ask("GET", "", token=token)
        assert answer.status_code == code
        assert code not in (403, 429) or answer.headers["retry-after"] == "7"
        assert scene.ask("GET", "", token=token).status_code == 200
    pull = _pull(scene)
    for trouble, error, done in (
        (Trouble.RESET, httpx.ReadError, 0),
        (Trouble.LOST, httpx.ReadError, 1),
        (Trouble.CUT, httpx.HTTPError, 1),
    ):
        scene.place.comments.clear()
        scene.github.fail(Fault(trouble, method="POST", times=1))
        with pytest.raises(error):
            scene.ask("POST", f"/issues/{pull}/comments", token=token, json={"body": "x"})
        assert len(scene.place.comments) == done, trouble
    scene.github.fail(Fault(Trouble.TIMEOUT))
    with pytest.raises(httpx.ReadTimeout):
        scene.ask("GET", "", token=token, timeout=0.3)
    scene.github.recover()
    scene.github.fail(Fault(Trouble.GARBAGE))
    assert scene.ask("GET", "", token=token).text.startswith("<html>")


def test_git_gives_to_those_who_may_read(scene: Scene) -> None:
    fork = scene.github.world.fork(scene.place, "ada")
    scene.github.people.push(fork, {"f": "f"}, branch="topic")
    pull = scene.github.people.open_pull(scene.place, "topic", author="ada", source=fork)
    url = f"{scene.github.url}/octo/place.git"

    def fetched(token: str, url: str = url) -> subprocess.CompletedProcess[str]:
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        header = ["-c", f"http.extraHeader=Authorization: Basic {basic}"] if token else []
        arguments = ["git", *header, "ls-remote", url, "refs/pull/*"]
        environment = {"GIT_TERMINAL_PROMPT": "0", "PATH": os.environ["PATH"]}
        return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)

    token = scene.token(permissions={"contents": "read"})
    lines = fetched(token).stdout.split()
    assert lines[:2] == [pull.head_sha, "refs/pull/1/head"]
    assert lines[3] == "refs/pull/1/merge"
    assert fetched("").returncode
    assert fetched("ghs_wrong").returncode
    assert fetched(scene.token(permissions={"checks": "write"})).returncode
    assert fetched(token, f"{scene.github.url}/octo/other.git").returncode
    scene.github.shift(3601)
    assert fetched(token).returncode


def test_renamed_repositories_are_found_by_their_old_name(scene: Scene) -> None:
    scene.github.people.rename(scene.place, "palace")
    token = scene.token()
    answer = scene.ask("GET", "/contents/a.nix", token=token)
    assert answer.status_code == 301
    followed = scene.client.get(answer.headers["location"], headers={"authorization": f"Bearer {token}"})
    assert followed.json()["name"] == "a.nix"


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks; refuses while ``server.refusing`` is true."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(503 if self.server.refusing else 204)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.got, server.refusing = [], False  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_webhooks_are_signed_and_can_be_asked_for_again(scene: Scene, receiver: Any) -> None:
    scene.app.webhook_url = f"http://127.0.0.1:{receiver.server_port}/hook"
    receiver.refusing = True
    scene.github.people.ping(scene.app)
    scene.github.settle()
    headers, body = receiver.got[0]
    expected = hmac.new(b"between us", body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={expected}"
    assert headers["x-github-event"] == "ping"
    failed = scene.client.get("/app/hook/deliveries?status=failure", headers=scene.as_app()).json()
    assert [(each["event"], each["status_code"]) for each in failed] == [("ping", 503)]
    receiver.refusing = False
    path = f"/app/hook/deliveries/{failed[0]['id']}/attempts"
    assert scene.client.post(path, headers=scene.as_app()).status_code == 202
    scene.github.settle()
    assert receiver.got[1][0]["x-github-delivery"] == headers["x-github-delivery"]
    newest = scene.client.get("/app/hook/deliveries?per_page=1", headers=scene.as_app())
    assert (newest.json()[0]["redelivery"], newest.json()[0]["status_code"]) == (True, 204)
    cursor = httpx.URL(newest.links["next"]["url"]).params["cursor"]
    older = scene.client.get(f"/app/hook/deliveries?cursor={cursor}", headers=scene.as_app()).json()
    assert [each["id"] for each in older] == [failed[0]["id"]]


def test_everything_that_people_do_is_told_in_githubs_words(scene: Scene) -> None:
    """Each payload is validated against the published schema when it is made; `running_github` asserts it."""
    world, people, place = scene.github.world, scene.github.people, scene.place
    installation = next(iter(world.installations.values()))
    fork = world.fork(place, "ada")
    people.push(fork, {"x": "1"}, branch="topic")
    pull = people.open_pull(place, "topic", author="ada", source=fork, draft=True)
    people.push(fork, {"x": "2"}, branch="topic", by="ada")
    people.draft(place, pull, draft=False)
    people.draft(place, pull, draft=True)
    people.push(place, {"y": "1"}, branch="next")
    people.retarget(place, pull, "next")
    people.retitle(place, pull, "Another title")
    people.comment(place, pull, "merge", by="ada")
    people.dismiss(place, pull, people.review(place, pull, "approved", by="bob"), by="bob")
    people.enqueue(place, pull)
    people.drop_group(place, pull, people.merge_group(place, pull)[0])
    people.dequeue(place, pull)
    people.close(place, pull)
    people.reopen(place, pull)
    people.workflow(place, pull, by="bob")
    body = {"name": "a", "head_sha": pull.head_sha, "actions": [{"label": "l", "description": "d", "identifier": "go"}]}
    made = scene.ask("POST", "/check-runs", json=body).json()
    people.press(place, place.checks[made["id"]], "go", by="bob")
    people.rerun(place, place.checks[made["id"]], by="bob")
    people.rerun_all(place, scene.app, pull.head_sha, by="bob")
    people.close(place, pull, merged=True)
    people.select(installation, [place, scene.other])
    people.select(installation, [place])
    people.rename(place, "palace")
    people.installation(installation, "suspend")
    people.installation(installation, "unsuspend")
    people.delete(place)
    people.installation(installation, "deleted")
    told = {f"{each.event}.{each.action}" if each.action else each.event for each in world.deliveries}
    assert told >= {
        "push", "pull_request.opened", "pull_request.synchronize", "pull_request.ready_for_review",
        "pull_request.converted_to_draft", "pull_request.edited", "pull_request.enqueued", "pull_request.dequeued",
        "pull_request.closed", "pull_request.reopened", "issue_comment.created", "pull_request_review.submitted",
        "pull_request_review.dismissed", "merge_group.checks_requested", "merge_group.destroyed",
        "check_suite.requested", "check_suite.rerequested", "check_run.created",
        "check_run.requested_action", "check_run.rerequested",
        "workflow_run.requested", "installation_repositories.added", "installation_repositories.removed",
        "repository.renamed", "repository.deleted", "installation.suspend", "installation.unsuspend",
        "installation.deleted",
    }  # fmt: skip
