"""Nobody acts in another's name: signatures, de-duplication and proofs over the bus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import OPERATOR
from market.leaf import entry_leaf
from market.model.commands import RevokeParticipant, RotateKey
from takt_sdk.codec import decode_reply, encode
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    Envelope,
    ParticipantCommand,
    QuerySync,
    Receipt,
    Refused,
    Reply,
    SyncReply,
)
from takt_sdk.model.proof import ProofReply, QueryProof
from takt_sdk.ports import RequestChannel
from takt_sdk.receipts import KeptReceipt, ReceiptError, check_proof, check_receipt
from takt_sdk.signed_bus import RefusedProofError, SignedBus
from takt_sdk.signing import KEY_HEADER, SIGNATURE_HEADER
from tests.signers import market_signer, signer_of
from tests.unit.market.service.small_market import DEADLINE_S, MARKET, SmallMarket, accepted, order

Question = ParticipantCommand | QueryProof | QuerySync
Headers = tuple[tuple[str, str], ...]
MARKET_KEY = market_signer(MARKET).key


@pytest.fixture
def small() -> SmallMarket:
    return SmallMarket()


def envelope(sender: str, body: Question, message_id: str = "m-1") -> bytes:
    return encode(
        Envelope(
            message_id=message_id,
            correlation_id="",
            causation_id="",
            sender=sender,
            sequence=0,
            occurred_us=1,
            body=body,
        )
    )


async def send(
    small: SmallMarket, sender: str, channel: RequestChannel, body: bytes, headers: Headers = ()
) -> Reply:
    bus = small.broker.participant(sender)
    return decode_reply(await bus.request(channel, body, timeout_s=DEADLINE_S, headers=headers))


def signed(
    body: bytes, *, by: str = "buyer", subject: tuple[str, str, str] = (MARKET, "order", "buyer")
) -> Headers:
    return signer_of(by).headers(*subject, body)


ORDER = envelope("buyer", order("k"))
OTHER = envelope("buyer", order("other"))


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ((), "must be signed with your key"),
        (signed(OTHER), "not that of"),
        (signed(ORDER, subject=("another", "order", "buyer")), "not that of"),
        (signed(ORDER, subject=(MARKET, "bid", "buyer")), "not that of"),
        (signed(ORDER, subject=(MARKET, "order", "rival")), "not that of"),
        (signed(ORDER, by="rival"), "must be your key"),
        (signed(ORDER)[:1], "must be your key"),
        (signed(ORDER)[1:], "not that of"),
        (((SIGNATURE_HEADER, "%%"), signed(ORDER)[1]), "not that of"),
        ((signed(ORDER)[0], (KEY_HEADER, "UABC")), "must be your key"),
    ],
    ids=[
        "none",
        "of another body",
        "of another market",
        "of another channel",
        "of another participant",
        "another's key",
        "no key named",
        "no signature",
        "no base64",
        "no key at all",
    ],
)
async def test_what_the_sender_did_not_sign_has_no_effect(
    small: SmallMarket, headers: Headers, detail: str
) -> None:
    async with small.running() as service:
        size = service.state_of().state.size
        reply = await send(small, "buyer", "order", ORDER, headers)
        assert isinstance(reply, Refused)
        assert (reply.code, reply.field) == ("not_allowed", "signature")
        assert detail in reply.detail
        assert service.state_of().state.size == size


async def test_header_names_may_differ_in_case(small: SmallMarket) -> None:
    async with small.running():
        headers = tuple((name.upper(), value) for name, value in signed(ORDER))
        assert isinstance(await send(small, "buyer", "order", ORDER, headers), Receipt)


async def test_queries_are_signed_too(small: SmallMarket) -> None:
    async with small.running():
        query = envelope("buyer", QuerySync())
        reply = await send(small, "buyer", "query", query)
        assert isinstance(reply, Refused)
        assert reply.field == "signature"
        headers = signed(query, subject=(MARKET, "query", "buyer"))
        assert isinstance(await send(small, "buyer", "query", query, headers), SyncReply)


async def test_the_entry_holds_the_exact_bytes_and_their_signature(small: SmallMarket) -> None:
    async with small.running():
        receipt = await send(small, "buyer", "order", ORDER, signed(ORDER))
        assert isinstance(receipt, Receipt)
        (stored,) = small.journal.read(receipt.position, receipt.position + 1)
        assert stored.entry.message == ORDER
        assert stored.entry.key == signer_of("buyer").key
        assert stored.leaf.hex() == receipt.leaf == entry_leaf(stored.entry, stored.salt).hex()
        assert small.journal.head().signature


async def test_a_rotated_key_signs_from_then_on_and_the_old_one_no_more(small: SmallMarket) -> None:
    async with small.running() as service:
        new = signer_of("buyer, second key")
        await accepted(service, OPERATOR, RotateKey(participant="buyer", signing_key=new.key), "r-1")
        reply = await send(small, "buyer", "order", ORDER, signed(ORDER))
        assert isinstance(reply, Refused)
        assert reply.field == "signature"
        headers = new.headers(MARKET, "order", "buyer", ORDER)
        assert isinstance(await send(small, "buyer", "order", ORDER, headers), Receipt)


async def test_a_revoked_participant_is_heard_no_more(small: SmallMarket) -> None:
    async with small.running() as service:
        await accepted(service, OPERATOR, RevokeParticipant(participant="buyer"), "r-1")
        reply = await send(small, "buyer", "order", ORDER, signed(ORDER))
        assert isinstance(reply, Refused)
        assert (reply.code, reply.state) == ("not_allowed", "revoked")


async def test_nobody_suppresses_anothers_message_by_using_its_id_first(small: SmallMarket) -> None:
    """Message ids suppress nothing here, neither in the envelope nor as JetStream's header."""
    async with small.running():
        stolen = envelope("rival", order("of the rival"), message_id="m-of-buyer")
        thief = SignedBus(small.broker.participant("rival"), MARKET, "rival", signer_of("rival"))
        jetstream = (("Nats-Msg-Id", "m-of-buyer"),)
        first = decode_reply(await thief.request("order", stolen, timeout_s=DEADLINE_S, headers=jetstream))
        mine = envelope("buyer", order("k"), message_id="m-of-buyer")
        second = await send(small, "buyer", "order", mine, (*signed(mine), *jetstream))
        assert isinstance(first, Receipt)
        assert isinstance(second, Receipt)
        assert second.position != first.position
        assert not second.repeated


async def test_a_repeated_message_has_one_effect_and_the_position_of_the_first(small: SmallMarket) -> None:
    async with small.running() as service:
        first = await small.ask("order", "buyer", order("k"))
        size = service.state_of().state.size
        again = await small.ask("order", "buyer", order("k"), message_id="m-2")
        assert isinstance(first, Receipt)
        assert isinstance(again, Receipt)
        assert (again.position, again.leaf, again.repeated) == (first.position, first.leaf, True)
        assert service.state_of().state.size == size
        assert again.proof


# --- receipts --------------------------------------------------------------------------------


class Kept:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[KeptReceipt] = []
        self.disputed: list[tuple[KeptReceipt, ReceiptError]] = []

    def keep(self, receipt: KeptReceipt) -> None:
        self.kept.append(receipt)

    def dispute(self, receipt: KeptReceipt, error: ReceiptError) -> None:
        self.disputed.append((receipt, error))


def bus(small: SmallMarket, store: Kept, key: str = MARKET_KEY) -> SignedBus:
    inner = small.broker.participant("buyer")
    return SignedBus(inner, MARKET, "buyer", signer_of("buyer"), market_key=key, store=store)


async def test_a_receipt_proves_the_senders_own_bytes(small: SmallMarket) -> None:
    async with small.running():
        store = Kept()
        for number in range(5):
            body = envelope("buyer", order(f"k-{number}"), message_id=f"m-{number}")
            await bus(small, store).request("order", body, timeout_s=DEADLINE_S)
        assert len(store.kept) == 5
        for one in store.kept:
            check_receipt(one, MARKET_KEY)
            assert one.receipt.size > one.receipt.position


async def test_a_receipt_under_another_key_is_disputed_and_no_acknowledgement(small: SmallMarket) -> None:
    async with small.running():
        store = Kept()
        other = bus(small, store, key=market_signer("other").key)
        with pytest.raises(ReceiptError) as caught:
            await other.request("order", ORDER, timeout_s=DEADLINE_S)
        assert caught.value.what == "head"
        assert [error.what for _, error in store.disputed] == ["head"]
        assert store.kept == []


# --- proofs ----------------------------------------------------------------------------------


async def prove(small: SmallMarket, sender: str, query: QueryProof) -> ProofReply | Refused:
    body = envelope(sender, query)
    reply = decode_reply(await small.bus(sender).request("query", body, timeout_s=DEADLINE_S))
    assert isinstance(reply, ProofReply | Refused)
    return reply


async def test_a_participant_proves_its_own_part_of_the_log(small: SmallMarket) -> None:
    async with small.running():
        first = await prove(small, "buyer", QueryProof())
        assert isinstance(first, ProofReply)
        since = check_proof(first, MARKET, MARKET_KEY)
        receipts = [await small.ask("order", "buyer", order(f"k{number}")) for number in range(4)]
        positions = tuple(one.position for one in receipts if isinstance(one, Receipt))
        reply = await prove(small, "buyer", QueryProof(positions=positions, since_size=since.size))
        assert isinstance(reply, ProofReply)
        head = check_proof(reply, MARKET, MARKET_KEY, since)
        assert head.size == since.size + 4
        assert [entry.position for entry in reply.entries] == list(positions)
        assert "k2" in reply.entries[2].message


async def test_a_participant_follows_the_log_from_head_to_head(small: SmallMarket) -> None:
    async with small.running():
        mine = small.bus("buyer")
        first, _ = await mine.prove()
        receipt = await small.ask("order", "buyer", order("k"))
        assert isinstance(receipt, Receipt)
        second, entries = await mine.prove([receipt.position], first)
        assert (second.size, [one.position for one in entries]) == (first.size + 1, [receipt.position])
        with pytest.raises(ReceiptError) as caught:
            await mine.prove(since=replace(first, root="ab" * 32))
        assert caught.value.what == "consistency"
        with pytest.raises(RefusedProofError, match="no such entry of yours"):
            await mine.prove([0])
        with pytest.raises(RefusedProofError, match="the log has"):
            await mine.prove(since=replace(first, size=99))


@pytest.mark.parametrize(
    ("positions", "since", "field"),
    [
        (("own", "rival's"), 0, "positions[1]"),
        ((0,), 0, "positions[0]"),
        ((10_000,), 0, "positions[0]"),
        ((), 10_000, "since_size"),
    ],
    ids=["another's", "the operator's", "beyond the end", "a larger log"],
)
async def test_anothers_entries_are_as_unknown_as_those_never_written(
    small: SmallMarket, positions: tuple[int | str, ...], since: int, field: str
) -> None:
    async with small.running():
        own = await small.ask("order", "buyer", order("k"))
        others = await small.ask("order", "rival", order("k"))
        assert isinstance(own, Receipt)
        assert isinstance(others, Receipt)
        named: dict[int | str, int] = {"own": own.position, "rival's": others.position}
        asked = tuple(named.get(one, one) for one in positions)
        reply = await prove(small, "buyer", QueryProof(positions=asked, since_size=since))  # type: ignore[arg-type]
        assert isinstance(reply, Refused)
        assert (reply.code, reply.field) == ("unknown", field)


async def test_receipts_of_old_entries_are_proved_after_a_restart(small: SmallMarket) -> None:
    async with small.running():
        old = await small.ask("order", "buyer", order("k"))
        for number in range(20):
            await small.ask("order", "buyer", order(f"k{number}"))
    async with small.running():
        again = await small.ask("order", "buyer", order("k"))
        assert isinstance(old, Receipt)
        assert isinstance(again, Receipt)
        assert (again.leaf, again.repeated) == (old.leaf, True)
        cancelled = await small.ask("order", "buyer", CancelOrder(order_id=old.subject_id))
        assert isinstance(cancelled, Receipt)


async def test_two_signed_answers_under_one_number_are_journaled(small: SmallMarket) -> None:
    async with small.running() as service:
        await small.ask("order", "buyer", order("k"))
        await small.pass_time(service, 1)
        round_ = service.state_of().state.round
        assert round_ is not None
        plant = next(iter(round_.eligible))
        first, second = (DeclineCall(round_id=round_.id, code="other", detail=one) for one in ("a", "b"))
        assert isinstance(await small.ask("bid", plant, first, sequence=1), Receipt)
        size = service.state_of().state.size
        reply = await small.ask("bid", plant, second, sequence=1)
        assert isinstance(reply, Refused)
        assert reply.code == "equivocation"
        (stored,) = small.journal.read(size)
        assert b"takt.equivocation_seen.v1" in stored.entry.events
        assert stored.entry.key == signer_of(plant).key
