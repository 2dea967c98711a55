from __future__ import annotations

import pytest

from gateway.errors import ProblemError
from gateway.problems import PROBLEMS
from gateway.refusals import accepted, refusal_problem
from market.engine.decision import REFUSAL_CODES
from takt_sdk.model.messages import Receipt, Refused


def _refused(code: str, **changes: object) -> Refused:
    return Refused(message_id="m", code=code, detail="why", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
@pytest.mark.parametrize("retryable", [False, True])
def test_every_refusal_of_the_market_is_a_4xx_problem(code: str, retryable: bool) -> None:
    problem = refusal_problem(_refused(code, retryable=retryable, field="terms.due_us", value="1"))
    assert 400 <= PROBLEMS[problem.code].status < 500
    assert problem.field == "due"


@pytest.mark.parametrize(
    ("refused", "code", "field"),
    [
        (
            _refused("conflict", field="idempotency_key", value="k"),
            "idempotency_key_reused",
            "Idempotency-Key",
        ),
        (_refused("conflict", field="rules.version", value="3"), "conflict", "rules.version"),
        (_refused("unknown", field="order_id", value="o-1"), "not_found", ""),
        (_refused("unknown", field="part_id", value="box"), "invalid_content", "part_id"),
        (_refused("unknown", field="terms.destination", value="x"), "invalid_content", "destination"),
        (_refused("limit", field="orders", value="9", retryable=True), "too_many_requests", "orders"),
        (
            _refused("limit", field="terms.reservation_value_minor"),
            "invalid_content",
            "reservation_value_minor",
        ),
        (_refused("state", state="confirmed"), "conflict", ""),
        (_refused("not_allowed", field="sender", value="bob"), "forbidden", "sender"),
        (_refused("a code of the future"), "invalid_content", ""),
    ],
)
def test_refusals_in_the_requests_terms(refused: Refused, code: str, field: str) -> None:
    problem = refusal_problem(refused)
    assert (problem.code, problem.field) == (code, field)


def test_times_are_shown_as_the_client_wrote_them() -> None:
    refused = Refused(
        message_id="m",
        code="dates",
        detail="must be after market time 1798761600000000",
        field="terms.due_us",
        value="1798761599000000",
    )
    problem = refusal_problem(refused)
    assert problem.value == "2026-12-31T23:59:59Z"
    assert problem.detail == "due: must be after market time 2027-01-01T00:00:00Z"


def test_a_receipt_passes_and_a_refusal_is_raised() -> None:
    receipt = Receipt(message_id="m", position=1, leaf="00", size=2, root="00")
    assert accepted(receipt) is receipt
    with pytest.raises(ProblemError) as caught:
        accepted(_refused("state", state="settled", retryable=True))
    assert (caught.value.state, caught.value.retry_after_s) == ("settled", 1)
