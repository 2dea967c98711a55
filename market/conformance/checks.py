"""One message of the participant's held against the rules and the book. Pure: raises or returns."""

from __future__ import annotations

from market.conformance.book import OVER, Book, Held, Round
from market.conformance.rules import RuleBrokenError, Sent
from market.engine.transitions import next_contract_state
from market.ports import Request
from market.protocol.channels import CHANNELS
from takt_sdk.codec import DecodeError, decode_envelope, digest_of
from takt_sdk.model.messages import (
    DeclineCall,
    Envelope,
    ReportMilestone,
    WireBody,
)
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.sheet_check import faults
from takt_sdk.nats.subjects import subject
from takt_sdk.sealer import terms_of
from takt_sdk.sealing import SealError, read_answer, unseal
from takt_sdk.signing import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    is_signed,
    message_bytes,
    signature_of,
)

CLOCK_US = 2_000_000
"""How far a participant's idea of the market's time may be ahead."""

_BODIES = {channel.name: channel.bodies for channel in CHANNELS}
_RULE_OF_FAULT = {
    "not_called": "bid.lots",
    "invalid": "bid.quantity",
    "not_allowed": "bid.site",
    "limit": "bid.limit",
    "dates": "bid.dates",
}


def sent_of(market: str, request: Request) -> Sent:
    """Return a request as a report shows it."""
    return Sent(subject=subject(market, request.channel, request.participant), body=request.body)


def check_signature(market: str, request: Request, key: str) -> None:
    """Raise unless a request is signed by ``key``."""
    sent = sent_of(market, request)
    names = {name.lower() for name, _ in request.headers}
    given, signature = signature_of(request.headers)
    if not given or SIGNATURE_HEADER.lower() not in names:
        raise RuleBrokenError(
            "sign.missing",
            "a request without key or signature",
            f"headers {KEY_HEADER}, {SIGNATURE_HEADER}",
            sent,
        )
    if given != key:
        raise RuleBrokenError("sign.key", f"a request under the key {given}", f"the key {key}", sent)
    if not is_signed(
        key, signature, message_bytes(market, request.channel, request.participant, request.body)
    ):
        raise RuleBrokenError(
            "sign.bytes",
            "a signature that does not verify",
            f"one over 'takt.v1\\n{sent.subject}\\n' and the {len(request.body)} bytes of the body",
            sent,
        )
    more = sorted(name for name in names if name.startswith("takt-"))
    if len(more) > len((KEY_HEADER, SIGNATURE_HEADER)):
        raise RuleBrokenError("sign.header", f"the headers {', '.join(more)}", "key and signature only", sent)


def check_envelope(market: str, participant: str, channel: str, body: bytes) -> Envelope[WireBody]:
    """Return the envelope in a message on a channel; raise where it is not one that belongs there."""
    sent = Sent(subject=subject(market, channel, participant), body=body)
    try:
        envelope = decode_envelope(body)
    except DecodeError as error:
        raise RuleBrokenError(
            "wire.message", f"a message that is malformed: {error}", "a valid one", sent
        ) from error
    if not isinstance(envelope.body, _BODIES[channel]):
        kinds = "a kind that this subject carries"
        raise RuleBrokenError("wire.channel", f"a {envelope.body.kind} on {sent.subject}", kinds, sent)
    if envelope.sender != participant:
        raise RuleBrokenError("wire.sender", f"the sender {envelope.sender!r}", repr(participant), sent)
    match envelope.body:
        case BidSheet() | DeclineCall() | SealedSheet():
            conversation = envelope.body.round_id
        case ReportMilestone():
            conversation = envelope.body.contract_id
        case _:
            conversation = envelope.correlation_id if channel == "report" else ""
    if envelope.correlation_id != conversation:
        raise RuleBrokenError(
            "wire.conversation", f"correlation_id {envelope.correlation_id!r}", repr(conversation), sent
        )
    numbered = isinstance(envelope.body, BidSheet | DeclineCall | SealedSheet | ReportMilestone)
    if numbered != (envelope.sequence > 0) and (numbered or not conversation):
        raise RuleBrokenError(
            "sequence.number",
            f"a {envelope.body.kind} numbered {envelope.sequence}",
            "1 or more" if numbered else "0",
            sent,
        )
    return envelope


def check_number(book: Book, envelope: Envelope[WireBody], sent: Sent, *, restarted: frozenset[str]) -> bool:
    """Return whether a numbered message repeats one that was taken; raise where its number is wrong.

    ``restarted`` are conversations in which nothing new came since the participant's last restart.
    """
    if not envelope.sequence:
        return False
    numbers = book.numbers.get(envelope.correlation_id, {})
    digest = digest_of(envelope.body)
    taken = numbers.get(envelope.sequence)
    if taken is not None:
        if taken[0] == digest:
            return True
        rule = "start.numbering" if envelope.correlation_id in restarted else "sequence.equivocation"
        raise RuleBrokenError(
            rule, f"another body under number {envelope.sequence}", f"number {max(numbers) + 1} or more", sent
        )
    if numbers and envelope.sequence < max(numbers):
        rule = "start.numbering" if envelope.correlation_id in restarted else "sequence.rising"
        raise RuleBrokenError(
            rule,
            f"number {envelope.sequence} after {max(numbers)}",
            f"number {max(numbers) + 1} or more",
            sent,
        )
    return False


def check_answer(
    book: Book, envelope: Envelope[WireBody], sent: Sent, now_us: int, private_key: str
) -> BidSheet | DeclineCall:
    """Return the answer to a call, opened; raise where it breaks a rule."""
    body = envelope.body
    assert isinstance(body, BidSheet | DeclineCall | SealedSheet)
    round_ = book.rounds.get(body.round_id)
    if round_ is None:
        raise RuleBrokenError(
            "round.known", f"an answer in round {body.round_id}", f"one of {', '.join(book.rounds)}", sent
        )
    if now_us > round_.call.deadline_us + CLOCK_US:
        late_s = (now_us - round_.call.deadline_us) // 1_000_000
        raise RuleBrokenError("round.late", f"an answer {late_s} s after the deadline", "no answer", sent)
    sealed = bool(round_.call.sealing_key)
    if sealed != isinstance(body, SealedSheet):
        expected = "a takt.sealed_sheet.v1" if sealed else "a takt.bid_sheet.v1 or takt.decline_call.v1"
        raise RuleBrokenError("seal.plain", f"a {body.kind}", expected, sent)
    answer = _opened(body, round_, envelope, sent, private_key) if isinstance(body, SealedSheet) else body
    if isinstance(answer, BidSheet):
        _check_sheet(book, answer, round_, sent)
    return answer


def _opened(
    body: SealedSheet, round_: Round, envelope: Envelope[WireBody], sent: Sent, private_key: str
) -> BidSheet | DeclineCall:
    call = round_.call
    if body.size < call.sealed_size:
        raise RuleBrokenError(
            "seal.size", f"a sealed answer of {body.size} bytes", f"{call.sealed_size}", sent
        )
    try:
        inside = read_answer(unseal(body, private_key))
    except SealError as error:
        raise RuleBrokenError("seal.opens", str(error), "one that the round's key opens", sent) from error
    except DecodeError as error:
        raise RuleBrokenError("wire.message", f"inside the seal: {error}", "a valid answer", sent) from error
    named = (inside.market, inside.round_id, inside.sender, inside.sequence)
    wanted = (call.market, call.round_id, call.participant, envelope.sequence)
    if named != wanted or inside.answer.round_id != call.round_id:
        raise RuleBrokenError("seal.inside", f"inside stand {named}", f"{wanted}", sent)
    return inside.answer


def _check_sheet(book: Book, sheet: BidSheet, round_: Round, sent: Sent) -> None:
    for fault in faults(sheet, terms_of(round_.call)):
        rule = "bid.expires" if fault.field == "expires_us" else _RULE_OF_FAULT[fault.code]
        raise RuleBrokenError(rule, f"{fault.field} was {fault.value!r}", fault.detail, sent)
    declared = sheet.capacities
    for bid in sheet:
        least = bid.min_quantity or sum(quantity for _, quantity in bid.items)
        for row, fixed, each in bid.uses:
            used, available = fixed + each * least, declared.available[row]
            if used > available:
                where = f"{declared.resource[row]} in period {declared.period[row]}"
                raise RuleBrokenError(
                    "bid.capacity", f"bid {bid.id} takes {used} of {where}", f"at most {available}", sent
                )
    booked = book.booked()
    for resource, period, available in zip(
        declared.resource, declared.period, declared.available, strict=True
    ):
        key = (resource, period)
        taken, total = booked.get(key, 0), book.totals.get(key)
        if total is not None and available + taken > total:
            raise RuleBrokenError(
                "bid.booked",
                f"{available} of {resource} in period {period} were offered while contracts take {taken}",
                f"at most {total - taken} of the {total} declared at first",
                sent,
            )


def check_milestone(
    book: Book, body: ReportMilestone, sent: Sent, now_us: int, acknowledged: frozenset[str]
) -> str:
    """Raise where a milestone breaks a rule; return the state where it only crossed a notice on the way.

    ``acknowledged`` are the market's messages that the participant has taken. Empty: all is well.
    """
    held = book.contracts.get(body.contract_id)
    if held is None:
        known = ", ".join(book.contracts) or "none yet"
        raise RuleBrokenError(
            "contract.known", f"{body.milestone} of {body.contract_id}", f"one of {known}", sent
        )
    told = not held.notice_id or held.notice_id in acknowledged
    if next_contract_state(held.state, body.milestone) is None:
        if not told:
            return held.state
        rule = "contract.over" if held.state in OVER else "contract.order"
        expected = "nothing more" if held.state in OVER else _next(held)
        raise RuleBrokenError(
            rule, f"{body.milestone} of {body.contract_id}, which is {held.state}", expected, sent
        )
    if body.at_us > now_us + CLOCK_US:
        ahead_s = (body.at_us - now_us) / 1e6
        raise RuleBrokenError(
            "time.future",
            f"{body.milestone} at {body.at_us}, {ahead_s:.1f} s to come",
            f"at most {now_us}",
            sent,
        )
    items = {item.lot_id: item.quantity for item in held.contract.items}
    most = held.quantity if body.lot_id is None else items.get(body.lot_id, 0)
    if (body.lot_id is not None and body.lot_id not in items) or body.quantity > most:
        what = f"{body.milestone} of {body.quantity} of {body.lot_id or 'all lots'}"
        raise RuleBrokenError("contract.quantity", what, f"at most {most}, of {', '.join(items)}", sent)
    targets = [shipment.to_contract for shipment in held.contract.shipments]
    nowhere = (body.milestone == "shipped" and not targets) or (
        body.milestone == "delivered" and None not in targets
    )
    if nowhere and told:
        raise RuleBrokenError(
            "contract.goods",
            f"{body.milestone} of {body.contract_id}",
            f"nothing: goods go to {targets}",
            sent,
        )
    return ""


def _next(held: Held) -> str:
    words = (
        "confirmed",
        "refused",
        "started",
        "progress",
        "delayed",
        "scrapped",
        "finished",
        "shipped",
        "delivered",
    )
    allowed = [word for word in words if next_contract_state(held.state, word) is not None]
    return f"one of {', '.join(allowed)}" if allowed else "nothing"
