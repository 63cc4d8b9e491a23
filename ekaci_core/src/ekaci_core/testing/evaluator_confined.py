"""What every evaluator does with a tree of somebody who is not trusted; part of the conformance of evaluators."""

from __future__ import annotations

import uuid

from ekaci_core.model.ids import System
from ekaci_core.process import run
from ekaci_core.testing.evaluator_laboratory import FLAKE, Laboratory, fault, package

_CANARY = "canary-" + "of-the-machine"


class ConfinedConformance:
    """Reads its own tree and nothing else of the machine, and builds nothing."""

    async def test_a_confined_evaluation_reads_its_own_tree_alone(self, lab: Laboratory) -> None:
        secret = lab.root.parent / "secret"
        secret.write_text(_CANARY)
        (lab.root / "link").symlink_to(secret)
        lab.write("own", "mine")
        lab.write("set/default.nix", '{ mk }: mk "imported"')
        items = await lab.evaluate(
            f"""{{
                own = mk (builtins.readFile ./own); imported = import ./set {{ inherit mk; }};
                absolute = throw (builtins.readFile {secret}); linked = throw (builtins.readFile ./link);
                folder = throw (toString (builtins.attrNames (builtins.readDir {secret.parent})));
                environment = mk "home-${{builtins.getEnv "PATH"}}";
                local = throw (builtins.readFile (builtins.fetchurl "file://{secret}"));
            }}""",
            confined=True,
        )
        assert package(items, "own").name == "mine"
        assert package(items, "imported").name == "imported"
        assert package(items, "environment").name == "home-"
        for attr in ("absolute", "linked", "folder", "local"):
            assert _CANARY not in fault(items, attr).message
        assert "secret" not in fault(items, "folder").message.replace(str(secret), "")

    async def test_a_confined_evaluation_builds_nothing(self, lab: Laboratory) -> None:
        sign = lab.root.parent / "was-built"
        text = f"""{{
            needs = mk (builtins.readFile (derivation {{
                name = "needed-{uuid.uuid4().hex}"; system = builtins.currentSystem; builder = "/bin/sh";
                args = [ "-c" "echo > {sign}; echo -n x > $out" ];
            }}));
            good = mk "good";
        }}"""
        items = await lab.evaluate(text, confined=True)
        assert "import-from-derivation" in fault(items, "needs").message
        assert package(items, "good").name == "good"
        assert not sign.exists()

    async def test_a_confined_evaluation_that_may_build_reads_its_own_tree_alone(self, lab: Laboratory) -> None:
        secret = lab.root.parent / "secret"
        secret.write_text(_CANARY)
        text = f"""{{
            needs = mk (builtins.readFile (derivation {{
                name = "needed-{uuid.uuid4().hex}"; system = builtins.currentSystem; builder = "/bin/sh";
                args = [ "-c" "echo -n imported > $out" ];
            }}));
            absolute = throw (builtins.readFile {secret});
        }}"""
        items = await lab.evaluate(text, confined=True, builds=True)
        assert package(items, "needs").name == "imported"
        assert _CANARY not in fault(items, "absolute").message

    async def test_a_confined_evaluation_of_a_flake(self, lab: Laboratory) -> None:
        lab.write("flake.nix", FLAKE)
        for command in (["git", "init", "-q"], ["git", "add", "flake.nix"]):
            assert (await run(command, env=lab.environment, cwd=lab.root)).status == 0
        items = await lab.evaluate(file="flake.nix", flake=True, system=System("x86_64-linux"), confined=True)
        assert package(items, "packages.default").name == "default"
