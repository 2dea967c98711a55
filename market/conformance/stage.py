"""Where scenes are played: a nats-server of its own, the participant's mailbox, and a market time that jumps.

Market time is a day behind the machine's: who goes by another clock than the market's is found out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from market.adapters.embedded_nats import EmbeddedNats, ListenAddress
from market.adapters.nats_bus import NatsMarketBus
from market.adapters.nats_issuer import MARKET_KEY_FILE
from market.conformance.book import Book
from market.conformance.log import Log
from market.conformance.partners import Partner
from market.conformance.referee import Referee
from market.conformance.rules import RuleBrokenError
from market.ports import OutboxMessage
from takt_sdk.codec import encode
from takt_sdk.endings import end
from takt_sdk.errors import BusTimeoutError
from takt_sdk.model.messages import Downlink, Envelope
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.sealing import KEY_BYTES, public_key
from takt_sdk.signing import SEED_BYTES, Signer, account_seed
from takt_sdk.wall_clock import OsEntropy, WallClock

MARKET = "conformance"
BEHIND_US = 26 * HOUR_US
DUPLICATES_S = 0.2
"""Within this a message that is sent again is dropped by the server; the market's own window is an hour."""
REDELIVERY_S = 5.0
"""After this a message that was not acknowledged comes again."""
_POLL_S = 0.03
LATER = b',"from_the_future":{"more":[1]}}}'
"""The end of a message to whose body a later version has added a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Who is under test, and what it says it can do. ``patience_s`` is how long it may take for anything."""

    participant: str = "acme"
    site: str = "ulm"
    kind: Literal["operation", "material"] = "operation"
    process: str = "milling"
    material: str = "steel"
    quantity: int = 5
    run_time_minutes: int = 10
    sealed: bool = False
    """Whether the participant takes part in rounds with sealed bids."""
    customer: bool = False
    """Whether it buys; the rest of what it can do then says nothing."""
    orders: int = 1
    """How many orders a customer places by itself."""
    cancels: bool = False
    """Whether it cancels one of them by itself once it is awarded."""
    changes: bool = False
    """Whether it asks by itself what changing a confirmed order costs, and takes a price of nothing."""
    reports: bool = True
    """Whether it reports milestones by itself when their planned time has come."""
    patience_s: float = 20.0
    quiet_s: float = 1.0
    """How long nothing must come where nothing may."""


class Stage:
    """The scripted market on a running server. Made by `staged`."""

    def __init__(
        self,
        setting: Setting,
        server: EmbeddedNats,
        bus: NatsMarketBus,
        partner: Partner,
        creds: Path,
        key: str,
        signer: Signer,
    ) -> None:
        self.setting, self.server, self.partner = setting, server, partner
        self._bus, self._creds = bus, creds
        self._wall, self._entropy = WallClock(), OsEntropy()
        self._ahead_us = -BEHIND_US
        self._sent: dict[str, OutboxMessage] = {}
        self.book = Book(setting.participant)
        log = Log(MARKET, signer, self._entropy)
        self.referee = Referee(MARKET, setting.participant, key, self.book, log, self.now_us)

    def now_us(self) -> int:
        """Return market time."""
        return self._wall.now_us() + self._ahead_us

    def new_seal(self) -> str:
        """Make the key pair of a sealed round; return its public half."""
        self.referee.sealing_key = self._entropy.token(KEY_BYTES).hex()
        return public_key(self.referee.sealing_key)

    async def say(
        self,
        channel: Literal["cfp", "notice"],
        body: Downlink,
        conversation: str = "",
        *,
        later: bool = False,
    ) -> str:
        """Put a message of the market's into the mailbox; return its id.

        ``later`` adds a field that nobody knows yet.
        """
        message_id = f"m-{self._entropy.token(16).hex()}"
        envelope = Envelope(
            message_id=message_id,
            correlation_id=conversation,
            causation_id="",
            sender=MARKET,
            sequence=0,
            occurred_us=self.now_us(),
            body=body,
        )
        data = encode(envelope)
        return await self.put(channel, data[:-2] + LATER if later else data, message_id)

    async def put(self, channel: Literal["cfp", "notice"], data: bytes, message_id: str = "") -> str:
        """Put any bytes into the mailbox; return the message's id."""
        message_id = message_id or f"m-{self._entropy.token(16).hex()}"
        message = OutboxMessage(
            message_id=message_id, channel=channel, participant=self.setting.participant, body=data
        )
        self._sent[message_id] = message
        await self._send(message)
        return message_id

    async def again(self, message_id: str) -> None:
        """Deliver a message once more, under the same id."""
        await asyncio.sleep(DUPLICATES_S)
        self.referee.acknowledged.discard(message_id)
        await self._send(self._sent[message_id])

    async def _send(self, message: OutboxMessage) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self.setting.patience_s
        async with asyncio.timeout_at(end_s):
            while loop.time() < end_s:  # nats-py may swallow the time-out
                with contextlib.suppress(BusTimeoutError):
                    return await self._bus.send(message)
        raise TimeoutError(f"message {message.message_id} was not stored")

    async def until_acknowledged(self, *message_ids: str) -> None:
        """Wait until messages were acknowledged; raises where they are not."""
        wanted = set(message_ids)
        patience_s = self.setting.patience_s + REDELIVERY_S  # after a crash the message must come again first
        if not await self.until(lambda: wanted <= self.referee.acknowledged, patience_s):
            left = [self._sent[one] for one in message_ids if one not in self.referee.acknowledged]
            text = left[0].body[:160].decode(errors="replace")
            raise RuleBrokenError("mailbox.acknowledge", f"not acknowledged: {text}", "an acknowledgement")

    async def until(self, condition: Callable[[], bool], patience_s: float | None = None) -> bool:
        """Return whether a condition came true in time; raises the first rule that is broken meanwhile."""
        return await self.referee.until(condition, patience_s or self.setting.patience_s)

    async def quiet(self) -> None:
        """Give the participant time for what it must not do."""
        await self.until(lambda: False, self.setting.quiet_s)

    async def join(self) -> None:
        """Start the participant, or let it be started."""
        await self.partner.start(self._creds, self.server.url, self.server.name)

    async def rejoin(self, at_us: int) -> None:
        """Let a participant that was killed join again at market time ``at_us``, and ask how things stand."""
        self._ahead_us += max(0, at_us - self.now_us())
        self.referee.restarted()
        before = self.referee.synced
        await self.join()
        if not await self.until(lambda: self.referee.synced > before):
            raise RuleBrokenError("start.query", "no query after a restart", "takt.query_sync.v1")

    async def restart_server(self) -> None:
        """Stop the server and start it again on the same port and store."""
        await self.server.restart()
        async with asyncio.timeout(self.setting.patience_s):
            while not self._bus.is_connected:  # noqa: ASYNC110 - it has no event of its own
                await asyncio.sleep(_POLL_S)

    async def watch(self) -> None:
        """Note acknowledgements, and the participant's end, until cancelled."""
        while True:
            if self._bus.is_connected:
                acknowledged = await self._bus.acknowledged()
                if acknowledged:
                    self.referee.take_acknowledged(acknowledged)
            if ended := self.partner.ended():
                self.referee.stop(RuleBrokenError("life.alive", ended, "it goes on"))
            await asyncio.sleep(_POLL_S)


def _market_signer(folder: Path) -> Signer:
    """Return a new key of the market's; credentials that are issued from now on name it."""
    signer = Signer(account_seed(OsEntropy().token(SEED_BYTES)))
    (folder / MARKET_KEY_FILE).write_text(signer.key)
    return signer


def _write_credentials(server: EmbeddedNats, participant: str, file: Path, user_key: str) -> str:
    """Write a participant's credentials; return the key that it signs with."""
    text = server.issuer().issue(participant, user_key=user_key or None)
    file.touch(mode=0o600)
    file.write_text(text)
    key: str = user_key or claims_of(jwt_of(text))["sub"]
    return key


@asynccontextmanager
async def staged(
    setting: Setting, partner: Partner, folder: Path, creds: Path, *, url: str = "", user_key: str = ""
) -> AsyncIterator[Stage]:
    """Run the scripted market in ``folder``, which exists; write the participant's credentials to ``creds``.

    ``url`` is where the server listens, by default a free port of loopback. ``user_key`` is the
    participant's own public key; its credentials then hold no seed.
    """
    address = urlsplit(url or "nats://127.0.0.1:0")
    listen = ListenAddress(host=address.hostname or "127.0.0.1", port=address.port or 0)
    async with EmbeddedNats(folder, MARKET, listen=listen) as server:
        signer = _market_signer(server.folder)
        key = _write_credentials(server, setting.participant, creds, user_key)
        bus = await NatsMarketBus.connect(
            server.url,
            server.market_creds(),
            MARKET,
            server_name=server.name,
            ack_wait_s=REDELIVERY_S,
            duplicate_window_s=DUPLICATES_S / 2,
        )
        stage = Stage(setting, server, bus, partner, creds, key, signer)
        watching: asyncio.Task[None] | None = None
        try:
            await bus.admit(setting.participant)
            referee = stage.referee
            await bus.start(referee.on_request, referee.on_heartbeat, referee.on_arrival)
            watching = asyncio.create_task(stage.watch())
            yield stage
        finally:
            if watching is not None:
                await end((watching,))
            await partner.stop()
            await bus.close()


def first_day(now_us: int) -> int:
    """Return the first midnight at which work may begin: not today, not tomorrow."""
    return now_us // DAY_US * DAY_US + 2 * DAY_US
