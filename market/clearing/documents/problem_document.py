"""Write a `Problem` as its ``takt.problem.v1`` document. Decides nothing; `problem_json` reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from market.clearing.problem import NO_TIME, NONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from market.clearing.problem import Problem

KIND = "takt.problem.v1"

_Record = dict[str, Any]


def problem_to_json(problem: Problem) -> bytes:
    """Write a problem as canonical ``takt.problem.v1`` (sorted keys, no spaces)."""
    return json.dumps(
        problem_to_document(problem), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def problem_to_document(p: Problem) -> _Record:
    """Return the ``takt.problem.v1`` document of a problem, lists sorted by id."""
    site = [*p.sites, None]
    return {
        "kind": KIND,
        "currency": p.currency,
        "mechanism": p.mechanism,
        "seed": p.seed,
        "orders": list(_orders(p)),
        "bids": list(_bids(p)),
        "resources": [
            {"id": i, "capacity": c}
            for i, c in zip(p.resource_ids, p.resource_capacity.tolist(), strict=True)
        ],
        "groups": [
            {"id": i, "max_accepted": _or_null(m), "fixed_price": f}
            for i, m, f in zip(p.group_ids, p.group_max.tolist(), p.group_fixed.tolist(), strict=True)
        ],
        "transport": [
            {"from": site[a], "to": site[b], "fixed": f, "per_unit": u, "minutes": m}
            for a, b, f, u, m in zip(
                p.transport_from.tolist(),
                p.transport_to.tolist(),
                p.transport_fixed.tolist(),
                p.transport_unit.tolist(),
                p.transport_minutes.tolist(),
                strict=True,
            )
        ],
    }


def _or_null(limit: int, absent: int = NONE) -> int | None:
    return None if limit == absent else limit


def _orders(p: Problem) -> Iterator[_Record]:
    lot_ptr, arc_ptr = p.order_lot_ptr.tolist(), p.order_arc_ptr.tolist()
    quantity, start, to, at = (
        p.lot_quantity.tolist(),
        p.arc_from.tolist(),
        p.arc_to.tolist(),
        p.arc_site.tolist(),
    )
    for o, name in enumerate(p.order_ids):
        lots = range(lot_ptr[o], lot_ptr[o + 1])
        yield {
            "id": name,
            "value": int(p.order_value[o]),
            "must_serve": bool(p.order_must[o]),
            "partial": bool(p.order_partial[o]),
            "max_suppliers": _or_null(int(p.order_max_suppliers[o])),
            "lots": [{"id": p.lot_ids[k], "quantity": quantity[k]} for k in lots],
            "arcs": [
                {"id": p.arc_ids[k], "from": p.lot_ids[start[k]]}
                | ({"to_site": p.sites[at[k]]} if to[k] == NONE else {"to": p.lot_ids[to[k]]})
                for k in range(arc_ptr[o], arc_ptr[o + 1])
            ],
        }


def _bids(p: Problem) -> Iterator[_Record]:
    items = list(zip([p.lot_ids[k] for k in p.item_lot.tolist()], p.item_quantity.tolist(), strict=True))
    uses = list(
        zip(
            [p.resource_ids[k] for k in p.use_resource.tolist()],
            p.use_fixed.tolist(),
            p.use_unit.tolist(),
            strict=True,
        )
    )
    names = [p.group_ids[k] for k in p.bid_group.tolist()]
    item_ptr, use_ptr, group_ptr = p.bid_item_ptr.tolist(), p.bid_use_ptr.tolist(), p.bid_group_ptr.tolist()
    sites = [*p.sites, None]
    columns = zip(
        p.bid_ids,
        p.bid_bidder.tolist(),
        p.bid_site.tolist(),
        p.bid_divisible.tolist(),
        p.bid_min.tolist(),
        p.bid_fixed.tolist(),
        p.bid_unit.tolist(),
        p.bid_score.tolist(),
        p.bid_start.tolist(),
        p.bid_end.tolist(),
        strict=True,
    )
    for b, (name, bidder, site, divisible, low, fixed, unit, score, start, end) in enumerate(columns):
        yield {
            "id": name,
            "bidder": p.bidders[bidder],
            "site": sites[site],
            "divisible": divisible,
            "min_quantity": low,
            "fixed_price": fixed,
            "unit_price": unit,
            "score": score,
            "start": _or_null(start, NO_TIME),
            "end": _or_null(end, NO_TIME),
            "items": [{"lot": lot, "quantity": q} for lot, q in items[item_ptr[b] : item_ptr[b + 1]]],
            "uses": [
                {"resource": r, "fixed": f, "per_unit": u} for r, f, u in uses[use_ptr[b] : use_ptr[b + 1]]
            ],
            "groups": names[group_ptr[b] : group_ptr[b + 1]],
        }
