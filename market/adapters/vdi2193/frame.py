"""The frame of VDI/VDE 2193-1: its fields, its types, and the spellings that open implementations use.

Reads every known spelling, writes one. Knows nothing of what the interaction elements mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Never, get_args

from market.adapters.vdi2193.errors import NotUnderstoodError

BIDDING = "http://www.vdi.de/gma720/vdi2193_2/bidding"
"""Semantic protocol of the single-round bidding procedure, as open implementations write it."""

Type = Literal[
    "consent", "refusal", "error", "notUnderstood", "callForProposals", "offer", "offerAcceptance",
    "offerRejection", "informing", "confirming", "contradicting", "spreading", "subscribing",
    "queryAsToWhether", "queryRef", "requirement", "requirementAsToWhen", "requirementAsToHowOften",
    "cancelling", "proxy",
]  # fmt: skip
TYPES: tuple[str, ...] = get_args(Type)

Role = Literal["ServiceRequester", "ServiceProvider"]
ROLES: tuple[str, ...] = get_args(Role)

_OTHER_SPELLINGS: Mapping[Type, tuple[str, ...]] = {
    "callForProposals": ("call_for_proposals", "callForProposal", "cfp"),
    "offer": ("proposal", "propose"),
    "offerAcceptance": ("offer_acceptance", "acceptOffer", "acceptProposal", "accept-proposal"),
    "offerRejection": ("offer_rejection", "rejectOffer", "rejectProposal", "reject-proposal"),
    "refusal": ("refuseProposal", "refuse"),
    "notUnderstood": ("not_understood", "not-understood"),
    "confirming": ("informConfirm", "inform-done"),
    "cancelling": ("cancel",),
}
SPELLINGS: Mapping[str, Type] = {
    **{word: word for word in get_args(Type)},
    **{word: type_ for type_, words in _OTHER_SPELLINGS.items() for word in words},
}
"""Every spelling that is read → the one that is written."""

_FIELDS = frozenset(
    {
        "type", "sender", "receiver", "conversationId", "messageId", "replyTo", "inReplyTo", "replyBy",
        "semanticProtocol", "role",
    }
)  # fmt: skip
_MAX_ID = 256
_DIGITS = re.compile(r"\d{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message of the I4.0 language.

    ``sender`` and ``receiver`` are ids of asset administration shells; no receiver is a broadcast.
    ``reply_by_ms`` counts milliseconds since 1970. ``elements`` are AAS submodels or submodel
    elements as JSON.
    """

    type: Type
    sender: str
    message_id: str
    sender_role: Role | None = None
    receiver: str = ""
    receiver_role: Role | None = None
    conversation_id: str = ""
    reply_to: str = ""
    reply_by_ms: int | None = None
    semantic_protocol: str = BIDDING
    elements: tuple[Mapping[str, Any], ...] = ()


def frame_to_json(frame: Frame) -> bytes:
    """Return a frame in the one spelling that is written: UTF-8 JSON without line breaks."""
    head: dict[str, object] = {
        "semanticProtocol": frame.semantic_protocol,
        "type": frame.type,
        "messageId": frame.message_id,
        "sender": _party(frame.sender, frame.sender_role),
    }
    if frame.receiver:
        head["receiver"] = _party(frame.receiver, frame.receiver_role)
    if frame.conversation_id:
        head["conversationId"] = frame.conversation_id
    if frame.reply_to:
        head["replyTo"] = frame.reply_to
    if frame.reply_by_ms is not None:
        head["replyBy"] = frame.reply_by_ms
    whole = {"frame": head, "interactionElements": frame.elements}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _party(id_: str, role: Role | None) -> dict[str, object]:
    party: dict[str, object] = {"identification": {"id": id_}}
    return party if role is None else party | {"role": {"name": role}}


def read_frame(data: bytes) -> Frame:
    """Return the frame that ``data`` holds, in any of the known spellings.

    Raises
    ------
    NotUnderstoodError
        Naming the first field that cannot be read, and its value.
    """
    try:
        whole = json.loads(data, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError("", repr(data[:60]), f"not valid JSON: {error}") from error
    head = _mapping("", whole).get("frame")
    if head is None:
        raise NotUnderstoodError("frame", whole, "is missing")
    head = _mapping("frame", head)
    for name in head:
        if name not in _FIELDS:
            raise NotUnderstoodError(f"frame.{name}", head[name], "is no field of a frame")
    sender, sender_role = _read_party("frame.sender", head.get("sender"))
    receiver, receiver_role = "", None
    if head.get("receiver"):
        receiver, receiver_role = _read_party("frame.receiver", head["receiver"])
    return Frame(
        type=_type(head.get("type")),
        sender=sender,
        sender_role=sender_role or _role("frame.role", head.get("role")),
        receiver=receiver,
        receiver_role=receiver_role,
        conversation_id=_text("frame.conversationId", head.get("conversationId", "")),
        message_id=_required("frame.messageId", head.get("messageId")),
        reply_to=_text("frame.replyTo", head.get("replyTo") or head.get("inReplyTo") or ""),
        reply_by_ms=_number("frame.replyBy", head.get("replyBy")),
        semantic_protocol=_protocol(head.get("semanticProtocol")),
        elements=_elements(whole),
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a number of JSON")


def _mapping(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotUnderstoodError(field, value, "must be an object")
    return value


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MAX_ID:
        raise NotUnderstoodError(field, value, f"must be printable text of at most {_MAX_ID} characters")
    return value


def _required(field: str, value: object) -> str:
    text = _text(field, value)
    if not text:
        raise NotUnderstoodError(field, value, "must not be empty")
    return text


def _number(field: str, value: object) -> int | None:
    """Return milliseconds since 1970; text of digits is read too."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**53:
        raise NotUnderstoodError(field, value, "must be milliseconds since 1970")
    return value


def _type(value: object) -> Type:
    if not isinstance(value, str) or value not in SPELLINGS:
        raise NotUnderstoodError("frame.type", value, f"must be one of {', '.join(TYPES)}")
    return SPELLINGS[value]


def _role(field: str, value: object) -> Role | None:
    """Return a role given as text or as ``{"name": …}``."""
    name = value.get("name") if isinstance(value, dict) else value
    if name is None or name == "":
        return None
    for role in get_args(Role):
        if name == role:
            found: Role = role
            return found
    raise NotUnderstoodError(field, value, f"must be one of {', '.join(ROLES)}")


def _read_party(field: str, value: object) -> tuple[str, Role | None]:
    """Return id and role of a party given as text or as ``{identification: {id}, role: {name}}``."""
    if isinstance(value, str):
        return _required(field, value), None
    party = _mapping(field, value)
    identification = party.get("identification")
    id_ = identification.get("id") if isinstance(identification, dict) else identification
    return _required(f"{field}.identification.id", id_), _role(f"{field}.role", party.get("role"))


def _protocol(value: object) -> str:
    """Return the one protocol that is spoken; some write it as an AAS reference, some with a prefix."""
    if isinstance(value, dict):
        keys = value.get("keys")
        last = keys[-1] if isinstance(keys, list) and keys else None
        value = last.get("value") if isinstance(last, dict) else None
    if not isinstance(value, str) or not value.endswith(BIDDING):
        raise NotUnderstoodError("frame.semanticProtocol", value, f"must be {BIDDING}")
    return BIDDING


def _elements(whole: dict[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the submodel elements, those of submodels included."""
    given = whole.get("interactionElements", [])
    if not isinstance(given, list):
        raise NotUnderstoodError("interactionElements", given, "must be an array")
    for name, value in whole.items():
        if name not in {"frame", "interactionElements"}:
            raise NotUnderstoodError(name, value, "is no part of a message")
    elements: list[Mapping[str, Any]] = []
    for index, element in enumerate(given):
        inner = _mapping(f"interactionElements[{index}]", element).get("submodelElements")
        elements += [element] if inner is None else _inner(index, inner)
    return tuple(elements)


def _inner(index: int, elements: object) -> list[Mapping[str, Any]]:
    field = f"interactionElements[{index}].submodelElements"
    if not isinstance(elements, list):
        raise NotUnderstoodError(field, elements, "must be an array")
    return [_mapping(f"{field}[{at}]", element) for at, element in enumerate(elements)]
