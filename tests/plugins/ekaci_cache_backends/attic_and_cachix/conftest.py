"""Attic and Cachix to push to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix import attic_laboratory, cachix_laboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import AtticLaboratory, RealAtticLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_stand_in import AtticStandIn
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_laboratory import CachixLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_stand_in import CachixStandIn
from tests.plugins.ekaci_cache_backends.attic_and_cachix.programs import Installed, install
from tests.plugins.ekaci_cache_backends.attic_and_cachix.real_attic import real_attic

ATTICD = os.environ.get("EKACI_TEST_ATTICD")  # read here: tests are shown no such variable


def _with_path(environment: dict[str, str], folder: Path) -> dict[str, str]:
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


@pytest.fixture
def attic_server() -> Iterator[AtticStandIn]:
    server = AtticStandIn(tokens={attic_laboratory.FIRST, attic_laboratory.SECOND})
    with server.served():
        yield server


@pytest.fixture
def attic_over_http(attic_server: AtticStandIn, nix_environment: dict[str, str]) -> AtticLaboratory:
    """No program is needed."""
    witness = attic_laboratory.witness_of(nix_environment)
    return AtticLaboratory(attic_server, witness, {"push_by": "http"})


@pytest.fixture
def attic_program(tmp_path: Path) -> Installed:
    return install("attic", tmp_path / "bin")


@pytest.fixture
def attic_by_program(
    attic_server: AtticStandIn, attic_program: Installed, nix_environment: dict[str, str]
) -> AtticLaboratory:
    environment = _with_path(nix_environment, attic_program.file.parent)
    return AtticLaboratory(attic_server, attic_laboratory.witness_of(environment), {"push_by": "program"})


@pytest.fixture
def real_attic_laboratory(tmp_path: Path, nix_environment: dict[str, str]) -> Iterator[RealAtticLaboratory]:
    if ATTICD is None:
        pytest.skip("EKACI_TEST_ATTICD names no program")
    with real_attic(ATTICD, tmp_path) as server:
        witness = attic_laboratory.witness_of(nix_environment)
        witness.leases = {"planted": [{"ATTIC_TOKEN": server.tokens[0]}]}
        yield RealAtticLaboratory(server, witness)


@pytest.fixture
def cachix_server() -> Iterator[CachixStandIn]:
    server = CachixStandIn(tokens={cachix_laboratory.FIRST, cachix_laboratory.SECOND})
    with server.served():
        yield server


@pytest.fixture
def cachix_program(tmp_path: Path) -> Installed:
    return install("cachix", tmp_path / "bin")


@pytest.fixture
def cachix(
    cachix_server: CachixStandIn, cachix_program: Installed, nix_environment: dict[str, str]
) -> CachixLaboratory:
    environment = _with_path(nix_environment, cachix_program.file.parent)
    return CachixLaboratory(cachix_server, cachix_laboratory.witness_of(environment))
