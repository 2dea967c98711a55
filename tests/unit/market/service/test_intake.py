"""Limits before anything is read: rate, size, what is in flight; turns before the writer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from market.errors import MarketBusyError
from market.model.rules import Rules
from market.ports import Request
from market.service.fair_queue import TURN, FairQueue
from market.service.intake import IN_FLIGHT, Intake
from takt_sdk.codec import decode_reply
from takt_sdk.model.messages import Refused

RULES = Rules(messages_per_s=10, message_burst=5, max_message_bytes=100)


def request(participant: str = "acme", size: int = 10) -> Request:
    return Request(channel="bid", participant=participant, body=b"x" * size)


def told(intake: Intake, at_s: float, participant: str = "acme", *, known: bool = True) -> str:
    reply = intake.arrived(request(participant), RULES, at_s, known=known)
    if reply is None:
        return "taken"
    return "nothing" if not reply else refused(reply).code


def refused(reply: bytes | None) -> Refused:
    assert reply is not None
    body = decode_reply(reply)
    assert isinstance(body, Refused)
    return body


def test_a_burst_is_taken_then_the_rate() -> None:
    intake = Intake()
    assert [told(intake, 0.0) for _ in range(6)] == ["taken"] * 5 + ["busy"]
    assert told(intake, 0.21) == "taken"
    assert told(intake, 0.21) == "busy"
    assert told(intake, 60.0) == "taken"


def test_a_refusal_says_that_it_is_worth_another_try_and_when() -> None:
    intake = Intake()
    for _ in range(5):
        told(intake, 0.0)
    answer = refused(intake.arrived(request(), RULES, 0.0, known=True))
    assert (answer.message_id, answer.retryable) == ("unread", True)
    assert 0 < answer.retry_after_us <= 200_000
    assert told(intake, answer.retry_after_us / 1e6 + 0.001) == "taken"


def test_a_flood_is_answered_for_a_while_and_then_dropped() -> None:
    intake = Intake()
    answers = [told(intake, 0.0) for _ in range(10_000)]
    assert answers.count("taken") == 5
    assert 0 < answers.count("busy") <= 7
    assert answers[-1] == "nothing"
    assert intake.dropped == 10_000 - answers.count("taken") - answers.count("busy")
    assert told(intake, 1.5) == "taken", "and is heard again soon after it stops"


def test_one_that_floods_costs_nobody_else_and_strangers_share_one_share() -> None:
    intake = Intake()
    for _ in range(100):
        told(intake, 0.0, "acme")
    assert told(intake, 0.0, "forge") == "taken"
    strangers = [told(intake, 0.0, f"stranger-{n}", known=False) for n in range(100)]
    assert strangers.count("taken") == 5
    assert len(intake._buckets) == 3


def test_what_is_too_large_is_not_read() -> None:
    answer = refused(Intake().arrived(request(size=101), RULES, 0.0, known=True))
    assert (answer.code, answer.retryable, answer.value) == ("too_large", False, "101")


def test_without_a_rule_there_is_no_limit_but_on_what_is_in_flight() -> None:
    intake, rules = Intake(), Rules()
    for _ in range(IN_FLIGHT):
        assert intake.arrived(request(size=1 << 20), rules, 0.0, known=True) is None
        intake.begun("acme")
    assert refused(intake.arrived(request(), rules, 0.0, known=True)).code == "busy"
    assert intake.arrived(request("forge"), rules, 0.0, known=True) is None
    intake.ended("acme")
    assert intake.arrived(request(), rules, 0.0, known=True) is None


@dataclass(frozen=True)
class Item:
    sender: str
    number: int
    size_bytes: int = 1


def queue(
    each: int = 100, each_bytes: int = 1_000, every: int = 250, every_bytes: int = 2_000
) -> FairQueue[Item]:
    return FairQueue(
        each=each, each_bytes=each_bytes, every=every, every_bytes=every_bytes, unbounded=frozenset({"host"})
    )


def test_senders_take_turns_and_each_keeps_its_order() -> None:
    waiting = queue()
    for number in range(90):
        waiting.put("flood", Item("flood", number))
    for sender in ("a", "b"):
        for number in range(3):
            waiting.put(sender, Item(sender, number))
    taken = waiting.take(1_000)
    assert [item.sender for item in taken[:9]] == ["flood", "a", "b"] * 3
    assert [item.number for item in taken if item.sender == "flood"] == list(range(TURN))
    assert [item.number for item in taken if item.sender == "b"] == [0, 1, 2]
    assert len(waiting.take(1_000)) == 90 - TURN, "alone, it has the group to itself"
    assert (len(waiting), waiting.size_bytes, waiting.senders) == (0, 0, 0)


def test_a_small_group_goes_on_where_the_last_one_stopped() -> None:
    waiting = queue()
    for number in range(2):
        for sender in "abcd":
            waiting.put(sender, Item(sender, number))
    order = [item.sender for _ in range(3) for item in waiting.take(3)]
    assert "".join(order) == "abcdabcd"


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [({"each": 3}, [1] * 4), ({"each_bytes": 10}, [4, 4, 4]), ({"each_bytes": 10}, [50, 1])],
)
def test_each_sender_is_bounded(limits: dict[str, int], sizes: list[int]) -> None:
    waiting = queue(**limits)
    for number, size in enumerate(sizes[:-1]):
        waiting.put("a", Item("a", number, size))
    with pytest.raises(MarketBusyError) as caught:
        waiting.put("a", Item("a", 9, sizes[-1]))
    assert (caught.value.retryable, caught.value.retry_after_us > 0) == (True, True)
    waiting.put("b", Item("b", 0))


def test_all_together_are_bounded_but_for_the_market_itself() -> None:
    waiting = queue(each=10, every=30)
    for sender in "abc":
        for number in range(10):
            waiting.put(sender, Item(sender, number))
    with pytest.raises(MarketBusyError):
        waiting.put("d", Item("d", 0))
    waiting.put("host", Item("host", 0))
    assert waiting.most == 31
    heavy = queue(every_bytes=100)
    for sender in "abc":
        heavy.put(sender, Item(sender, 0, 33))
    with pytest.raises(MarketBusyError):
        heavy.put("d", Item("d", 0, 33))


async def test_the_taker_waits_for_the_first_item_or_to_be_woken() -> None:
    waiting = queue()
    taker = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    assert not taker.done()
    waiting.put("a", Item("a", 0))
    await taker
    assert len(waiting.take(5)) == 1
    again = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    assert not again.done()
    waiting.wake()
    await again
