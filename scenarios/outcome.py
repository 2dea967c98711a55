"""The outcome digest: what came of a run, apart from how it was carried out.

It covers orders, clearings, contracts and payments in market time, sorted by id. Wall times, log
positions, arrival order, signatures and message counts are outside it, so the same scenario, seed and
version give the same digest in memory and over NATS and Ray.
"""

from __future__ import annotations

from hashlib import sha256

from market.engine.state import State
from takt_sdk.codec import encode


def outcome(state: State) -> dict[str, list[object]]:
    """Return what the digest covers, as plain values."""
    return {
        "orders": [
            {
                "id": record.order.id,
                "customer": record.order.customer,
                "state": record.state,
                "pieces": record.pieces,
                "charge_minor": record.charge_minor,
                "production_minor": record.production_minor,
                "transport_minor": record.transport_minor,
                "fee_minor": record.fee_minor,
                "promised_us": record.promised_us,
                "rounds": record.rounds,
                "reasons": record.reasons,
                "contracts": sorted(record.contracts),
            }
            for _, record in sorted(state.orders.items())
        ],
        "contracts": [
            {
                "contract": record.contract,
                "state": record.state,
                "awarded_us": record.awarded_us,
                "finished_quantity": record.finished_quantity,
                "expected_end_us": record.expected_end_us,
                "payment_due_minor": record.payment_due_minor,
            }
            for _, record in sorted(state.contracts.items())
        ],
        "clearings": [
            {
                "round_id": round_.id,
                "opened_us": round_.opened_us,
                "orders": round_.orders,
                "called": round_.called,
                "answered": round_.answered,
                "served": round_.served,
                "status": round_.clearing_status,
                "objective": round_.objective,
                "bound": round_.bound,
                "digest": round_.digest,
            }
            for _, round_ in sorted(state.rounds.items())
        ],
    }


def outcome_digest(state: State) -> str:
    """Return the SHA-256 of the outcome's canonical JSON, as ``sha256:`` and hex."""
    return "sha256:" + sha256(encode(outcome(state))).hexdigest()
