"""Signing keys: who signs for a company at which log position, rotation, revocation, equivocation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.adapters.codec import state_digest
from market.engine.admission import OPERATOR
from market.engine.decision import Accepted, Refusal, Repeated
from market.engine.state import KeyTerm
from market.model.commands import (
    ReinstateParticipant,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
)
from market.model.events import EquivocationSeen
from market.model.rules import Signatures
from market.service.kernel import Handled
from takt_sdk.model.execution import ReportProgress
from takt_sdk.model.messages import DeclineCall, PublishPart
from takt_sdk.model.plan import Part
from tests.signers import signer_of
from tests.unit.market.engine.market import MILL, RULES, Market, Offer, admission, milestone_of

FIRST, SECOND, THIRD = (signer_of(name).key for name in ("first", "second", "third"))


def rotate(key: str, participant: str = "mill-a") -> RotateKey:
    return RotateKey(participant=participant, signing_key=key)


def with_key(market: Market, key: str = FIRST) -> None:
    market.accept(OPERATOR, admission("mill-a", "plant", signing_key=key))


def won(market: Market) -> str:
    """Let mill-a win Ada's order; return the contract's id."""
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"b1": Offer(lots={market.lot("o1", "mill"): 10}, price=100)})
    market.clear()
    return market.contract_of("mill-a").contract.id


def progress_of(market: Market, contract: str, *, sure: int) -> ReportProgress:
    return ReportProgress(
        contract_id=contract,
        lot_id=market.lot("o1", "mill"),
        done=1,
        scrapped=0,
        at_us=market.now_us,
        expected_end_us=market.now_us + 1,
        confidence_ppm=sure,
    )


def decline(market: Market, detail: str = "") -> DeclineCall:
    return DeclineCall(round_id=market.round.id, code="no_capacity", detail=detail)


def refusal_of(handled: Handled) -> tuple[str, str]:
    reply = handled.decision.reply
    assert isinstance(reply, Refusal), reply
    return reply.code, reply.field


def test_keys_hold_between_log_positions_and_a_rotation_orphans_nothing() -> None:
    market = Market()
    with_key(market)
    first = market.state.size - 1
    market.accept(OPERATOR, rotate(SECOND))
    second = market.state.size - 1
    record = market.state.participants["mill-a"]
    assert record.keys == (
        KeyTerm(key=FIRST, from_position=first, to_position=second),
        KeyTerm(key=SECOND, from_position=second),
    )
    assert record.key == record.admission.signing_key == SECOND
    assert not record.had_key_at(first - 1)
    assert record.had_key_at(first)
    assert record.had_key_at(second)
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before


def test_rotating_to_the_present_key_is_a_retry() -> None:
    market = Market()
    with_key(market)
    position = market.state.size - 1
    assert market.reply(OPERATOR, rotate(FIRST)) == Repeated(position=position, subject_id="mill-a")


def test_a_company_without_a_key_gets_its_first_by_rotation() -> None:
    market = Market()
    market.accept(OPERATOR, rotate(FIRST))
    assert market.state.participants["mill-a"].key == FIRST


def test_a_key_serves_one_company_and_one_term() -> None:
    market = Market()
    with_key(market)
    market.accept(OPERATOR, rotate(SECOND))
    for command in (
        rotate(FIRST),
        rotate(SECOND, "mill-b"),
        rotate(FIRST, "mill-b"),
        admission("mill-a", "plant", signing_key=FIRST),
        admission("new", "plant", signing_key=SECOND),
    ):
        refusal = market.refuse(OPERATOR, command)
        assert (refusal.code, refusal.field) == ("conflict", "signing_key")


def test_a_replaced_admission_keeps_its_key_or_rotates_it() -> None:
    market = Market()
    with_key(market)
    market.accept(OPERATOR, admission("mill-a", "plant", site="gent"))
    assert market.state.participants["mill-a"].key == FIRST
    market.accept(OPERATOR, admission("mill-a", "plant", signing_key=SECOND))
    assert [term.key for term in market.state.participants["mill-a"].keys] == [FIRST, SECOND]


def test_a_revoked_company_has_no_word_until_it_is_admitted_with_a_new_key() -> None:
    market = Market()
    with_key(market)
    market.accept(OPERATOR, RevokeParticipant(participant="mill-a", reason="left"))
    record = market.state.participants["mill-a"]
    assert (record.key, record.admission.signing_key, record.suspended) == ("", "", True)
    part = PublishPart(part=Part(id="p", name="P", plan=MILL))
    assert market.refuse("mill-a", part).state == "revoked"
    for command in (
        ReinstateParticipant(participant="mill-a"),
        SuspendParticipant(participant="mill-a"),
        RevokeParticipant(participant="mill-a"),
        rotate(SECOND),
    ):
        assert market.refuse(OPERATOR, command).state == "revoked"
    assert market.refuse(OPERATOR, admission("mill-a", "plant", signing_key=FIRST)).code == "conflict"
    with_key(market, SECOND)
    assert (record.key, record.suspended, record.revoked) == (SECOND, False, False)


def test_a_revoked_customers_api_key_is_dead() -> None:
    market = Market()
    market.accept(OPERATOR, admission("ada", "customer", api_key_sha256="ab" * 32))
    market.accept(OPERATOR, RevokeParticipant(participant="ada"))
    assert market.state.index.key_holders == {}
    market.restart()
    assert market.state.index.key_holders == {}


def test_work_of_a_revoked_company_that_has_not_begun_is_called_again() -> None:
    market = Market()
    won(market)
    market.accept(OPERATOR, RevokeParticipant(participant="mill-a"))
    assert market.contract_of("mill-a").state == "at_risk"
    assert market.order_of("o1").state == "at_risk"


@pytest.mark.parametrize("command", [rotate(FIRST, "nobody"), RevokeParticipant(participant="nobody")])
def test_an_unknown_company_has_no_key(command: RotateKey | RevokeParticipant) -> None:
    refusal = Market().refuse(OPERATOR, command)
    assert (refusal.code, refusal.field) == ("unknown", "participant")


def test_whoever_has_a_key_signs_with_it() -> None:
    market = Market()
    with_key(market)
    market.order("o1")
    market.tick()
    for wrong in ("", SECOND):
        handled = market.handle("mill-a", decline(market), sequence=1, signed_by=wrong)
        assert refusal_of(handled) == ("not_allowed", "signature")
    handled = market.handle("mill-a", decline(market), sequence=1, signed_by=FIRST)
    assert isinstance(handled.decision.reply, Accepted)


def test_the_old_key_signs_no_more_after_a_rotation() -> None:
    market = Market()
    with_key(market)
    market.order("o1")
    market.tick()
    market.accept(OPERATOR, rotate(SECOND))
    handled = market.handle("mill-a", decline(market), sequence=1, signed_by=FIRST)
    assert refusal_of(handled) == ("not_allowed", "signature")
    assert isinstance(
        market.handle("mill-a", decline(market), sequence=1, signed_by=SECOND).decision.reply, Accepted
    )


@pytest.mark.parametrize(("rule", "accepted"), [("optional", True), ("required", False)])
def test_whether_a_company_without_a_key_may_speak_is_a_rule(rule: Signatures, accepted: bool) -> None:
    market = Market(rules=replace(RULES, signatures=rule))
    market.order("o1")
    market.tick()
    handled = market.handle("mill-a", decline(market), sequence=1, signed_by="")
    assert isinstance(handled.decision.reply, Accepted) == accepted


def test_what_the_host_attests_needs_no_signature() -> None:
    market = Market(rules=replace(RULES, signatures="required"))
    market.accept("ada", PublishPart(part=Part(id="p", name="P", plan=MILL)))


def test_two_signed_answers_under_one_number_are_kept_as_evidence_once() -> None:
    market = Market()
    with_key(market)
    market.order("o1")
    market.tick()
    first = market.handle("mill-a", decline(market), sequence=1, signed_by=FIRST)
    second = market.handle("mill-a", decline(market, "really"), sequence=1, signed_by=FIRST)
    assert refusal_of(second) == ("equivocation", "sequence")
    (seen,) = second.events
    assert isinstance(seen, EquivocationSeen)
    assert (seen.participant, seen.conversation, seen.sequence) == ("mill-a", market.round.id, 1)
    assert seen.position == first.position
    assert seen.first_digest != seen.second_digest
    third = market.handle("mill-a", decline(market, "or not"), sequence=1, signed_by=FIRST)
    assert refusal_of(third) == ("equivocation", "sequence")
    assert third.events == ()
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before


def test_two_signed_reports_under_one_number_are_kept_as_evidence() -> None:
    market = Market()
    contract = won(market)
    with_key(market)
    known = market.contract_of("mill-a")
    market.handle("mill-a", milestone_of(known, "confirmed", market.now_us), sequence=1, signed_by=FIRST)
    second = market.handle(
        "mill-a", milestone_of(known, "refused", market.now_us), sequence=1, signed_by=FIRST
    )
    (seen,) = second.events
    assert isinstance(seen, EquivocationSeen)
    assert seen.conversation == contract


def test_unsigned_words_prove_nothing() -> None:
    market = Market()
    market.order("o1")
    market.tick()
    market.handle("mill-a", decline(market), sequence=1, signed_by="")
    second = market.handle("mill-a", decline(market, "really"), sequence=1, signed_by="")
    assert refusal_of(second) == ("equivocation", "sequence")
    assert second.events == ()
    with_key(market)
    third = market.handle("mill-a", decline(market, "or not"), sequence=1, signed_by=FIRST)
    assert third.events == (), "the first was not signed"


def test_two_signed_words_on_the_progress_of_a_lot_under_one_number_are_kept_as_evidence() -> None:
    market = Market()
    contract = won(market)
    with_key(market)
    market.report("mill-a", "confirmed", "started")
    number = max(market.contract_of("mill-a").reports) + 1
    one, other = (progress_of(market, contract, sure=sure) for sure in (900_000, 1))
    market.handle("mill-a", one, sequence=number, signed_by=FIRST)
    again = market.handle("mill-a", one, sequence=number, signed_by=FIRST)
    assert isinstance(again.decision.reply, Repeated)
    second = market.handle("mill-a", other, sequence=number, signed_by=FIRST)
    assert refusal_of(second) == ("equivocation", "sequence")
    (seen,) = second.events
    assert isinstance(seen, EquivocationSeen)
    assert seen.conversation == contract
