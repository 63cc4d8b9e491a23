"""``ekaci config``: what it prints and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ekaci_core.cli.main import ekaci
from ekaci_core.config.problems import ConfigurationProblems

SECRET = "hunter2"  # noqa: S105 - of nothing
GOOD = """\
[web]
port = 80
db_path = "/db"
[security]
webhook_secret = "hunter2"
[[caches]]
id = "a"
cache_type = "nix-copy"
destination = "s3://a"
credentials = { env = { vars = ["NOT_SET_HERE"] } }
"""
BAD = """\
[web]
port = 70000
[[builders]]
uri = "ssh://a"
max_jobs = "four"
[eval]
evaluator = "nyx"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ekaci.toml"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(ekaci, ["config", *arguments], env=environment, standalone_mode=False)


def document(result: Result) -> dict[str, Any]:
    assert result.exception is None
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_file_that_can_be_used_is_said_to_be_with_its_warnings(file: Path) -> None:
    file.write_text(GOOD)
    result = run("check", str(file), EKA_CI_WEB__PORT="nonsense")
    assert (result.exception, result.return_value) == (None, 0)
    first, *warnings = result.stdout.splitlines()
    assert first == f"{file}: it can be used, with {len(warnings)} warnings"
    assert warnings[0].startswith(f"  {file}:3: web.db_path: it is read as db_path")
    assert f"  {file}:10: caches[0].credentials.env.vars: the variable NOT_SET_HERE is not set here" in warnings
    assert "hunter2" not in result.output


def test_what_is_there_is_no_warning(file: Path) -> None:
    file.write_text("[web]\nport = 80\n")
    assert "there is no secret for webhooks" in run("check", str(file)).stdout
    assert run("check", str(file), WEBHOOK_SECRET=SECRET).stdout == f"{file}: it can be used\n"


def test_names_are_resolved_and_forbidden_places_are_faults(file: Path) -> None:
    file.write_text(GOOD.replace("s3://a", "https://ekaci-nobody.invalid"))
    said = run("check", str(file)).stdout
    assert f"{file}:9: caches[0].destination: ekaci-nobody.invalid: the name does not resolve" in said
    file.write_text(GOOD.replace("s3://a", "s3://a?endpoint=http://169.254.169.254"))
    fault = run("check", str(file)).exception
    assert isinstance(fault, ConfigurationProblems)
    assert [problem.at for problem in fault.problems] == ["caches[0].destination"]


def test_all_that_is_wrong_is_told_builders_and_evaluator_too(file: Path) -> None:
    file.write_text(BAD)
    fault = run("check", str(file)).exception
    assert isinstance(fault, ConfigurationProblems)
    assert [problem.at for problem in fault.problems] == ["web.port", "builders[0].max_jobs"]
    assert [problem.place for problem in fault.problems] == [f"{file}:2", f"{file}:5"]
    file.write_text(BAD.replace("70000", "80"))
    fault = run("check", str(file)).exception
    assert isinstance(fault, ConfigurationProblems)
    assert [str(problem).partition(";")[0] for problem in fault.problems] == [
        f'{file}:5: builders[0].max_jobs: expected a whole number, got "four"',
        f"{file}:7: eval.evaluator: no active plugin registers this evaluator: nyx",
    ]


def test_a_judgement_is_written_as_json(file: Path) -> None:
    file.write_text(BAD)
    result = run("check", "--json", str(file))
    assert result.return_value == 2
    told = document(result)
    assert (told["usable"], told["warnings"]) == (False, [])
    assert told["faults"][0] == {
        "key": "web.port",
        "what": "expected a whole number from 0 to 65535, got 70000",
        "place": f"{file}:2",
    }
    file.write_text(GOOD)
    told = document(run("check", "--format", "json", str(file)))
    assert (told["usable"], told["faults"], told["warnings"][0]["key"]) == (True, [], "web.db_path")


def test_the_file_of_a_repository_is_judged_as_such(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"jobs": {"a": {"file": "a.nix"}}}')
    assert run("check", str(file)).stdout == f"{file}: it can be used\n"
    file.write_text('{"jobs": {"a": {"file": "a.nix"}}, "cheks": {}}')
    assert 'unknown key "cheks" is ignored (did you mean "checks"?)' in run("check", str(file)).stdout
    file.write_text('{"jobs": {"a": {"file": 1}, "b": {}}}')
    assert [fault["what"] for fault in document(run("check", "--json", str(file)))["faults"]] == [
        "jobs.a.file: expected a string, got 1",
        'jobs.b: the key "file" is missing',
    ]
    file.unlink()
    assert "there is no such file" in str(run("check", str(file)).exception)


def test_a_file_that_is_not_there_is_a_fault(file: Path) -> None:
    assert "there is no such file" in str(run("check", str(file)).exception)
    assert "there is no such file" in str(run("show", "--config-file", str(file)).exception)


def test_what_holds_is_shown_with_its_origin(file: Path) -> None:
    file.write_text(GOOD)
    arguments = ("--config-file", str(file), "-p", "81", "--logs-dir", "logs", "--require-approval")
    result = run("show", *arguments, EKA_CI_WEB__ADDRESS="::1", JWT_SECRET=SECRET)
    assert result.exception is None
    rows = {row.split()[0]: row.split()[1:] for row in result.stdout.splitlines()}
    assert rows["web.port"] == ["81", "--port"]
    assert rows["web.address"] == ["::1", "EKA_CI_WEB__ADDRESS"]
    assert rows["db_path"] == ["/db", f"{file}:3"]
    assert rows["logs_dir"] == [str(Path.cwd() / "logs"), "--logs-dir"]
    assert rows["require_approval"] == ["true", "--require-approval"]
    assert rows["oauth.jwt_secret"] == ["[REDACTED]", "JWT_SECRET"]
    assert rows["oauth.client_id"] == ["-", "default"]
    assert "web.db_path: it is read as db_path" in result.stderr
    assert "hunter2" not in result.output


def test_an_option_with_a_value_wins_over_the_file(file: Path) -> None:
    file.write_text("require_approval = true\nmerge_queue_require_approval = true")
    options = ("--require-approval", "false", "--merge-queue-require-approval=no")
    told = document(run("show", "--json", "--config-file", str(file), *options))
    assert told["file"] == str(file)
    assert told["values"]["require_approval"] == {"value": False, "origin": "flag", "place": "--require-approval"}
    assert told["values"]["merge_queue_require_approval"]["value"] is False
    assert told["values"]["web.port"] == {"value": 3030, "origin": "default", "place": None}


def test_an_option_out_of_range_is_a_fault() -> None:
    fault = run("show", "--port", "99999", "--require-approval", "maybe").exception
    assert isinstance(fault, ConfigurationProblems)
    assert {problem.place for problem in fault.problems} == {"--port", "--require-approval"}


def test_an_option_without_a_value_takes_no_other_option() -> None:
    told = document(run("show", "--json", "--require-approval", "--port", "1"))
    assert [told["values"][key]["value"] for key in ("require_approval", "web.port")] == [True, 1]
    assert told["file"] is None
