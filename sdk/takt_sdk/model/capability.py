"""What a lot requires, what a participant is capable of, and who is eligible for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.values import check_choice, check_count, check_id, check_ids, check_int, check_name

DataClass = Literal["open", "nda", "restricted", "on_site"]
DATA_CLASSES: tuple[str, ...] = get_args(DataClass)

LotKind = Literal["operation", "material"]

MAX_LENGTH_UM = 1_000_000_000
ANY_MATERIAL = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEnvelope:
    """Outer dimensions in micrometres, any orientation."""

    x_um: int
    y_um: int
    z_um: int

    def __post_init__(self) -> None:
        for name in ("x_um", "y_um", "z_um"):
            check_int(name, getattr(self, name), 0, MAX_LENGTH_UM)

    def fits(self, other: WorkEnvelope) -> bool:
        """Return whether this fits into ``other``, turned as needed."""
        inner = sorted((self.x_um, self.y_um, self.z_um))
        outer = sorted((other.x_um, other.y_um, other.z_um))
        return all(a <= b for a, b in zip(inner, outer, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What must be able to make or supply a lot.

    ``tolerance_um`` is the width that must be held, 0 = none asked.
    """

    process: str
    material: str
    envelope: WorkEnvelope | None = None
    tolerance_um: int = 0
    certificates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name("process", self.process)
        check_name("material", self.material)
        check_int("tolerance_um", self.tolerance_um, 0, MAX_LENGTH_UM)
        check_ids("certificates", self.certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A process that a participant masters.

    ``materials`` names what it works on (``any`` for all), ``tolerance_um`` the smallest
    tolerance it holds (0 = the finest).
    """

    process: str
    materials: tuple[str, ...]
    envelope: WorkEnvelope | None = None
    tolerance_um: int = 0

    def __post_init__(self) -> None:
        check_id("process", self.process)
        check_ids("materials", self.materials)
        check_count("materials", self.materials, 1000)
        check_int("tolerance_um", self.tolerance_um, 0, MAX_LENGTH_UM)

    def covers(self, requirement: Requirement) -> bool:
        """Return whether this capability suffices, certificates apart."""
        if self.process != requirement.process:
            return False
        if requirement.material not in self.materials and ANY_MATERIAL not in self.materials:
            return False
        if requirement.tolerance_um and self.tolerance_um > requirement.tolerance_um:
            return False
        if requirement.envelope is None or self.envelope is None:
            return True
        return requirement.envelope.fits(self.envelope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """Everything that decides for which lots a participant is eligible.

    ``clearances`` lists the data classes it may see; ``open`` needs none.
    """

    capabilities: tuple[Capability, ...] = ()
    certificates: tuple[str, ...] = ()
    clearances: tuple[DataClass, ...] = ()

    def __post_init__(self) -> None:
        check_count("capabilities", self.capabilities, 1000)
        check_ids("certificates", self.certificates)
        for index, word in enumerate(self.clearances):
            check_choice(f"clearances[{index}]", word, DATA_CLASSES)

    def eligible(self, requirement: Requirement, data_class: DataClass) -> bool:
        """Return whether capable, certified and cleared."""
        if data_class != "open" and data_class not in self.clearances:
            return False
        if not set(requirement.certificates) <= set(self.certificates):
            return False
        return any(capability.covers(requirement) for capability in self.capabilities)
