"""The market's side of its escrow: keys for the next call, openings of closed rounds, keys deleted.

Decides nothing: what an escrow that does not answer means for a round, the engine's rules say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from market.engine.state import RoundRecord, State
from market.errors import EscrowError, EscrowUnavailableError
from market.model.commands import OpenSeals
from market.model.events import ClearingVoided, Event, RoundVoided, SealsOpened
from market.ports import CloseProof, Escrow, Journal
from market.service.opening import close_proof, opened_answers
from takt_sdk.endings import end

_LOG = logging.getLogger(__name__)

KEY_WAIT_S = 1.0
"""How long a tick waits for the key of the round that it could open."""

FORGET_PAUSE_S = 1.0


class NoEscrow:
    """The escrow of a market that has none: rules that seal bids call no round."""

    async def public_key(self, market: str, round_id: str) -> str:  # noqa: ARG002 - the port's
        """Refuse."""
        raise EscrowUnavailableError("this market was started without an escrow, its rules seal bids")

    async def release(self, proof: CloseProof) -> str:  # noqa: ARG002 - the port's
        """Refuse."""
        raise EscrowUnavailableError("this market was started without an escrow")

    async def forget(self, market: str, round_id: str) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing was started."""


class Seals:
    """Asks the escrow; ``trouble`` says what is wrong with it, empty while nothing is."""

    def __init__(self, journal: Journal, escrow: Escrow) -> None:
        self._journal, self._escrow = journal, escrow
        self._key = ("", "")
        self._asking: asyncio.Task[str] | None = None
        self._forgetting: set[asyncio.Task[None]] = set()
        self.trouble = ""

    async def key(self, market: str, round_id: str) -> str:
        """Return the public key of the next round; empty where the escrow does not give it."""
        if self._key[0] != round_id:
            if self._asking is None or self._asking.get_name() != round_id:
                if self._asking is not None:
                    self._asking.cancel()
                self._asking = asyncio.create_task(self._escrow.public_key(market, round_id), name=round_id)
            await asyncio.wait((self._asking,), timeout=KEY_WAIT_S)
            if not self._asking.done():  # a later tick finds the answer
                self._note("no round is called: the escrow has not answered yet")
                return ""
            asking, self._asking = self._asking, None
            try:
                self._key = (round_id, asking.result())
            except EscrowError as error:
                self._note(f"no round is called: {error}")
                return ""
            self.trouble = ""
        return self._key[1]

    async def opened(self, market: str, round_: RoundRecord) -> OpenSeals | None:
        """Return the opening of a closed round; None where it cannot be had now."""
        try:
            proof = await asyncio.to_thread(close_proof, self._journal, market, round_)
            if proof is None:
                return None
            key = await self._escrow.release(proof)
            opening = await asyncio.to_thread(opened_answers, self._journal, market, round_, key)
        except EscrowError as error:
            self._note(f"the bids of {round_.id} cannot be opened: {error}")
            return None
        self.trouble = ""
        return opening

    def forget_when_over(self, market: str, happened: Iterable[Event]) -> None:
        """Have the keys deleted of rounds that were opened, or never will be."""
        for event in happened:
            if isinstance(event, SealsOpened | RoundVoided | ClearingVoided):
                self._forget(market, event.round_id)

    def forget_past(self, state: State) -> None:
        """Have the keys of past rounds deleted: the market may have died before it asked for it."""
        for round_ in state.rounds.values():
            if round_.sealing_key and round_.state in {"clearing", "cleared", "void"}:
                self._forget(state.market, round_.id)

    async def close(self) -> None:
        """Stop; what was not deleted yet is deleted after the next start."""
        tasks: list[asyncio.Task[None] | asyncio.Task[str]] = [*self._forgetting]
        tasks += [] if self._asking is None else [self._asking]
        await end(tasks)
        await self._escrow.close()

    def _forget(self, market: str, round_id: str) -> None:
        async def run() -> None:
            while True:
                try:
                    await self._escrow.forget(market, round_id)
                except EscrowError as error:
                    _LOG.info("the key of %s is not deleted yet: %s", round_id, error)
                    await asyncio.sleep(FORGET_PAUSE_S)
                else:
                    return

        task = asyncio.create_task(run(), name=f"forget {round_id}")
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            _LOG.error("%s", trouble)
        self.trouble = trouble
