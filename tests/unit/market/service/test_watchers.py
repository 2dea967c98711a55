from __future__ import annotations

import asyncio

import pytest

from market.desk import Change
from market.ports import RowChange
from market.service import watchers as watchers_module
from market.service.watchers import Watchers
from tests.unit.market.service.small_market import until


def _change(number: int, tenant: str = "buyer") -> Change:
    row = RowChange(
        model="orders", key=f"o-{number}", tenant=tenant, status="", updated_us=number, document=None
    )
    return Change(position=number, row=row)


async def test_everybody_sees_their_own_and_an_auditor_sees_all() -> None:
    watchers = Watchers()
    buyer, rival, auditor = watchers.watch("buyer"), watchers.watch("rival"), watchers.watch(None)
    watchers.publish([_change(1), _change(2, "rival"), _change(3)])
    assert [(await anext(buyer)).position for _ in range(2)] == [1, 3]
    assert (await anext(rival)).position == 2
    assert [(await anext(auditor)).position for _ in range(3)] == [1, 2, 3]


async def test_a_slow_reader_loses_the_oldest_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers_module, "QUEUE", 3)
    watchers = Watchers()
    slow, quick = watchers.watch("buyer"), watchers.watch("buyer")
    for number in range(10):
        watchers.publish([_change(number)])
        assert (await anext(quick)).position == number
    assert [(await anext(slow)).position for _ in range(3)] == [7, 8, 9]


async def test_a_reader_waits_for_the_next_change() -> None:
    watchers = Watchers()
    reading = asyncio.ensure_future(anext(watchers.watch("buyer")))
    await asyncio.sleep(0)
    assert not reading.done()
    watchers.publish([_change(1)])
    assert (await reading).position == 1


async def test_a_reader_that_went_away_is_forgotten_even_if_it_never_read() -> None:
    watchers = Watchers()
    unread, read = watchers.watch("buyer"), watchers.watch("buyer")
    watchers.publish([_change(1)])
    assert (await anext(read)).position == 1
    assert len(watchers._watchers) == 2
    del unread, read
    await until(lambda: not watchers._watchers)
