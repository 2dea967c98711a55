"""What the scripted market says, scene by scene, and what must follow. Scenes build on those before."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from market.conformance.book import HOLDING, OVER, Held, Round
from market.conformance.referee import Fate
from market.conformance.rules import RuleBrokenError
from market.conformance.stage import MARKET, Stage, first_day
from takt_sdk.model.capability import Requirement
from takt_sdk.model.contract import ContractState, contract_id
from takt_sdk.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    Refused,
    RoundResult,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sealed import smallest_size
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid

_DAYS = 14
_GRACE_S = 1.0
AGAIN = Refused(message_id="script", code="busy", detail="the script says: again", retryable=True)
LATER = Refused(
    message_id="script",
    code="busy",
    detail="the script says: later",
    retryable=True,
    retry_after_us=1_500_000,
)
NEVER = Refused(message_id="script", code="beyond_the_page", detail="the script says: no")


UNREADABLE = b'{"message_id":"m-broken","body":{"kind":"takt.rou'


def unknown_kind(now_us: int) -> bytes:
    """Return a message of a kind that does not exist yet."""
    return (
        b'{"message_id":"m-unknown","correlation_id":"","causation_id":"","sender":"conformance",'
        b'"sequence":0,"occurred_us":%d,"body":{"kind":"takt.from_the_future.v7","more":[1,{}]}}' % now_us
    )


class Script:
    """The scenes on one stage, and what they have to do with each other."""

    NAMES: tuple[str, ...] = (
        "joining",
        "calling",
        "winning",
        "repeating",
        "strange",
        "losing",
        "refused",
        "changing",
        "crashing",
        "reporting",
        "reconnecting",
        "sealing",
    )
    """Methods, in the order in which they are played."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.setting = stage, stage.setting
        self.book, self.referee = stage.book, stage.referee
        self._rounds = 0
        self._calls: dict[str, str] = {}
        self._first_result = ""

    # --- pieces of scenes ----------------------------------------------------------------------

    async def _call(
        self,
        lots: int = 1,
        *,
        fates: Sequence[Fate] = (),
        from_us: int = 0,
        deadline_us: int = 0,
        room_us: int = _DAYS * DAY_US,
        sealed: bool = False,
        later: bool = False,
    ) -> Round:
        """Call the participant for some lots, each an order of its own."""
        self._rounds += 1
        now_us = self.stage.now_us()
        name = f"r-{self._rounds:06d}"
        start_us = first_day(max(now_us, from_us))
        call = CallForProposals(
            market=MARKET,
            round_id=name,
            participant=self.setting.participant,
            opened_us=now_us,
            deadline_us=deadline_us or now_us + 10 * MINUTE_US,
            currency="EUR",
            periods=PeriodGrid(origin_us=0, length_us=DAY_US),
            max_periods=400,
            rules_version=1,
            seed_commitment="0" * 64,
            lots=tuple(
                Lot(
                    id=f"o-{self._rounds}-{number}.work",
                    order_id=f"o-{self._rounds}-{number}",
                    kind=self.setting.kind,
                    requirement=Requirement(process=self.setting.process, material=self.setting.material),
                    quantity=self.setting.quantity,
                    earliest_start_us=start_us,
                    latest_end_us=start_us + room_us,
                    run_time_us=self.setting.run_time_minutes * MINUTE_US,
                )
                for number in range(1, lots + 1)
            ),
            sites=(self.setting.site,),
            max_bids=20_000,
            max_price_minor=10**12,
            sealing_key=self.stage.new_seal() if sealed else "",
            sealed_size=smallest_size(lots) if sealed else 0,
        )
        self.book.rounds[name] = Round(call=call)
        self.book.seen.add(("waiting", "call_for_proposals in"))
        if fates:
            self.referee.fates["bid", name] = deque(fates)
        self._calls[name] = await self.stage.say("cfp", call, name, later=later)
        return self.book.rounds[name]

    async def _answered(self, round_: Round, rule: str = "round.answer") -> None:
        """Wait until a call has its answer and is acknowledged, in this order."""
        name = round_.call.round_id
        message_id, waiting = self._calls[name], ("bid", name)
        pending, acknowledged = self.referee.pending, self.referee.acknowledged

        def done() -> bool:
            return round_.settled and waiting not in pending

        await self.stage.until(lambda: done() or message_id in acknowledged)
        if not done() and message_id in acknowledged:
            if await self.stage.until(lambda: round_.settled or waiting in pending, _GRACE_S):
                what = f"the call of {name} was acknowledged while its answer had no receipt"
                raise RuleBrokenError("mailbox.early", what, "first the receipt")
            raise RuleBrokenError(rule, f"{name} was acknowledged and not answered", "a sheet or a refusal")
        if not done() and waiting in pending:
            raise RuleBrokenError(
                "retry.missing", f"the answer in {name} did not come again", "the same bytes"
            )
        if not done():
            raise RuleBrokenError(rule, f"no answer in {name}", "a sheet or a refusal")
        await self.stage.until_acknowledged(message_id)

    async def _bid(self, round_: Round, rule: str = "round.answer") -> None:
        """Wait for bids."""
        await self._answered(round_, rule)
        if not isinstance(round_.answer, BidSheet) or not len(round_.answer.bids):
            reason = "an empty sheet" if isinstance(round_.answer, BidSheet) else f"{round_.answer}"
            what = f"{self.setting.process} of {self.setting.quantity} × {self.setting.material}"
            raise RuleBrokenError("round.bid", f"{round_.call.round_id}: {reason}", f"bids on {what}")

    async def _result(self, round_: Round, *, won: bool) -> tuple[str, list[Held]]:
        """Close a round: accept a bid on each of its lots, or none; return the message's id and contracts."""
        name = round_.call.round_id
        lots = [lot.id for lot in round_.call.lots] if won else []
        contracts, rejected = self.book.award(name, lots)
        round_.closed = True
        self.book.seen.add(("answered", f"round_result with{'' if contracts else 'out'} awards in"))
        if won and not contracts:
            raise RuleBrokenError(
                "round.bid", f"no bid in {name} can be accepted", "one that fits its capacity"
            )
        result = RoundResult(
            round_id=name, participant=self.setting.participant, awards=contracts, rejected=rejected
        )
        held = [self.book.contracts[contract.id] for contract in contracts]
        return await self.stage.say("notice", result, name), held

    async def _confirmed(self, contracts: Sequence[Held]) -> None:
        """Wait until contracts are confirmed or refused, and whatever had no reply has one."""

        def reports() -> list[tuple[str, str]]:
            return [key for key in self.referee.pending if key[0] == "report"]

        if await self.stage.until(lambda: not reports() and all(one.state != "awarded" for one in contracts)):
            return
        if reports():
            what = f"the report on {reports()[0][1]} did not come again"
            raise RuleBrokenError("retry.missing", what, "the same bytes")
        missing = next(one.contract.id for one in contracts if one.state == "awarded")
        raise RuleBrokenError("contract.confirm", f"no word on {missing}", "confirmed, or refused")

    async def _change(self, held: Held, trigger: Literal["ended", "at_risk", "settled"]) -> list[str]:
        """Let the market change a contract's state where it can; return the ids of what it says."""
        if not self.book.advance(held.contract.id, trigger, own=False):
            return []
        state: ContractState = trigger
        notice = ContractNotice(
            contract_id=held.contract.id,
            participant=self.setting.participant,
            state=state,
            at_us=self.stage.now_us(),
            reason="the script says so",
        )
        held.notice_id = "unsent"
        held.notice_id = await self.stage.say("notice", notice, held.contract.id)
        return [held.notice_id]

    # --- the scenes ------------------------------------------------------------------------------

    async def joining(self) -> None:
        """Let it connect and ask how things stand; fail on its first query."""
        self.referee.fates["query", "*"] = deque(["failed"])
        await self.stage.join()
        if await self.stage.until(lambda: self.referee.synced > 0):
            return
        if self.referee.requests:
            raise RuleBrokenError("retry.missing", "the query did not come again", "the same bytes")
        raise RuleBrokenError("life.connect", "nothing was heard", "takt.query_sync.v1")

    async def calling(self) -> None:
        """Call it for seven lots; fail on its answer, refuse it for the moment three times, then take it."""
        round_ = await self._call(7, fates=("failed", AGAIN, AGAIN, LATER))
        await self._bid(round_)

    async def winning(self) -> None:
        """Let it win every lot; fail on its first report, refuse the next for the moment."""
        round_ = self.book.rounds["r-000001"]
        self.referee.fates["report", "*"] = deque(["failed", AGAIN])
        self._first_result, contracts = await self._result(round_, won=True)
        await self._confirmed(contracts)
        await self.stage.until_acknowledged(self._first_result)

    async def repeating(self) -> None:
        """Deliver call and result a second time."""
        why = "after its call came a second time"
        self.referee.forbidden["r-000001"] = ("mailbox.repeat", why)
        for message_id in (self._calls["r-000001"], self._first_result):
            await self.stage.again(message_id)
            await self.stage.until_acknowledged(message_id)

    async def strange(self) -> None:
        """Say what nobody can expect: an unknown kind, no JSON, a round and a contract of nobody."""
        name, now_us = self.setting.participant, self.stage.now_us()
        void = RoundResult(round_id="r-000099", participant=name, awards=(), rejected=(), void="no_key")
        other = contract_id("r-000099", "another", "b0")
        ended = ContractNotice(contract_id=other, participant=name, state="ended", at_us=now_us)
        ids = [
            await self.stage.put("notice", unknown_kind(now_us), "m-unknown"),
            await self.stage.put("notice", UNREADABLE, "m-broken"),
            await self.stage.say("notice", void, "r-000099"),
            await self.stage.say("notice", ended, other),
        ]
        await self.stage.until_acknowledged(*ids)

    async def losing(self) -> None:
        """Add a field that nobody knows yet to a call; lose the reply to its sheet; let it win nothing."""
        round_ = await self._call(fates=("lost",), later=True)
        await self._bid(round_, "wire.more")
        result, _ = await self._result(round_, won=False)
        await self.stage.until_acknowledged(result)

    async def refused(self) -> None:
        """Refuse its sheet for good, under a code that no page names; then call it too late."""
        await self._answered(await self._call(fates=(NEVER,)))
        late = await self._call(deadline_us=self.stage.now_us() - HOUR_US)
        self.referee.forbidden[late.call.round_id] = ("round.late", "an hour after the deadline")
        self.book.seen.add(("called", "deadline passes"))
        await self.stage.until_acknowledged(self._calls[late.call.round_id])
        impossible = await self._call(room_us=MINUTE_US)
        await self.stage.until_acknowledged(self._calls[impossible.call.round_id])
        impossible.closed = True
        await self.stage.quiet()

    async def changing(self) -> None:
        """End a contract, put one at risk and end it, settle one, send the goods of one elsewhere."""
        _, ended, risky, settled, moved, *_ = self.book.contracts.values()
        ids = [
            *await self._change(ended, "ended"),
            *await self._change(risky, "at_risk"),
            *await self._change(settled, "settled"),
        ]
        if moved.state in HOLDING:
            moved.notice_id = "unsent"
            contract = self.book.send_elsewhere(moved.contract.id)
            amended = ContractAmended(
                participant=self.setting.participant, at_us=self.stage.now_us(), contract=contract
            )
            moved.notice_id = await self.stage.say("notice", amended, contract.id)
            ids.append(moved.notice_id)
        await self.stage.until_acknowledged(*ids)
        await self.stage.until_acknowledged(*await self._change(risky, "ended"))

    async def crashing(self) -> None:
        """Kill it with awards unconfirmed and calls open; end one; let it come back to work begun."""
        won = await self._call(3)
        await self._bid(won)
        stopped, paid = list(self.book.contracts.values())[5:7]
        return_us = max(stopped.contract.start_us, paid.contract.start_us) + MINUTE_US
        answered = await self._call(from_us=return_us, deadline_us=return_us + HOUR_US)
        await self._bid(answered)
        self.referee.fates["report", "*"] = deque(["failed"] * 1_000)
        _, new = await self._result(won, won=True)
        stuck = await self.stage.until(lambda: any(key[0] == "report" for key in self.referee.pending))
        if not stuck:
            what = f"no word on the award in {won.call.round_id}"
            raise RuleBrokenError("contract.confirm", what, "confirmed, or refused")
        unheard = await self._call(from_us=return_us, deadline_us=return_us + HOUR_US)
        why = "although the query's answer names its sheet"
        self.referee.forbidden[answered.call.round_id] = ("start.again", why)
        await self.stage.partner.kill()
        ids: list[str] = []
        if len(new) > 1:
            ids += [*await self._change(new[-1], "ended"), *await self._change(new[1], "at_risk")]
        await self.stage.rejoin(return_us)
        await self._confirmed(new)
        await self._bid(unheard)
        self.referee.forbidden[unheard.call.round_id] = (
            "mailbox.repeat",
            "after its call came a second time",
        )
        await self._reported((stopped, paid), frozenset({"awarded", "confirmed"}))
        ids += [*await self._change(stopped, "ended"), *await self._change(paid, "settled")]
        await self.stage.until_acknowledged(*ids)

    async def reporting(self) -> None:
        """Kill it again; let it come back when all is due; wait for that, and nothing of what is over."""
        running = [one for one in self.book.contracts.values() if one.state not in OVER]
        end_us = max((one.arrival_us for one in running), default=self.stage.now_us())
        await self.stage.partner.kill()
        await self.stage.rejoin(end_us + HOUR_US)
        direct = [one for one in running if one.contract.shipments[0].to_contract is None]
        await self._reported(direct, HOLDING | {"finished", "shipped"})
        await self._reported(running, HOLDING | {"finished"})
        ids = [message_id for one in running for message_id in await self._change(one, "settled")]
        await self.stage.until_acknowledged(*ids)
        await self.stage.quiet()

    async def _reported(self, contracts: Sequence[Held], before: frozenset[ContractState]) -> None:
        """Wait until no contract is in one of the states ``before`` any more."""

        def late() -> list[Held]:
            return [one for one in contracts if one.state in before]

        if self.setting.reports and not await self.stage.until(lambda: not late()):
            what = f"{late()[0].contract.id} is {late()[0].state}, after its planned time"
            raise RuleBrokenError("contract.reported", what, "its milestones up to now")

    async def reconnecting(self) -> None:
        """Restart the server; then call it."""
        await self.stage.restart_server()
        round_ = await self._call()
        await self._bid(round_, "life.reconnect")
        result, _ = await self._result(round_, won=False)
        await self.stage.until_acknowledged(result)

    async def sealing(self) -> None:
        """Call it with a key for sealed bids; fail on its answer at first."""
        await self._bid(await self._call(5, fates=("failed",), sealed=True))

    def played(self, name: str) -> bool:
        """Return whether the setting asks for a scene."""
        return self.setting.sealed or name != "sealing"

    def scenes(self) -> list[tuple[str, str, Callable[[], Awaitable[None]]]]:
        """Return the scenes to play in order, each with its name and title."""
        cls = type(self)
        return [(name, title_of(cls, name), getattr(self, name)) for name in self.NAMES if self.played(name)]


def title_of(script: type[Script], scene: str) -> str:
    """Return what a scene does, in one sentence."""
    return str(getattr(script, scene).__doc__).strip()
