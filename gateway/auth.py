"""Who asks: API keys of customers and the operator's key.

Keys are compared by their SHA-256 only: how long that takes tells nothing about a key. Whatever is wrong
with one, the answer is the same, and after a few of them it takes its time (`gateway.rates.Guesses`).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from fastapi import Request

from gateway.context import address_of, context_of
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
    digest = hashlib.sha256(key.encode("latin-1")).hexdigest()
    context_of(request).guesses.check(address_of(request), digest)
    return digest


_NOTHING = hashlib.sha256(b"").hexdigest()


async def customer_of(request: Request, desk: Desk) -> str:
    """Return the participant that holds the key of ``request``.

    Raises
    ------
    ProblemError
        ``unauthorized``, the same for a missing, malformed, unknown or suspended key;
        ``too_many_requests`` of the customer, or of wrong keys from its address.
    """
    return await _holder(request, desk, _presented(request))


async def _holder(request: Request, desk: Desk, digest: str) -> str:
    participant = None if digest == _NOTHING else await desk.participant_of_key(digest)
    if participant is None:
        raise ProblemError("unauthorized", _UNAUTHORIZED)
    context = context_of(request)
    context.guesses.right(digest)
    context.customers.enter(participant)
    return participant


async def reader_of(
    request: Request, desk: Desk, settings: GatewaySettings
) -> Literal["participant", "operator"]:
    """Return whose key a request for what is everybody's holds; raises as `customer_of`."""
    digest = _presented(request)
    if digest != _NOTHING and hmac.compare_digest(digest, settings.operator_key_sha256 or ""):
        context_of(request).guesses.right(digest)
        return "operator"
    await _holder(request, desk, digest)
    return "participant"


def check_operator(request: Request, settings: GatewaySettings) -> None:
    """Raise ``unauthorized`` unless the request holds the operator's key."""
    _check(request, settings.operator_key_sha256)


def check_metrics(request: Request, settings: GatewaySettings) -> None:
    """Raise ``unauthorized`` unless the request holds the key of the metrics, or the operator's."""
    _check(request, settings.metrics_key_sha256, settings.operator_key_sha256)


def _check(request: Request, *expected: str | None) -> None:
    digest = _presented(request)
    right = [hmac.compare_digest(digest, one or "") and one != _NOTHING for one in expected]
    if not any(right):
        raise ProblemError("unauthorized", _UNAUTHORIZED)
    context_of(request).guesses.right(digest)
