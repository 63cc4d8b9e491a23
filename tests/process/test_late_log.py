"""The log is loaded when there is something to log."""

from __future__ import annotations

import subprocess
import sys


def python(program: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout, done.stderr


def test_the_command_does_not_load_what_it_may_not_need() -> None:
    late = "{'structlog', 'rich', 'pygments'}"
    printed, _ = python(f"import sys, ekaci_core.cli.main; print(sorted({late} & set(sys.modules)))")
    assert printed == "[]\n"


def test_events_are_lines_with_their_fields() -> None:
    _, told = python(
        "import sys; from ekaci_core.telemetry import LOG, configure_logs\n"
        "LOG.warning('too early'); configure_logs(sys.stderr)\n"
        "LOG.debug('quiet'); LOG.info('quiet'); LOG.warning('plugin_rejected', plugin='a b', reason='old')"
    )
    assert told.count("\n") == 1
    assert "[warning  ] plugin_rejected" in told
    assert "plugin='a b'" in told
    assert "reason=old" in told


def test_the_level_says_what_is_told() -> None:
    _, told = python(
        "import logging, sys; from ekaci_core.telemetry import LOG, configure_logs\n"
        "configure_logs(sys.stderr, level=logging.DEBUG); LOG.debug('one', a=1); LOG.info('two'); LOG.warning('three')"
    )
    assert [line.split("]")[1].split()[0] for line in told.splitlines()] == ["one", "two", "three"]
