"""Mechanisms by name, as a scenario calls them: what the market does, and what else has to change for it.

Six are rules of the live market (`market.mechanisms`); the others are the yardsticks of a study, built
from the same market by other settings. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from market.model.rules import Mechanism

MechanismName = Literal[
    "pay_as_bid",
    "second_price",
    "vcg",
    "core",
    "uniform",
    "greedy",
    "multi_round",
    "first_come",
    "posted_price",
    "local",
    "clairvoyant",
]
PRICED = ("second_price", "vcg", "core", "uniform")
"""Rules that may find no payments for a clearing: then it awards nothing."""
MECHANISM_NAMES: tuple[MechanismName, ...] = get_args(MechanismName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a named mechanism is run.

    Attributes
    ----------
    rule
        The market's rule.
    on_arrival
        Every order is called alone as soon as it comes, without waiting for the takt.
    posted
        Sellers sell by the scenario's list or not at all.
    price_rounds
        How often a takt is bid on, prices being told in between.
    nearby
        An order is only called at the plants and suppliers nearest to its destination.
    foresight
        No market: a plan of all orders of the horizon, at cost, breakdowns known beforehand.
    about
        One sentence for tables.
    """

    rule: Mechanism = "pay_as_bid"
    on_arrival: bool = False
    posted: bool = False
    price_rounds: int = 1
    nearby: bool = False
    foresight: bool = False
    about: str


SETTINGS: Mapping[MechanismName, Setting] = MappingProxyType(
    {
        "pay_as_bid": Setting(about="joint clearing per takt, winners paid their bids"),
        "second_price": Setting(rule="second_price", about="joint clearing, single-lot second prices"),
        "vcg": Setting(rule="vcg", about="joint clearing, winners paid what their presence adds"),
        "core": Setting(rule="core", about="joint clearing, bidder-optimal core payments nearest to VCG"),
        "uniform": Setting(rule="uniform", about="joint clearing, one price per kind of work and period"),
        "greedy": Setting(rule="greedy", about="orders of a takt one after the other, most valuable first"),
        "multi_round": Setting(
            price_rounds=3, about="joint clearing after two rounds that only tell the prices of lots"
        ),
        "first_come": Setting(on_arrival=True, about="every order auctioned alone as it arrives"),
        "posted_price": Setting(
            on_arrival=True, posted=True, about="a price list; the first seller who takes it"
        ),
        "local": Setting(nearby=True, about="joint clearing, but only among the nearest sellers"),
        "clairvoyant": Setting(foresight=True, about="central plan at cost with perfect foresight"),
    }
)
