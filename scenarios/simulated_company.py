"""A company in the simulator: its role, and the requests it has not yet heard the end of.

The process may die at any time and lose everything here but the profile. Sends nothing itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import cast

from market.model.commands import Body
from market.ports import Request
from takt_sdk.codec import decode_reply
from takt_sdk.mail import Mail
from takt_sdk.model.messages import CallForProposals, Envelope, Receipt, Refused, SyncReply, Tick
from takt_sdk.role import Incoming, Role
from takt_sdk.sealer import Sealer
from takt_sdk.signing import Signer


def _one_time(content: bytes) -> bytes:
    """Return what seals an answer: made of its content, so that the same run has the same bytes."""
    return sha256(b"seals\n" + content).digest()


class SimulatedCompany:
    """Turns deliveries and time into requests, and acknowledges a delivery once they had their effect."""

    def __init__(self, new_role: Callable[[], Role], market: str, signer: Signer) -> None:
        self._new_role, self._market, self._signer = new_role, market, signer
        self.crash()

    def crash(self) -> None:
        """Lose everything but the profile."""
        self.role = self._new_role()
        self.requests: deque[Request] = deque()
        self.done: set[str] = set()
        self._mail = Mail(self.role.participant, sealer=Sealer(self.role.participant, _one_time))
        self._causes: deque[str] = deque()

    def sync(self, reply: SyncReply, now_us: int) -> None:
        """Catch up after a crash."""
        self._mail.restore(reply)
        self._take(reply, "", now_us)

    def deliver(self, message_id: str, envelope: Envelope[Body], now_us: int) -> None:
        """Take a message from the mailbox; one that was taken before changes nothing."""
        if message_id not in self.done and message_id not in self._causes:
            if isinstance(envelope.body, CallForProposals):
                self._mail.called(envelope.body)
            self._take(cast("Incoming", envelope.body), message_id, now_us)

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
            _, body = self._mail.seal(out.correlation_id, out.body, now_us, cause)
            sender = self.role.participant
            headers = self._signer.headers(self._market, out.channel, sender, body)
            self.requests.append(Request(channel=out.channel, participant=sender, body=body, headers=headers))
            self._causes.append(cause)
        if cause and not outgoing:
            self.done.add(cause)
