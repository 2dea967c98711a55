"""Who asks: API keys of customers and the operator's key.

Keys are compared by their SHA-256 only. Whatever is wrong with a key, the answer is the same.
"""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request

from gateway.errors import ProblemError
from gateway.settings import GatewaySettings
from market.desk import Desk

_MAX_KEY = 512
_UNAUTHORIZED = "no valid key was given"


def _presented(request: Request) -> str:
    """Return the SHA-256 of the key in the request, of nothing if there is none."""
    values = request.headers.getlist("authorization")
    scheme, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not 0 < len(key) <= _MAX_KEY:
        key = ""
    return hashlib.sha256(key.encode("latin-1")).hexdigest()


_NOTHING = hashlib.sha256(b"").hexdigest()


async def customer_of(request: Request, desk: Desk) -> str:
    """Return the participant that holds the key of ``request``.

    Raises
    ------
    ProblemError
        ``unauthorized``, the same for a missing, malformed, unknown or suspended key.
    """
    digest = _presented(request)
    participant = None if digest == _NOTHING else await desk.participant_of_key(digest)
    if participant is None:
        raise ProblemError("unauthorized", _UNAUTHORIZED)
    return participant


def check_operator(request: Request, settings: GatewaySettings) -> None:
    """Raise ``unauthorized`` unless the request holds the operator's key."""
    expected = settings.operator_key_sha256
    if not hmac.compare_digest(_presented(request), expected or "") or expected == _NOTHING:
        raise ProblemError("unauthorized", _UNAUTHORIZED)
