"""Who is said to be silent, from what was heard and when."""

from __future__ import annotations

from dataclasses import replace

from market.model.contract_commands import NoteSilence
from market.model.contract_rules import ContractRules
from market.service.silence import silences
from tests.unit.market.engine.market import RULES
from tests.unit.market.engine.test_disruptions import chain_market

SECOND_US = 1_000_000
WATCHED = replace(RULES, contracts=ContractRules(heartbeat_us=30 * SECOND_US))


def test_only_who_holds_a_contract_and_stopped_its_heartbeat_is_silent() -> None:
    market = chain_market(WATCHED)
    heard = {"mill-a": 100 * SECOND_US, "mill-b": 50 * SECOND_US, "steel-s": 75 * SECOND_US}
    beating = {"mill-a", "steel-s"}
    assert silences(market.state, heard, beating, 104 * SECOND_US) == ()
    found = silences(market.state, heard, beating, 110 * SECOND_US)
    assert found == (NoteSilence(participant="steel-s", last_heard_us=75 * SECOND_US),)
    assert silences(market.state, heard, set(), 110 * SECOND_US) == (), "it never sent a heartbeat"


def test_by_rule_who_was_never_heard_is_silent_counted_from_its_award_or_the_start_of_the_host() -> None:
    due = ContractRules(heartbeat_us=30 * SECOND_US, heartbeat_due=True)
    market = chain_market(replace(RULES, contracts=due))
    award_us = market.contract_of("mill-a").awarded_us
    heard = {"mill-b": award_us + 20 * SECOND_US}
    state, limit_us = market.state, award_us + 30 * SECOND_US
    assert silences(state, heard, set(), limit_us - 1) == ()
    found = silences(state, heard, set(), limit_us)
    assert [note.participant for note in found] == ["mill-a", "steel-s"], "mill-b said something later"
    assert {note.last_heard_us for note in found} == {award_us}
    assert silences(state, heard, set(), limit_us, award_us + 5 * SECOND_US) == (), "nobody could be heard"
    market.accept("host", found[0])
    assert market.contract_of("mill-a").state == "ended"
    assert [note.participant for note in silences(state, heard, set(), limit_us)] == ["steel-s"]


def test_who_is_heard_again_is_back_and_nobody_is_told_of_twice() -> None:
    market = chain_market(WATCHED)
    market.accept("host", NoteSilence(participant="mill-b", last_heard_us=50 * SECOND_US))
    heard = dict.fromkeys(("mill-a", "steel-s"), 100 * SECOND_US)
    assert silences(market.state, heard, set(heard), 110 * SECOND_US) == ()
    heard["mill-b"] = 105 * SECOND_US
    assert silences(market.state, heard, set(heard), 110 * SECOND_US) == (
        NoteSilence(participant="mill-b", last_heard_us=105 * SECOND_US, silent=False),
    )
