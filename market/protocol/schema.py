"""JSON Schema (draft 2020-12) of everything that participants and the market say to each other.

Types and field names come from the model's own dataclasses, descriptions from their docstrings, ranges from
`market.protocol.limits`. Decides nothing.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args

from pydantic import TypeAdapter

from market.protocol.limits import LIMITS, MARKET_INTEGER, Fragment
from takt_sdk.codec import STRICT
from takt_sdk.model.messages import Downlink, Envelope, Heartbeat, ParticipantCommand, Query, Reply, Tape
from takt_sdk.sealing import SealedAnswer

SCHEMA_ID = "urn:takt:v1:messages"

UPLINK: tuple[type, ...] = (*get_args(ParticipantCommand), *get_args(Query), Heartbeat)
"""Bodies that participants send."""

DOWNLINK: tuple[type, ...] = get_args(Downlink)
"""Bodies that the market puts into mailboxes."""

PUBLIC: tuple[type, ...] = (Tape,)
"""Bodies that the market publishes to everybody."""

REPLIES: tuple[type, ...] = get_args(Reply)
"""What the market answers a request with, without an envelope."""

_INSIDE = SealedAnswer.__name__
"""What goes over the wire encrypted only."""

_LISTED = re.compile(r"^(\w+(?:, \w+)*)\n((?:    .*\n?)+)", flags=re.MULTILINE)


def kind_of(body: type) -> str:
    """Return the versioned kind of a body, e.g. ``takt.bid_sheet.v1``."""
    kind: str = inspect.signature(body).parameters["kind"].default
    return kind


def message_schema() -> dict[str, Any]:
    """Return the schema: `ParticipantEnvelope`, `MarketEnvelope`, `Reply` and all that they hold."""
    types = (Envelope, SealedAnswer, *UPLINK, *DOWNLINK, *PUBLIC, *REPLIES)
    adapter = TypeAdapter(tuple[types], config=STRICT)  # type: ignore[valid-type]
    raw: dict[str, Any] = adapter.json_schema()["$defs"]
    definitions = {name: _definition(name, raw[name]) for name in sorted(raw)}
    envelope = definitions.pop("Envelope")
    definitions["ParticipantEnvelope"] = _envelope(envelope, UPLINK, "What a participant sends")
    definitions["MarketEnvelope"] = _envelope(envelope, (*DOWNLINK, *PUBLIC), "What the market sends")
    definitions["Reply"] = {
        "description": "What the market answers a request with: the body alone, without an envelope.",
        "oneOf": [_reference(body.__name__) for body in REPLIES],
    }
    roots = ("ParticipantEnvelope", "MarketEnvelope", "Reply")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Messages of the Takt protocol, version 1",
        "description": (
            "Generated from the code. Every JSON text on the wire is one of these three; a `SealedAnswer` is "
            "what the ciphertext of a `SealedSheet` holds."
        ),
        "oneOf": [_reference(name) for name in roots],
        "$defs": dict(
            sorted((name, definitions[name]) for name in _reachable(definitions, (*roots, _INSIDE)))
        ),
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _envelope(envelope: dict[str, Any], bodies: tuple[type, ...], who: str) -> dict[str, Any]:
    properties = envelope["properties"] | {"body": {"oneOf": [_reference(body.__name__) for body in bodies]}}
    return envelope | {"description": f"{who}. {envelope['description']}", "properties": properties}


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a class's schema with its documentation and limits."""
    summary, fields = _documentation(schema.get("description", ""))
    limits = LIMITS.get(name, {})
    properties = {
        field: _property(property_, limits.get(field, {}), fields.get(field))
        for field, property_ in schema["properties"].items()
    }
    required = list(schema.get("required", ()))
    if "const" in properties.get("kind", {}):
        del properties["kind"]["default"]
        required.insert(0, "kind")
    return {
        "description": summary,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _property(schema: dict[str, Any], limit: Fragment, description: str | None) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if key != "title"}
    if description is not None:
        schema = {"description": description, **schema}
    return _limited(schema, limit)


def _limited(schema: dict[str, Any], limit: Fragment) -> dict[str, Any]:
    """Return a field's schema with its limit, put where its type is; integers without one get the widest."""
    if "anyOf" in schema:  # a value or null
        return schema | {"anyOf": [_limited(part, limit) for part in schema["anyOf"]]}
    if schema.get("type") == "array":
        more = {key: value for key, value in limit.items() if key != "items"}
        return schema | {"items": _limited(schema["items"], limit.get("items", {}))} | more
    if schema.get("type") == "integer":
        return {**schema, **MARKET_INTEGER, **limit}
    return schema if schema.get("type") == "null" else {**schema, **limit}


def _documentation(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's text, and what its ``Attributes`` say of each field."""
    text, _, listed = docstring.replace("``", "`").partition("\nAttributes\n----------\n")
    text = text.partition("\nRaises\n------\n")[0]
    fields = {
        name: " ".join(words.split())
        for names, words in _LISTED.findall(listed + "\n")
        for name in names.split(", ")
    }
    return " ".join(text.split()), fields


def _reachable(definitions: dict[str, Any], roots: tuple[str, ...]) -> set[str]:
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += re.findall(r"#/\$defs/(\w+)", repr(definitions[name]))
    return reached


KINDS: dict[str, type] = {kind_of(body): body for body in (*UPLINK, *DOWNLINK, *PUBLIC, *REPLIES)}
"""Every kind on the wire. The operator's and the host's commands exist in the journal only."""
