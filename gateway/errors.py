"""Errors that callers of the gateway's code can meet; clients meet `gateway.problems`.

::

    GatewayError
    ├── ProblemError        an answer to the client: status, code, field, value, state
    ├── StrictJsonError     a text that is not strict JSON: field, value
    └── OrderCommandError   what ``takt order`` or ``takt part`` could not do, in words for its user
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of the gateway's errors."""

    retryable = False


class ProblemError(GatewayError):
    """The request is answered with an RFC 9457 problem.

    Attributes
    ----------
    code
        Key of `gateway.problems.PROBLEMS`.
    detail
        What is wrong with this request, in its own terms.
    field, value, state
        The offending field and its value, and the state that stands in the way; empty where none.
    errors
        All offending (field, value, detail), where there are several.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str = "",
        value: str = "",
        state: str = "",
        errors: tuple[tuple[str, str, str], ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.value = value
        self.state = state
        self.errors = errors
        self.retry_after_s = retry_after_s


class StrictJsonError(GatewayError):
    """A text is not strict JSON."""

    def __init__(self, detail: str, *, field: str = "", value: str = "") -> None:
        super().__init__(detail)
        self.field = field
        self.value = value


class OrderCommandError(GatewayError):
    """``takt order`` or ``takt part`` could not do what it was asked."""
