"""The garbage collector of a run in virtual time: state, journal and companies only grow."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 100)
"""Allocations between collections of each generation, instead of (700, 10, 10)."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Have the collector look seldom, and not at all at what is there already.

    By default it took a tenth of a run with few companies and a seventh of one with a thousand, since it
    goes through everything that lives again and again. What is garbage is found all the same.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
