"""Where a cache is, read from ``destination``. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import attrs

from ekaci_core.api import UsageFault

_WRITING: Final = frozenset(
    {"compression", "compression-level", "parallel-compression", "write-nar-listing", "index-debug-info", "secret-key"}
)
_READING: Final = frozenset({"priority", "want-mass-query", "trusted", "path-info-cache-size"})
_S3: Final = frozenset({"region", "profile", "endpoint", "scheme"})
_S3_TUNING: Final = frozenset({"multipart-upload", "buffer-size"})
_SCHEMES: Final = "s3://BUCKET, https://HOST/PATH, http://HOST/PATH, ssh://HOST, ssh-ng://HOST or file:///PATH"
_PORTS: Final = {"http": 80, "https": 443}
REGION: Final = "us-east-1"


@attrs.frozen(kw_only=True)
class BinaryCachePlace:
    """A binary cache. ``writing`` holds the parameters by which Nix writes files of one."""

    writing: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class FolderPlace(BinaryCachePlace):
    """A folder of this machine."""

    folder: Path


@attrs.frozen(kw_only=True)
class HttpPlace(BinaryCachePlace):
    """A server that takes files by PUT. ``url`` has neither user, query nor a slash at its end."""

    url: str
    host: str
    port: int


@attrs.frozen(kw_only=True)
class S3Place(BinaryCachePlace):
    """A bucket. ``endpoint`` is a whole address, None for that of AWS; ``prefix`` ends in a slash, or is empty."""

    bucket: str
    prefix: str = ""
    region: str = REGION
    profile: str | None = None
    endpoint: str | None = None
    scheme: str = "https"


@attrs.frozen(kw_only=True)
class SshPlace:
    """The store of another machine; ``url`` is as every Nix takes it, without the port; ``says_port``: it had one."""

    url: str
    host: str
    port: int
    says_port: bool


Place = FolderPlace | HttpPlace | S3Place | SshPlace


def parse_destination(text: str) -> Place:
    """Read a destination.

    Raises:
        UsageFault: it is none; says which part, and what to write.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _fault("it is no address", f"write {_SCHEMES}") from None
    if url.fragment:
        raise _fault("nothing may stand behind #", "write %23 for a # that is meant")
    parameters = _parameters(url)
    match url.scheme:
        case "file":
            return _folder(url, parameters)
        case "http" | "https":
            return _http(url, port, parameters)
        case "s3":
            return _s3(url, port, parameters)
        case "ssh" | "ssh-ng":
            return _ssh(url, port)
        case _:
            what = f'nobody knows the scheme "{url.scheme}"' if url.scheme else "the scheme is missing"
            raise _fault(what, f"write {_SCHEMES}")


def _folder(url: SplitResult, parameters: Mapping[str, str]) -> FolderPlace:
    if url.netloc or not url.path.startswith("/"):
        raise _fault("it is no absolute path", "write file:///PATH, with three slashes")
    return FolderPlace(folder=Path(unquote(url.path)), writing=_writing(parameters))


def _http(url: SplitResult, port: int | None, parameters: Mapping[str, str]) -> HttpPlace:
    if "@" in url.netloc:
        raise _fault("it holds a user or password", "give HTTP_USERNAME and HTTP_PASSWORD by credentials")
    host = _host(url)
    return HttpPlace(
        url=f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}",
        host=host,
        port=port or _PORTS[url.scheme],
        writing=_writing(parameters),
    )


def _s3(url: SplitResult, port: int | None, parameters: Mapping[str, str]) -> S3Place:
    if "@" in url.netloc or port is not None:
        raise _fault("a bucket has neither user nor port", "write s3://BUCKET/PREFIX?endpoint=https://HOST:PORT")
    scheme = parameters.get("scheme", "https")
    if scheme not in _PORTS:
        raise _fault(f'scheme is "{scheme}"', "write http or https")
    prefix = unquote(url.path).strip("/")
    return S3Place(
        bucket=_host(url),
        prefix=f"{prefix}/" if prefix else "",
        region=parameters.get("region") or REGION,
        profile=parameters.get("profile") or None,
        endpoint=_endpoint(parameters.get("endpoint", ""), scheme),
        scheme=scheme,
        writing=_writing(parameters, _S3 | _S3_TUNING),
    )


def _endpoint(written: str, scheme: str) -> str | None:
    """Nix takes a host with or without a port, and newer ones a whole address."""
    if not written:
        return None
    try:
        url = urlsplit(written if "://" in written else f"{scheme}://{written}")
        _ = url.port
    except ValueError:
        raise _fault("endpoint is no address", "write endpoint=https://HOST:PORT") from None
    if url.scheme not in _PORTS or not url.hostname or "@" in url.netloc or url.query or url.path.strip("/"):
        raise _fault("endpoint is more or less than an address", "write endpoint=https://HOST:PORT")
    return f"{url.scheme}://{url.netloc}"


def _ssh(url: SplitResult, port: int | None) -> SshPlace:
    if url.password is not None:
        raise _fault("it holds a password", "ssh asks for none here: use a key")
    host = _host(url)
    if host.startswith("-") or (url.username or "").startswith("-"):
        raise _fault("it begins with a dash", "write ssh://USER@HOST")
    netloc = url.netloc.removesuffix(f":{port}")
    return SshPlace(url=url._replace(netloc=netloc).geturl(), host=host, port=port or 22, says_port=port is not None)


def _host(url: SplitResult) -> str:
    if not url.hostname:
        raise _fault("the host is missing", f"write {_SCHEMES}")
    return url.hostname


def _parameters(url: SplitResult) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name in found:
            raise _fault(f"{name} stands there twice", "write it once")
        found[name] = value
    return found


def _writing(parameters: Mapping[str, str], more: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return what Nix is to know when it writes files; what only readers use is allowed and means nothing."""
    for name in parameters:
        if name not in _WRITING | _READING | more:
            known = ", ".join(sorted(_WRITING | more))
            raise _fault(f'nobody knows the parameter "{name}"', f"use one of {known}")
    return {name: value for name, value in parameters.items() if name in _WRITING}


def store_url(folder: Path, parameters: Mapping[str, str]) -> str:
    """Write a folder as a destination of Nix."""
    query = urlencode(parameters)
    return f"file://{folder}?{query}" if query else f"file://{folder}"


def _fault(what: str, do: str) -> UsageFault:
    return UsageFault(what, where="destination", do=do)
