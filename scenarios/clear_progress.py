"""One line on the terminal while a market is cleared: incumbent, bound, gap, seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from market.service.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

REFRESHES_PER_S = 4


class Shown:
    """Shows where a clearing stands; ``age_s`` says how old the process is."""

    def __init__(self, age_s: Callable[[], float]) -> None:
        self._age_s = age_s
        self._standing: Standing | None = None
        console = Console(stderr=True)
        self._live = Live(
            self, console=console, refresh_per_second=REFRESHES_PER_S, transient=True, auto_refresh=False
        )
        self._live.start()

    def news(self, body: bytes) -> None:
        """Take what the child tells."""
        self._standing = Standing.from_bytes(body)
        self._live.refresh()

    def close(self) -> None:
        """Clear the line."""
        self._live.stop()

    def __rich__(self) -> Text:
        """Return the line as it is now."""
        s = self._standing
        if s is None:
            return Text(f"reading {self._age_s():.1f} s", no_wrap=True)
        parts = f"part {s.part} of {s.parts}  " if s.parts > 1 else ""
        incumbent = "none" if s.objective is None else f"{s.objective:,}"
        bound = "none" if s.bound is None else f"{s.bound:,.0f}"
        return Text(
            f"{parts}incumbent {incumbent}  bound {bound}  gap {_gap(s)}  {self._age_s():.1f} s",
            no_wrap=True,
            overflow="ellipsis",
        )


def _gap(s: Standing) -> str:
    if s.objective is None or s.bound is None:
        return "unknown"
    return f"{100 * max(0.0, s.bound - s.objective) / max(1, abs(s.objective)):.3f} %"
