"""The environment of an evaluation that is kept from the machine."""

from __future__ import annotations

from pathlib import Path

from ekaci_core.nix.confinement import confined


def test_it_reads_what_is_named_and_builds_nothing(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    environment = {"NIX_PATH": "nixpkgs=/pkgs", "NIX_CONFIG": "restrict-eval = false\ncores = 2", "PATH": "/bin"}
    made = confined(environment, [link])
    assert made["NIX_PATH"] == f"nixpkgs=/pkgs:ekaci-reachable-0={link}:ekaci-reachable-1={real}"
    lines = made["NIX_CONFIG"].splitlines()
    assert lines[:2] == ["restrict-eval = false", "cores = 2"]
    assert lines.index("restrict-eval = true") > 0, "later lines win"
    assert "allow-import-from-derivation = false" in lines
    assert made["PATH"] == "/bin"
    fetched = next(line for line in lines if line.startswith("allowed-uris"))
    assert "http://" not in fetched
    assert "file:" not in fetched


def test_a_flake_may_be_read_as_one() -> None:
    made = confined({}, [], flake=Path("/a b"))
    assert "path:/a%20b git+file:///a%20b" in made["NIX_CONFIG"]
