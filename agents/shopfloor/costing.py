"""What an operation costs its plant and emits: machine hours, set-up, energy, consumables.

Exact integers; every component is rounded up, so that no rounding is at the bidder's loss.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.profile import ONE_PPM, WorkCentre
from takt_sdk.model.values import HOUR_US, MINUTE_US

_W_PER_MW = 1_000_000
_W_PER_KW = 1_000


def ceil_div(value: int, divisor: int) -> int:
    """Return ``value / divisor`` rounded up."""
    return -(-value // divisor)


class CentreRates(NamedTuple):
    """A work centre with the energy that its plant buys."""

    centre: WorkCentre
    energy_minor_per_mwh: int
    grid_g_per_kwh: int

    def machine_us(self, run_time_us: int, quantity: int) -> int:
        """Return set-up and run time of ``quantity`` units, ``run_time_us`` a unit by the plan."""
        run_us = ceil_div(run_time_us * quantity * self.centre.run_time_ppm, ONE_PPM)
        return self.centre.setup_us + run_us

    def cost_minor(self, machine_us: int, quantity: int) -> int:
        """Return the cost of ``machine_us`` of one machine and the consumables of ``quantity`` units."""
        centre = self.centre
        labour = ceil_div(centre.rate_minor_per_hour * machine_us, HOUR_US)
        energy = ceil_div(centre.power_w * machine_us * self.energy_minor_per_mwh, _W_PER_MW * HOUR_US)
        return labour + energy + centre.consumables_minor_per_unit * quantity

    def emissions_g(self, machine_us: int) -> int:
        """Return the CO2e of the electricity of ``machine_us`` of one machine."""
        return ceil_div(self.centre.power_w * machine_us * self.grid_g_per_kwh, _W_PER_KW * HOUR_US)


def minutes_up(time_us: int) -> int:
    """Return whole minutes, rounded up, at least 1: what a bid takes of a capacity."""
    return max(1, ceil_div(time_us, MINUTE_US))
