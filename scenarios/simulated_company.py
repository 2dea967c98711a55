"""A company in the simulator: its role, and the requests it has not yet heard the end of.

The process may die at any time and lose everything here but the profile. Sends nothing itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import sha256

from agents.roles import Role
from agents.roles.outgoing import Incoming, Outgoing
from market.adapters.codec import decode_envelope, decode_reply, encode
from market.model.messages import Envelope, Receipt, Refused, SyncReply, Tick
from market.ports import OutboxMessage, Request


class SimulatedCompany:
    """Turns deliveries and time into requests, and acknowledges a delivery once they had their effect."""

    def __init__(self, new_role: Callable[[], Role]) -> None:
        self._new_role = new_role
        self.crash()

    def crash(self) -> None:
        """Lose everything but the profile."""
        self.role = self._new_role()
        self.requests: deque[Request] = deque()
        self.done: set[str] = set()
        self.synced = False
        self._sequence: dict[str, int] = {}
        self._causes: deque[str] = deque()

    def sync(self, reply: SyncReply, now_us: int) -> None:
        """Catch up after a crash."""
        self.synced = True
        for sheet in reply.sheets:
            self._sequence[sheet.round_id] = max(self._sequence.get(sheet.round_id, 0), sheet.sequence)
        for status in reply.contracts:
            self._sequence[status.contract.id] = status.report_sequence
        self._take(reply, "", now_us)

    def deliver(self, message: OutboxMessage, now_us: int) -> None:
        """Take a message from the mailbox; one that was taken before changes nothing."""
        if message.message_id not in self.done and message.message_id not in self._causes:
            envelope = decode_envelope(message.body)
            self._take(envelope.body, message.message_id, now_us)  # type: ignore[arg-type] - a mailbox holds downlinks

    def tick(self, now_us: int) -> None:
        """Let the company see market time."""
        self._take(Tick(now_us=now_us), "", now_us)

    def answered(self, reply: bytes) -> Receipt | Refused:
        """Take the reply to the oldest request, which is over unless it may be tried again."""
        outcome = decode_reply(reply)
        assert isinstance(outcome, Receipt | Refused)
        if not (isinstance(outcome, Refused) and outcome.retryable):
            self.requests.popleft()
            cause = self._causes.popleft()
            if cause and cause not in self._causes:
                self.done.add(cause)
        return outcome

    def _take(self, message: Incoming, cause: str, now_us: int) -> None:
        outgoing = self.role.handle(message, now_us)
        for out in outgoing:
            self.requests.append(self._request(out, cause, now_us))
            self._causes.append(cause)
        if cause and not outgoing:
            self.done.add(cause)

    def _request(self, out: Outgoing, cause: str, now_us: int) -> Request:
        sequence = 0
        if out.correlation_id:
            sequence = self._sequence.get(out.correlation_id, 0) + 1
            self._sequence[out.correlation_id] = sequence
        body = encode(out.body)
        name = sha256(f"{self.role.participant}\n{out.correlation_id}\n{sequence}\n".encode() + body).hexdigest()
        envelope = Envelope(
            message_id=f"m-{name[:32]}",
            correlation_id=out.correlation_id,
            causation_id=cause,
            sender=self.role.participant,
            sequence=sequence,
            occurred_us=now_us,
            body=out.body,
        )
        return Request(channel=out.channel, participant=self.role.participant, body=encode(envelope))
