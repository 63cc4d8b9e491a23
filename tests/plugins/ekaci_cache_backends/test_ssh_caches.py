"""Stores of other machines, by a real sshd on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager

import attrs
import pytest
from tests.plugins.ekaci_builder_ssh.conftest import RemoteMachine, remote
from tests.plugins.ekaci_cache_backends.workshop import Workshop

from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import Cache, CredentialUse, Pushed, PushRequest, StorePath, UsageFault
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

__all__ = ["remote"]


@attrs.define
class SshLaboratory:
    """A machine that takes one key; its trouble is at the door."""

    scheme: str
    witness: CacheWitness
    workshop: Workshop
    machine: RemoteMachine
    troubles: frozenset[Trouble] = frozenset(
        {Trouble.UNREACHABLE, Trouble.HANGING, Trouble.GARBLED, Trouble.DENIED, Trouble.EXPIRED}
    )
    says_order: bool = False
    made: list[StorePath] = attrs.field(factory=list)

    def open(self) -> AbstractAsyncContextManager[Cache]:
        config = NixCopyConfig(
            id="ssh",
            destination=f"{self.scheme}://127.0.0.1:{self.machine.port}?remote-store={self.machine.store}",
            credentials=CredentialUse("ssh"),
            timeout_seconds=10,  # nix and ssh need some to begin with, on a busy machine
        )
        return NixCopyType().open(config, self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        self.made.append(await self.workshop.path(*references))
        return self.made[-1]

    async def held(self) -> Sequence[StorePath]:
        return [path for path in self.made if self.machine.has(path)]

    async def make(self, trouble: Trouble) -> None:
        keys = self.machine.folder / "user_key.pub"
        match trouble:
            case Trouble.UNREACHABLE:
                self.machine.stop()
            case Trouble.HANGING:
                self.machine.behave("sleep 60")
            case Trouble.GARBLED:
                self.machine.behave("echo welcome to this hotel; exit 0")
            case Trouble.DENIED:
                keys.write_text("")
            case _:
                keys.write_text((self.machine.folder / "other_key.pub").read_text())


@pytest.fixture(params=["ssh", "ssh-ng"])
def ssh_laboratory(
    request: pytest.FixtureRequest, remote: RemoteMachine, workshop: Workshop
) -> Iterator[SshLaboratory]:
    other, keys = remote.folder / "other_key", remote.folder / "user_key.pub"
    if not other.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    accepted = keys.read_text()
    known = f"[127.0.0.1]:{remote.port} {remote.host_key}"
    leases = [{"SSH_PRIVATE_KEY": file.read_text(), "SSH_KNOWN_HOSTS": known} for file in (remote.user_key, other)]
    environment = {**workshop.environment, "NIX_SSHOPTS": ""}
    try:
        yield SshLaboratory(request.param, CacheWitness(environment, leases={"ssh": leases}), workshop, remote)
    finally:
        keys.write_text(accepted)
        remote.behave("")
        if remote.sshd is None:
            remote.start()


class TestSsh(CacheConformance):
    @pytest.fixture
    async def laboratory(self, ssh_laboratory: SshLaboratory) -> CacheLaboratory:
        return ssh_laboratory


async def test_what_a_path_refers_to_goes_with_it(ssh_laboratory: SshLaboratory) -> None:
    reference = await ssh_laboratory.path()
    path = await ssh_laboratory.path(reference)
    async with ssh_laboratory.open() as cache:
        assert await cache.missing([path]) == {path}
        assert await cache.push(PushRequest([path], ssh_laboratory.witness.write_log)) == {path: Pushed()}
        assert await cache.missing([path, reference]) == frozenset()


async def test_a_store_is_not_signed_for(ssh_laboratory: SshLaboratory) -> None:
    config = NixCopyConfig(id="ssh", destination="ssh://127.0.0.1", signing_key=CredentialUse("ssh"))
    with pytest.raises(UsageFault, match="only binary caches are") as raised:
        async with NixCopyType().open(config, ssh_laboratory.witness.context):
            pass
    assert raised.value.where == "cache ssh: signing_key"
