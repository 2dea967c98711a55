"""How a company keeps time, and how its host says that it is. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from takt_sdk.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyStatus:
    """How a company's host is. Counts since it started; ``failures`` are messages that broke the role."""

    participant: str
    connected: bool
    now_us: int
    handled: int
    sent: int
    refused: int
    failures: int
    last_refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a company keeps time.

    With a ``clock`` it lives by the wall: the role gets a tick every ``tick_s``, the market a heartbeat
    every ``heartbeat_s``. Without one, time is what `Company.advance` and the market's messages say.
    """

    clock: Clock | None = None
    tick_s: float = 1.0
    heartbeat_s: float = 10.0
