"""What the model checks in each field, said in JSON Schema.

One entry per class and field whose ``__post_init__`` checks something that a schema can say. The tests hold
both against each other: a bound that differs from the model's, and a field of a participant's message
without one, fail them. What a schema can not say is in `market.protocol.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from takt_sdk.model.capability import MAX_LENGTH_UM, Requirement, WorkEnvelope
from takt_sdk.model.execution import (
    AcceptChange,
    AppealScore,
    NotifyDisruption,
    QueryStatement,
    QueryTimeline,
    ReportProgress,
    RequestChange,
    RiskEntry,
    ScorecardReply,
    StatementEntry,
    StatementReply,
)
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    Envelope,
    ReportBreakdown,
    ReportMilestone,
    SubmitOrder,
)
from takt_sdk.model.order import MAX_TAKTS, OrderTerms
from takt_sdk.model.plan import MAX_PLAN_LOTS, Document, Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.proof import MAX_PROVEN, QueryLog, QueryProof
from takt_sdk.model.sealed import SEALED_SIZES, SealedSheet, base64_size
from takt_sdk.model.sheet import MAX_BIDS, MAX_PERIOD, Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import (
    DAY_US,
    MAX_LOCAL_ID,
    MAX_MINOR,
    MAX_QUANTITY,
    MAX_TIME_US,
    MINUTE_US,
    PeriodGrid,
    Window,
)
from takt_sdk.sealing import SealedAnswer

__all__ = ["LIMITS", "MARKET_INTEGER"]

Fragment = Mapping[str, Any]

_ID = "[A-Za-z0-9][A-Za-z0-9._:/-]"
_PARTICIPANT: Fragment = {"pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
_NAME: Fragment = {"pattern": f"^{_ID}{{0,127}}$"}
_NAME_OR_EMPTY: Fragment = {"pattern": f"^({_ID}{{0,127}})?$"}
_LOCAL: Fragment = {"pattern": f"^{_ID}{{0,{MAX_LOCAL_ID - 1}}}$"}
_SHA256: Fragment = {"pattern": "^[0-9a-f]{64}$"}


def _integer(low: int, high: int) -> Fragment:
    return {"minimum": low, "maximum": high}


def _text(limit: int = 200, **more: object) -> Fragment:
    """Text without control characters; what else is not printable is a rule beside the schema."""
    return {"maxLength": limit, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", **more}


def _list(items: Fragment, limit: int | None = None, **more: object) -> Fragment:
    return {"items": items, **({} if limit is None else {"maxItems": limit}), **more}


_TIME = _integer(0, MAX_TIME_US)
_MONEY = _integer(0, MAX_MINOR)
_QUANTITY = _integer(0, MAX_QUANTITY)
_SOME = _integer(1, MAX_QUANTITY)
_LENGTH = _integer(0, MAX_LENGTH_UM)
_NAMES = _list(_NAME, uniqueItems=True)
_OFFSETS = _list(_integer(0, MAX_QUANTITY), MAX_BIDS + 1)

MARKET_INTEGER: Fragment = _integer(0, MAX_TIME_US)
"""Every integer of a message that only the market sends: exact in a double."""

_OF_ORDERS: Mapping[type, Mapping[str, Fragment]] = {
    SubmitOrder: {
        "idempotency_key": _text(128, minLength=1),
        "part_id": _NAME,
        "documents": {"maxItems": 100},
    },
    CancelOrder: {"order_id": _NAME},
    RequestChange: {"order_id": _NAME, "quantity": _SOME, "due_us": _TIME, "deadline_us": _TIME},
    AcceptChange: {"order_id": _NAME, "quote_id": _NAME},
    OrderTerms: {
        "quantity": _SOME,
        "destination": _NAME,
        "release_us": _TIME,
        "due_us": _TIME,
        "deadline_us": _TIME,
        "reservation_value_minor": _MONEY,
        "lateness_penalty_minor_per_day": _MONEY,
        "max_suppliers": _integer(1, 1000),
        "certificates": _NAMES,
        "good_for_takts": _integer(1, MAX_TAKTS),
    },
    Part: {"id": _NAME, "name": _text(), "documents": {"maxItems": 100}},
    Document: {"sha256": _SHA256, "name": _text()},
    ProcessPlan: {
        "lots": {"minItems": 1, "maxItems": MAX_PLAN_LOTS},
        "arcs": {"maxItems": 4 * MAX_PLAN_LOTS},
    },
    PlannedLot: {
        "id": _LOCAL,
        "quantity_per_piece": _SOME,
        "run_time_us": _integer(0, 2**53 - 1),
    },
    PlannedArc: {"source": _LOCAL, "target": _LOCAL},
}

_OF_BIDDERS: Mapping[type, Mapping[str, Fragment]] = {
    BidSheet: {"round_id": _NAME, "expires_us": _TIME},
    Capacities: {
        "resource": _list(_LOCAL, MAX_BIDS),
        "period": _list(_integer(0, MAX_PERIOD), MAX_BIDS),
        "available": _list(_QUANTITY, MAX_BIDS),
    },
    Groups: {
        "id": _list(_LOCAL, uniqueItems=True),
        "max_accepted": _list(_integer(0, MAX_BIDS)),
        "fixed_price_minor": _list(_MONEY),
    },
    Bids: {
        "id": _list(_LOCAL, MAX_BIDS, uniqueItems=True),
        "site": _list(_NAME, MAX_BIDS),
        "start_us": _list(_TIME, MAX_BIDS),
        "end_us": _list(_TIME, MAX_BIDS),
        "fixed_price_minor": _list(_MONEY, MAX_BIDS),
        "unit_price_minor": _list(_MONEY, MAX_BIDS),
        "min_quantity": _list(_QUANTITY, MAX_BIDS),
        "emissions_g": _list(_integer(0, MAX_MINOR), MAX_BIDS),
        "item_offset": _OFFSETS,
        "item_quantity": _list(_SOME),
        "use_offset": _OFFSETS,
        "use_capacity": _list(_integer(0, MAX_BIDS - 1)),
        "use_fixed": _list(_QUANTITY),
        "use_per_unit": _list(_QUANTITY),
        "group_offset": _OFFSETS,
        "group_index": _list(_QUANTITY),
    },
    DeclineCall: {"round_id": _NAME, "detail": _text()},
    SealedSheet: {
        "round_id": _NAME,
        "ciphertext": {
            "pattern": "^[A-Za-z0-9+/]*={0,2}$",
            "minLength": base64_size(SEALED_SIZES[0]),
            "maxLength": base64_size(SEALED_SIZES[-1]),
        },
    },
    SealedAnswer: {
        "market": _PARTICIPANT,
        "round_id": _NAME,
        "sender": _PARTICIPANT,
        "sequence": _integer(0, 2**53 - 1),
    },
    ReportMilestone: {
        "contract_id": _NAME,
        "at_us": _TIME,
        "lot_id": _NAME,
        "quantity": _QUANTITY,
        "expected_end_us": _TIME,
        "detail": _text(),
    },
    ReportBreakdown: {"notice_id": _NAME, "resource": _NAME, "detail": _text()},
    Window: {"start_us": _TIME, "end_us": _TIME},
    ReportProgress: {
        "contract_id": _NAME,
        "lot_id": _NAME,
        "done": _QUANTITY,
        "scrapped": _QUANTITY,
        "at_us": _TIME,
        "expected_end_us": _TIME,
        "confidence_ppm": _integer(0, 1_000_000),
    },
    NotifyDisruption: {
        "notice_id": _NAME,
        "source_id": _NAME_OR_EMPTY,
        "resource": _NAME_OR_EMPTY,
        "lane_source": _NAME_OR_EMPTY,
        "lane_target": _NAME_OR_EMPTY,
        "transit_minutes": _QUANTITY,
        "order_id": _NAME_OR_EMPTY,
        "quantity": _QUANTITY,
        "detail": _text(),
    },
    AppealScore: {"contract_id": _NAME, "reason": _text(minLength=1)},
}


_SIGNED = _integer(-MAX_MINOR, MAX_MINOR)

_OF_QUERIES: Mapping[type, Mapping[str, Fragment]] = {
    QueryStatement: {"after": _NAME_OR_EMPTY},
    QueryTimeline: {"order_id": _NAME},
    StatementEntry: {"amount_minor": _SIGNED, "balance_minor": _SIGNED},
    StatementReply: {"balance_minor": _SIGNED},
    ScorecardReply: {"balance_minor": _SIGNED},
    RiskEntry: {"extra_minor": _SIGNED},
    QueryProof: {
        "positions": _list(_integer(0, 2**53 - 1), MAX_PROVEN),
        "since_size": _integer(0, 2**53 - 1),
    },
    QueryLog: {"start": _integer(0, 2**53 - 1), "offset": _integer(0, 2**53 - 1)},
}

_SHARED: Mapping[type, Mapping[str, Fragment]] = {
    Envelope: {
        "message_id": _NAME,
        "correlation_id": _NAME_OR_EMPTY,
        "causation_id": _NAME_OR_EMPTY,
        "sender": _PARTICIPANT,
        "sequence": _integer(0, 2**53 - 1),
        "occurred_us": _TIME,
    },
    Requirement: {"process": _NAME, "material": _NAME, "tolerance_um": _LENGTH, "certificates": _NAMES},
    WorkEnvelope: {"x_um": _LENGTH, "y_um": _LENGTH, "z_um": _LENGTH},
    PeriodGrid: {"origin_us": _TIME, "length_us": _integer(MINUTE_US, 366 * DAY_US)},
}

LIMITS: Mapping[str, Mapping[str, Fragment]] = {
    kind.__name__: fields
    for table in (_OF_ORDERS, _OF_BIDDERS, _OF_QUERIES, _SHARED)
    for kind, fields in table.items()
}
"""Class name → field → what the schema says of it beyond its type."""
