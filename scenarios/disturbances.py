"""What disturbs a run beside breakdowns: notices told at their times, and companies that fall silent.

Data only; the runners say it to the market. Works the same whatever the plants do.
"""

from __future__ import annotations

from dataclasses import dataclass

from takt_sdk.model.execution import ChangeCommand, NotifyDisruption
from takt_sdk.model.values import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedNotice:
    """A disruption that somebody tells of, or a change that a customer asks for, at ``at_us``."""

    at_us: int
    sender: str
    command: NotifyDisruption | ChangeCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A company that neither hears nor says anything in ``window``; half-open, one per company."""

    participant: str
    window: Window
