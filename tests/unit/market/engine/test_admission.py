"""The operator's commands, and who may send what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Inbound
from market.engine.engine import decide
from market.engine.state import State
from market.model.commands import (
    ChangeRules,
    Command,
    OpenMarket,
    PublishMarketKey,
    PublishNetwork,
    ReinstateParticipant,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
)
from market.model.network import Network
from takt_sdk.model.messages import Tick
from takt_sdk.model.values import DAY_US, HOUR_US
from tests.signers import market_signer, signer_of
from tests.unit.market.engine.market import (
    CAST,
    NETWORK,
    RULES,
    START_US,
    Market,
    Offer,
    admission,
    submission,
)

SHA = "cd" * 32


def test_nothing_happens_before_the_market_is_open() -> None:
    inbound = Inbound(sender=HOST, sequence=0, digest="", body=Tick(now_us=START_US))
    reply = decide(State(), inbound, START_US).reply
    assert (reply.code, reply.state, reply.retryable) == ("state", "unopened", True)  # type: ignore[union-attr]


def test_a_market_is_opened_once() -> None:
    refusal = Market().refuse(OPERATOR, OpenMarket(market="other", rules=RULES))
    assert (refusal.code, refusal.field, refusal.value) == ("state", "market", "other")


COMMANDS: tuple[Command, ...] = (
    ChangeRules(rules=replace(RULES, version=2)),
    PublishNetwork(network=NETWORK),
    admission("new", "plant"),
    SuspendParticipant(participant="ada"),
    ReinstateParticipant(participant="ada"),
    PublishMarketKey(market_key=market_signer().key),
    RotateKey(participant="ada", signing_key=signer_of("ada").key),
    RevokeParticipant(participant="ada"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
@pytest.mark.parametrize("sender", ["ada", "mill-a", "nobody", HOST])
def test_only_the_operator_operates(command: Command, sender: str) -> None:
    refusal = Market().refuse(sender, command)
    assert (refusal.code, refusal.field, refusal.value) == ("not_allowed", "sender", sender)


@pytest.mark.parametrize("sender", ["ada", "mill-a", OPERATOR])
def test_only_the_host_tells_the_time(sender: str) -> None:
    refusal = Market().refuse(sender, Tick(now_us=START_US))
    assert (refusal.code, refusal.field, refusal.value) == ("not_allowed", "sender", sender)


@pytest.mark.parametrize("sender", [HOST, OPERATOR])
def test_the_markets_own_senders_are_no_participants(sender: str) -> None:
    assert Market().refuse(sender, submission()).code == "not_allowed"
    refusal = Market().refuse(OPERATOR, admission(sender, "plant"))
    assert (refusal.code, refusal.field, refusal.value) == ("invalid", "participant", sender)


def test_time_never_goes_back() -> None:
    market = Market()
    market.tick(START_US + HOUR_US)
    market.order("o1")
    market.now_us -= 1
    refusal = market.refuse("ada", submission("o2"))
    assert (refusal.code, refusal.field, refusal.value) == ("dates", "now_us", str(market.now_us))


def test_a_tick_that_was_overtaken_turns_nothing_back() -> None:
    market = Market()
    market.order("o1")
    market.accept(HOST, Tick(now_us=START_US - DAY_US))
    assert market.round.opened_us == START_US


# --- rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "field", "value"),
    [
        ({"version": 1}, "conflict", "rules.version", "1"),
        ({"version": 3}, "conflict", "rules.version", "3"),
        ({"version": 2, "currency": "CHF"}, "invalid", "rules.currency", "CHF"),
    ],
)
def test_rules_have_consecutive_versions_and_one_currency(
    changes: dict[str, object], code: str, field: str, value: str
) -> None:
    changed = replace(RULES, **changes)  # type: ignore[arg-type]
    refusal = Market().refuse(OPERATOR, ChangeRules(rules=changed))
    assert (refusal.code, refusal.field, refusal.value) == (code, field, value)


def test_rules_change_between_rounds_and_are_cited_by_the_next() -> None:
    market = Market()
    market.order("o1", good_for_takts=2)
    market.tick()
    change = ChangeRules(rules=replace(RULES, version=2, fee_ppm=10_000))
    for _ in range(2):
        refusal = market.refuse(OPERATOR, change)
        assert (refusal.code, refusal.state, refusal.retryable) == ("state", market.round.state, True)
        market.close()
    market.clear()
    market.accept(OPERATOR, change)
    market.tick(START_US + HOUR_US)
    assert [round_.rules_version for round_ in market.state.rounds.values()] == [1, 2]
    market.bid("mill-a", {"b": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    assert market.order_of("o1").fee_minor == 3


# --- network ---------------------------------------------------------------------------------


def without(*names: str) -> Network:
    return Network(
        sites=tuple(site for site in NETWORK.sites if site.id not in names),
        lanes=tuple(lane for lane in NETWORK.lanes if not {lane.source, lane.target} & set(names)),
    )


def test_a_round_that_is_being_cleared_keeps_its_network() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    slow = replace(NETWORK, lanes=tuple(replace(lane, transit_minutes=90) for lane in NETWORK.lanes))
    market.accept(OPERATOR, PublishNetwork(network=slow))
    assert market.state.network == slow, "an open round is cleared on the newest network"
    market.close()
    _, report = market.solve()
    market.accept(OPERATOR, PublishNetwork(network=NETWORK))
    assert market.state.network == slow
    market.accept("host", report)
    assert market.state.network == NETWORK


def test_sites_of_participants_stay() -> None:
    refusal = Market().refuse(OPERATOR, PublishNetwork(network=without("gent")))
    assert (refusal.code, refusal.field, refusal.value) == ("unknown", "network.sites", "gent")
    assert refusal.detail == "site of mill-b"


def test_destinations_of_open_orders_stay_until_they_are_over() -> None:
    market = Market(cast=CAST[:1])
    order = market.order("o1", destination="lyon")
    refusal = market.refuse(OPERATOR, PublishNetwork(network=without("lyon")))
    assert (refusal.code, refusal.value, refusal.detail) == ("unknown", "lyon", f"site of {order}")
    market.tick()
    market.clear()
    market.accept(OPERATOR, PublishNetwork(network=without("lyon")))
    assert market.refuse("ada", submission("o2", destination="lyon")).field == "terms.destination"


def test_sites_of_contracts_stay_even_when_their_participant_has_moved() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    market.bid("mill-b", {"b": Offer(lots={market.lot("o1", "mill"): 10}, price=300)})
    market.clear()
    market.accept(OPERATOR, replace(CAST[3], sites=("bonn",)))
    refusal = market.refuse(OPERATOR, PublishNetwork(network=without("gent")))
    assert refusal.detail == f"site of {market.contract_of('mill-b').contract.id}"


# --- participants ----------------------------------------------------------------------------


def test_a_participants_sites_are_in_the_network() -> None:
    refusal = Market().refuse(OPERATOR, admission("new", "plant", sites=("bonn", "atlantis")))
    assert (refusal.code, refusal.field, refusal.value) == ("unknown", "sites[1]", "atlantis")


def test_a_key_has_one_holder_and_can_be_handed_on_once_it_is_given_up() -> None:
    market = Market()
    market.accept(OPERATOR, replace(CAST[0], api_key_sha256=SHA))
    market.accept(OPERATOR, replace(CAST[0], api_key_sha256=SHA))
    refusal = market.refuse(OPERATOR, replace(CAST[1], api_key_sha256=SHA))
    assert (refusal.code, refusal.field) == ("conflict", "api_key_sha256")
    market.accept(OPERATOR, replace(CAST[0], api_key_sha256="ef" * 32))
    market.accept(OPERATOR, replace(CAST[1], api_key_sha256=SHA))
    assert market.state.index.key_holders == {"ef" * 32: "ada", SHA: "bob"}


def test_admitting_again_keeps_the_key_and_the_suspension() -> None:
    market = Market()
    market.accept(OPERATOR, replace(CAST[0], api_key_sha256=SHA))
    market.accept(OPERATOR, SuspendParticipant(participant="ada"))
    market.accept(OPERATOR, replace(CAST[0], sites=("gent",)))
    record = market.state.participants["ada"]
    assert (record.admission.api_key_sha256, record.admission.sites, record.suspended) == (
        SHA,
        ("gent",),
        True,
    )


def test_a_suspension_is_lifted_by_the_operator() -> None:
    market = Market()
    for command in (SuspendParticipant(participant="nobody"), ReinstateParticipant(participant="nobody")):
        refusal = market.refuse(OPERATOR, command)
        assert (refusal.field, refusal.value) == ("participant", "nobody")
    assert market.refuse(OPERATOR, ReinstateParticipant(participant="mill-a")).code == "state"
    market.accept(OPERATOR, SuspendParticipant(participant="mill-a", reason="late"))
    market.order("o1")
    market.tick()
    assert set(market.round.eligible) == {"mill-b"}
    market.clear()
    market.accept(OPERATOR, ReinstateParticipant(participant="mill-a"))
    market.order("o2")
    market.tick(START_US + HOUR_US)
    assert set(market.round.eligible) == {"mill-a", "mill-b"}
