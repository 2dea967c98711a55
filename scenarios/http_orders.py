"""Commands as the JSON that a customer sends over HTTP. Sends nothing."""

from __future__ import annotations

import json
from typing import Any

from gateway.instants import format_instant
from takt_sdk.codec import encode
from takt_sdk.model.messages import SubmitOrder
from takt_sdk.model.plan import Part, ProcessPlan


def order_document(command: SubmitOrder) -> dict[str, Any]:
    """Return the body of ``POST /v1/orders`` for an order; the key goes into its header."""
    terms = json.loads(encode(command.terms))
    for name in ("release", "due", "deadline"):
        terms[name] = format_instant(terms.pop(f"{name}_us"))
    document = {"part_id": command.part_id, **terms}
    if command.plan is not None:
        document["plan"] = _plan(command.plan)
    if command.documents:
        document["documents"] = json.loads(encode(command.documents))
    return document


def part_document(part: Part) -> dict[str, Any]:
    """Return the body of ``PUT /v1/parts/{id}`` for a part."""
    documents = json.loads(encode(part.documents))
    return {"name": part.name, "plan": _plan(part.plan), "documents": documents}


def _plan(plan: ProcessPlan) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode(plan))
    return {"lots": document["lots"], "arcs": document["arcs"]}
