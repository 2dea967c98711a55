"""An order of another data class than open does not exist for whoever may not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from market.engine.views import all_rows
from market.model.views import ClearingView
from takt_sdk.codec import decode_envelope
from takt_sdk.model.capability import Capability, Qualification
from takt_sdk.model.messages import Tape
from tests.unit.market.engine.market import CAST, Market, Offer, admission, sheet

CLEARED = Qualification(
    capabilities=(Capability(process="milling", materials=("any",)),), clearances=("restricted",)
)
"""Of plants that may know of restricted orders."""


def cast() -> tuple[Any, ...]:
    cleared = [
        replace(admission(name, "plant", site="gent"), qualification=CLEARED)
        for name in ("safe-a", "safe-b", "safe-c")
    ]
    return (*CAST, *cleared, admission("cyd", "customer", site="lyon"))


@pytest.fixture
def market() -> Market:
    return Market(cast=cast())


def rows(market: Market) -> dict[str, ClearingView]:
    return {row.key: row.view for row in all_rows(market.state) if isinstance(row.view, ClearingView)}


def told(market: Market) -> Iterator[tuple[str, Any]]:
    """Yield (participant, body) of all that was ever sent."""
    for handled in market.handled:
        for message in () if handled.decided is None else handled.decided.outbox:
            yield message.participant, decode_envelope(message.body).body


def bids(market: Market, *plants: str, key: str, price: int = 100) -> None:
    for plant in plants:
        market.bid(
            plant, {"b": Offer(lots={market.lot(key, "mill"): 10}, price=price, uses=(("w", 1, 9, 0),))}
        )


def test_a_round_of_hidden_orders_only_is_numbered_apart_and_shown_to_nobody(market: Market) -> None:
    market.order("secret", data_class="restricted")
    market.tick()
    assert market.round.id == "x-000001"
    assert set(market.round.eligible) == {"safe-a", "safe-b", "safe-c"}
    bids(market, "safe-a", "safe-b", "safe-c", key="secret")
    market.clear()
    assert market.order_of("secret").state == "awarded"
    assert rows(market) == {}
    assert not [body for _, body in told(market) if isinstance(body, Tape)]
    uncleared = {"mill-a", "mill-b", "steel-s", "bob", "cyd"}
    assert not [name for name, _ in told(market) if name in uncleared]
    market.order("plain", customer="bob")
    market.days(1)
    assert market.round.id == "r-000001"
    assert list(rows(market)) == ["r-000001"]
    assert rows(market)["r-000001"].number == 1


def test_to_the_uncleared_a_hidden_round_is_as_unknown_as_one_that_never_was(market: Market) -> None:
    market.order("secret", data_class="restricted")
    market.tick()
    offer = sheet(market.round.id, {"b": Offer(lots={"o-1.mill": 1})}, site="bonn")
    hidden = market.refuse("mill-a", offer, sequence=1)
    never = market.refuse("mill-a", replace(offer, round_id="x-000009"), sequence=1)
    assert replace(hidden, value="") == replace(never, value="")
    assert market.refuse("safe-a", replace(offer, expires_us=0), sequence=1).code == "dates"


def test_the_public_part_of_a_mixed_round_is_that_of_the_round_without_the_hidden_orders() -> None:
    seen: list[list[object]] = []
    for secret in (False, True):
        market = Market(cast=cast())
        if secret:
            for key in ("s1", "s2"):
                market.order(key, data_class="restricted", destination="gent")
        for customer in ("ada", "bob", "cyd"):
            market.order(f"of-{customer}", customer=customer)
        market.tick()
        for number, customer in enumerate(("ada", "bob", "cyd")):
            plant = ("mill-a", "mill-b", "mill-a")[number]
            if number < 2:
                bids(market, plant, key=f"of-{customer}")
        if secret:
            lots = {name: market.lot(name, "mill") for name in ("s1", "s2")}
            market.bid("safe-a", {name: Offer(lots={lot: 10}, price=7) for name, lot in lots.items()})
        market.clear()
        uncleared = {"mill-a", "mill-b", "steel-s", "bob", "cyd"}
        bodies = [_comparable(body) for name, body in told(market) if name in uncleared]
        tapes = [body for _, body in told(market) if isinstance(body, Tape)]
        (row,) = rows(market).values()
        assert market.state.orders
        seen.append([bodies, tapes, row])
    assert seen[0] == seen[1]


def _comparable(body: Any) -> Any:  # noqa: ANN401 - any message
    """Return a message without what follows from its place in the log."""
    return replace(body, seed_commitment="") if hasattr(body, "seed_commitment") else body


def test_figures_are_kept_back_wherever_somebody_is_cleared_and_told_elsewhere() -> None:
    for members, figures in ((cast(), False), ((*CAST, admission("cyd", "customer"), *_more()), True)):
        market = Market(cast=members)
        for customer in ("ada", "bob", "cyd"):
            market.order(f"of-{customer}", customer=customer)
        market.tick()
        plants = list(market.round.eligible)[:3]
        for plant, customer in zip(plants, ("ada", "bob", "cyd"), strict=True):
            bids(market, plant, key=f"of-{customer}")
        market.clear()
        (row,) = rows(market).values()
        assert (row.objective is not None, row.bound is not None, row.gap_ppm is not None) == (figures,) * 3
        assert (row.called, row.answered, row.orders, row.served) == (len(market.round.eligible), 3, 3, 3)


def _more() -> tuple[Any, ...]:
    return (admission("mill-c", "plant", site="gent"),)


def test_hidden_bidders_do_not_lift_an_open_process_over_the_three_of_the_tape() -> None:
    """Two are called for the open order; a third one for a restricted order of the same process only."""
    certified = Qualification(
        capabilities=(Capability(process="milling", materials=("any",)),), certificates=("iso",)
    )
    for third, lines in ((CLEARED, 0), (replace(CLEARED, certificates=("iso",)), 1)):
        market = Market(
            cast=(
                *(one for one in CAST if one.roles == ("customer",)),
                *(
                    replace(admission(name, "plant"), qualification=certified)
                    for name in ("mill-a", "mill-b")
                ),
                replace(admission("safe-a", "plant"), qualification=third),
            )
        )
        market.order("plain", customer="bob", certificates=("iso",))
        market.order("secret", data_class="restricted")
        market.tick()
        assert len(market.round.eligible) == 3
        bids(market, "mill-a", key="plain")
        bids(market, "safe-a", key="secret", price=7)
        market.clear()
        assert market.order_of("secret").state == market.order_of("plain").state == "awarded"
        (tape,) = (body for _, body in told(market) if isinstance(body, Tape))
        assert [(line.process, line.bidders, line.used) for line in tape.lines] == [("milling", 3, 9)][:lines]
        assert (tape.orders, tape.served) == (1, 1)


def test_the_read_models_and_a_restart_agree_on_the_public_part(market: Market) -> None:
    market.order("secret", data_class="restricted")
    market.order("plain", customer="bob")
    market.tick()
    bids(market, "safe-a", key="secret")
    bids(market, "mill-a", key="plain")
    market.clear()
    kept = rows(market)
    stored = {row.key for row in market.journal.rows("clearings")}
    assert stored == set(kept)
    market.restart()
    assert rows(market) == kept
    assert {row.key: row.document for row in market.journal.rows("clearings")} == {
        row.key: row.document for row in market.kernel.rows() if row.model == "clearings"
    }
