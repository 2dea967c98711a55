"""The whole engine and its plants in this process: nothing is sent, the journal is in memory.

Every message is encoded by who sends it and decoded by who takes it, as between processes. The journal
takes what a takt brings in batches, as the writer of a market does under load: its orders, its sheets,
its clearing, its confirmations.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import cast

from benchmarks.cnp import contest
from market.adapters.codec import decode_envelope, read_envelope
from market.adapters.journal_memory import MemoryJournal
from market.clearing.limits import Limits
from market.clearing.result import clearing_to_json
from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Accepted, Inbound
from market.engine.snapshot import snapshot
from market.engine.state import RoundRecord, State
from market.model.commands import Command, ReportClearing
from market.ports import Decided, Journal, OutboxMessage, Request
from market.service.clearing_worker import solve
from market.service.kernel import Handled, Kernel
from market.service.lottery import Lottery
from market.service.signatures import Signed, check_signature
from takt_sdk.model.messages import CallForProposals, ReportMilestone, RoundResult, Tick
from takt_sdk.wall_clock import OsEntropy

PLANTS = frozenset(
    {"plant reads its call", "plant makes its sheet", "plant reads its result", "sender encodes"}
)
"""Steps that customers and plants take, not the market."""


class InProcess:
    """A market in memory; ``signed`` has every word of a plant signed, and the signature checked.

    ``spent_s`` is the CPU time of each step so far; ``journal`` is one in memory by default.
    """

    def __init__(self, plants: int, *, signed: bool, journal: Journal | None = None) -> None:
        self.signed = signed
        self.signers = {name: contest.signer(name) for name in map(contest.plant_name, range(plants))}
        self.kernel = Kernel(State())
        self.journal = MemoryJournal(entropy=OsEntropy()) if journal is None else journal
        self.decided: list[Decided] = []
        self.plants = plants
        self.now_us = contest.START_US
        self.lottery = Lottery(bytes(32))
        self.spent_s: dict[str, float] = defaultdict(float)
        self._since_s = time.process_time()
        for command in contest.opening(plants, signed=signed):
            self.put(OPERATOR, command, "set-up", "set-up")
        self.commit()

    def took(self, step: str) -> None:
        """Book the CPU time since the last step on ``step``."""
        now_s = time.process_time()
        self.spent_s[step] += now_s - self._since_s
        self._since_s = now_s

    def put(self, sender: str, body: Command, message_id: str, what: str, sequence: int = 0) -> Handled:
        """Put a message before the engine as its service does; ``what`` names it in `spent_s`."""
        raw = contest.sealed(sender, body, message_id, self.now_us, sequence)
        self.took("sender encodes" if what in {"order", "sheet", "confirmation"} else f"{what}: encode")
        key, signature = None, b""
        if self.signed and sender in self.signers:
            key, signature = self.sign(sender, raw)
            self.took("sign and check")
        envelope, digest = read_envelope(raw)
        received = cast("Command", envelope.body)
        inbound = Inbound(sender=sender, sequence=sequence, digest=digest, body=received, signed_by=key)
        self.took(f"{what}: decode, digest")
        handled = self.kernel.handle(
            inbound, self.now_us, source="bid" if key else "http", raw=raw, signature=signature
        )
        assert isinstance(handled.decision.reply, Accepted), handled.decision.reply
        assert handled.decided is not None
        self.decided.append(handled.decided)
        self.took(f"{what}: decide, fold, encode")
        return handled

    def commit(self) -> None:
        """Store what was decided since the last commit."""
        self.journal.append(self.decided)
        self.decided = []
        self.took("journal")

    def sign(self, sender: str, raw: bytes) -> tuple[str, bytes]:
        """Sign a message as its plant does, and check it as the market does."""
        headers = self.signers[sender].headers(contest.MARKET, "bid", sender, raw)
        request = Request(channel="bid", participant=sender, body=raw, headers=headers)
        found = check_signature(self.kernel.state, request)
        assert isinstance(found, Signed), found
        return found.key, found.signature

    def run(self, table: list[list[int]], orders_a_takt: int) -> list[int]:
        """Auction every order of a table, award and confirm it; return who won each."""
        for first in range(0, len(table), orders_a_takt):
            self.auction(table, range(first, min(first + orders_a_takt, len(table))))
        state = self.kernel.state
        assert all(record.state == "confirmed" for record in state.orders.values())
        assert self.journal.head().size == state.size
        return contest.won(state, len(table))

    def auction(self, table: list[list[int]], orders: range) -> None:
        """Auction some orders of a table in one takt: call, bid, clear, award, confirm."""
        for index in orders:
            self.put(contest.CUSTOMER, contest.order(index), f"order-{index}", "order")
        self.commit()
        commitment = self.lottery.next_commitment(self.kernel.state)
        called = self.put(HOST, Tick(now_us=self.now_us, seed_commitment=commitment), "tick", "call")
        self.commit()
        assert called.decided is not None
        for message in called.decided.outbox:
            self.bid(message, table)
        self.commit()
        round_ = self.kernel.state.round
        assert round_ is not None
        cleared = self.put(HOST, self.clear(round_), f"clearing-{round_.id}", "award")
        self.commit()
        assert cleared.decided is not None
        for message in cleared.decided.outbox:
            if message.participant in self.signers:
                self.confirm(message)
        self.commit()
        self.now_us += contest.RULES.takt_us

    def bid(self, message: OutboxMessage, table: list[list[int]]) -> None:
        """Answer a call as its plant does."""
        call = decode_envelope(message.body).body
        assert isinstance(call, CallForProposals), call
        self.took("plant reads its call")
        sheet = contest.sheet(call, int(call.participant.rpartition("-")[2]), table)
        self.took("plant makes its sheet")
        self.put(call.participant, sheet, f"sheet-{call.round_id}", "sheet", 1)

    def clear(self, round_: RoundRecord) -> ReportClearing:
        """Clear the closed round as the market's worker does."""
        state = self.kernel.state
        seed = self.lottery.seed(state, round_.number, b"")
        problem = snapshot(state, round_, seed)
        self.took("clear: the problem")
        clearing = solve(problem, Limits(work=contest.RULES.clearing_work))
        result = clearing_to_json(clearing).decode()
        self.took("clear: solve, bound, check")
        secret = self.lottery.secret(state, round_.number)
        return ReportClearing(round_id=round_.id, secret=secret, seed=seed, result=result)

    def confirm(self, message: OutboxMessage) -> None:
        """Confirm what a plant has won."""
        result = decode_envelope(message.body).body
        self.took("plant reads its result")
        if not isinstance(result, RoundResult):
            return
        for contract in result.awards:
            word = ReportMilestone(contract_id=contract.id, milestone="confirmed", at_us=self.now_us)
            self.put(result.participant, word, f"confirm-{contract.id}", "confirmation", 1)
