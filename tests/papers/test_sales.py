"""Sales of several goods from papers on Vickrey-Clarke-Groves and core-selecting auctions, mirrored.

`sale` says how a sale becomes a procurement with the same pivots and the same core.
"""

from __future__ import annotations

import pytest

from tests.papers.markets import bid, cleared, market, order, paid, sale_prices

Values = dict[str, dict[str, int]]


def test_weber_vcg_example_two_items_and_a_package() -> None:
    """Weber, "The Vickrey(-Clarke-Groves) combinatorial auction procedure", DECS-452, Kellogg School.

    Bidder 1 values A at 150, bidder 2 values B at 150, bidder 3 the package at 200: both pay 50.
    """
    values: Values = {"1": {"A": 150}, "2": {"B": 150}, "3": {"AB": 200}}
    assert sale_prices("AB", values, "vcg") == {"1": 50, "2": 50}


def test_weber_vcg_example_who_bids_more_makes_the_other_pay_less() -> None:
    """The same page, "The political problem with VCG": bidder 1 values A at 160; they pay 50 and 40."""
    values: Values = {"1": {"A": 160}, "2": {"B": 150}, "3": {"AB": 200}}
    assert sale_prices("AB", values, "vcg") == {"1": 50, "2": 40}


PACKAGE_BIDDER = {"AB": 2000}
SINGLE_BIDDER = {"A": 2000, "B": 2000}


def test_ausubel_milgrom_vickrey_revenue_can_be_zero() -> None:
    """Ausubel, Milgrom (2006), The lovely but lonely Vickrey auction, in Combinatorial Auctions, ch. 1.

    Two licences; bidder 1 pays up to 2 billion for both together, bidders 2 and 3 up to 2 billion
    for either one. Bidders 2 and 3 win and pay nothing.
    """
    values: Values = {"1": PACKAGE_BIDDER, "2": SINGLE_BIDDER, "3": SINGLE_BIDDER}
    assert sale_prices("AB", values, "vcg") == {"2": 0, "3": 0}


def test_ausubel_milgrom_vickrey_revenue_falls_when_a_bidder_joins() -> None:
    """The same example without bidder 3: revenue is 2 billion instead of nothing."""
    values: Values = {"1": PACKAGE_BIDDER, "2": SINGLE_BIDDER}
    assert sum(sale_prices("AB", values, "vcg").values()) == 2000


def test_ausubel_milgrom_losers_who_collude_win_for_nothing() -> None:
    """The same chapter: bidders 2 and 3 whose licence is worth 0.5 billion lose, and win by bidding 2."""
    honest: Values = {"1": PACKAGE_BIDDER, "2": {"A": 500, "B": 500}, "3": {"A": 500, "B": 500}}
    assert sale_prices("AB", honest, "vcg") == {"1": 1000}
    colluding: Values = {**honest, "2": SINGLE_BIDDER, "3": SINGLE_BIDDER}
    assert sale_prices("AB", colluding, "vcg") == {"2": 0, "3": 0}


def test_core_prices_of_that_example_leave_the_package_bidder_no_complaint() -> None:
    """Day, Milgrom (2008), Core-selecting package auctions: no coalition has a complaint.

    The point nearest to (0, 0) with a total of 2 billion is 1 billion each (by hand).
    """
    values: Values = {"1": PACKAGE_BIDDER, "2": SINGLE_BIDDER, "3": SINGLE_BIDDER}
    assert sale_prices("AB", values, "core") == {"2": 1000, "3": 1000}


FIVE_BIDS: Values = {"1": {"A": 28}, "2": {"B": 20}, "3": {"AB": 32}, "4": {"A": 14}, "5": {"B": 12}}


def test_five_bids_vickrey_prices() -> None:
    """Cramton (2013), Spectrum auction design, Review of Industrial Organization 42: five bids on A and B.

    The example that goes with Day, Cramton (2012), Quadratic core-selecting payment rules: 28 for A,
    20 for B, 32 for both, 14 for A, 12 for B. Vickrey prices are 14 and 12.
    """
    assert sale_prices("AB", FIVE_BIDS, "vcg") == {"1": 14, "2": 12}


def test_five_bids_core_prices_nearest_to_vickrey() -> None:
    """The same example: the bidder-optimal core point nearest to Vickrey is (17, 15)."""
    assert sale_prices("AB", FIVE_BIDS, "core") == {"1": 17, "2": 15}


def test_local_local_global_core_prices_split_the_missing_part_equally() -> None:
    """Goeree, Lien (2016), On the impossibility of core-selecting auctions: two locals and a global bidder.

    With local values 60 and 80 against 100 Vickrey prices are 20 and 40; both are raised by half
    of what is missing to 100 (by hand).
    """
    values: Values = {"1": {"A": 60}, "2": {"B": 80}, "3": {"AB": 100}}
    assert sale_prices("AB", values, "vcg") == {"1": 20, "2": 40}
    assert sale_prices("AB", values, "core") == {"1": 40, "2": 60}


@pytest.mark.parametrize(
    ("locals_", "vickrey", "core"),
    [((8, 6), (4, 2), (6, 4)), ((12, 6), (4, 0), (7, 3))],
)
def test_ausubel_baranov_figure_2(
    locals_: tuple[int, int], vickrey: tuple[int, int], core: tuple[int, int]
) -> None:
    """Ausubel, Baranov (2019), Core-selecting auctions with incomplete information, figure 2.

    Two locals bid 8 and 6, or 12 and 6, on one good each, a global bidder 10 on both: Vickrey prices, and
    core prices nearest to them. In tenths.
    """
    values: Values = {"1": {"A": 10 * locals_[0]}, "2": {"B": 10 * locals_[1]}, "3": {"AB": 100}}
    for mechanism, prices in (("vcg", vickrey), ("core", core)):
        expected = {"1": 10 * prices[0], "2": 10 * prices[1]}
        assert sale_prices("AB", values, mechanism) == expected


def test_vickrey_prices_of_like_goods_can_differ() -> None:
    """A lecture's example of VCG in combinatorial auctions (see ``__init__``): bundle bids of two bidders.

    8, 7 and 12 for A, B and both; 6, 8 and 14. The first wins A at 8 - (16 - 14) = 6, the second B at
    8 - (16 - 12) = 4: the law of one price does not hold.
    """
    values: Values = {"1": {"A": 8, "B": 7, "AB": 12}, "2": {"A": 6, "B": 8, "AB": 14}}
    assert sale_prices("AB", values, "vcg") == {"1": 6, "2": 4}


MARGINAL_VALUES = {
    "1": (123, 113, 103),
    "2": (75, 5, 3),
    "3": (125, 125, 49),
    "4": (85, 65, 7),
    "5": (45, 25, 5),
}


def five_licences() -> dict[str, object]:
    """Return Ausubel's five identical licences: per bidder and unit an XOR of bids on the licences."""
    worth = 1000
    goods = "ABCDE"
    bids = [
        bid(f"{bidder} {unit} {good}", bidder, worth - value, good, groups=(f"{bidder} {unit}",))
        for bidder, marginal in MARGINAL_VALUES.items()
        for unit, value in enumerate(marginal)
        for good in goods
    ]
    units = [f"{bidder} {unit}" for bidder in MARGINAL_VALUES for unit in range(3)]
    return market([order(good, worth) for good in goods], bids, exclusive=units)


def test_ausubel_five_licences_vickrey_prices() -> None:
    """Ausubel (2004), An efficient ascending-bid auction for multiple objects, AER 94, section II.

    Bidder 1 wins three licences at 65, 75 and 85, bidder 3 two at 75 and 85.
    """
    assert paid(five_licences(), "vcg") == {"1": 3 * 1000 - (65 + 75 + 85), "3": 2 * 1000 - (75 + 85)}


def test_vickrey_prices_of_substitutes_are_core_prices() -> None:
    """Ausubel, Milgrom (2002), Ascending auctions with package bidding: with substitutes the two agree."""
    assert paid(five_licences(), "core") == paid(five_licences(), "vcg")


def test_lehmann_ocallaghan_shoham_greedy_takes_the_dense_bids() -> None:
    """Lehmann, O'Callaghan, Shoham (2002), JACM 49: Red 10 for a, Green 19 for {a, b}, Blue 8 for b.

    By value per good, greedy grants Red and Blue, 18 together; the optimum is Green's 19. Here every
    bid of theirs is an order, with a free bid that uses its goods (docs/clearing.md).
    """
    wishes = {"Red": (10, "a"), "Green": (19, "ab"), "Blue": (8, "b")}
    document = market(
        [order(who, value, (who, len(goods))) for who, (value, goods) in wishes.items()],
        [
            {
                **bid(who, f"seller {who}", 0, (who, len(goods))),
                "uses": [{"resource": good, "fixed": 1, "per_unit": 0} for good in goods],
            }
            for who, (_, goods) in wishes.items()
        ],
        resources={"a": 1, "b": 1},
    )
    greedy = cleared(document, "greedy")
    assert (greedy.objective, [served.order for served in greedy.served]) == (18, ["Blue", "Red"])
    joint = cleared(document, "pay_as_bid")
    assert (joint.objective, joint.greedy_objective) == (19, 18)
