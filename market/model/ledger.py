"""Double entry: postings whose lines sum to zero, and what a participant sees of them.

Accounts are ``participant/<id>`` (positive: the market owes it), ``order/<id>`` (what was charged and not
yet passed on), ``platform``, ``carriers``, ``groups`` and ``bank``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.errors import OutOfRangeError
from takt_sdk.model.values import check_choice, check_int

PostingKind = Literal[
    "charge",
    "price",
    "set_up",
    "milestone",
    "transport",
    "fee",
    "shared",
    "lateness",
    "breach",
    "cancellation",
    "payment",
]
POSTING_KINDS: tuple[str, ...] = get_args(PostingKind)

PLATFORM, CARRIERS, GROUPS, BANK = "platform", "carriers", "groups", "bank"


def participant_account(participant: str) -> str:
    """Return the account of a company with the market."""
    return f"participant/{participant}"


def order_account(order_id: str) -> str:
    """Return the account through which an order's money passes."""
    return f"order/{order_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One side of a posting, in minor units."""

    account: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Money that moves between accounts for one reason. Its lines sum to zero."""

    id: str
    kind: PostingKind
    at_us: int
    order_id: str
    contract_id: str
    lines: tuple[Line, ...]
    detail: str = ""

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, POSTING_KINDS)
        for index, line in enumerate(self.lines):
            check_int(f"lines[{index}].amount_minor", line.amount_minor, -(2**62), 2**62)
        total = sum(line.amount_minor for line in self.lines)
        if total:
            raise OutOfRangeError("lines", total, "must sum to zero")
