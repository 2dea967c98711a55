"""Refusals of the market, said again in the request's own terms as problems."""

from __future__ import annotations

import re

from gateway.errors import ProblemError
from gateway.instants import format_instant
from gateway.strict_json import printable
from takt_sdk.model.messages import Receipt, Refused
from takt_sdk.model.values import DAY_US, MAX_TIME_US

_CODES = {
    "not_allowed": "forbidden",
    "conflict": "conflict",
    "equivocation": "conflict",
    "sequence": "conflict",
    "state": "conflict",
    "closed": "conflict",
}
_SUBJECTS = frozenset({"order_id", "quote_id", "contract_id", "participant"})
_TIME_FIELD = re.compile(r"(?:^|\.)(?:release|due|deadline)_us$")
_TIME_IN_TEXT = re.compile(r"\b\d{15,16}\b")
_DURATION_IN_TEXT = re.compile(r"\b(\d{1,17}) us\b")
_PREFIXES = ("terms.", "part.", "order.")


def accepted(reply: Receipt | Refused) -> Receipt:
    """Return the receipt, or raise the refusal as the problem that it is to an HTTP client."""
    if isinstance(reply, Refused):
        raise refusal_problem(reply)
    return reply


def refusal_problem(refused: Refused) -> ProblemError:
    """Return the problem that a refusal is; unknown codes are the content's fault."""
    field, value, detail = _request_terms(refused)
    if refused.field == "idempotency_key" and refused.code == "conflict":
        code = "idempotency_key_reused"
    elif refused.code == "unknown" and refused.field in _SUBJECTS:
        code, field, value, detail = "not_found", "", "", refused.detail
    elif refused.code == "busy":
        code = "too_many_requests"
    elif refused.code == "limit":
        code = "too_many_requests" if refused.retryable else "invalid_content"
    else:
        code = _CODES.get(refused.code, "invalid_content")
    return ProblemError(
        code,
        detail,
        field=field,
        value=value,
        state=refused.state,
        retry_after_s=1 if refused.retryable else None,
    )


def _request_terms(refused: Refused) -> tuple[str, str, str]:
    field, value, detail = refused.field, printable(refused.value), refused.detail
    if _TIME_FIELD.search(field):
        value = _instant(value)
        detail = _DURATION_IN_TEXT.sub(lambda match: f"{int(match[1]) / DAY_US:g} days", detail)
        detail = _TIME_IN_TEXT.sub(lambda match: _instant(match.group()), detail)
        field = field.removesuffix("_us")
    for prefix in _PREFIXES:
        field = field.removeprefix(prefix)
    if field == "idempotency_key":
        field = "Idempotency-Key"
    return field, value, f"{field}: {detail}" if field else detail


def _instant(digits: str) -> str:
    return format_instant(int(digits)) if digits.isdecimal() and int(digits) <= MAX_TIME_US else digits
