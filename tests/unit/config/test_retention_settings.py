from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.retention import RetentionSettings, parse_retention, read_retention
from ekaci_core.model.errors import UsageFault

PAGE = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text()


def read(folder: Path, text: str | None) -> RetentionSettings:
    file = folder / "config/ekaci/ekaci.toml"
    file.parent.mkdir(parents=True)
    if text is not None:
        file.write_text(text)
    return read_retention({"XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)})


@pytest.mark.parametrize("text", [None, "", "[retention]", "logs_dir = '/var/log'\n[security]\naudit_hooks = true"])
def test_what_is_not_said_has_its_default(tmp_path: Path, text: str | None) -> None:
    assert read(tmp_path, text) == RetentionSettings()


def test_the_defaults_are_those_of_the_reference() -> None:
    for name in ("log_max_bytes", "logs_total_bytes", "logs_max_age_seconds", "evaluations_kept"):
        assert f"| `{name}` | {getattr(RetentionSettings(), name):.0f}" in PAGE
    assert f"| `evaluations_max_age_seconds` | {RetentionSettings().evaluations_max_age_seconds:.0f}" in PAGE


def test_every_key_counts(tmp_path: Path) -> None:
    text = """
        [retention]
        log_max_bytes = 65536
        logs_total_bytes = 0
        logs_max_age_seconds = 1.5
        evaluations_kept = 3
        evaluations_max_age_seconds = 60
    """
    assert read(tmp_path, text) == RetentionSettings(65536, 0, 1.5, 3, 60)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[retention]\nlogs_total_byte = 1",
            'retention: unknown key "logs_total_byte" (did you mean "logs_total_bytes"?)',
        ),
        ("[retention]\nlog_max_bytes = '1'", 'retention.log_max_bytes: expected a whole number, got "1"'),
        ("[retention]\nlog_max_bytes = 65535", "retention.log_max_bytes: expected at least 65536, got 65535"),
        ("[retention]\nevaluations_kept = -1", "retention.evaluations_kept: expected at least 0, got -1"),
        ("[retention]\nlogs_max_age_seconds = inf", "retention.logs_max_age_seconds: expected a finite number"),
        ("retention = 5", "retention: expected an object, got 5"),
        ("[retention", "it is no TOML"),
    ],
)
def test_what_is_wrong_is_refused_with_its_address(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationFault) as raised:
        read(tmp_path, text)
    assert said in str(raised.value)
    assert raised.value.where == str(tmp_path / "config/ekaci/ekaci.toml")


def test_every_fault_is_named() -> None:
    with pytest.raises(ConfigurationFault) as raised:
        parse_retention({"log_max_bytes": True, "other": 1}, "ekaci.toml")
    assert len(raised.value.faults) == 2


def test_where_the_file_is(tmp_path: Path) -> None:
    file = tmp_path / "named.toml"
    with pytest.raises(UsageFault, match="there is no such file"):
        read_retention({"EKA_CI_CONFIG_FILE": str(file)})
    file.write_text("[retention]\nevaluations_kept = 7")
    assert read_retention({"EKA_CI_CONFIG_FILE": str(file)}).evaluations_kept == 7
    home = tmp_path / ".config/ekaci/ekaci.toml"
    home.parent.mkdir(parents=True)
    file.rename(home)
    assert read_retention({"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}).evaluations_kept == 7
    assert read_retention({}) == RetentionSettings()
    home.unlink()
    home.mkdir()
    with pytest.raises(UsageFault, match="cannot be read"):
        read_retention({"HOME": str(tmp_path)})
