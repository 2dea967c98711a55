"""Procurement from papers: reverse auctions, paths, packages, volume discounts, chains.

Where a paper gives a model and no numbers, the numbers are ours and worked out by hand.
"""

from __future__ import annotations

import pytest

from tests.papers.markets import bid, cleared, market, order, paid


def test_vickrey_second_price_of_one_tender() -> None:
    """Vickrey (1961), Counterspeculation, auctions, and competitive sealed tenders, section II.

    The lowest tender wins at the second lowest price; numbers ours. `vcg` and `core` agree.
    """
    tender = market([order("o", 500)], [bid(name, name, price, "o") for name, price in
                                        (("p1", 310), ("p2", 240), ("p3", 275))])  # fmt: skip
    for mechanism in ("second_price", "vcg", "core"):
        assert paid(tender, mechanism) == {"p2": 275}
    assert paid(tender, "pay_as_bid") == {"p2": 240}


def test_reserve_price_caps_the_second_price() -> None:
    """Myerson (1981), Optimal auction design: the buyer's limit stands in for a missing rival (ours)."""
    alone = market([order("o", 260)], [bid("p2", "p2", 240, "o"), bid("p3", "p3", 275, "o")])
    assert paid(alone, "second_price") == paid(alone, "vcg") == paid(alone, "core") == {"p2": 260}


@pytest.mark.parametrize("edges", [2, 5, 9])
def test_nisan_ronen_path_overpays_once_per_edge(edges: int) -> None:
    """Nisan, Ronen (2001), Algorithmic mechanism design, Games and Economic Behavior 35: shortest paths.

    Every edge of the best path is paid its cost plus the difference to the best path without it.
    Archer, Tardos (2007), Frugal path mechanisms, section 1: with one disjoint alternative the
    buyer pays the cost of the path plus, for every edge, that difference.
    """
    cost, difference = 20, 3
    links = [f"e{k}" for k in range(edges)]
    document = market(
        [order("path", 0, *links, must_serve=True)],
        [
            *(bid(link, link, cost, link) for link in links),
            bid("detour", "detour", edges * cost + difference, *links),
        ],
    )
    payments = paid(document, "vcg")
    assert payments == dict.fromkeys(links, cost + difference)
    assert sum(payments.values()) == edges * cost + edges * difference


@pytest.mark.parametrize("edges", [2, 5, 9])
def test_core_pays_for_the_path_what_the_detour_costs(edges: int) -> None:
    """The same path under core-selecting payments (by hand): all edges together get the difference once."""
    cost, difference = 20, 30 * edges
    links = [f"e{k}" for k in range(edges)]
    document = market(
        [order("path", 0, *links, must_serve=True)],
        [
            *(bid(link, link, cost, link) for link in links),
            bid("detour", "detour", edges * cost + difference, *links),
        ],
    )
    assert paid(document, "core") == dict.fromkeys(links, cost + 30)


def test_chain_of_complements_vcg_runs_a_deficit_and_core_cures_it() -> None:
    """Babaioff, Nisan (2004), Concurrent auctions across the supply chain, JAIR 21: VCG runs a deficit.

    Numbers ours: an order worth 100 needs milling (asked 30) and coating (asked 20), nobody else
    offers either. Each pivot is the whole surplus of 50, so VCG would pay 80 + 70 = 150 for what is
    worth 100. In the core they share the surplus: 55 + 45 = 100.
    """
    chain = market(
        [order("o", 100, "mill", "coat")], [bid("m", "miller", 30, "mill"), bid("c", "coater", 20, "coat")]
    )
    clearing = cleared(chain, "vcg")
    assert clearing.payments is None
    assert clearing.charges is None
    assert clearing.payment_refusal == "vcg: pivots exceed what orders can pay by 50 (o)"
    assert paid(chain, "core") == {"miller": 55, "coater": 45}
    charges = cleared(chain, "core").charges
    assert charges is not None
    assert [(charge.order, charge.amount) for charge in charges] == [("o", 100)]


def test_chain_with_competition_on_one_link_pays_that_link_its_pivot() -> None:
    """The same chain with a second coater at 26 (by hand): the coater's pivot is only 6.

    The core limits are 50 for the miller, 6 for the coater, 50 for both; nearest to the pivots (50, 6)
    is (47, 3).
    """
    chain = market(
        [order("o", 100, "mill", "coat")],
        [bid("m", "miller", 30, "mill"), bid("c", "coater", 20, "coat"), bid("d", "rival", 26, "coat")],
    )
    assert cleared(chain, "vcg").payments is None
    assert paid(chain, "core") == {"miller": 77, "coater": 23}


def test_package_bid_beats_singles_by_economies_of_scope() -> None:
    """Bichler, Davenport, Hohner, Kalagnanam (2006), Industrial procurement auctions, ch. 23 of
    Combinatorial Auctions: bundle bids let a supplier pass on savings of one tour; numbers ours.

    Singles cost 40 + 50, the bundle 80: the bundle wins and is paid up to the singles' 90.
    """  # noqa: D205
    document = market(
        [order("north", 100), order("south", 100)],
        [bid("n", "p1", 40, "north"), bid("s", "p2", 50, "south"), bid("tour", "p3", 80, "north", "south")],
    )
    assert paid(document, "vcg") == paid(document, "core") == {"p3": 90}
    charges = cleared(document, "core").charges
    assert charges is not None
    assert sum(charge.amount for charge in charges) == 90


def test_substitutes_as_exclusive_bids_are_accepted_once() -> None:
    """Sandholm, Suri, Gilpin, Levine (2002), Winner determination in combinatorial auction generalizations:
    XOR of bids in a reverse auction without free disposal; numbers ours.

    p1 can do either lot, not both: it does b at 60, p2 does a at 70. Without p1, p2 does both for
    170, 40 more; without p2 only a is served, by p1, and 120 of welfare is lost.
    """  # noqa: D205
    document = market(
        [order("a", 200), order("b", 200)],
        [
            bid("p1 a", "p1", 50, "a", groups=("p1",)),
            bid("p1 b", "p1", 60, "b", groups=("p1",)),
            bid("p2 a", "p2", 70, "a"),
            bid("p2 b", "p2", 100, "b"),
        ],
        exclusive=("p1",),
    )
    assert paid(document, "vcg") == {"p1": 60 + 40, "p2": 70 + 120}


def test_volume_discounts_as_exclusive_price_ranges() -> None:
    """Davenport, Kalagnanam (2002), Price negotiations for procurement of direct inputs: supply curves.

    A price per unit for each range of quantity, one range per supplier; numbers ours. 100 pieces:
    p1 asks 10 below 60 and 7 from 60 on, p2 8 up to 50 and 9 above. All from p1: 700. Split 50/50:
    900; 60/40: 740. p1 supplies alone.
    """
    document = market(
        [order("o", 2000, ("o", 100))],
        [
            bid("p1 few", "p1", 0, ("o", 59), unit_price=10, between=(1, 59), groups=("p1",)),
            bid("p1 many", "p1", 0, ("o", 100), unit_price=7, between=(60, 100), groups=("p1",)),
            bid("p2 few", "p2", 0, ("o", 50), unit_price=8, between=(1, 50), groups=("p2",)),
            bid("p2 many", "p2", 0, ("o", 100), unit_price=9, between=(51, 100), groups=("p2",)),
        ],
        exclusive=("p1", "p2"),
    )
    assert [(entry.bid, entry.quantity) for entry in cleared(document, "vcg").accepted] == [("p1 many", 100)]
    assert paid(document, "vcg") == paid(document, "core") == {"p1": 900}


def test_supplier_limit_changes_the_winners_of_a_split() -> None:
    """The same paper's business rule, at most so many suppliers; numbers ours.

    Three suppliers with 40, 40 and 20 pieces cost 100 a piece less than the one with all: 900
    against 1,000, but only two may be chosen.
    """
    offers = [
        bid("p1", "p1", 400, ("o", 40)),
        bid("p2", "p2", 300, ("o", 40)),
        bid("p3", "p3", 200, ("o", 20)),
        bid("p4", "p4", 1000, ("o", 100)),
    ]
    free = market([order("o", 2000, ("o", 100))], offers)
    assert cleared(free, "pay_as_bid").objective == 2000 - 900
    limited = market([order("o", 2000, ("o", 100), max_suppliers=2)], offers)
    assert cleared(limited, "pay_as_bid").objective == 2000 - 1000
    assert paid(free, "core").keys() == {"p1", "p2", "p3"}
