"""Warnings that come again and again are said less and less often."""

from __future__ import annotations

import logging
from collections import Counter


class Repeats:
    """Logs the first, second, fourth, eighth … time that the same thing is said, until `forget`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._counts: Counter[str] = Counter()

    def warn(self, text: str) -> None:
        """Say it, unless it was said too often for now."""
        self._counts[text] += 1
        count = self._counts[text]
        if count & (count - 1) == 0:
            self._logger.warning("%s%s", text, f" ({count} times)" if count > 1 else "")

    def over(self, text: str) -> None:
        """Say that what was wrong is right again, if anything was, and begin anew."""
        if self._counts:
            self._logger.warning("%s", text)
        self.forget()

    def forget(self) -> None:
        """Begin anew: what was wrong is right again."""
        self._counts.clear()
