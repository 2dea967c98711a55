"""Who is silent in a run, and when the market heard of them last. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from market.engine.state import State
from market.model.contract_commands import NoteSilence
from market.service.silence import silences
from scenarios.disturbances import Silence


class Silences:
    """The planned silences of a run and how far they are; every transport goes through them alike.

    Whoever may fall silent sends a heartbeat with each tick, the last one when its silence begins.
    """

    def __init__(self, planned: Sequence[Silence]) -> None:
        self._windows = {one.participant: one.window for one in planned}
        self.silent: set[str] = set()
        self.heard_us: dict[str, int] = {}

    def begin(self, moment: int, now_us: int) -> tuple[str, ...]:
        """Return who falls silent at a tick, and was heard for the last time."""
        found = tuple(
            name
            for name, window in self._windows.items()
            if window.start_us <= moment < window.end_us and name not in self.silent
        )
        self.silent.update(found)
        self.heard_us.update(dict.fromkeys(found, now_us))
        return found

    def end(self, moment: int) -> tuple[str, ...]:
        """Return who is there again at a tick."""
        found = tuple(
            name for name in self._windows if name in self.silent and moment >= self._windows[name].end_us
        )
        self.silent.difference_update(found)
        return found

    def beat(self, now_us: int) -> tuple[str, ...]:
        """Return who sends a heartbeat with a tick."""
        found = tuple(name for name in self._windows if name not in self.silent)
        self.heard_us.update(dict.fromkeys(found, now_us))
        return found

    def noticed(self, state: State, now_us: int) -> tuple[NoteSilence, ...]:
        """Return what the market has to be told: who was missed for the rules' time, who is heard again."""
        if not state.rules.contracts.heartbeat_us:
            return ()
        return silences(state, self.heard_us, self._windows.keys(), now_us)
