"""The companies as pure objects: ``handle(message, now)`` returns what has to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from agents.profile import CustomerProfile, PlantProfile, Profile, SupplierProfile
from agents.roles.customer import CustomerRole, Intention
from agents.roles.plant import PlantRole
from agents.roles.supplier import SupplierRole
from takt_sdk.role import Role


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
