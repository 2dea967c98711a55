"""Kernel and clearing in this process: messages are encoded and decoded, nothing is sent or stored."""

from __future__ import annotations

from benchmarks.cnp import contest
from market.adapters.codec import decode_envelope
from market.clearing.clear import Limits
from market.clearing.result import clearing_to_json
from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Accepted
from market.engine.snapshot import snapshot
from market.engine.state import State
from market.model.commands import Command, ReportClearing
from market.ports import Request
from market.service.clearing_worker import solve
from market.service.kernel import Handled, Kernel
from market.service.lottery import Lottery
from market.service.signatures import Signed, check_signature
from takt_sdk.model.messages import CallForProposals, Tick


class InProcess:
    """A market without journal and bus; ``signed`` has every sheet signed, and the signature checked."""

    def __init__(self, plants: int, *, signed: bool) -> None:
        self.signed = signed
        self.signers = {name: contest.signer(name) for name in map(contest.plant_name, range(plants))}
        self.kernel = Kernel(State())
        self.plants = plants
        self.now_us = contest.START_US
        self.lottery = Lottery(bytes(32))
        for command in contest.opening(plants, signed=signed):
            self.put(OPERATOR, command, "set-up")

    def put(self, sender: str, body: Command, message_id: str, sequence: int = 0) -> Handled:
        """Put a message before the engine as its service does."""
        raw = contest.sealed(sender, body, message_id, self.now_us, sequence)
        key, signature = self.sign(sender, raw) if self.signed and sender in self.signers else (None, b"")
        received = decode_envelope(raw).body
        handled = self.kernel.handle(
            contest.inbound(sender, received, sequence, key),  # type: ignore[arg-type]
            self.now_us,
            source="bid" if key else "http",
            raw=raw,
            signature=signature,
        )
        assert isinstance(handled.decision.reply, Accepted), handled.decision.reply
        return handled

    def sign(self, sender: str, raw: bytes) -> tuple[str, bytes]:
        """Sign a message as its plant does, and check it as the market does."""
        headers = self.signers[sender].headers(contest.MARKET, "bid", sender, raw)
        request = Request(channel="bid", participant=sender, body=raw, headers=headers)
        found = check_signature(self.kernel.state, request)
        assert isinstance(found, Signed), found
        return found.key, found.signature

    def run(self, table: list[list[int]], orders_a_takt: int) -> list[int]:
        """Auction every order of a table; return who won each."""
        for first in range(0, len(table), orders_a_takt):
            self.auction(table, range(first, min(first + orders_a_takt, len(table))))
        return contest.won(self.kernel.state, len(table))

    def auction(self, table: list[list[int]], orders: range) -> None:
        """Auction some orders of a table in one takt."""
        for index in orders:
            self.put(contest.CUSTOMER, contest.order(index), f"order-{index}")
        self.takt(table)

    def takt(self, table: list[list[int]]) -> None:
        """Call, bid, clear, award."""
        state = self.kernel.state
        commitment = self.lottery.next_commitment(state)
        called = self.put(HOST, Tick(now_us=self.now_us, seed_commitment=commitment), "tick")
        assert called.decided is not None
        for message in called.decided.outbox:
            call = decode_envelope(message.body).body
            assert isinstance(call, CallForProposals), call
            plant = int(call.participant.rpartition("-")[2])
            self.put(call.participant, contest.sheet(call, plant, table), f"sheet-{call.round_id}", 1)
        round_ = state.round
        assert round_ is not None
        seed = self.lottery.seed(state, round_.number, b"")
        clearing = solve(snapshot(state, round_, seed), Limits(work=contest.RULES.clearing_work))
        report = ReportClearing(
            round_id=round_.id,
            secret=self.lottery.secret(state, round_.number),
            seed=seed,
            result=clearing_to_json(clearing).decode(),
        )
        self.put(HOST, report, f"clearing-{round_.id}")
        self.now_us += contest.RULES.takt_us
