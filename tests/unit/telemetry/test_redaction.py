"""Planted secrets do not come through, in whatever form and however the bytes are cut; all else does."""

from __future__ import annotations

import base64
import io
import json
import logging
import textwrap
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.standins.canaries import gives_away, shapes

from ekaci_core.logs import BuildLog
from ekaci_core.model.secret import Secret
from ekaci_core.telemetry import REDACTOR, Redactor, conceal, configure_logs
from ekaci_core.telemetry.logs import LOG
from ekaci_core.telemetry.redaction import MOST_ISSUED

TOKEN = "canary/t0ken+with=signs&all"  # noqa: S105 - a canary
PHRASE = "a canary phrase with words"
PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    .decode()
)
BODY = PEM.splitlines()[1:-1]


@pytest.fixture
def redactor() -> Redactor:
    return knowing(TOKEN, PHRASE, PEM)


def knowing(*values: str) -> Redactor:
    redactor = Redactor()
    redactor.learn("test", map(Secret, values))
    return redactor


def streamed(redactor: Redactor, data: bytes, size: int) -> bytes:
    stream = redactor.stream()
    pieces = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*pieces, stream.end()])


# Keys are not always of the same length, and every process that collects must find the same names.
CASES = [
    pytest.param(name, text, value, id=f"{kind}: {name}")
    for kind, value in {"token": TOKEN, "key": PEM}.items()
    for name, text in shapes(value).items()
]


@pytest.mark.parametrize(("name", "text", "value"), CASES)
def test_a_canary_in_any_form_and_cut_anywhere_is_masked(redactor: Redactor, name: str, text: str, value: str) -> None:
    log = f"before it\n{text}\nbehind it\n".encode()
    assert gives_away(log.decode(), value), name
    whole = redactor.mask(log)
    assert not gives_away(whole.decode(), value)
    assert whole.startswith(b"before it\n")
    assert whole.endswith(b"\nbehind it\n")
    for size in (1, 2, 7, 64, 1000):
        assert streamed(redactor, log, size) == whole


@pytest.mark.parametrize("width", [33, 40, 64, 70, 100])
def test_a_key_that_is_wrapped_anew(redactor: Redactor, width: int) -> None:
    lines = textwrap.wrap("".join(BODY), width)
    shown = redactor.mask("\n".join(lines).encode()).decode()
    assert [line for line in shown.splitlines()[:-1] if line != "[REDACTED]"] == []


def test_one_line_of_a_key_is_enough(redactor: Redactor) -> None:
    for line in BODY:
        assert redactor.text(f"found {line} there") == "found [REDACTED] there"


def test_a_key_whose_last_line_is_short() -> None:
    for short in ("ab==", "abcdef="):
        key = f"-----BEGIN EC PRIVATE KEY-----\n{'Qw1' * 20}\n{short}\n-----END EC PRIVATE KEY-----\n"
        redactor = knowing(key)
        for form in (key, json.dumps(key), key.replace("\n", "\r\n")):
            assert short not in redactor.text(form)


def test_a_phrase_with_spaces_that_is_cut(redactor: Redactor) -> None:
    for size in range(1, 30):
        assert streamed(redactor, f"say {PHRASE} now".encode(), size) == b"say [REDACTED] now"


def test_short_values_are_not_masked() -> None:
    redactor = knowing("eu-west", "123456", "", "longer-1")
    assert redactor.text("in eu-west 123456") == "in eu-west 123456"
    assert redactor.text("a longer-1") == "a [REDACTED]"


def test_a_store_path_and_another_key_stay(redactor: Redactor) -> None:
    other = base64.b64encode(bytes(range(256))).decode()
    text = f"/nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-hello-2.12 -----BEGIN CERTIFICATE-----\n{other}\n"
    assert redactor.text(text) == text


def test_words_go_on_at_once_and_only_an_unfinished_one_waits(redactor: Redactor) -> None:
    stream = redactor.stream()
    assert stream.feed(b"building a\nbui") == b"building a\n"
    assert stream.feed(b"lding ") == b"building "
    assert stream.end() == b""


def test_a_word_without_end_is_not_held_for_ever() -> None:
    redactor = knowing("canary-one")
    stream = redactor.stream()
    written = b"".join(stream.feed(b"x" * 1000) for _ in range(100))
    assert len(written) > 90_000
    assert written + stream.end() == b"x" * 100_000
    assert b"canary" not in streamed(redactor, b"x" * 99_995 + b"canary-one" + b"y" * 20_000, 1000)
    assert b"canary" not in streamed(redactor, b"canary-one" * 10_000, 1000)


def test_what_is_learnt_later_counts_and_old_values_for_a_while() -> None:
    redactor = Redactor()
    stream = redactor.stream()
    assert stream.feed(b"secret-1") == b"secret-1"
    for number in range(1, 7):
        redactor.learn("use", [Secret(f"secret-{number}")])
        redactor.learn("use", [Secret(f"secret-{number}")])
    redactor.learn("other", [Secret("secret-x")])
    assert redactor.text("secret-1 secret-2 secret-3 secret-6 secret-x") == (
        "secret-1 secret-2 [REDACTED] [REDACTED] [REDACTED]"
    )


def test_what_plugins_were_issued_is_masked_the_newest_at_least() -> None:
    values = [f"issued-number-{number:04}" for number in range(MOST_ISSUED + 1)]
    for value in values:
        conceal(Secret(value))
    assert REDACTOR.text(f"{values[0]} {values[1]} {values[-1]}") == f"{values[0]} [REDACTED] [REDACTED]"


def test_what_libraries_log_by_themselves_is_masked_too() -> None:
    stream = io.StringIO()
    REDACTOR.learn("test", [Secret("canary-of-a-library")])
    try:
        configure_logs(stream)
        try:
            raise ValueError("canary-of-a-library")  # noqa: TRY301 - to have its traceback logged
        except ValueError:
            logging.getLogger("asyncio").exception("lost: %s", "canary-of-a-library")
        logging.getLogger("asyncio").info("canary-of-a-library")
    finally:
        LOG.configure(io.StringIO(), logging.CRITICAL)
        for number in range(4):
            REDACTOR.learn("test", [Secret(str(number))])
    assert stream.getvalue().startswith("lost: [REDACTED]\nTraceback")
    assert stream.getvalue().endswith("ValueError: [REDACTED]\n")
    assert "canary-of-a-library" not in stream.getvalue().replace('"canary-of-a-library")', "")


def test_bytes_that_are_no_text() -> None:
    redactor = knowing("\udcffcanary\udc80")
    assert redactor.mask(b"\xffa \xffcanary\x80 b") == b"\xffa [REDACTED] b"
    assert redactor.text("\udcffcanary\udc80") == "[REDACTED]"


@settings(deadline=None)
@given(st.text(min_size=8, max_size=200), st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 70))
def test_every_value_is_masked_and_cutting_changes_nothing(value: str, before: bytes, after: bytes, size: int) -> None:
    redactor = knowing(value)
    raw = value.encode(errors="surrogateescape")
    data = before + raw + after
    whole = redactor.mask(data)
    assert raw not in whole.replace(b"[REDACTED]", b"\0")
    assert streamed(redactor, data, size) == whole


def test_the_log_of_a_build_and_of_the_server(tmp_path: Path) -> None:
    stream = io.StringIO()
    value = "canary-in-every-log"
    REDACTOR.learn("test", [Secret(value), Secret(PEM)])
    try:
        configure_logs(stream, level=logging.INFO)
        LOG.warning("said", what=f"token {value}", key={"pem": PEM}, error=ValueError(value))
        with BuildLog(tmp_path / "log") as log:
            for at in range(0, len(PEM), 50):
                log.write(PEM[at : at + 50].encode())
            log.write(b" " + value.encode()[:5])
            log.write(value.encode()[5:])
    finally:
        LOG.configure(io.StringIO(), logging.CRITICAL)
        for number in range(4):
            REDACTOR.learn("test", [Secret(str(number))])
    assert "said" in stream.getvalue()
    for text in (stream.getvalue(), (tmp_path / "log").read_text()):
        assert value not in text
        assert not gives_away(text, PEM)
        assert "[REDACTED]" in text


def test_it_is_quick_enough_to_be_used_always(redactor: Redactor) -> None:
    """No bound: the figure is for whoever runs it with ``-s``."""
    line = b"building '/nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-hello-2.12.drv', unpacking and compiling\n"
    data = line * 100_000
    began = time.perf_counter()
    assert streamed(redactor, data, 65536) == data
    print(f"{len(data) / 1e6 / (time.perf_counter() - began):.0f} MB/s")  # noqa: T201 - see above
