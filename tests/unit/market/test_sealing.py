"""The sealed box: what any libsodium opens, what nobody else opens, and sizes that tell nothing."""

from __future__ import annotations

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from takt_sdk.codec import DecodeError, encode
from takt_sdk.errors import BusPayloadError
from takt_sdk.model.messages import CallForProposals, DeclineCall
from takt_sdk.model.sealed import SEALED_SIZES, SealedSheet, base64_size, smallest_size
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.sheet_check import SheetTerms, faults, without_bids
from takt_sdk.model.values import DAY_US, PeriodGrid
from takt_sdk.sealer import InvalidSheetError, Sealer
from takt_sdk.sealing import SealedAnswer, SealError, public_key, read_answer, seal, unseal
from tests.unit.market.engine.market import START_US, Offer, sheet

PRIVATE = sha256(b"round").hexdigest()
ONE_TIME = sha256(b"one").digest()
DECLINE = DeclineCall(round_id="r-1", code="dates", detail="full")


def answer(body: BidSheet | DeclineCall = DECLINE) -> SealedAnswer:
    return SealedAnswer(market="test", round_id="r-1", sender="mill-a", sequence=1, answer=body)


def test_any_libsodium_opens_what_is_sealed_here_and_the_other_way_round() -> None:
    made = seal(answer(), public_key(PRIVATE), least=0, one_time=ONE_TIME)
    plaintext = unseal(made, PRIVATE)
    assert len(plaintext) == SEALED_SIZES[0]
    assert read_answer(plaintext) == answer()
    key = PrivateKey(bytes.fromhex(PRIVATE))

    assert SealedBox(key).decrypt(base64.b64decode(made.ciphertext)) == plaintext
    theirs = base64.b64encode(SealedBox(key.public_key).encrypt(plaintext)).decode()
    assert unseal(SealedSheet(round_id="r-1", ciphertext=theirs), PRIVATE) == plaintext


def test_one_secret_makes_one_ciphertext_and_two_make_two() -> None:
    key = public_key(PRIVATE)
    assert seal(answer(), key, least=0, one_time=ONE_TIME) == seal(answer(), key, least=0, one_time=ONE_TIME)
    other = seal(answer(), key, least=0, one_time=sha256(b"two").digest())
    assert other.ciphertext != seal(answer(), key, least=0, one_time=ONE_TIME).ciphertext


def test_another_key_or_a_changed_byte_opens_nothing() -> None:
    made = seal(answer(), public_key(PRIVATE), least=0, one_time=ONE_TIME)
    with pytest.raises(SealError, match="does not open"):
        unseal(made, "11" * 32)
    for at in (0, 50, 700, len(made.ciphertext) - 5):
        changed = "A" if made.ciphertext[at] != "A" else "B"
        spoilt = replace(made, ciphertext=made.ciphertext[:at] + changed + made.ciphertext[at + 1 :])
        with pytest.raises(SealError):
            unseal(spoilt, PRIVATE)


@pytest.mark.parametrize("key", ["", "zz" * 32, "11" * 31, "11" * 33])
def test_a_key_that_is_none_is_an_error(key: str) -> None:
    with pytest.raises(SealError, match="a key must"):
        public_key(key)


def test_a_refusal_is_as_long_as_a_bid() -> None:
    offers = {f"b{number}": Offer(lots={f"o-{number}.mill": 10}, price=number) for number in range(3)}
    bids = seal(
        answer(sheet("r-1", offers, site="bonn")),
        public_key(PRIVATE),
        least=smallest_size(3),
        one_time=ONE_TIME,
    )
    refusal = seal(answer(), public_key(PRIVATE), least=smallest_size(3), one_time=ONE_TIME)
    assert len(bids.ciphertext) == len(refusal.ciphertext) == base64_size(SEALED_SIZES[0])


def test_an_answer_above_the_largest_size_is_an_error() -> None:
    offers = {f"b{number:06d}": Offer(lots={f"o-{number:06d}.mill": 10}) for number in range(9_000)}
    with pytest.raises(BusPayloadError, match="720896"):
        seal(answer(sheet("r-1", offers, site="bonn")), public_key(PRIVATE), least=0, one_time=ONE_TIME)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_answer_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_answer(data)


CALL = CallForProposals(
    market="test",
    round_id="r-1",
    participant="mill-a",
    opened_us=START_US,
    deadline_us=START_US + 1,
    currency="EUR",
    periods=PeriodGrid(origin_us=START_US, length_us=DAY_US),
    max_periods=10,
    rules_version=1,
    seed_commitment="",
    lots=(),
    sealing_key=public_key(PRIVATE),
    sealed_size=4_096,
    sites=("bonn",),
    max_bids=2,
    max_price_minor=1_000,
)


def test_the_sealer_seals_where_the_call_asks_for_it_and_nowhere_else() -> None:
    sealer = Sealer("mill-a", lambda _: ONE_TIME)
    assert sealer.sealed(DECLINE, 1) is DECLINE  # a call that is not known
    sealer.called(replace(CALL, sealing_key=""))
    assert sealer.sealed(DECLINE, 1) is DECLINE
    sealer.called(CALL)
    made = sealer.sealed(DECLINE, 1)
    assert isinstance(made, SealedSheet)
    assert read_answer(unseal(made, PRIVATE)) == answer()


def test_the_sealer_finds_what_the_market_would_refuse_after_opening() -> None:
    sealer = Sealer("mill-a")
    sealer.called(CALL)
    with pytest.raises(InvalidSheetError, match=r"bids\.item_lot"):
        sealer.sealed(sheet("r-1", {"b": Offer(lots={"o-1.mill": 10})}, site="bonn"), 1)
    assert isinstance(sealer.sealed(sheet("r-1", {}, site="bonn"), 1), SealedSheet)


def test_only_the_bids_that_use_a_wrong_capacity_or_group_are_invalid() -> None:
    offers = {
        "a": Offer(lots={"l": 1}, uses=(("w", 1, 1, 0),), groups=("dear",)),
        "b": Offer(lots={"l": 1}, uses=(("w", 99, 1, 0),)),
        "c": Offer(lots={"l": 1}, uses=(("w", 1, 1, 0),)),
    }
    made = sheet("r-1", offers, site="bonn", groups={"dear": (1, 5_000)})
    terms = SheetTerms(
        deadline_us=0,
        first_period=0,
        max_periods=10,
        max_bids=10,
        max_price_minor=1_000,
        emissions_minor_per_tonne=0,
        sites=("bonn",),
        lots={},
    )
    found = {fault.field: fault.bids for fault in faults(made, terms)}
    assert found["capacities.period[1]"] == (1,)
    assert found["groups.fixed_price_minor[0]"] == (0,)
    assert without_bids(made, frozenset({0, 1})).bids.id == ("c",)
    assert without_bids(made, frozenset()) is made
    assert without_bids(replace(made, stands_by=True), frozenset({0})).stands_by
    assert without_bids(made, frozenset({0, 1, 2})).bids.item_offset == (0,)


def test_what_is_padded_reads_as_without() -> None:
    assert read_answer(encode(answer()).ljust(5_000)) == read_answer(encode(answer()))
