"""Double auctions: one price for every unit of one product."""

from __future__ import annotations

import random

import pytest

from tests.papers.markets import Document, bid, cleared, market, order


def double_auction(buyers: list[int], sellers: list[int]) -> Document:
    """Return a market of single units: every seller offers to every buyer and has one unit."""
    orders = [order(f"b{k}", value) for k, value in enumerate(buyers)]
    bids = [
        bid(f"s{s} b{b}", f"s{s}", 0, f"b{b}", unit_price=cost, between=(1, 1), uses=(f"s{s}",))
        for s, cost in enumerate(sellers)
        for b in range(len(buyers))
    ]
    return market(orders, bids, resources={f"s{s}": 1 for s in range(len(sellers))})


def price_of(document: Document) -> tuple[int, int]:
    """Return how many units are traded, and the one price of all of them."""
    clearing = cleared(document, "uniform")
    assert clearing.payments is not None, clearing.payment_refusal
    assert clearing.charges is not None
    prices = {payment.amount for payment in clearing.payments} | {
        charge.amount for charge in clearing.charges
    }
    assert len(prices) == 1
    return len(clearing.served), prices.pop()


def test_bohm_bawerk_horse_market() -> None:
    """Böhm-Bawerk (1889), Positive Theorie des Kapitales: the table of two-sided competition.

    Ten buyers and eight sellers of horses: five change hands at a price between £21 and £21 10s.
    In shillings; the middle of 420 and 430.
    """
    market_ = double_auction([20 * pounds for pounds in HORSE_BUYERS], HORSE_SELLERS)
    assert price_of(market_) == (5, 425)


HORSE_BUYERS = [30, 28, 26, 24, 22, 21, 20, 18, 17, 15]
HORSE_SELLERS = [round(20 * pounds) for pounds in (10, 11, 15, 17, 20, 21.5, 25, 26)]


def test_horse_market_with_one_more_at_the_margin() -> None:
    """The same table: only who stands at the margin moves the price.

    One buyer more, at £23: six horses, £21 10s to £22. The fifth seller asks £23 instead: five horses, the
    same band. The first buyer offers £100: nothing changes.
    """
    pounds = [20 * value for value in HORSE_BUYERS]
    assert price_of(double_auction([*pounds, 460], HORSE_SELLERS)) == (6, 435)
    assert price_of(double_auction(pounds, [460 if s == 400 else s for s in HORSE_SELLERS])) == (5, 435)
    assert price_of(double_auction([2000, *pounds[1:]], HORSE_SELLERS)) == (5, 425)


TABLE = ([100, 90, 80, 70, 60], [80, 85, 95, 100, 110])


def test_mittweida_double_auction_average_mechanism() -> None:
    """Blockchain Academy Mittweida, "Double Auction", basic example: two trades, price span 85 to 90, 87.5.

    In tenths.
    """
    buyers, sellers = ([10 * amount for amount in side] for side in TABLE)
    assert price_of(double_auction(buyers, sellers)) == (2, 875)


def test_mcafee_price_of_the_first_excluded_pair_supports_the_trade() -> None:
    """McAfee (1992), A dominant strategy double auction, Journal of Economic Theory 56, section 2.

    Its price, the mean of the first buyer and the first seller who do not trade, (80 + 95) / 2 = 87.5
    in the table above, lies between the last pair that does: then all of them trade at it. It is the
    middle of the supporting prices here too (by hand).
    """
    buyers, sellers = ([10 * amount for amount in side] for side in TABLE)
    first_excluded = (buyers[2] + sellers[2]) // 2
    assert sellers[1] <= first_excluded <= buyers[1]
    assert price_of(double_auction(buyers, sellers)) == (2, first_excluded)


@pytest.mark.parametrize("seed", range(12))
def test_price_is_the_middle_of_the_competitive_interval(seed: int) -> None:
    """Rustichini, Satterthwaite, Williams (1994), section 2: the k-double auction with k = 1/2.

    With k trades the interval is [max(s_k, b_k+1), min(b_k, s_k+1)].
    """
    r = random.Random(seed)
    buyers = sorted((r.randint(10, 99) for _ in range(r.randint(2, 5))), reverse=True)
    sellers = sorted(r.randint(10, 99) for _ in range(r.randint(2, 5)))
    trades = sum(b > s for b, s in zip(buyers, sellers, strict=False))
    if trades == 0:
        assert cleared(double_auction(buyers, sellers), "uniform").payments == ()
        return
    lows = [sellers[trades - 1], *buyers[trades : trades + 1]]
    highs = [buyers[trades - 1], *sellers[trades : trades + 1]]
    assert price_of(double_auction(buyers, sellers)) == (trades, (max(lows) + min(highs)) // 2)


def test_indivisible_demand_can_leave_no_supporting_price() -> None:
    """Scarf (1994), The allocation of resources in the presence of indivisibilities, JEP 8; numbers ours.

    A seller has 2 pieces at 4. One buyer takes 2 or none, at 10 a piece, another 1 at 11: the first
    is worth more, but at a price it pays the second would buy too.
    """
    document = market(
        [order("two", 20, ("two", 2)), order("one", 11, ("one", 1))],
        [
            bid("s two", "s", 0, ("two", 2), unit_price=4, between=(1, 2), uses=("s",)),
            bid("s one", "s", 0, ("one", 1), unit_price=4, between=(1, 1), uses=("s",)),
        ],
        resources={"s": 2},
    )
    clearing = cleared(document, "uniform")
    assert [served.order for served in clearing.served] == ["two"]
    assert clearing.payments is None
    assert clearing.payment_refusal is not None
    assert "at least 11, at most 10" in clearing.payment_refusal
