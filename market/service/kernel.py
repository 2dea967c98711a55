"""The kernel: one message in, one decided entry out. What every host of the engine shares.

It decides, folds the events, and encodes what must be stored in one transaction. It stores nothing and
waits for nothing; whoever holds it must store what it returns before telling anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from market.adapters.codec import encode_events
from market.engine.decision import Accepted, Decision, Inbound, Refusal, Repeated
from market.engine.engine import ENGINE_VERSION, decide, fold
from market.engine.outbox import Outgoing, outgoing
from market.engine.state import State
from market.engine.views import Row, all_rows, touched
from market.model.events import Event
from market.ports import Decided, Entry, OutboxMessage, RowChange
from takt_sdk.codec import encode
from takt_sdk.model.messages import CallForProposals, Downlink, Envelope, Refused, Tape
from takt_sdk.model.quickly_built import quickly_built

FEW_LOTS = 10
"""Calls for fewer lots are encoded whole."""


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What one message came to.

    ``decided`` is None where nothing has to be stored; ``told`` are the kinds of the messages in its outbox.
    """

    decision: Decision
    decided: Decided | None
    position: int
    told: tuple[str, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of the entry; empty where nothing happened."""
        return self.decision.events


class Kernel:
    """Holds the state; `handle` is the only way to change it.

    ``is_sound`` turns False where `handle` fails after it has begun to change the state: fold it anew then.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.is_sound = True

    def handle(
        self, inbound: Inbound, now_us: int, *, source: str, raw: bytes, signature: bytes = b""
    ) -> Handled:
        """Decide a message, fold its events, and return what must be stored.

        ``raw`` is the message exactly as received, ``source`` names where from (a subject, ``http``,
        ``clock``, ``solver``, ``operator``), ``signature`` is that of ``inbound.signed_by`` over it.
        """
        state = self.state
        decision = decide(state, inbound, now_us)
        position = state.size
        if isinstance(decision.reply, Repeated):
            return Handled(decision=decision, decided=None, position=decision.reply.position)
        if not decision.events:
            return Handled(decision=decision, decided=None, position=-1)
        self.is_sound = False
        fold(state, now_us, decision.events)
        entry = Entry(
            now_us=now_us,
            source=source,
            message=raw,
            events=encode_events(decision.events),
            engine_version=ENGINE_VERSION,
            rules_version=state.rules.version,
            signature=signature,
            key=inbound.signed_by or "",
        )
        messages = outgoing(state, decision.events, position)
        decided = Decided(
            entry=entry,
            rows=encode_rows(touched(state, decision.events), now_us),
            outbox=self._outbox(messages, now_us),
        )
        told = tuple(message.body.kind for message in messages)
        self.is_sound = True
        return Handled(decision=decision, decided=decided, position=position, told=told)

    def rows(self) -> tuple[RowChange, ...]:
        """Return every row of the read models: a rebuild."""
        return encode_rows(all_rows(self.state), self.state.now_us)

    def _outbox(self, messages: Sequence[Outgoing], now_us: int) -> tuple[OutboxMessage, ...]:
        encoder = CallEncoder()
        told = []
        for message in messages:
            envelope = Envelope(
                message_id=message.message_id,
                correlation_id=message.correlation_id,
                causation_id="",
                sender=self.state.market,
                sequence=0,
                occurred_us=now_us,
                body=message.body,
            )
            told.append(
                OutboxMessage(
                    message_id=message.message_id,
                    channel=message.channel,
                    participant=message.participant,
                    body=encoder.encode(envelope),
                )
            )
        return tuple(told)


class CallEncoder:
    """Encodes messages; the lots of a round's calls, which many participants are told, once."""

    def __init__(self) -> None:
        self._lots: dict[str, bytes] = {}

    def encode(self, envelope: Envelope[Downlink | Tape]) -> bytes:
        """Return what `takt_sdk.codec.encode` does."""
        call = envelope.body
        if not isinstance(call, CallForProposals) or len(call.lots) < FEW_LOTS:
            return encode(envelope)
        for lot in call.lots:
            if lot.id not in self._lots:
                self._lots[lot.id] = encode(lot)
        lots = b",".join([self._lots[lot.id] for lot in call.lots])
        bare = encode(replace(envelope, body=replace(call, lots=())))
        return bare.replace(b'"lots":[]', b'"lots":[' + lots + b"]", 1)  # no text of JSON holds a bare quote


def encode_rows(rows: Sequence[Row], now_us: int) -> tuple[RowChange, ...]:
    """Return rows with their documents encoded."""
    return tuple(
        [
            RowChange(
                model=row.model,
                key=row.key,
                tenant=row.tenant,
                status=row.status,
                updated_us=now_us,
                document=encode(row.view),
            )
            for row in rows
        ]
    )


def refused(message_id: str, refusal: Refusal) -> Refused:
    """Return the reply that tells a sender of a refusal."""
    return Refused(
        message_id=message_id,
        code=refusal.code,
        detail=refusal.detail,
        field=refusal.field,
        value=refusal.value,
        state=refusal.state,
        retryable=refusal.retryable,
    )


def subject_of(decision: Decision) -> str:
    """Return the id that an accepted or repeated message was about."""
    reply = decision.reply
    return reply.subject_id if isinstance(reply, Accepted | Repeated) else ""
