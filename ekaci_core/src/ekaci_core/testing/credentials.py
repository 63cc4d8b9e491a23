"""The contract of credential sources, as tests that whoever writes one inherits."""

from __future__ import annotations

import pickle
from contextlib import AbstractAsyncContextManager

import anyio
import attrs
import pytest

from ekaci_core.api import CredentialSource, EkaciError, Lease, Secret


@attrs.frozen
class CredentialLaboratory:
    """A source in two conditions.

    Attributes:
        good: opens one that has `secrets`.
        secrets: what it has, by name, at least one.
        bad: opens one that cannot have them now, or raises by itself.
        hints: parts of words that its message must have, such as the name of what is missing.
    """

    good: AbstractAsyncContextManager[CredentialSource]
    secrets: dict[str, str]
    bad: AbstractAsyncContextManager[CredentialSource]
    hints: tuple[str, ...]


class CredentialConformance:
    """Inherit it, and provide the fixture ``laboratory``."""

    @pytest.fixture
    def laboratory(self) -> CredentialLaboratory:
        """Provide the source to test."""
        raise NotImplementedError

    async def test_it_has_its_secrets_and_each_time_the_same(self, laboratory: CredentialLaboratory) -> None:
        """A lease has names and hidden values."""
        async with laboratory.good as source:
            for _ in range(2):
                lease = await source.resolve()
                assert isinstance(lease, Lease)
                assert all(isinstance(each, Secret) for each in lease.secrets.values())
                assert {name: each.reveal() for name, each in lease.secrets.items()} == laboratory.secrets

    async def test_its_end_is_a_time_to_come(self, laboratory: CredentialLaboratory) -> None:
        """A lease that has ended already is of no use to anybody."""
        async with laboratory.good as source:
            lease = await source.resolve()
            assert lease.expires_at is None or lease.expires_at > 0

    async def test_nothing_that_is_printed_shows_a_secret(self, laboratory: CredentialLaboratory) -> None:
        """Neither the lease nor the source says what it has."""
        async with laboratory.good as source:
            lease = await source.resolve()
            shown = f"{lease!r} {lease} {source!r} {source} {lease.secrets!r}"
            assert not [each for each in laboratory.secrets.values() if each in shown]
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                pickle.dumps(lease)

    async def test_many_may_ask_at_once(self, laboratory: CredentialLaboratory) -> None:
        """Uses of one source do not wait for each other to end."""
        leases: list[Lease] = []
        async with laboratory.good as source, anyio.create_task_group() as tasks:

            async def ask() -> None:
                leases.append(await source.resolve())

            for _ in range(8):
                tasks.start_soon(ask)
        assert [len(each.secrets) for each in leases] == [len(laboratory.secrets)] * 8

    async def test_a_caller_who_goes_away_leaves_it_usable(self, laboratory: CredentialLaboratory) -> None:
        """Cancellation breaks nothing."""
        async with laboratory.good as source:
            with anyio.move_on_after(0):
                await source.resolve()
            with anyio.fail_after(30):
                assert (await source.resolve()).secrets.keys() == laboratory.secrets.keys()

    async def test_a_fault_says_what_where_and_what_to_do_and_no_secret(self, laboratory: CredentialLaboratory) -> None:
        """A person who meets it knows how to go on."""
        with pytest.raises(EkaciError) as raised:
            async with laboratory.bad as source:
                await source.resolve()
        fault = raised.value
        told = f"{fault} {fault.do}"
        assert fault.where
        assert fault.do
        assert all(hint in told for hint in laboratory.hints)
        assert not [each for each in laboratory.secrets.values() if each in f"{told} {fault!r} {fault.__cause__!r}"]
