"""The companies as pure objects: ``handle(message, now)`` returns what has to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, assert_never

from agents.profile import CustomerProfile, PlantProfile, Profile, SupplierProfile
from agents.roles.customer import CustomerRole, Intention
from agents.roles.outgoing import Incoming, Outgoing
from agents.roles.plant import PlantRole
from agents.roles.supplier import SupplierRole


class Role(Protocol):
    """A company as an agent, free of clock, chance and network."""

    participant: str

    def handle(self, message: Incoming, now_us: int) -> tuple[Outgoing, ...]:
        """Take a message at market time ``now_us``; return what has to be sent, in order."""
        ...


def role_of(profile: Profile, intentions: Iterable[Intention] = ()) -> Role:
    """Return a fresh role for a profile; ``intentions`` are a customer's."""
    match profile:
        case PlantProfile():
            return PlantRole(profile)
        case SupplierProfile():
            return SupplierRole(profile)
        case CustomerProfile():
            return CustomerRole(profile, intentions)
        case _:
            assert_never(profile)
