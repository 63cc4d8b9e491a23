"""Which jobs a review has, and what each side may say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.config.discover import discover_jobs, job_of_file
from ekaci_core.config.faults import ConfigurationFault, MissingJobFile
from ekaci_core.config.merge import ReviewJob, jobs_of_review, select_jobs, settings_of_review
from ekaci_core.config.repository import CONFIG_FILES, job_file
from ekaci_core.config.review import ReviewConfiguration, Side, combine, review_configuration
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.repository import ImpactSettings, Job, RepositoryConfig, SizeCheck, SummarySettings


def config(*jobs: Job, **settings: Any) -> RepositoryConfig:
    return RepositoryConfig(origin=CONFIG_FILES[0], jobs={job.name: job for job in jobs}, **settings)


def test_each_side_evaluates_its_own_file_and_the_base_gives_the_power() -> None:
    base = Job("a", "old.nix", attr_path="x", allow_eval_failures=False, caches=("safe",), size_check=SizeCheck(1.0))
    head = Job("a", "new.nix", allow_eval_failures=True, caches=("stolen",), size_check=SizeCheck(1e9))
    (job,) = jobs_of_review(config(base), config(head))
    assert job == ReviewJob("a", base, head, allow_eval_failures=False, caches=("safe",), size_check=SizeCheck(1.0))
    assert job.missing_on is None


def test_a_new_job_gets_nothing_that_it_asks_for() -> None:
    new = Job("new", "new.nix", allow_eval_failures=True, caches=("stolen",), size_check=SizeCheck(1e9))
    for base in (None, config(), config(Job("other", "x"))):
        job = jobs_of_review(base, config(new))[0]
        assert job == ReviewJob("new", None, new)
        assert (job.allow_eval_failures, job.caches, job.size_check, job.missing_on) == (False, (), None, "base")


def test_a_dropped_job_stays_and_is_marked() -> None:
    a, b, c = Job("a", "a", allow_eval_failures=True), Job("b", "b"), Job("c", "c")
    jobs = jobs_of_review(config(a, b), config(c, b))
    assert [(job.name, job.missing_on) for job in jobs] == [("c", "base"), ("b", None), ("a", "head")]
    assert jobs[2].allow_eval_failures
    assert [job.missing_on for job in jobs_of_review(config(a, b), None)] == ["head", "head"]
    assert jobs_of_review(None, None) == ()


def test_the_settings_are_the_bases_where_it_has_any() -> None:
    mine, theirs = SummarySettings(max_packages_listed=1), SummarySettings(max_packages_listed=2)
    assert settings_of_review(config(summary=mine), config(summary=theirs))[0] == mine
    assert settings_of_review(None, config(summary=theirs)) == (theirs, ImpactSettings())
    assert settings_of_review(None, None) == (SummarySettings(), ImpactSettings())


def test_jobs_are_selected_by_name() -> None:
    jobs = jobs_of_review(config(Job("alpha", "a"), Job("beta", "b")), None)
    assert select_jobs(jobs, []) == jobs
    assert [job.name for job in select_jobs(jobs, ["beta"])] == ["beta"]
    with pytest.raises(UsageFault, match="'alhpa'") as caught:
        select_jobs(jobs, ["beta", "alhpa"])
    assert "did you mean alpha?" in str(caught.value.do)
    assert "alpha, beta" in str(caught.value.do)


@pytest.mark.parametrize(
    ("names", "job"),
    [
        ({"flake.nix", "default.nix", "ci.nix"}, Job("flake", "flake.nix", flake=True)),
        ({"default.nix", "ci.nix", "README.md"}, Job("default", "default.nix")),
        ({"ci.nix"}, Job("ci", "ci.nix")),
    ],
)
def test_jobs_are_found_and_the_choice_is_said(names: set[str], job: Job) -> None:
    found = discover_jobs(names)
    assert found is not None
    assert found.jobs == {job.name: job}
    assert job.file in found.origin


def test_nothing_to_find() -> None:
    assert discover_jobs({"README.md", "shell.nix"}) is None


@pytest.mark.parametrize(
    ("file", "attr_path", "job"),
    [
        ("nix/release.nix", None, Job("release", "nix/release.nix")),
        ("release.nix", "hydraJobs", Job("release", "release.nix", attr_path="hydraJobs")),
        ("flake.nix", None, Job("flake", "flake.nix", flake=True)),
        ("sub/flake.nix", "packages", Job("flake", "sub/flake.nix", attr_path="packages", flake=True)),
    ],
)
def test_a_file_that_a_person_names_is_a_job(file: str, attr_path: str | None, job: Job) -> None:
    made = job_of_file(file, attr_path)
    assert made.jobs == {job.name: job}
    assert file in made.origin


def test_a_named_file_is_brought_into_its_one_form() -> None:
    assert list(job_of_file("/./nix//release.nix").jobs.values()) == [Job("release", "nix/release.nix")]


@pytest.mark.parametrize("file", ["../x.nix", "a/../../x.nix", "", "nix/"])
def test_a_named_file_stays_inside(file: str) -> None:
    with pytest.raises(UsageFault, match="expected a file") as caught:
        job_of_file(file)
    assert caught.value.where == "--file"


def test_job_files_are_found_in_the_checkout(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "dir").mkdir(parents=True)
    (checkout / "dir/default.nix").write_text("{}")
    (checkout / "inside.nix").symlink_to("dir/default.nix")
    (tmp_path / "secret.nix").write_text("{}")
    (checkout / "outside.nix").symlink_to("../secret.nix")
    (checkout / "up").symlink_to("..")
    (checkout / "loop.nix").symlink_to("loop.nix")
    (tmp_path / "linked").symlink_to("checkout")
    for root in (checkout, tmp_path / "linked"):
        for file in ("dir/default.nix", "inside.nix"):
            assert job_file(root, Job("a", file)) == root / file
        for file in ("outside.nix", "up/secret.nix"):
            with pytest.raises(UsageFault, match="leads out of the repository") as caught:
                job_file(root, Job("a", file))
            assert caught.value.where == "jobs.a.file"
    for file in ("missing.nix", "dir/default.nix/x", "dir"):
        with pytest.raises(MissingJobFile) as missing:
            job_file(checkout, Job("a", file))
        assert (missing.value.where, file in missing.value.what) == ("jobs.a.file", True)
    with pytest.raises(UsageFault, match="cannot be followed"):
        job_file(checkout, Job("a", "loop.nix"))


def side(names: set[str], **files: object) -> Side:
    contents = {
        CONFIG_FILES[0 if name == "new" else 1]: value if isinstance(value, bytes) else json.dumps(value).encode()
        for name, value in files.items()
    }

    async def read(path: str) -> bytes | None:
        return contents.get(path)

    return Side(read, names)


def summary(made: ReviewConfiguration) -> list[tuple[str, str | None]]:
    return [(job.name, job.missing_on) for job in made.jobs]


@pytest.mark.anyio
async def test_without_files_both_sides_are_searched() -> None:
    made = await review_configuration(side({"default.nix"}), side({"default.nix", "ci.nix"}))
    assert summary(made) == [("default", None)]
    assert "default.nix" in made.origin
    assert made.warnings == ()


@pytest.mark.anyio
async def test_a_file_on_one_side_stops_the_search_on_both() -> None:
    one = {"jobs": {"a": {"file": "a.nix", "allow_eval_failures": True}}}
    made = await review_configuration(side({"default.nix"}), side({"default.nix"}, new=one))
    assert summary(made) == [("a", "base")]
    assert not made.jobs[0].allow_eval_failures
    made = await review_configuration(side({"default.nix"}, old=one), side({"default.nix"}))
    assert summary(made) == [("a", "head")]


@pytest.mark.anyio
async def test_a_broken_base_can_be_mended_and_a_broken_head_is_a_fault() -> None:
    good = {"jobs": {"a": {"file": "a.nix", "allow_eval_failures": True}}}
    made = await review_configuration(side({"default.nix"}, new=b"{,"), side(set(), new=good))
    assert summary(made) == [("a", "base")]
    assert "the base's configuration is not used" in made.warnings[0]
    with pytest.raises(ConfigurationFault):
        await review_configuration(side(set(), new=good), side(set(), new=b"{,"))


@pytest.mark.anyio
async def test_warnings_of_both_sides_are_told_once() -> None:
    base = {"jobs": {"a": {"file": "a.nix"}}, "same": 1, "gone": 1}
    head = {"jobs": {"a": {"file": "a.nix"}}, "same": 1}
    made = await review_configuration(side(set(), new=base), side(set(), new=head))
    assert made.warnings == (
        '.eka-ci/config.json: unknown key "same" is ignored',
        '.eka-ci/config.json: unknown key "gone" is ignored (on the base)',
    )


@pytest.mark.anyio
async def test_no_job_anywhere() -> None:
    with pytest.raises(UsageFault, match="no job") as caught:
        await review_configuration(side(set()), side({"README.md"}))
    assert "--file" in str(caught.value.do)
    with pytest.raises(UsageFault, match="no job"):
        combine(config(), config())
