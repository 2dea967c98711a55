"""The fourth host of the engine: virtual time, messages in memory, faults by seeded dice.

It runs the same kernel, roles and clearing as the live market, synchronously, and checks what must hold
after every step. Waits for nothing and reads no clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import cast

from agents.roles import role_of
from market.adapters.codec import decode_envelope, read_envelope, state_digest
from market.adapters.escrow_keys import EscrowKeys, MemoryKeyStore, seeded_keys
from market.adapters.journal_memory import MemoryJournal
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits, Stopwatch
from market.clearing.problem import Problem
from market.clearing.result import Clearing, clearing_to_json
from market.engine.admission import HOST, OPERATOR, RESERVED_IDS
from market.engine.decision import Inbound, Refusal
from market.engine.rounds import key_due
from market.engine.snapshot import snapshot
from market.engine.views import sync_reply
from market.model.commands import Command, ReportClearing
from market.ports import Decided, OutboxMessage, Request
from market.service.kernel import Handled, Kernel, refused, subject_of
from market.service.lottery import Lottery
from market.service.opening import close_proof, opened_answers
from market.service.recovery import recover
from market.service.signatures import Signed, check_signature
from scenarios.chance import stream
from scenarios.disturbances import priced_order
from scenarios.faults import NO_FAULTS, Dice, Faults
from scenarios.measure import Record
from scenarios.population import Population, opening
from scenarios.signing_keys import scenario_seed, scenario_signer, with_key
from scenarios.silences import Silences
from scenarios.simulated_company import SimulatedCompany
from scenarios.timetable import tick_times
from takt_sdk.codec import DecodeError, digest_of, encode
from takt_sdk.model.execution import AcceptChange
from takt_sdk.model.messages import Envelope, Receipt, Tick
from takt_sdk.ports import Entropy

STEPS_PER_TICK = 1_000_000
"""Bound on the steps between two ticks: a run that never comes to rest is a bug."""

FAULTY_STEPS_PER_TICK = 2_000
"""Steps after which the faults of one tick stop, so that the run can go on."""

Watch = Callable[["Simulation"], None]


class SeededEntropy:
    """`takt_sdk.ports.Entropy` from a seeded stream: salts of a simulated journal."""

    def __init__(self, seed: int) -> None:
        self._stream = stream(seed, "salt")

    def token(self, size: int) -> bytes:
        """Return ``size`` bytes of the stream."""
        return self._stream.randbytes(size)


class Simulation:
    """One run of a population in virtual time.

    ``watch`` is called after every step with the simulation itself; ``clearer`` may replace the clearing
    (default: PuLP and HiGHS under the rules' work limit).
    """

    def __init__(
        self,
        population: Population,
        *,
        stopwatch: Stopwatch,
        faults: Faults = NO_FAULTS,
        fault_seed: int = 0,
        watch: Watch | None = None,
    ) -> None:
        self.population = population
        self.now_us = population.start_us
        self.entropy: Entropy = SeededEntropy(population.seed)
        self.journal = MemoryJournal(entropy=self.entropy)
        self.kernel = Kernel(recover(self.journal))
        self.lottery = Lottery(b"")
        self.escrow = EscrowKeys(MemoryKeyStore(), seeded_keys(population.seed))
        self.dice = Dice(fault_seed, faults)
        self.solver = PulpSolver()
        self.stopwatch = stopwatch
        self.watch = watch
        self.mailbox: dict[str, list[OutboxMessage]] = {}
        self.companies = {
            profile.participant: SimulatedCompany(
                lambda profile=profile: role_of(profile),  # type: ignore[misc]
                population.market,
                scenario_signer(population.seed, profile.participant),
            )
            for profile in population.profiles
        }
        self._place = {name: place for place, name in enumerate(self.companies)}
        self._names = tuple(self.companies)
        self._busy: list[int] = []
        """Places of the companies that have something to send or to take, rising."""
        self._notices = sorted(population.notices, key=lambda notice: notice.at_us)
        self.silences = Silences(population.silences)
        self.record = Record()
        self.crashes = 0
        self._solved: tuple[ReportClearing, Problem, Clearing] | None = None

    def run(self) -> None:
        """Run to the horizon, or until every order has ended."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[int]:
        """Yield market time after each tick has come to rest."""
        self._open()
        orders = list(self.population.orders)
        for moment in tick_times(self.population):
            self.now_us = max(self.now_us, moment)
            for name in self.silences.begin(moment, self.now_us):
                self._note(name)
            while orders and orders[0].at_us <= moment:
                order = orders.pop(0)
                self._submit_order(order.customer, order.command)
            self._disturb(moment)
            for name, company in self.companies.items():
                if name not in self.silences.silent:
                    company.tick(self.now_us)
                self._note(name)
            self.silences.beat(self.now_us)
            self._settle()
            for said in self.silences.noticed(self.kernel.state, self.now_us):
                self._command(HOST, said)
            self._settle()
            self._advance()
            yield moment
            if not orders and not self.kernel.state.index.open_orders and not self.silences.silent:
                return

    def _disturb(self, moment: int) -> None:
        """Say what is told at this time, until everybody knows; let companies come back."""
        while self._notices and self._notices[0].at_us <= moment:
            notice = self._notices.pop(0)
            if notice.sender not in self.silences.silent:
                reply = self._put(notice.sender, notice.command).decision.reply
                if (priced := priced_order(notice.command)) and not isinstance(reply, Refusal):
                    self._put(notice.sender, AcceptChange(order_id=priced, quote_id=reply.subject_id))
                self._settle()
        for name in self.silences.end(moment):
            company = self.companies[name]
            company.crash()
            company.sync(sync_reply(self.kernel.state, name, self.now_us), self.now_us)

    # --- the market's side -------------------------------------------------------------------

    def _open(self) -> None:
        population = self.population
        self._command(
            OPERATOR,
            opening(population),
        )
        for admission in population.admissions:
            self._command(
                OPERATOR, with_key(admission, scenario_seed(population.seed, admission.participant))
            )
        for customer, part in population.parts:
            self._command(customer, part)

    def _put(self, sender: str, body: Command) -> Handled:
        envelope = Envelope(
            message_id=f"sim-{self.kernel.state.size}",
            correlation_id="",
            causation_id="",
            sender=sender,
            sequence=0,
            occurred_us=self.now_us,
            body=body,
        )
        inbound = Inbound(sender=sender, sequence=0, digest=digest_of(body), body=body)
        return self._take(inbound, "host", encode(envelope))

    def _command(self, sender: str, body: Command) -> Handled:
        handled = self._put(sender, body)
        assert not isinstance(handled.decision.reply, Refusal), handled.decision.reply
        return handled

    def _submit_order(self, customer: str, body: Command) -> None:
        while self.dice.happens("loss"):
            if self.dice.happens("duplicate"):
                self._command(customer, body)
        self._command(customer, body)

    def _take(self, inbound: Inbound, source: str, raw: bytes, signature: bytes = b"") -> Handled:
        """Decide and commit; the engine may die before or after the commit."""
        while self.dice.happens("commit_crash"):
            self.kernel.handle(inbound, self.now_us, source=source, raw=raw, signature=signature)
            self._restart()
        handled = self.kernel.handle(inbound, self.now_us, source=source, raw=raw, signature=signature)
        if inbound.sender not in RESERVED_IDS:
            self.record.messages[inbound.body.kind] += 1
            self.record.message_bytes += len(raw)
        if handled.decided is not None:
            self._commit(handled.decided)
            if self.dice.happens("engine_crash"):
                before = state_digest(self.kernel.state)
                self._restart()
                assert state_digest(self.kernel.state) == before, "a restart must give the same state"
        if self.watch is not None:
            self.watch(self)
        return handled

    def _commit(self, decided: Decided) -> None:
        self.journal.append([decided])
        self._deliver(decided.outbox)

    def _deliver(self, messages: Sequence[OutboxMessage]) -> None:
        """Put messages into their mailboxes; the tape reaches nobody in particular and is done with."""
        taped = [message.message_id for message in messages if message.channel == "tape"]
        self.journal.close_outbox(taped)
        for message in messages:
            if message.channel != "tape":
                self.mailbox.setdefault(message.participant, []).append(message)
                self._note(message.participant)

    def _restart(self) -> None:
        self.crashes += 1
        self.kernel = Kernel(recover(self.journal))
        self._solved = None
        self.mailbox = {}
        self._busy = [
            self._place[name]
            for name, company in self.companies.items()
            if company.requests and name not in self.silences.silent
        ]
        self._deliver(self.journal.open_outbox())

    def _advance(self) -> None:
        """Tick until nothing is due any more, letting everybody come to rest in between."""
        while True:
            state = self.kernel.state
            sealed_round = key_due(state, self.now_us)
            tick = Tick(
                now_us=self.now_us,
                seed_commitment=self.lottery.next_commitment(state),
                sealing_round=sealed_round,
                sealing_key=self.escrow.public_key(state.market, sealed_round) if sealed_round else "",
            )
            happened = bool(self._command(HOST, tick).events)
            self._settle()
            round_ = self.kernel.state.round
            if round_ is not None and round_.state == "open":
                self.now_us = max(self.now_us, round_.deadline_us)
            elif not happened:
                return

    def _open_seals(self) -> None:
        """Have the key of a sealed round released and its answers opened, as the live market does."""
        state = self.kernel.state
        round_ = state.round
        if round_ is None or round_.state != "opening":
            return
        proof = close_proof(self.journal, state.market, round_)
        assert proof is not None
        key = self.escrow.release(proof)
        self._command(HOST, opened_answers(self.journal, state.market, round_, key))
        self.escrow.forget(state.market, round_.id)

    def _solve(self) -> None:
        """Clear the round that is closed on a snapshot, as the live market's worker does."""
        state = self.kernel.state
        round_ = state.round
        if round_ is None or round_.state != "clearing" or self._solved is not None:
            return
        seed = self.lottery.seed(state, round_.number, b"")
        problem = snapshot(state, round_, seed)
        limits = Limits(work=state.rules.clearing_work)
        clearing = clear(problem, solver=self.solver, limits=limits, clock=self.stopwatch)
        report = ReportClearing(
            round_id=round_.id,
            secret=self.lottery.secret(state, round_.number),
            seed=seed,
            result=clearing_to_json(clearing).decode(),
        )
        self._solved = (report, problem, clearing)

    def _report_clearing(self) -> None:
        assert self._solved is not None
        (report, problem, clearing), self._solved = self._solved, None
        self.record.cleared.append((problem, clearing))
        self._command(HOST, report)

    # --- messages ----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Carry messages until nobody has anything to send and no round waits for its clearing."""
        faults = self.dice.faults
        for step in range(STEPS_PER_TICK):
            if step == FAULTY_STEPS_PER_TICK:
                self.dice.faults = NO_FAULTS
            self._open_seals()
            self._solve()
            if self._solved is not None and not (self._busy and self.dice.happens("slow_clearing")):
                self._report_clearing()
                continue
            if not self._busy:
                break
            self._step(self._names[self._busy[self.dice.pick("delay", len(self._busy))]])
        else:
            raise AssertionError(f"no rest after {STEPS_PER_TICK} steps at {self.now_us}")
        self.dice.faults = faults

    def _waiting(self, name: str) -> bool:
        return bool(self.mailbox.get(name))

    def _note(self, name: str) -> None:
        """Take note of whether a company has something to do."""
        place = self._place.get(name)
        if place is None:
            return
        at = bisect_left(self._busy, place)
        known = at < len(self._busy) and self._busy[at] == place
        busy = name not in self.silences.silent and (
            bool(self.companies[name].requests) or self._waiting(name)
        )
        if busy and not known:
            self._busy.insert(at, place)
        elif known and not busy:
            del self._busy[at]

    def _step(self, name: str) -> None:
        """Let one company send its oldest request or take one message from its mailbox."""
        company = self.companies[name]
        if self.dice.happens("agent_crash"):
            company.crash()
            company.sync(sync_reply(self.kernel.state, name, self.now_us), self.now_us)
        if company.requests:
            self._send(company, company.requests[0])
        elif self._waiting(name):
            box = self.mailbox[name]
            message = box[self.dice.pick("delay", len(box))]
            if not self.dice.happens("loss"):
                envelope = decode_envelope(message.body)
                self.record.messages[envelope.body.kind] += 1
                self.record.message_bytes += len(message.body)
                company.deliver(message.message_id, envelope, self.now_us)
                if self.dice.happens("duplicate"):
                    company.deliver(message.message_id, envelope, self.now_us)
        self._acknowledge(name, company)
        self._note(name)

    def _send(self, company: SimulatedCompany, request: Request) -> None:
        if self.dice.happens("loss"):
            return
        reply = self._request(request)
        if self.dice.happens("duplicate"):
            reply = self._request(request)
        if not self.dice.happens("loss"):
            company.answered(reply)

    def _request(self, request: Request) -> bytes:
        with suppress(DecodeError):
            envelope, digest = read_envelope(request.body)
            body = cast("Command", envelope.body)
            signed = check_signature(self.kernel.state, request)
            assert isinstance(signed, Signed), signed
            inbound = Inbound(
                sender=request.participant,
                sequence=envelope.sequence,
                digest=digest,
                body=body,
                signed_by=signed.key,
            )
            handled = self._take(inbound, request.channel, request.body, signed.signature)
            reply = handled.decision.reply
            if isinstance(reply, Refusal):
                return encode(refused(envelope.message_id, reply))
            return encode(
                Receipt(
                    message_id=envelope.message_id,
                    position=handled.position,
                    leaf="",
                    size=self.kernel.state.size,
                    root="",
                    subject_id=subject_of(handled.decision),
                )
            )
        raise AssertionError("a company sent bytes that are no message")

    def _acknowledge(self, name: str, company: SimulatedCompany) -> None:
        box = self.mailbox.get(name, [])
        done = [message.message_id for message in box if message.message_id in company.done]
        if done:
            self.journal.close_outbox(done)
            self.mailbox[name] = [message for message in box if message.message_id not in company.done]
