"""Money: every posting balanced, nothing paid twice, what the rules add and what cancelling costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import HOST, OPERATOR
from market.engine.ledger import postings
from market.engine.pricing import shares
from market.engine.queries import answer
from market.model import events
from market.model.contract_commands import NoteSilence, RecordPayment
from market.model.contract_events import LedgerPosted
from market.model.contract_rules import ContractRules
from market.model.ledger import Line, Posting
from takt_sdk.model.errors import OutOfRangeError
from takt_sdk.model.execution import QueryStatement, StatementReply
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import RULES, START_US, Market, Offer, cancellation
from tests.unit.market.engine.test_disruptions import chain_market
from tests.unit.market.engine.test_keeping_late import late_market, offer
from tests.unit.market.engine.test_reallocation import break_down, progress

ALL = ("confirmed", "started", "finished", "shipped", "delivered")


def rules(fee_ppm: int = 0, **changes: int) -> object:
    return replace(RULES, fee_ppm=fee_ppm, contracts=ContractRules(**changes))  # type: ignore[arg-type]


def milled(fee_ppm: int = 0, *, penalty: int = 0, **changes: int) -> Market:
    """Return a market with one contract of mill-a's over 300, promised for the second day."""
    market = Market(rules=rules(fee_ppm, **changes))  # type: ignore[arg-type]
    market.order("o1", lateness_penalty_minor_per_day=penalty, due_us=START_US + 3 * DAY_US)
    market.tick()
    market.bid("mill-a", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=100, unit=20)})
    market.clear()
    return market


def balances(market: Market) -> dict[str, int]:
    """Return the balances that are not zero; they sum to zero."""
    found = {name: value for name, value in market.state.contracting.balances.items() if value}
    assert sum(found.values()) == 0
    return found


def test_a_settled_order_charges_its_customer_and_pays_everybody_else() -> None:
    market = chain_market(replace(RULES, fee_ppm=10_000))
    for participant, steps in (("steel-s", ALL[:4]), ("mill-a", ALL[:4]), ("mill-b", ALL)):
        market.report(participant, *steps)
    market.tick(market.now_us + 2 * DAY_US)
    order = market.order_of("o1")
    assert order.state == "settled"
    assert balances(market) == {
        "participant/ada": -(order.charge_minor or 0),
        "participant/steel-s": 400,
        "participant/mill-a": 300,
        "participant/mill-b": 200,
        "carriers": order.transport_minor,
        "platform": order.fee_minor,
    }


def test_a_payment_is_told_by_what_it_is_for_and_each_line_with_its_balance() -> None:
    market = milled()
    market.report("mill-a", *ALL)  # type: ignore[arg-type]
    market.tick(market.now_us + 2 * DAY_US)
    reply = answer(market.state, "mill-a", QueryStatement(), market.now_us)
    assert isinstance(reply, StatementReply)
    assert [(e.entry, e.amount_minor, e.balance_minor) for e in reply.entries] == [
        ("set_up", 100, 100),
        ("price", 200, 300),
    ]
    assert reply.balance_minor == 300
    rest = answer(market.state, "mill-a", QueryStatement(after=reply.entries[0].posting_id), 0)
    assert isinstance(rest, StatementReply)
    assert [entry.entry for entry in rest.entries] == ["price"]
    rows = list(market.journal.rows("ledger", tenant="mill-a"))
    assert [row.status for row in rows] == ["set_up", "price"]


def test_what_is_paid_on_account_is_not_paid_again() -> None:
    market = milled(on_account_ppm=500_000)
    market.report("mill-a", "confirmed", "started", "finished")
    assert balances(market) == {"participant/ada": -150, "participant/mill-a": 150}
    market.report("mill-a", "shipped", "delivered")
    market.tick(market.now_us + 2 * DAY_US)
    assert balances(market) == {"participant/ada": -300, "participant/mill-a": 300}
    assert market.state.contracting.paid == {market.contract_of("mill-a").contract.id: 300}


def test_what_was_paid_on_account_is_taken_back_where_its_contract_ends_by_a_fault() -> None:
    market = milled(on_account_ppm=500_000, breach_ppm=100_000)
    market.report("mill-a", "confirmed", "started", "finished")
    market.days(30)  # nothing was shipped, nobody else offers
    assert market.contract_of("mill-a").history[-1].cause == "silent past its end"
    assert market.order_of("o1").state == "expired"
    assert balances(market) == {"participant/ada": 30, "participant/mill-a": -30}


@pytest.mark.parametrize(("cap_ppm", "penalty"), [(0, 0), (100_000, 30), (1_000_000, 80)])
def test_lateness_is_paid_by_who_was_late_up_to_the_cap(cap_ppm: int, penalty: int) -> None:
    market = milled(penalty=40, penalty_cap_ppm=cap_ppm, report_grace_us=0)
    market.report("mill-a", "confirmed", "started")
    market.days(4.5)  # a day and a half after the due date: two started days
    market.report("mill-a", "finished", "shipped", "delivered")
    market.days(7)
    found = balances(market)
    assert (found["participant/ada"], found["participant/mill-a"]) == (-300 + penalty, 300 - penalty)


def test_who_does_not_confirm_pays_the_breach() -> None:
    market = milled(breach_ppm=100_000)
    market.days(1.5)
    assert market.contract_of("mill-a").state == "ended"
    assert balances(market) == {"participant/mill-a": -30, "participant/ada": 30}


@pytest.mark.parametrize(("done", "penalty"), [(0, 30), (4, 18)])
@pytest.mark.parametrize("keep_late", [False, True])
def test_a_breakdown_costs_its_share_of_what_is_lost_contested_or_not(
    done: int, penalty: int, keep_late: bool
) -> None:
    market = late_market(done=done, ends=5, breakdown_ppm=100_000, keep_late=keep_late)
    break_down(market, until=11)
    market.tick()
    offer(market, 100, units=10 - done)
    market.clear()
    assert breaches(market) == [("mill-a", penalty)]


def test_a_breakdown_that_gets_later_is_still_a_breakdown() -> None:
    market = late_market(done=0, ends=5, breakdown_ppm=100_000)
    break_down(market, until=11)
    lot = market.lot("o1", "mill")
    progress(market, "mill-a", lot, 0, ends=13)
    assert market.state.contracting.contested
    progress(market, "mill-a", lot, 0, ends=16)
    assert market.contract_of("mill-a").state == "ended"
    assert breaches(market) == [("mill-a", 30)]


def test_lateness_that_was_told_is_no_breakdown_and_what_goes_on_pays_nothing() -> None:
    market = late_market(done=0, ends=11.5, breakdown_ppm=100_000)
    offer(market, 100, units=10)
    market.clear()
    assert market.contract_of("mill-a").state == "ended"
    assert breaches(market) == []
    market = late_market(done=0, ends=5, breakdown_ppm=100_000)
    break_down(market, until=11)
    market.tick()
    offer(market, 900, units=10)
    market.clear()
    assert market.contract_of("mill-a").state == "in_production"
    assert breaches(market) == []


def test_silence_costs_its_share_of_what_is_not_done() -> None:
    market = late_market(done=4, ends=5, breach_ppm=100_000)
    market.accept(HOST, NoteSilence(participant="mill-a", last_heard_us=market.now_us))
    assert breaches(market) == [("mill-a", 18)]


def breaches(market: Market) -> list[tuple[str, int]]:
    """Return who paid a penalty for work that it lost, and how much."""
    return [
        (participant, -line.amount_minor)
        for participant, lines in market.state.contracting.statements.items()
        for line in lines
        if line.kind == "breach" and line.amount_minor < 0
    ]


def test_an_award_that_costs_to_cancel_is_not_cancelled_at_once() -> None:
    market = milled(cancel_awarded_ppm=100_000)
    refusal = market.refuse("ada", cancellation(market.order_of("o1").order.id))
    assert (refusal.code, refusal.state) == ("state", "awarded")
    assert "ask for the price" in refusal.detail


def test_a_share_of_a_groups_price_survives_another_orders_cancellation() -> None:
    market = Market()
    for key in ("o1", "o2"):
        market.order(key)
    market.tick()
    offers = {
        key: Offer(lots={market.lot(key, "mill"): 10}, price=100, groups=("tool",)) for key in ("o1", "o2")
    }
    market.bid("mill-a", offers, groups={"tool": (None, 50)})
    market.clear()
    first, second = (market.order_of(key) for key in ("o1", "o2"))
    assert [order.charge_minor for order in (first, second)] == [125, 125]
    price = market.refuse("ada", cancellation(first.order.id))
    assert price.code == "state", "its share of the tool is owed: it has a price"
    for order in (first, second):
        (contract_id,) = order.contracts
        assert market.state.contracting.terms[contract_id].group_minor == 25
        assert market.state.contracts[contract_id].contract.payment_minor == 125


def test_money_of_the_bank_is_booked_once_per_reference() -> None:
    market = milled()
    paid = RecordPayment(participant="ada", amount_minor=300, reference="bank-1")
    market.accept(OPERATOR, paid)
    assert type(market.reply(OPERATOR, paid)).__name__ == "Repeated"
    assert balances(market) == {"bank": -300, "participant/ada": 300}
    market.restart()
    assert balances(market) == {"bank": -300, "participant/ada": 300}


def test_a_posting_that_is_not_balanced_can_not_be_made() -> None:
    lines = (Line(account="a", amount_minor=1), Line(account="b", amount_minor=-2))
    with pytest.raises(OutOfRangeError, match="lines is out of range: must sum to zero; was -1"):
        Posting(id="l-1", kind="price", at_us=0, order_id="o", contract_id="", lines=lines)


def test_shares_of_groups_give_every_order_what_it_owes() -> None:
    split = shares([(50, ["a", "b"]), (30, ["b", "c"])], {"a": 40, "b": 20, "c": 20})
    assert [sum(part.values()) for part in split] == [50, 30]
    for order, owed in (("a", 40), ("b", 20), ("c", 20)):
        assert sum(part.get(order, 0) for part in split) == owed


@pytest.mark.parametrize(("pay_moved", "carriers"), [(False, 0), (True, 30)])
def test_carriers_of_an_order_that_expires_are_paid_for_what_had_moved_by_rule(
    *, pay_moved: bool, carriers: int
) -> None:
    market = chain_market(replace(RULES, contracts=ContractRules(pay_moved=pay_moved)))
    market.report("steel-s", "confirmed", "started", "finished", "shipped")  # from Lyon to Bonn: 10 + 20
    market.report("mill-a", "refused")
    market.days(15)
    order = market.order_of("o1")
    assert (order.state, order.charge_minor) == ("expired", 400)
    expected = {"participant/ada": -400 - carriers, "participant/steel-s": 400, "carriers": carriers}
    assert balances(market) == {name: amount for name, amount in expected.items() if amount}


def test_a_contract_that_a_plan_releases_is_paid_for_once_though_its_order_is_cancelled_with_it() -> None:
    market = milled(cancel_awarded_ppm=100_000)
    known = market.contract_of("mill-a")
    order_id = known.contract.order_id
    awarded = events.OrderAwarded(
        order_id=order_id,
        round_id=market.round.id,
        at_us=market.now_us,
        pieces=10,
        charge_minor=0,
        production_minor=0,
        transport_minor=0,
        fee_minor=0,
        promised_us=market.now_us,
        contracts=(),
        kept=(),
        ended=(known.contract.id,),
    )
    cancelled = events.OrderCancelled(order_id=order_id, at_us=market.now_us)
    (posted,) = postings(market.state, (awarded, cancelled), market.now_us)
    assert isinstance(posted, LedgerPosted)
    assert [posting.lines[0].amount_minor for posting in posted.postings] == [-30]
