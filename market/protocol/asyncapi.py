"""The AsyncAPI 3.0 document: the bus as a participant sees it. Decides nothing."""

from __future__ import annotations

from typing import Any

from market.protocol.channels import CHANNELS, Channel, inbox, mailbox, subject_of
from market.protocol.schema import KINDS, REPLIES, UPLINK, kind_of
from takt_sdk.nats.subjects import MAILBOX_CONSUMER, MAX_PAYLOAD_BYTES

SCHEMA_FILE = "messages.schema.json"
_FORMAT = "application/schema+json;version=draft-2020-12"
_PULL = f"$JS.API.CONSUMER.MSG.NEXT.{mailbox()}.{MAILBOX_CONSUMER}"
_ACKNOWLEDGE = f"$JS.ACK.{mailbox()}.{MAILBOX_CONSUMER}.{{delivery}}"
_NATS = {"nats": {"bindingVersion": "0.1.0"}}


def document() -> dict[str, Any]:
    """Return the document; its payloads refer to `SCHEMA_FILE` beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Takt, the participant's side",
            "version": "1.0.0",
            "description": (
                "How a plant, supplier or customer speaks with a Takt market over NATS. `send` and `receive` "
                "are the participant's. `protocol.md` explains what this lists."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "market": {
                "host": "{address}",
                "protocol": "nats",
                "description": "The NATS server whose address came with the .creds file.",
                "variables": {"address": {"description": "host:port", "default": "localhost:4222"}},
                "security": [{"$ref": "#/components/securitySchemes/creds"}],
            }
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {kind: _message(kind, body) for kind, body in sorted(KINDS.items())},
            "parameters": {
                "market": {"description": "Id of the market: [a-z0-9][a-z0-9-]{0,62}."},
                "participant": {"description": "Your own id; the server refuses any other."},
                "delivery": {"description": "What the server put into the reply subject of the delivery."},
            },
            "securitySchemes": {
                "creds": {
                    "type": "userPassword",
                    "description": (
                        "NATS decentralised authentication: the user JWT and seed of the .creds file. "
                        "AsyncAPI has no type for it; NATS clients take the file as it is."
                    ),
                }
            },
        },
    }


def _parameters(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/parameters/{name}"} for name in names}


def _channels() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    for channel in CHANNELS:
        channels[channel.name] = {
            "address": subject_of(channel.name),
            "summary": channel.summary,
            "messages": {kind_of(body): _component(kind_of(body)) for body in channel.bodies},
            "parameters": _parameters(*(["market"] if channel.name == "tape" else ["market", "participant"])),
        }
        if channel.replies:
            channels[f"{channel.name}Reply"] = {
                "address": None,
                "summary": f"An inbox under {inbox()}. that the request names.",
                "messages": {kind_of(body): _component(kind_of(body)) for body in channel.replies},
            }
    nothing = {"contentType": "text/plain", "payload": {"type": "string"}}
    channels["pull"] = {
        "address": _PULL,
        "summary": "Ask the mailbox for its next message; the reply is a message of cfp or notice.",
        "messages": {"next": nothing | {"summary": 'e.g. {"batch":1,"expires":2000000000} (nanoseconds)'}},
        "parameters": _parameters("market", "participant"),
    }
    channels["acknowledge"] = {
        "address": _ACKNOWLEDGE,
        "summary": "The reply subject of a delivery: an empty message or `+ACK` acknowledges it.",
        "messages": {"ack": nothing | {"summary": "+ACK"}},
        "parameters": _parameters("market", "participant", "delivery"),
    }
    return channels


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for channel in CHANNELS:
        operations[f"{channel.action}{channel.name.title()}"] = _operation(channel)
    for name, summary in (
        ("pull", "One message at a time: the next one comes after this one was acknowledged."),
        ("acknowledge", "After everything that followed from the delivery has a receipt."),
    ):
        operations[name] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": summary,
            "bindings": _NATS,
        }
    return operations


def _operation(channel: Channel) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.summary,
        "messages": _in_channel(channel.name, channel.bodies),
        "bindings": _NATS,
    }
    if channel.replies:
        operation["reply"] = {
            "address": {
                "location": "$message.header#/reply",
                "description": "NATS carries it beside the headers; every client's request call sets it.",
            },
            "channel": {"$ref": f"#/channels/{channel.name}Reply"},
            "messages": _in_channel(f"{channel.name}Reply", channel.replies),
        }
    return operation


def _in_channel(channel: str, bodies: tuple[type, ...]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{kind_of(body)}"} for body in bodies]


def _component(kind: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{kind}"}


def _message(kind: str, body: type) -> dict[str, Any]:
    """Return a message: replies travel bare, everything else in an envelope."""
    bare = {"$ref": f"{SCHEMA_FILE}#/$defs/{body.__name__}"}
    envelope = "ParticipantEnvelope" if body in UPLINK else "MarketEnvelope"
    around = {
        "allOf": [{"$ref": f"{SCHEMA_FILE}#/$defs/{envelope}"}],
        "properties": {"body": bare},
    }
    return {
        "name": kind,
        "title": body.__name__,
        "summary": " ".join((body.__doc__ or "").partition("\n\n")[0].replace("``", "`").split()),
        "contentType": "application/json",
        "payload": {"schemaFormat": _FORMAT, "schema": bare if body in REPLIES else around},
        "x-max-bytes": MAX_PAYLOAD_BYTES,
    }
