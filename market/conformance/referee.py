"""Answers one participant's requests as the script says, and holds each against the rules.

Lives in one event loop; the bus calls it on arrival. Waits for nothing but what scenes ask it to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from market.conformance.book import Book
from market.conformance.checks import (
    check_answer,
    check_envelope,
    check_milestone,
    check_number,
    check_signature,
    sent_of,
)
from market.conformance.log import Log
from market.conformance.orders import Repeated, thread_of
from market.conformance.rules import RuleBrokenError, Sent
from market.ports import Request
from takt_sdk.codec import digest_of, encode
from takt_sdk.log import SignedMessage
from takt_sdk.model.messages import (
    CustomerCommand,
    DeclineCall,
    Envelope,
    QuerySync,
    Refused,
    Reply,
    ReportMilestone,
    SubmitOrder,
    WireBody,
)
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US
from takt_sdk.signing import signature_of

FIRST_PAUSES_S = 0.115
"""Least time for the first three repeats: a third of what the page's pauses come to."""
MOST_REPEATS = 3

Fate = Refused | Literal["lost", "failed"]
"""What becomes of a request instead of its receipt: a refusal, a lost reply, a reply without a body."""


class FailedOnPurposeError(Exception):
    """The script lets the market fail on a request."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """A request that is to be sent again. ``times_s`` are when it came."""

    channel: str
    body: bytes
    not_before_s: float
    times_s: list[float] = field(default_factory=list)


class Referee:
    """The scripted market's answers. The first rule that is broken is kept in ``broken``.

    Parameters
    ----------
    key
        Public nkey of the participant.
    now_us
        The market's time.
    """

    def __init__(
        self, market: str, participant: str, key: str, book: Book, log: Log, now_us: Callable[[], int]
    ) -> None:
        self.market, self.participant, self.key = market, participant, key
        self.book, self.now_us = book, now_us
        self.broken: RuleBrokenError | None = None
        self.acknowledged: set[str] = set()
        self.synced = 0
        self.heartbeats = 0
        self.requests = 0
        self.sealing_key = ""
        self.fates: dict[tuple[str, str], deque[Fate]] = {}
        """(Channel, conversation) → what becomes of its next requests; any of them with '*'."""
        self.forbidden: dict[str, tuple[str, str]] = {}
        """Conversation → (rule, why) where nothing new may come."""
        self.pending: dict[tuple[str, str], Pending] = {}
        self.new_orders: deque[deque[Fate]] = deque()
        """What becomes of the attempts at each next order that is new."""
        self._log = log
        self._final: dict[bytes, str] = {}
        self._answered: set[bytes] = set()
        self._arrived: set[bytes] = set()
        self._ids: dict[str, tuple[str, str, int, str]] = {}
        self._must_ask = True
        self._threads: set[str] = set()
        self._restarted: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    # --- what scenes ask ---------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        """Return whether a condition holds before ``patience_s``; raises the rule that is broken first."""
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    if self.broken is not None:
                        raise self.broken
                    if condition():
                        return True
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False

    def restarted(self) -> None:
        """Expect what a process without memory does: ask first, then go on where the market is."""
        self._must_ask = True
        self._threads.clear()
        self.book.bought.restarted()
        self.pending.clear()
        self.fates.clear()
        self._restarted = frozenset(self.book.numbers)

    def take_acknowledged(self, message_ids: Iterable[str]) -> None:
        """Note which of the market's messages the participant has acknowledged."""
        self.acknowledged |= set(message_ids)
        self._changed.set()

    def stop(self, broken: RuleBrokenError) -> None:
        """Note a rule that was broken elsewhere."""
        self.broken = self.broken or broken
        self._changed.set()

    # --- what the bus brings -----------------------------------------------------------------

    def on_heartbeat(self, participant: str, body: bytes) -> None:
        """Hold a heartbeat against the rules."""
        self.heartbeats += 1
        try:
            check_envelope(self.market, participant, "heartbeat", body)
        except RuleBrokenError as error:
            self.stop(error)

    def on_arrival(self, request: Request) -> bytes | None:
        """Return the reply, empty for none, or None where the market is to fail."""
        self.requests += 1
        try:
            reply = self._answer(request)
        except RuleBrokenError as error:
            self.stop(error)
            reply = encode(_refused("conformance", "state", f"breaks {error.rule}"))
        finally:
            self._changed.set()
        return reply

    async def on_request(self, _request: Request) -> bytes:
        """Fail, so that the bus answers with ``Takt-Failed``."""
        raise FailedOnPurposeError

    def _answer(self, request: Request) -> bytes | None:
        sent = sent_of(self.market, request)
        check_signature(self.market, request, self.key)
        envelope = check_envelope(self.market, request.participant, request.channel, request.body)
        self._check_start(request, envelope, sent)
        self._check_repeats(request, envelope, sent)
        self._check_id(request, envelope, sent)
        self._arrived.add(request.body)
        self._take_order(envelope, sent)
        fate = self._fate(request, envelope)
        if isinstance(fate, Refused) or fate == "failed":
            return self._unanswered(request, envelope, fate)
        reply = self._reply(request, envelope, sent)
        if fate == "lost":
            self._wait_for_repeat(request, envelope, 0.0)
            return b""
        self._answered.add(request.body)
        if request.channel == "order":
            self.book.bought.answered(cast("CustomerCommand", envelope.body))
        return encode(reply)

    # --- checks that need memory ---------------------------------------------------------------

    def _check_start(self, request: Request, envelope: Envelope[WireBody], sent: Sent) -> None:
        if isinstance(envelope.body, QuerySync):
            self._must_ask = False
        elif self._must_ask and request.channel != "query" and request.body not in self._arrived:
            what = f"a {envelope.body.kind} before any query"
            raise RuleBrokenError("start.query", what, "takt.query_sync.v1 first", sent)

    def _check_repeats(self, request: Request, envelope: Envelope[WireBody], sent: Sent) -> None:
        if request.body in self._final:
            code = self._final[request.body]
            raise RuleBrokenError("retry.final", f"what was refused as {code} again", "nothing", sent)
        conversation = _thread(envelope)
        pending = self.pending.get((request.channel, conversation))
        if pending is not None and request.channel != "query":
            self._check_pending(pending, request, sent)
        if conversation in self.forbidden and request.body not in self._answered:
            rule, why = self.forbidden[conversation]
            raise RuleBrokenError(rule, f"a {envelope.body.kind} {why}", "nothing", sent)

    def _check_pending(self, pending: Pending, request: Request, sent: Sent) -> None:
        if request.body != pending.body:
            expected = f"the same {len(pending.body)} bytes: {pending.body[:120].decode(errors='replace')}..."
            raise RuleBrokenError("retry.same-bytes", "other bytes than before", expected, sent)
        now_s = asyncio.get_running_loop().time()
        if now_s < pending.not_before_s:
            early_ms = (pending.not_before_s - now_s) * 1000
            expected = "a pause of retry_after_us"
            raise RuleBrokenError("retry.after", f"again {early_ms:.0f} ms too early", expected, sent)
        pending.times_s.append(now_s)
        times = pending.times_s
        if len(times) > MOST_REPEATS and times[-1] - times[-1 - MOST_REPEATS] < FIRST_PAUSES_S:
            took_ms = (times[-1] - times[-1 - MOST_REPEATS]) * 1000
            what = f"{MOST_REPEATS} repeats in {took_ms:.0f} ms"
            raise RuleBrokenError("retry.pause", what, "pauses of 50 ms, 100 ms, 200 ms", sent)

    def _check_id(self, request: Request, envelope: Envelope[WireBody], sent: Sent) -> None:
        digest = digest_of(envelope.body)
        content = (request.channel, envelope.correlation_id, envelope.sequence, digest)
        known = self._ids.setdefault(envelope.message_id, content)
        if known != content:
            what = f"the id {envelope.message_id!r} of another message"
            raise RuleBrokenError("wire.message-id", what, "an id of its own", sent)

    # --- answers -------------------------------------------------------------------------------

    def _fate(self, request: Request, envelope: Envelope[WireBody]) -> Fate | None:
        for key in ((request.channel, _thread(envelope)), (request.channel, "*")):
            if self.fates.get(key):
                return self.fates[key].popleft()
        return None

    def _unanswered(
        self, request: Request, envelope: Envelope[WireBody], fate: Refused | Literal["failed"]
    ) -> bytes | None:
        """Return the reply to a request that has no effect."""
        if isinstance(fate, str):
            self._wait_for_repeat(request, envelope, 0.0)
            return None
        if fate.retryable:
            self._wait_for_repeat(request, envelope, fate.retry_after_us / 1e6)
        else:
            self.pending.pop((request.channel, _thread(envelope)), None)
            if request.channel == "order":
                self.book.bought.answered(cast("CustomerCommand", envelope.body), for_good=True)
            self._final[request.body] = fate.code
            if envelope.correlation_id in self.book.rounds:
                self.book.rounds[envelope.correlation_id].refused = True
        return encode(_refused(envelope.message_id, fate.code, fate.detail, fate))

    def _wait_for_repeat(self, request: Request, envelope: Envelope[WireBody], after_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        key = (request.channel, _thread(envelope))
        pending = self.pending.setdefault(
            key, Pending(channel=request.channel, body=request.body, not_before_s=0.0, times_s=[now_s])
        )
        pending.body, pending.not_before_s = request.body, now_s + after_s

    def _reply(self, request: Request, envelope: Envelope[WireBody], sent: Sent) -> Reply:
        self.pending.pop((request.channel, _thread(envelope)), None)
        body, now_us = envelope.body, self.now_us()
        if request.channel == "query":
            if isinstance(body, QuerySync):
                self.synced += 1
                return self.book.sync(now_us)
            return _refused(
                envelope.message_id, "unknown", "the scripted market answers takt.query_sync.v1 only"
            )
        if request.channel == "order":
            return self._reply_to_customer(request, envelope, sent)
        if check_number(self.book, envelope, sent, restarted=self._restarted):
            position = self.book.numbers[envelope.correlation_id][envelope.sequence][1]
            return self._log.receipt(envelope.message_id, position, "", now_us, repeated=True)
        answer: BidSheet | DeclineCall | None = None
        if isinstance(body, BidSheet | DeclineCall | SealedSheet):
            answer = check_answer(self.book, envelope, sent, now_us, self.sealing_key)
            if self.book.rounds[body.round_id].closed:
                return _refused(envelope.message_id, "closed", "the round is closed")
        elif isinstance(body, ReportMilestone):
            crossed = check_milestone(self.book, body, sent, now_us, frozenset(self.acknowledged))
            if crossed:
                return _refused(envelope.message_id, "state", f"the contract is {crossed}")
        position = self._stored(request)
        if envelope.sequence:
            numbers = self.book.numbers.setdefault(envelope.correlation_id, {})
            numbers[envelope.sequence] = (digest_of(body), position)
            self._restarted -= {envelope.correlation_id}
        if answer is not None:
            self.book.take_answer(answer.round_id, answer, envelope.sequence, position)
        elif isinstance(body, ReportMilestone):
            self.book.advance(body.contract_id, body.milestone, own=True)
            self.book.contracts[body.contract_id].sequence = envelope.sequence
        return self._log.receipt(
            envelope.message_id, position, envelope.correlation_id, now_us, repeated=False
        )

    def _stored(self, request: Request) -> int:
        """Append a message to the log; return its position."""
        key, signature = signature_of(request.headers)
        message = SignedMessage(channel=request.channel, body=request.body, key=key, signature=signature)
        return self._log.append(message, self.now_us())

    # --- customers -----------------------------------------------------------------------------

    def _take_order(self, envelope: Envelope[WireBody], sent: Sent) -> None:
        """Take note of a customer's message; an order that is new gets its fates."""
        if not isinstance(envelope.body, get_args(CustomerCommand)):
            return
        thread, bought = _thread(envelope), self.book.bought
        bought.arrived(cast("CustomerCommand", envelope.body), sent)
        known = thread in self._threads or any(
            one.order.idempotency_key == getattr(envelope.body, "idempotency_key", None)
            for one in bought.orders.values()
        )
        self._threads.add(thread)
        if isinstance(envelope.body, SubmitOrder) and not known and self.new_orders:
            self.fates["order", thread] = self.new_orders.popleft()

    def _reply_to_customer(self, request: Request, envelope: Envelope[WireBody], sent: Sent) -> Reply:
        body, now_us, bought = cast("CustomerCommand", envelope.body), self.now_us(), self.book.bought
        found = bought.check(body, sent, now_us, frozenset(self.acknowledged))
        if isinstance(found, Refused):
            self._final[request.body] = found.code
            return replace(found, message_id=envelope.message_id)
        repeated = found is not None
        if found is None:
            position = self._stored(request)
            found = Repeated(position=position, subject_id=bought.take(body, position, now_us, DAY_US))
        return self._log.receipt(
            envelope.message_id, found.position, found.subject_id, now_us, repeated=repeated
        )


def _thread(envelope: Envelope[WireBody]) -> str:
    """Return what a message and its retries have in common: the conversation, of a customer the object."""
    if isinstance(envelope.body, get_args(CustomerCommand)):
        return thread_of(cast("CustomerCommand", envelope.body))
    return envelope.correlation_id


def _refused(message_id: str, code: str, detail: str, like: Refused | None = None) -> Refused:
    return Refused(
        message_id=message_id,
        code=code,
        detail=detail,
        retryable=like is not None and like.retryable,
        retry_after_us=0 if like is None else like.retry_after_us,
    )
