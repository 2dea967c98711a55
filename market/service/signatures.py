"""Who signed a request: the check of its headers against the key that the market has of its sender.

Only whether the signature is that of the key over the exact bytes; whether the key holds at the log
position that the message gets is the engine's to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from market.engine.decision import Refusal
from market.engine.state import State
from market.ports import Request
from takt_sdk.signing import KEY_HEADER, SIGNATURE_HEADER, is_signed, message_bytes, signature_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checked signature, or that there is none (both empty)."""

    key: str = ""
    signature: bytes = b""


def check_signature(state: State, request: Request) -> Signed | Refusal:
    """Return what a request is signed with.

    A sender whose key the market does not have has nothing to be held to: its headers are passed over.
    """
    record = state.participants.get(request.participant)
    known = "" if record is None else record.key
    key, signature = signature_of(request.headers)
    if not known:
        return Signed()
    if not (key or signature):
        if request.channel == "query":
            return _refusal(f"must be signed with your key {known}", "")
        return Signed()  # the engine's to refuse
    if key != known:
        return _refusal(f"{KEY_HEADER} must be your key {known}", key)
    data = message_bytes(state.market, request.channel, request.participant, request.body)
    if not is_signed(key, signature, data):
        return _refusal(f"{SIGNATURE_HEADER} is not that of {key} over this subject and body", "")
    return Signed(key=key, signature=signature)


def _refusal(detail: str, value: str) -> Refusal:
    return Refusal(code="not_allowed", detail=detail, field="signature", value=value)
