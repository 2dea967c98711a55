"""Who may put how much before the market: a token bucket for each participant, before anything is read.

Refusing is cheap, and what comes faster still is not even answered. Decides nothing about content.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from market.model.rules import Rules
from market.ports import Request
from takt_sdk.codec import encode
from takt_sdk.model.messages import Refused

UNREAD = "unread"
"""Message id in the refusal of bytes whose own id was not read."""

IN_FLIGHT = 64
"""Most requests of one participant that are handled at once."""

ANSWERED_OVERDRAFT = 0.5
"""Refusals are answered up to this share of the burst beyond it; what comes faster is dropped unread."""


@dataclass(slots=True, kw_only=True)
class _Bucket:
    """Tokens of a participant as of ``at_s``; below zero while it sends too fast."""

    tokens: float
    at_s: float


class Intake:
    """Counts what arrives of each participant against the rules in force.

    Holds one small record per participant that the market has heard; strangers share one.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._in_flight: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.dropped = 0

    def arrived(self, request: Request, rules: Rules, now_s: float, *, known: bool) -> bytes | None:
        """Return None to go on, a refusal to send, or nothing to say (empty) to who floods."""
        sender = request.participant if known else ""
        if rules.max_message_bytes and len(request.body) > rules.max_message_bytes:
            self.refused["too_large"] += 1
            return _too_large(len(request.body), rules.max_message_bytes)
        if rules.messages_per_s:
            wait_s = self._draw(sender, rules, now_s)
            if wait_s > 0:
                if wait_s * rules.messages_per_s > 2 + ANSWERED_OVERDRAFT * rules.message_burst:
                    self.dropped += 1
                    return b""
                self.refused["rate"] += 1
                return _busy(f"at most {rules.messages_per_s} messages a second", wait_s)
        if self._in_flight[sender] >= IN_FLIGHT:
            self.refused["in_flight"] += 1
            return _busy(f"{IN_FLIGHT} of your requests are being handled", 0.1)
        return None

    def begun(self, participant: str) -> None:
        """Count a request that is being handled."""
        self._in_flight[participant] += 1

    def ended(self, participant: str) -> None:
        """Count it no more."""
        self._in_flight[participant] -= 1
        if self._in_flight[participant] <= 0:
            del self._in_flight[participant]

    def _draw(self, sender: str, rules: Rules, now_s: float) -> float:
        """Take a token; return how long until there is one again, 0 if there was.

        Each refusal costs a token too, down to twice what is answered: who does not slow down gets none.
        """
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = _Bucket(tokens=rules.message_burst, at_s=now_s)
        earned = (now_s - bucket.at_s) * rules.messages_per_s
        bucket.tokens = min(float(rules.message_burst), bucket.tokens + earned)
        bucket.at_s = now_s
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        bucket.tokens = max(-2.0 * ANSWERED_OVERDRAFT * rules.message_burst - 2, bucket.tokens - 1)
        return (1 - bucket.tokens) / rules.messages_per_s


def _busy(detail: str, wait_s: float) -> bytes:
    return encode(
        Refused(
            message_id=UNREAD,
            code="busy",
            detail=detail,
            retryable=True,
            retry_after_us=max(1_000, int(wait_s * 1_000_000)),
        )
    )


def _too_large(size: int, limit: int) -> bytes:
    detail = f"a message may have at most {limit} bytes"
    return encode(Refused(message_id=UNREAD, code="too_large", detail=detail, field="", value=str(size)))
