from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from starlette.types import Message

from gateway.errors import ProblemError
from gateway.gate import Gate
from gateway.stream import EventStream, Inbox, StreamLimit, sse_event
from market.desk import Change
from market.ports import RowChange


def _change(key: str, status: str) -> Change:
    row = RowChange(model="orders", key=key, tenant="alice", status=status, updated_us=0, document=b"{}")
    return Change(position=0, row=row)


async def _changes(*changes: Change) -> AsyncIterator[Change]:
    for change in changes:
        yield change


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_an_inbox_keeps_the_newest_row_of_each_key() -> None:
    inbox = Inbox(lambda row: row.key != "c")
    await inbox.fill(_changes(_change("a", "1"), _change("b", "1"), _change("c", "1"), _change("a", "2")))
    taken = await inbox.take(1)
    assert taken is not None
    assert ([(row.key, row.status) for row in taken[0]], taken[1]) == ([("a", "2"), ("b", "1")], False)
    assert await inbox.take(1) is None


async def test_an_inbox_drops_everything_beyond_its_capacity_and_says_so() -> None:
    inbox = Inbox(lambda _: True, capacity=3)
    await inbox.fill(_changes(*(_change(str(number), "1") for number in range(4))))
    assert await inbox.take(1) == ([], True)


async def test_an_inbox_waits_no_longer_than_it_may() -> None:
    inbox = Inbox(lambda _: True)
    assert await inbox.take(0.01) == ([], False)


class _Client:
    """The other end of an ASGI connection; ``stuck`` takes nothing after the head."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.sent: list[Message] = []
        self.stuck = stuck
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.stuck and message["type"] == "http.response.body":
            await _forever()
        self.sent.append(message)


def _stream(chunks: AsyncGenerator[bytes], released: list[bool], **changes: float) -> EventStream:
    limits = {"max_age_s": 30.0, "send_timeout_s": 30.0} | changes
    return EventStream(chunks, closing=asyncio.Event(), release=lambda: released.append(True), **limits)


async def _endless(ended: list[bool]) -> AsyncGenerator[bytes]:
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0)
    finally:
        ended.append(True)


@pytest.mark.parametrize(
    ("client", "limits"),
    [
        (_Client(stuck=True), {"send_timeout_s": 0.02}),
        (_Client(stuck=True), {"max_age_s": 0.02, "send_timeout_s": 0.05}),
        (_Client(), {"max_age_s": 0.02}),
    ],
)
async def test_a_stream_ends_and_gives_its_place_back(client: _Client, limits: dict[str, float]) -> None:
    released: list[bool] = []
    ended: list[bool] = []
    stream = _stream(_endless(ended), released, **limits)
    async with asyncio.timeout(5):
        await stream({"type": "http"}, client.receive, client.send)
    assert released == ended == [True]
    assert client.sent[0]["status"] == 200
    if not client.stuck:
        assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_stream_ends_when_its_client_goes() -> None:
    client, released, ended = _Client(), list[bool](), list[bool]()
    client.gone.set()
    async with asyncio.timeout(5):
        await _stream(_endless(ended), released)({"type": "http"}, client.receive, client.send)
    assert released == [True]


async def test_a_failing_source_is_not_hidden() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b"x"
        raise RuntimeError("the market is gone")

    client, released = _Client(), list[bool]()
    with pytest.raises(RuntimeError, match="gone"):
        await _stream(broken(), released)({"type": "http"}, client.receive, client.send)
    assert released == [True]


def test_an_event_is_one_line_of_data() -> None:
    assert sse_event("order", {"text": "a\nb"}, "7") == b'id: 7\nevent: order\ndata: {"text":"a\\nb"}\n\n'


def test_streams_are_limited_per_customer_and_in_all() -> None:
    limit = StreamLimit(total=3, per_customer=2)
    releases = [limit.acquire("alice"), limit.acquire("alice")]
    with pytest.raises(ProblemError):
        limit.acquire("alice")
    releases.append(limit.acquire("bob"))
    with pytest.raises(ProblemError):
        limit.acquire("carol")
    for release in releases:
        release()
    assert limit.open == 0


def test_a_gate_lets_each_key_through_once_at_a_time() -> None:
    gate = Gate(max_per_customer=2)
    with gate.enter("alice", "k"), gate.enter("bob", "k"):
        with pytest.raises(ProblemError) as caught, gate.enter("alice", "k"):
            pass
        assert caught.value.code == "in_flight"
        with gate.enter("alice", "l"):
            with pytest.raises(ProblemError) as caught, gate.enter("alice", "m"):
                pass
            assert caught.value.code == "too_many_requests"
    with pytest.raises(RuntimeError), gate.enter("alice", "k"):
        raise RuntimeError
    with gate.enter("alice", "k"):
        pass
