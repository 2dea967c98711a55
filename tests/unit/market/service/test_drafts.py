"""When drafts of an answer are left, on a clock of the test's own."""

from __future__ import annotations

from market.service.drafts import Drafts

NEVER = float("inf")


def drafts(end_s: float = 30.0, cost_s: float = 1.0) -> Drafts:
    return Drafts(start_s=0.0, end_s=end_s, cost_s=cost_s)


def test_the_greedy_answer_is_left_first_where_time_is_limited() -> None:
    assert (drafts(cost_s=0.01).before, drafts(cost_s=0.01).beside) == (True, False)
    assert (drafts(cost_s=0.6).before, drafts(cost_s=0.6).beside) == (False, True)
    assert (drafts(end_s=2.0, cost_s=0.6).before, drafts(end_s=2.0, cost_s=0.6).beside) == (True, False)
    assert (drafts(end_s=NEVER, cost_s=0.01).before, drafts(end_s=NEVER).beside) == (True, False)


def test_nothing_and_the_same_again_are_no_drafts() -> None:
    pace = drafts(end_s=1000.0)
    assert not pace.due(20.0, None)
    assert not pace.due(0.4, 100)
    assert pace.due(0.6, 100)
    pace.left(0.6, 1.6, 100)
    assert not pace.due(500.0, 100)
    assert pace.due(500.0, 101)


def test_a_small_gain_waits_for_ten_times_the_cost() -> None:
    pace = drafts(end_s=1000.0)
    pace.left(0.0, 2.0, 10_000)
    assert not pace.due(21.9, 10_100)
    assert pace.due(22.1, 10_100)
    assert not pace.due(1000.0 - 11.9, 10_100)


def test_a_large_gain_is_left_soon_and_late() -> None:
    """A search that is stopped at its end delivers its last draft: it must not be the greedy answer."""
    pace = drafts(end_s=100.0)
    pace.left(0.0, 2.0, 10_000)
    assert not pace.due(5.9, 12_000)
    assert pace.due(6.1, 12_000)
    assert pace.due(93.0, 12_000)
    assert not pace.due(94.1, 12_000)


def test_losses_gain_by_their_size() -> None:
    pace = drafts(end_s=100.0)
    pace.left(0.0, 2.0, -10_000)
    assert not pace.due(7.0, -9_900)
    assert pace.due(7.0, -9_000)
    pace.left(0.0, 2.0, None)
    assert pace.due(7.0, -10_000)


def test_publishing_has_half_as_much_again_as_the_last_draft_took() -> None:
    pace = drafts(end_s=10.0, cost_s=1.0)
    assert (pace.late(8.9), pace.late(9.1)) == (False, True)
    pace.left(1.0, 3.0, 5)
    assert (pace.late(6.9), pace.late(7.1)) == (False, True)
    assert not drafts(end_s=NEVER).late(1e9)
