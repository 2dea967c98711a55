"""The 2193 binding, pure: frames in every spelling, round trips, what bare frames mean, the two machines."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.adapters.vdi2193 import (
    Conversation,
    Dialect2193,
    Frame,
    FrameError,
    NotCarriedError,
    NotUnderstoodError,
    Parties,
    frame_to_json,
    read_frame,
)
from market.adapters.vdi2193.dialect import ToMarket, ToParticipant
from market.adapters.vdi2193.elements import SEMANTIC_IDS
from market.adapters.vdi2193.frame import BIDDING, SPELLINGS, TYPES
from market.adapters.vdi2193.machines import PROVIDER, REQUESTER, Step
from market.adapters.vdi2193.quantities import (
    instant_from_text,
    instant_to_text,
    money_from_text,
    money_to_text,
)
from market.engine.transitions import CONTRACT_TRANSITIONS, ORDER_TRANSITIONS, ROUND_TRANSITIONS
from market.protocol.machines import PARTICIPANT_CONTRACT, PARTICIPANT_ROUND
from market.protocol.script import START_US, sheet
from takt_sdk.model.capability import Requirement, WorkEnvelope
from takt_sdk.model.contract import CONTRACT_STATES, Contract, ContractItem, ResourceUse, Shipment
from takt_sdk.model.messages import (
    MILESTONES,
    CallForProposals,
    ContractAmended,
    ContractNotice,
    ContractStatus,
    DeclineCall,
    DeclineCode,
    QuerySync,
    Receipt,
    Refused,
    ReportBreakdown,
    ReportMilestone,
    RoundResult,
    SheetStatus,
    SyncReply,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MAX_MINOR, MAX_TIME_US, PeriodGrid, Window

PLANT = "https://acme.example/aas/1"
MARKET = "urn:takt:market:demo"
PARTIES = Parties(
    market="demo", participant="acme", market_aas=MARKET, participant_aas=PLANT, currency="EUR", site="ulm"
)
DIALECT = Dialect2193(PARTIES)

TIMES = st.integers(0, MAX_TIME_US)
AMOUNTS = st.integers(0, MAX_MINOR)
COUNTS = st.integers(0, 2**31 - 1)
IDS = st.sampled_from(["o-1.mill", "c-1", "A/b:c_d", "9", "urn:x", "r-000001"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable)


def lots() -> st.SearchStrategy[Lot]:
    requirement = st.builds(
        Requirement,
        process=IDS,
        material=IDS,
        envelope=st.none() | st.builds(WorkEnvelope, x_um=COUNTS.map(lambda n: n % 1000), y_um=st.just(1),
                                       z_um=st.just(2)),
        tolerance_um=st.integers(0, 10**9),
        certificates=st.lists(IDS, unique=True, max_size=3).map(tuple),
    )  # fmt: skip
    fields = {
        "id": IDS, "order_id": IDS, "kind": st.sampled_from(["operation", "material"]),
        "requirement": requirement, "quantity": COUNTS, "earliest_start_us": TIMES, "latest_end_us": TIMES,
        "run_time_us": COUNTS, "inputs": st.lists(IDS, max_size=2).map(tuple),
    }  # fmt: skip
    return st.builds(Lot, **fields)


CONTRACTS = st.builds(
    Contract,
    id=IDS, order_id=IDS, round_id=IDS, participant=st.just("acme"), bid_id=IDS, site=IDS,
    items=st.lists(st.builds(ContractItem, lot_id=IDS, quantity=COUNTS), max_size=2).map(tuple),
    payment_minor=AMOUNTS, start_us=TIMES, end_us=TIMES,
    uses=st.lists(st.builds(ResourceUse, resource=IDS, period=COUNTS, amount=COUNTS), max_size=2).map(tuple),
    shipments=st.lists(
        st.builds(Shipment, arc_id=IDS, to_site=IDS, to_contract=st.none() | IDS, quantity=COUNTS,
                  transit_minutes=COUNTS, cost_minor=AMOUNTS, emissions_g=COUNTS), max_size=2,
    ).map(tuple),
    emissions_g=AMOUNTS,
)  # fmt: skip
OF_MARKET = st.one_of(
    st.builds(
        CallForProposals,
        market=st.just("demo"), round_id=IDS, participant=st.just("acme"), opened_us=TIMES, deadline_us=TIMES,
        currency=st.just("EUR"), periods=st.builds(PeriodGrid, origin_us=TIMES, length_us=st.just(DAY_US)),
        max_periods=COUNTS, rules_version=COUNTS, seed_commitment=st.just("0" * 64) | st.just(""),
        lots=st.lists(lots(), max_size=3).map(tuple),
    ),
    st.builds(RoundResult, round_id=IDS, participant=st.just("acme"),
              awards=st.lists(CONTRACTS, max_size=2).map(tuple),
              rejected=st.lists(IDS, max_size=3).map(tuple)),
    st.builds(ContractNotice, contract_id=IDS, participant=st.just("acme"),
              state=st.sampled_from(CONTRACT_STATES), at_us=TIMES, reason=TEXTS, payment_minor=AMOUNTS),
    st.builds(ContractAmended, participant=st.just("acme"), at_us=TIMES, contract=CONTRACTS),
    st.builds(Receipt, message_id=IDS, position=COUNTS, leaf=IDS, size=COUNTS, root=IDS, subject_id=IDS),
    st.builds(Refused, message_id=IDS, code=st.sampled_from(["malformed", "state", "dates"]), detail=TEXTS,
              field=TEXTS, value=TEXTS, state=TEXTS, retryable=st.booleans()),
    st.builds(SyncReply, participant=st.just("acme"), now_us=TIMES, calls=st.just(()), orders=st.just(()),
              sheets=st.lists(st.builds(SheetStatus, round_id=IDS, sequence=COUNTS, position=COUNTS),
                              max_size=2).map(tuple),
              contracts=st.lists(st.builds(ContractStatus, contract=CONTRACTS,
                                           state=st.sampled_from(CONTRACT_STATES), report_sequence=COUNTS),
                                 max_size=2).map(tuple)),
)  # fmt: skip
OF_PARTICIPANT = st.one_of(
    st.builds(
        ReportMilestone, contract_id=IDS, milestone=st.sampled_from(MILESTONES), at_us=TIMES,
        lot_id=st.none() | IDS, quantity=COUNTS, expected_end_us=st.none() | TIMES, detail=TEXTS,
    ),
    st.builds(ReportBreakdown, notice_id=IDS, resource=IDS, detail=TEXTS,
              window=st.builds(lambda a, n: Window(start_us=a, end_us=a + n), st.integers(0, 2**50),
                               st.integers(1, 2**50))),
    st.builds(QuerySync),
)  # fmt: skip


def through_json(frame: Frame) -> Frame:
    read = read_frame(frame_to_json(frame))
    assert frame_to_json(read) == frame_to_json(frame)
    return read


@settings(max_examples=150, deadline=None)
@given(body=OF_MARKET)
def test_what_the_market_says_comes_back_from_its_frame(body: ToParticipant) -> None:
    frame = DIALECT.to_frame(body, message_id="m-1", conversation_id="r-1", reply_to="m-0")
    assert DIALECT.from_market(through_json(frame)) == body


@settings(max_examples=100, deadline=None)
@given(body=OF_PARTICIPANT)
def test_what_the_participant_says_comes_back_from_its_frame(body: ToMarket) -> None:
    frame = DIALECT.to_frame(body, message_id="m-1", conversation_id="r-1")
    assert DIALECT.from_participant(through_json(frame), Conversation(round_id="r-1"), 0) == (body,)


def a_call(*called: Lot, currency: str = "EUR") -> CallForProposals:
    return CallForProposals(
        market="demo", round_id="r-1", participant="acme", opened_us=START_US, deadline_us=START_US + HOUR_US,
        currency=currency, periods=PeriodGrid(origin_us=0, length_us=DAY_US), max_periods=60, rules_version=1,
        seed_commitment="0" * 64, lots=called or (a_lot(),),
    )  # fmt: skip


def a_lot(name: str = "o-1.mill", order: str = "o-1") -> Lot:
    return Lot(
        id=name, order_id=order, kind="operation",
        requirement=Requirement(process="milling", material="steel"), quantity=20,
        earliest_start_us=START_US + DAY_US, latest_end_us=START_US + 9 * DAY_US,
    )  # fmt: skip


def called(call: CallForProposals | None = None) -> Conversation:
    return Conversation(round_id="r-1", call=call or a_call())


@pytest.mark.parametrize("code", ["no_capacity", "technical", "other"])
def test_a_refusal_of_a_call_comes_back(code: DeclineCode) -> None:
    body = DeclineCall(round_id="r-1", code=code, detail="")
    frame = DIALECT.to_frame(body, message_id="m-1")
    assert frame.type == "refusal"
    assert DIALECT.from_participant(through_json(frame), called(), 0) == (body,)


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(st.integers(0, 10**12), min_size=1, max_size=4),
    unit=st.integers(0, 10**6),
    low=st.integers(0, 5),
)
def test_a_sheet_comes_back_from_its_offer(prices: list[int], unit: int, low: int) -> None:
    several = [sheet("r-1", "o-1.mill", price) for price in prices]
    for body in several:
        frame = DIALECT.to_frame(body, message_id="m-1")
        assert frame.type == "offer"
        assert DIALECT.from_participant(through_json(frame), called(), 0) == (body,)
    empty = BidSheet(round_id="r-1", expires_us=low + unit)
    frame = through_json(DIALECT.to_frame(empty, message_id="m-1"))
    assert DIALECT.from_participant(frame, called(), 0) == (empty,)


# --- frames ----------------------------------------------------------------------------------


def written(**changes: object) -> bytes:
    head = {
        "semanticProtocol": BIDDING, "type": "refusal", "messageId": "m-1", "conversationId": "r-1",
        "sender": {"identification": {"id": PLANT}, "role": {"name": "ServiceProvider"}},
        "receiver": {"identification": {"id": MARKET}},
    }  # fmt: skip
    return json.dumps({"frame": {**head, **changes}, "interactionElements": []}).encode()


@pytest.mark.parametrize(("spelling", "type_"), SPELLINGS.items())
def test_every_spelling_is_read_and_one_is_written(spelling: str, type_: str) -> None:
    frame = read_frame(written(type=spelling))
    assert frame.type == type_
    assert json.loads(frame_to_json(frame))["frame"]["type"] == type_


def test_the_types_are_the_twenty_of_the_open_sources() -> None:
    assert len(TYPES) == 20
    assert set(SPELLINGS.values()) == set(TYPES)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": PLANT},
        {"sender": {"identification": PLANT}},
        {"semanticProtocol": {"keys": [{"type": "GlobalReference", "value": f"ovgu.de/{BIDDING}"}]}},
        {"inReplyTo": "m-0"},
        {"replyTo": "m-0"},
        {"replyBy": "1780275600000"},
        {"receiver": None},
        {"role": {"name": "ServiceProvider"}},
    ],
)
def test_other_shapes_of_the_frame_are_read(changes: dict[str, Any]) -> None:
    frame = read_frame(written(**changes))
    assert frame.sender == PLANT
    assert frame.reply_to in {"", "m-0"}
    assert frame.reply_by_ms in {None, 1_780_275_600_000}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "shout"}, "frame.type"),
        ({"type": None}, "frame.type"),
        ({"sender": None}, "frame.sender"),
        ({"sender": {"identification": {"id": ""}}}, "frame.sender.identification.id"),
        ({"sender": {"identification": {"id": PLANT}, "role": {"name": "Boss"}}}, "frame.sender.role"),
        ({"messageId": ""}, "frame.messageId"),
        ({"messageId": 7}, "frame.messageId"),
        ({"conversationId": "x" * 300}, "frame.conversationId"),
        ({"replyBy": "tomorrow"}, "frame.replyBy"),
        ({"replyBy": 1.5}, "frame.replyBy"),
        ({"semanticProtocol": "http://example.org"}, "frame.semanticProtocol"),
        ({"priority": 1}, "frame.priority"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        read_frame(written(**changes))
    assert caught.value.field == field
    assert field in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"frame":1}', b"NaN", b'{"frame":{},"frame":{}}', b"[" * 100_000, b"\xff"]
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        read_frame(data)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["idShort", "value", "semanticId", "keys", "modelType"]), inner, max_size=4),
    max_leaves=8,
).map(lambda value: written_with([value])))  # fmt: skip
def test_nothing_but_named_errors_comes_of_hostile_frames(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        DIALECT.from_participant(read_frame(data), called(), 0)


def written_with(elements: list[Any], type_: str = "offer") -> bytes:
    whole = json.loads(written(type=type_))
    return json.dumps(whole | {"interactionElements": elements}).encode()


# --- offers ----------------------------------------------------------------------------------


def prop(id_short: str, value: object, semantic: str = "") -> dict[str, Any]:
    element: dict[str, Any] = {"modelType": {"name": "Property"}, "idShort": id_short, "value": value}
    if semantic:
        element["semanticId"] = {"keys": [{"type": "GlobalReference", "local": False, "value": semantic}]}
    return element


BARE = (
    prop("Preis", "2000.00", "0173-1#02-AAO822#002"),
    prop("Waehrung", "EUR", "0173-1#02-AAO288#006"),
    prop("Liefertermin", "2026-06-05", "0173-1#02-ABH165#002"),
)


def offered(*elements: object, call: CallForProposals | None = None) -> BidSheet:
    frame = read_frame(written_with(list(elements)))
    (body,) = DIALECT.from_participant(frame, called(call), 0)
    assert isinstance(body, BidSheet)
    return body


def test_a_bare_offer_in_eclass_words_is_a_bid_on_the_whole_call() -> None:
    body = offered(*BARE)
    (bid,) = body
    assert (bid.items, bid.site, bid.min_quantity) == ((("o-1.mill", 20),), "ulm", 0)
    assert bid.price_minor(20) == 200_000
    assert bid.start_us == START_US + DAY_US
    assert bid.end_us == START_US + 5 * DAY_US, "a date means its end"
    assert body.expires_us == START_US + HOUR_US


def test_elements_of_a_submodel_are_read_like_bare_ones() -> None:
    submodel = {"modelType": "Submodel", "idShort": "Offer", "submodelElements": list(BARE)}
    assert offered(submodel) == offered(*BARE)


@pytest.mark.parametrize(
    ("element", "field"),
    [
        (prop("priceGross", "2380.00"), "priceGross"),
        (prop("deliveryTerm", "DDP"), "deliveryTerm"),
        (prop("discount", "3"), "discount"),
        (prop("currency", "EUR"), "currency"),
        (prop("expires", "2026-06-01T00:00:00"), "expires"),
        (prop("expires", "9999-12-31"), "expires"),
    ],
)
def test_an_offer_that_takt_can_not_take_is_refused_by_element(element: object, field: str) -> None:
    with pytest.raises(FrameError, match=field):
        offered(*BARE, element)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (prop("priceNet", "2000.005"), "EUR has 2 decimals"),
        (prop("priceNet", "-1"), "decimal number"),
        (prop("priceNet", "1e3"), "decimal number"),
        (prop("priceNet", None), "must be a Property with a value"),
        (prop("priceNet", "99999999999999999999"), "at most"),
    ],
)
def test_a_price_is_a_plain_decimal(changed: object, message: str) -> None:
    with pytest.raises(NotUnderstoodError, match=message) as caught:
        offered(changed, *BARE[1:])
    assert caught.value.field == "interactionElements.priceNet"


def test_an_offer_without_currency_or_in_another_is_refused() -> None:
    with pytest.raises(NotUnderstoodError, match="currency: is missing"):
        offered(BARE[0], BARE[2])
    with pytest.raises(NotCarriedError, match=r"trades in EUR; was USD"):
        offered(BARE[0], prop("currency", "USD"), BARE[2])


def test_a_bare_offer_on_lots_of_several_orders_is_refused() -> None:
    call = a_call(a_lot(), a_lot("o-2.mill", "o-2"))
    with pytest.raises(NotUnderstoodError, match="list bids"):
        offered(*BARE, call=call)


def test_prices_that_contradict_each_other_are_refused() -> None:
    bid = {
        "modelType": "SubmodelElementCollection",
        "value": [
            {"idShort": "items", "value": [{"value": [prop("lotId", "o-1.mill")]}]},
            prop("priceNet", "10.00"), prop("fixedPrice", "1.00"), prop("unitPrice", "1.00"), BARE[2],
        ],
    }  # fmt: skip
    with pytest.raises(NotUnderstoodError, match=r"bids\[0\].priceNet"):
        offered(prop("currency", "EUR"), {"idShort": "bids", "value": [bid]})


def test_a_call_of_another_currency_is_not_told() -> None:
    with pytest.raises(NotCarriedError, match="currency"):
        DIALECT.to_frame(a_call(currency="CHF"), message_id="m")


def test_the_eclass_ids_stand_on_what_a_call_and_an_offer_say() -> None:
    call = frame_to_json(DIALECT.to_frame(a_call(), message_id="m")).decode()
    offer = frame_to_json(DIALECT.to_frame(sheet("r-1", "o-1.mill", 5), message_id="m")).decode()
    for name in ("targetDate", "quantity", "quantityUnit", "currency"):
        assert SEMANTIC_IDS[name][0] in call, name
    for name in ("latestDeliveryDateAssured", "priceNet", "currency", "deliveryTerm"):
        assert SEMANTIC_IDS[name][0] in offer, name


@given(time_us=TIMES)
def test_instants_are_exact(time_us: int) -> None:
    assert instant_from_text("at", instant_to_text(time_us)) == time_us


@given(minor=AMOUNTS, currency=st.sampled_from(["EUR", "JPY", "KWD"]))
def test_money_is_exact(minor: int, currency: str) -> None:
    assert money_from_text("price", money_to_text(minor, currency), currency) == minor


# --- bare answers ----------------------------------------------------------------------------


def contract(name: str = "c-1") -> Contract:
    return Contract(
        id=name, order_id="o-1", round_id="r-1", participant="acme", bid_id="b", site="ulm",
        items=(), payment_minor=5, start_us=1, end_us=2,
    )  # fmt: skip


def bare(type_: str, conversation: Conversation) -> list[tuple[str, str]]:
    bodies = DIALECT.from_participant(read_frame(written(type=type_)), conversation, 77)
    told: list[tuple[str, str]] = []
    for body in bodies:
        assert isinstance(body, ReportMilestone)
        assert body.at_us == 77
        told.append((body.contract_id, body.milestone))
    return told


def test_a_bare_confirming_is_taken_first_and_done_next() -> None:
    conversation = called().awarded(contract())
    assert bare("confirming", conversation) == [("c-1", "confirmed")]
    conversation = conversation.moved("c-1", "confirmed")
    assert bare("inform-done", conversation) == [("c-1", "started"), ("c-1", "finished")]
    conversation = conversation.moved("c-1", "started")
    assert bare("informConfirm", conversation) == [("c-1", "finished")]


def test_a_bare_refusal_after_acceptance_gives_every_contract_back() -> None:
    conversation = called().awarded(contract()).awarded(contract("c-2"), "confirmed")
    assert bare("refuse", conversation) == [("c-1", "refused"), ("c-2", "refused")]
    assert bare("cancel", conversation) == [("c-1", "refused"), ("c-2", "refused")]


@pytest.mark.parametrize("type_", ["confirming", "refusal", "cancelling", "consent"])
def test_a_bare_answer_that_fits_no_contract_names_their_states(type_: str) -> None:
    conversation = called().awarded(contract(), "delivered")
    with pytest.raises(NotCarriedError, match="delivered"):
        bare(type_, conversation)


@pytest.mark.parametrize(
    ("type_", "code"), [("notUnderstood", "technical"), ("refusal", "other"), ("cancelling", "other")]
)
def test_a_bare_answer_to_a_call_declines_it(type_: str, code: str) -> None:
    bodies = DIALECT.from_participant(read_frame(written(type=type_)), called(), 0)
    assert bodies == (DeclineCall(round_id="r-1", code=code, detail=""),)  # type: ignore[arg-type]


@pytest.mark.parametrize("type_", ["offer", "refusal"])
def test_an_answer_to_an_unknown_call_is_refused(type_: str) -> None:
    elements = list(BARE) if type_ == "offer" else []
    frame = read_frame(written_with(elements, type_))
    with pytest.raises(NotCarriedError, match="conversationId"):
        DIALECT.from_participant(frame, Conversation(round_id="r-9"), 0)


@pytest.mark.parametrize("type_", ["spreading", "subscribing", "proxy", "callForProposals"])
def test_what_means_nothing_in_the_auction_is_refused(type_: str) -> None:
    with pytest.raises(NotCarriedError, match=r"frame\.type"):
        DIALECT.from_participant(read_frame(written(type=type_)), called(), 0)


def test_nobody_speaks_for_another() -> None:
    with pytest.raises(NotCarriedError, match=r"frame\.sender"):
        DIALECT.from_participant(read_frame(written(sender="https://forge.example")), called(), 0)
    with pytest.raises(NotCarriedError, match=r"frame\.receiver"):
        DIALECT.from_participant(read_frame(written(receiver="https://other.example")), called(), 0)
    with pytest.raises(NotCarriedError, match=r"frame\.sender"):
        DIALECT.from_market(read_frame(written()))


# --- the machines ----------------------------------------------------------------------------

TABLES: dict[str, Any] = {
    "participant_round": PARTICIPANT_ROUND,
    "participant_contract": PARTICIPANT_CONTRACT,
    "round": ROUND_TRANSITIONS,
    "order": ORDER_TRANSITIONS,
    "contract": CONTRACT_TRANSITIONS,
}


@pytest.mark.parametrize("step", [*PROVIDER, *REQUESTER], ids=lambda step: f"{step.state}-{step.event}")
def test_every_step_of_2193_is_a_step_of_takts_tables(step: Step) -> None:
    for table, state, trigger, target in step.takt:
        assert TABLES[table][state, trigger] == target
    seen = step.sends is not None or step.event.endswith(" in")
    assert bool(step.takt) >= seen, "what is seen on the wire happens in Takt"


@pytest.mark.parametrize("machine", [PROVIDER, REQUESTER])
def test_the_machines_hang_together(machine: tuple[Step, ...]) -> None:
    keys = [(step.state, step.event) for step in machine]
    assert len(set(keys)) == len(keys)
    reached = {machine[0].state} | {step.target for step in machine}
    assert {step.state for step in machine} <= reached


def test_every_round_of_a_participant_is_a_path_of_the_provider() -> None:
    steps = {(table, state, trigger) for step in PROVIDER for table, state, trigger, _ in step.takt}
    rounds = {("participant_round", *key) for key in PARTICIPANT_ROUND}
    assert rounds - steps == {
        ("participant_round", "called", "deadline passes"),  # 2193 knows no silence
        ("participant_round", "declined", "bid_sheet has a receipt"),  # nor a change of mind
    }


# --- errors name field and value -------------------------------------------------------------


def fields_of(*pairs: tuple[str, object]) -> list[dict[str, Any]]:
    return [prop(name, value) for name, value in pairs]


MILESTONE = (("about", "milestone"), ("contractId", "c-1"), ("at", "2026-06-02T00:00:00Z"))


@pytest.mark.parametrize(
    ("type_", "elements", "field"),
    [
        ("informing", fields_of(("about", "weather")), "about"),
        ("offer", fields_of(("about", "breakdown")), "about"),
        ("informing", fields_of(*MILESTONE, ("milestone", "confirmed")), "frame.type"),
        ("confirming", fields_of(*MILESTONE, ("milestone", "shipped")), "frame.type"),
        ("informing", fields_of(*MILESTONE, ("milestone", "lost")), "interactionElements.milestone"),
        ("informing", fields_of(*MILESTONE), "interactionElements.milestone"),
        ("informing", fields_of(*MILESTONE, ("milestone", "shipped"), ("quantity", "-1")), "quantity"),
        ("informing", fields_of(*MILESTONE, ("milestone", "shipped"), ("quantity", "1.5")), "quantity"),
        ("informing", fields_of(*MILESTONE, ("milestone", "shipped"), ("lotId", "no id")), "lot_id"),
        ("confirming", fields_of(("contractId", "c-1")), "about"),
    ],
)
def test_a_statement_that_cannot_be_taken_is_refused_by_field(
    type_: str, elements: list[Any], field: str
) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        DIALECT.from_participant(read_frame(written_with(elements, type_)), called().awarded(contract()), 0)
    assert caught.value.field.endswith(field)


def rows(*bids: list[dict[str, Any]]) -> dict[str, Any]:
    return {"idShort": "bids", "value": [{"value": bid} for bid in bids]}


def items(*lot_ids: str) -> dict[str, Any]:
    return {"idShort": "items", "value": [{"value": [prop("lotId", lot_id)]} for lot_id in lot_ids]}


@pytest.mark.parametrize(
    ("bid", "field"),
    [
        ([BARE[2], prop("priceNet", "1")], "bids[0].items"),
        ([BARE[2], items("o-1.mill")], "bids[0].priceNet"),
        ([BARE[2], items("o-9.mill"), prop("priceNet", "1")], "bids[0].items[0].lotId"),
        ([items("o-1.mill"), prop("priceNet", "1")], "bids[0].latestDeliveryDateAssured"),
        ([BARE[2], items("o-1.mill"), prop("priceNet", "1"), prop("bidId", "no id")], "id[0]"),
        ([BARE[2], items("o-1.mill", "o-1.mill"), prop("priceNet", "1")], "item_lot[0:2][1]"),
        ([{"idShort": "items", "value": 7}, prop("priceNet", "1")], "bids[0].items"),
    ],
)
def test_a_bid_that_cannot_be_taken_is_refused_by_field(bid: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        offered(prop("currency", "EUR"), rows(bid))
    assert caught.value.field == f"interactionElements.{field}"


def test_price_and_date_stand_either_on_the_offer_or_on_its_bids() -> None:
    with pytest.raises(NotUnderstoodError, match="belong to each bid"):
        offered(*BARE, rows([BARE[2], items("o-1.mill"), prop("priceNet", "1")]))
    with pytest.raises(NotUnderstoodError, match="latestDeliveryDateAssured"):
        offered(BARE[0], BARE[1])


def test_bids_by_row_leave_out_what_follows_from_the_call() -> None:
    body = offered(
        prop("currency", "EUR"),
        rows(
            [BARE[2], items("o-1.mill"), prop("fixedPrice", "10.00"), prop("unitPrice", 2)],
            [BARE[2], items("o-1.mill"), prop("priceNet", 55.5), prop("site", "lyon"), prop("bidId", "b")],
        ),
    )
    first, second = body
    assert (first.id, first.site, first.price_minor(20)) == ("offer-1", "ulm", 5_000)
    assert (second.id, second.site, second.price_minor(20)) == ("b", "lyon", 5_550)
