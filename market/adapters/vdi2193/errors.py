"""Errors of the 2193 binding.

::

    TaktError
    └── FrameError               field, value
        ├── NotUnderstoodError  a frame or element that cannot be read
        └── NotCarriedError     readable, but it has no counterpart in the auction
"""

from __future__ import annotations

from takt_sdk.errors import TaktError


class FrameError(TaktError):
    """A frame cannot be translated.

    Attributes
    ----------
    field
        Path of the offending part, e.g. ``interactionElements.bids[0].priceNet``.
    value
        What stood there, shortened.
    detail
        The rule that it breaks.
    """

    def __init__(self, field: str, value: object, detail: str) -> None:
        self.field, self.detail = field, detail
        self.value = value[:100] if isinstance(value, str) else repr(value)[:100]
        super().__init__(f"{field}: {detail}; was {self.value}")


class NotUnderstoodError(FrameError):
    """A frame or element cannot be read."""


class NotCarriedError(FrameError):
    """A frame is readable but means nothing in the auction, or not now."""
