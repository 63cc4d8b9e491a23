"""What Nix programs print, as recorded from real ones where the version is named after them."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.arguments import chunked
from ekaci_core.nix.dry_run import BuildPlan, dry_run_commands, parse_dry_run
from ekaci_core.nix.path_info import (
    PathInfo,
    parse_invalid,
    parse_path_info,
    path_info_commands,
    validity_commands,
)
from ekaci_core.nix.settings import NixSettings, parse_settings
from ekaci_core.nix.substitution_settings import SubstitutionSettings

RECORDED = Path(__file__).parents[2] / "data/nix"
recordings = pytest.mark.parametrize("recording", [RECORDED / "2.8.0", RECORDED / "2.26.3"], ids=lambda path: path.name)

LEAF = StorePath.parse("h8mrwv31q9mk07awy4v8z17sig3cbpih-ekaci-leaf-1.0")
OTHER = StorePath.parse("j98pygnfm3rrk0qwdyks8rbp4dpj8f0q-ekaci-other-1.0")
MIDDLE = StorePath.parse("ahhyfh3526rl6cpqs3470xah623l7rvw-ekaci-middle-1.0")
TOP = StorePath.parse("vb0axwqyqqmfccfwzcf2976kfy0c8af1-ekaci-top-1.0")
LEAF_DRV = DrvPath.parse("51vaa877450pxv17wbrkx3myr1rmzix3-ekaci-leaf-1.0.drv")
MIDDLE_DRV = DrvPath.parse("qhrg317wkhdzfbcdfc3i86nhijvwxpbs-ekaci-middle-1.0.drv")
TOP_DRV = DrvPath.parse("c12wb9f1ks416cdn0v9dfhg3yi2l5ay2-ekaci-top-1.0.drv")
SOLO_DRV = DrvPath.parse("xzzpax83sxilj8kxk1ay61k0nnrrmin3-ekaci-solo-1.0.drv")
VANISHED = StorePath.parse("0" * 32 + "-ekaci-vanished-1.0")


# --- the plan of a dry run ---


@recordings
def test_a_plan_says_what_is_built_fetched_and_unknown(recording: Path) -> None:
    assert parse_dry_run((recording / "dry-run.txt").read_text()) == BuildPlan(
        to_build=frozenset({TOP_DRV, MIDDLE_DRV, SOLO_DRV}),
        to_fetch=frozenset({LEAF, OTHER}),
        unknown=frozenset({StorePath(VANISHED + ".drv")}),
    )


@recordings
def test_a_plan_of_one_is_worded_differently(recording: Path) -> None:
    assert parse_dry_run((recording / "dry-run-single.txt").read_text()) == BuildPlan(
        to_build=frozenset({MIDDLE_DRV}), to_fetch=frozenset({LEAF})
    )


MIXED = f"""warning: slow
these 2 paths will be copied (1.0 MiB):
  {TOP}
warning: unable to ask
this derivation will be built:
  {TOP_DRV}
"""


@pytest.mark.parametrize(
    ("output", "plan"),
    [
        ("", BuildPlan()),
        (f"these derivations will be built:\n  {TOP_DRV}\n", BuildPlan(frozenset({TOP_DRV}))),
        (f"don't know how to build these paths (read-only):\n  {TOP}", BuildPlan(unknown=frozenset({TOP}))),
        (f"don\u2019t know how to build these paths:\n  {TOP}", BuildPlan(unknown=frozenset({TOP}))),
        (MIXED, BuildPlan(frozenset({TOP_DRV}), frozenset({TOP}))),
    ],
)
def test_other_wordings(output: str, plan: BuildPlan) -> None:
    assert parse_dry_run(output) == plan


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (f"these 2 derivations will be brewed:\n  {TOP_DRV}\n", "nothing announces"),
        (f"this derivation will be built:\n  {TOP}\n", "not a derivation path"),
        (f"this derivation will be built:\nwarning: x\n  {TOP_DRV}\n", "nothing announces"),
        ("this path will be fetched:\n  /etc/passwd\n", "not a store path"),
    ],
)
def test_what_a_plan_says_is_never_passed_over(output: str, problem: str) -> None:
    with pytest.raises(InfrastructureFault, match=problem):
        parse_dry_run(output)


def test_plans_of_parts_are_joined() -> None:
    assert BuildPlan(frozenset({TOP_DRV}), frozenset({LEAF})) | BuildPlan(
        frozenset({SOLO_DRV}), frozenset({OTHER}), frozenset({VANISHED})
    ) == BuildPlan(frozenset({TOP_DRV, SOLO_DRV}), frozenset({LEAF, OTHER}), frozenset({VANISHED}))


# --- commands ---


def test_long_lists_are_split_over_commands_in_their_order() -> None:
    paths = [f"/{number}" for number in range(100)]
    chunks = list(chunked(paths, limit=50))
    assert [path for chunk in chunks for path in chunk] == paths
    assert all(sum(len(path) + 9 for path in chunk) <= 50 for chunk in chunks)
    assert list(chunked([])) == []
    assert list(chunked(["/" * 99, "/x"], limit=50)) == [["/" * 99], ["/x"]]


def test_commands() -> None:
    assert list(dry_run_commands([TOP_DRV])) == [["nix-store", "--realise", "--dry-run", TOP_DRV]]
    assert list(validity_commands([TOP])) == [["nix-store", "--check-validity", "--print-invalid", TOP]]
    assert list(path_info_commands([TOP])) == [["nix", "path-info", "--json", TOP]]
    assert list(path_info_commands([TOP], closure_size=True)) == [["nix", "path-info", "--json", "--closure-size", TOP]]
    assert len(list(dry_run_commands([TOP_DRV] * 12_000))) == 2


# --- store paths ---


@recordings
def test_path_info_of_each_version_says_the_same(recording: Path) -> None:
    assert parse_path_info((recording / "path-info.json").read_bytes()) == {
        LEAF: PathInfo(128, (), LEAF_DRV, 128),
        TOP: PathInfo(240, (MIDDLE, OTHER), TOP_DRV, 504),
        VANISHED: None,
    }


def test_path_info_of_the_versioned_kind() -> None:
    text = """{"version": 2, "storeDir": "/nix/store", "info": {
        "h8mrwv31q9mk07awy4v8z17sig3cbpih-ekaci-leaf-1.0": {"version": 2, "narSize": 7, "deriver": null,
            "references": ["j98pygnfm3rrk0qwdyks8rbp4dpj8f0q-ekaci-other-1.0"]},
        "00000000000000000000000000000000-ekaci-vanished-1.0": null}}"""
    assert parse_path_info(text) == {LEAF: PathInfo(7, (OTHER,)), VANISHED: None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        '"x"',
        "[3]",
        "[{}]",
        "null",
        '{"/nix/store/x": {}}',
        f'{{"{TOP}": {{}}}}',
        f'{{"{TOP}": 3}}',
        "[" * 10**5,
    ],
)
def test_an_answer_about_paths_that_makes_no_sense_is_a_fault(text: str) -> None:
    with pytest.raises(InfrastructureFault, match="not understood"):
        parse_path_info(text)


@recordings
def test_invalid_paths_are_printed_one_a_line(recording: Path) -> None:
    assert parse_invalid((recording / "print-invalid.txt").read_text()) == {VANISHED}


def test_anything_but_paths_about_validity_is_a_fault() -> None:
    assert parse_invalid("") == frozenset()
    with pytest.raises(InfrastructureFault, match="not a store path: 'oops'"):
        parse_invalid(f"{TOP}\noops\n")


# --- settings ---


@recordings
def test_settings_of_each_version(recording: Path) -> None:
    settings = parse_settings((recording / "show-config.json").read_bytes())
    levels = ("v1", "v2", "v3") if recording.name == "2.8.0" else ("v1", "v2", "v3", "v4")
    more = frozenset() if recording.name == "2.8.0" else frozenset({"uid-range"})
    assert settings.evaluation
    assert attrs.evolve(settings, evaluation="", nix_path=()) == NixSettings(
        system=System("x86_64-linux"),
        extra_platforms=(System("i686-linux"), *(System(f"x86_64-{level}-linux") for level in levels)),
        system_features=frozenset({"kvm", "benchmark", "nixos-test", "big-parallel"}) | more,
        max_jobs=1,
        cores=2,
        sandbox="false",
    )
    assert settings.systems == {settings.system, *settings.extra_platforms}


def evaluation_settings(**values: object) -> str:
    given = {"system": "x86_64-linux"} | {name.replace("_", "-"): value for name, value in values.items()}
    return parse_settings(json.dumps({name: {"value": value} for name, value in given.items()})).evaluation


@pytest.mark.parametrize(
    "setting",
    [{"experimental_features": [3]}, {"restrict_eval": True}, {"allow_import_from_derivation": False}, {"new_one": 1}],
    ids=str,
)
def test_settings_that_may_change_an_evaluation_are_told_apart(setting: dict[str, object]) -> None:
    assert evaluation_settings(**setting) != evaluation_settings()
    assert evaluation_settings(**setting) == evaluation_settings(**setting)


def test_settings_of_building_and_logs_do_not_change_an_evaluation() -> None:
    assert evaluation_settings(cores=2, max_jobs=8, access_tokens={"a": "b"}, nix_path=["x"]) == evaluation_settings()


def test_settings_that_are_missing_or_odd_keep_their_defaults() -> None:
    text = """{"system": {"value": "riscv64-linux"}, "max-jobs": {"value": "auto"}, "cores": {"value": true},
        "system-features": {"value": null}, "sandbox": {"value": "relaxed"}, "store": {"value": ""},
        "extra-platforms": {"value": ["riscv64-linux", 3]}, "substituters": {"value": ["https://cache.example.org"]},
        "auto-allocate-uids": {"value": true}, "build-users-group": {"value": "builders"}, "note": 3}"""
    assert attrs.evolve(parse_settings(text), evaluation="") == NixSettings(
        system=System("riscv64-linux"),
        sandbox="relaxed",
        substituters=("https://cache.example.org",),
        build_users_group="builders",
        auto_allocate_uids=True,
        substitution=SubstitutionSettings(substituters=("https://cache.example.org",)),
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"system": 3}', '{"system": {"value": "a b"}}', '{"system": {}}'])
def test_settings_without_a_platform_are_a_fault(text: str) -> None:
    with pytest.raises(InfrastructureFault, match="settings was not understood"):
        parse_settings(text)
