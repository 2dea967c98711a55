"""Runs a population: in memory with the simulator, or on the embedded market over HTTP, NATS and Ray.

Both transports see the same ticks and the same orders in the same order, so both come to the same
outcome. On NATS a tick is given only after everybody has come to rest (a barrier). Wall times are only
written down.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from agents.hosts.assignment import Assignment, NatsAddress
from agents.hosts.fleet import Fleet
from agents.hosts.ray_host import RayFleet
from agents.profile import CustomerProfile
from market.adapters.escrow_keys import seeded_keys
from market.adapters.escrow_memory import MemoryEscrow
from market.adapters.manual_clock import ManualClock
from market.clearing.limits import Limits
from market.clearing.problem import Problem
from market.clearing.result import Clearing
from market.engine.admission import OPERATOR
from market.engine.state import State
from market.model.commands import Command
from market.service.clearing_worker import Clearer, ProcessClearer
from scenarios.collector import seldom_collected
from scenarios.disturbances import TimedNotice, priced_order
from scenarios.embedded import RunningMarket, embedded_market
from scenarios.errors import RunError
from scenarios.http_orders import order_document, part_document
from scenarios.local_ray import local_ray
from scenarios.market_folder import KEY_BYTES, MarketFolder, key_digest
from scenarios.measure import Record
from scenarios.population import Population, TimedOrder, opening
from scenarios.signing_keys import creds_of, scenario_seed, with_key
from scenarios.silences import Silences
from scenarios.simulator import Simulation
from scenarios.timetable import tick_times
from takt_sdk.codec import digest_of
from takt_sdk.model.execution import AcceptChange, ChangeCommand, NotifyDisruption
from takt_sdk.model.messages import Receipt
from takt_sdk.ports import RequestChannel
from takt_sdk.role import Outgoing
from takt_sdk.wall_clock import OsEntropy

REST_POLL_S = 0.005
REST_LIMIT_S = 600.0
"""Longest time between two ticks: somebody must have died for good."""

HEARTBEAT_S = 60.0
"""Longest time that a heartbeat takes on its way."""

HOSTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: market time, and what became of the orders so far."""

    now_us: int
    share: float
    state: State


Show = Callable[[Progress], None]


class RecordingClearer:
    """A `Clearer` that keeps what it cleared, for the summary."""

    def __init__(self, inner: Clearer, record: Record) -> None:
        self._inner, self._record = inner, record

    async def clear(self, problem: Problem, limits: Limits) -> Clearing:
        """Return the inner clearing."""
        clearing = await self._inner.clear(problem, limits)
        self._record.cleared.append((problem, clearing))
        return clearing

    async def close(self) -> None:
        """Close the inner one."""
        await self._inner.close()


class _Phases:
    """Wall time per phase."""

    def __init__(self, clock: ManualClock, record: Record) -> None:
        self._clock, self._record = clock, record
        self._started_s = clock.monotonic_s()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to ``name``."""
        begun_s = self._clock.monotonic_s()
        yield
        spent = int((self._clock.monotonic_s() - begun_s) * 1000)
        self._record.phase_wall_ms[name] = self._record.phase_wall_ms.get(name, 0) + spent

    def note_award(self, state: State) -> None:
        """Write down when the first award was seen."""
        if self._record.first_award_wall_ms is None and state.contracts:
            self._record.first_award_wall_ms = self.elapsed_ms()

    def elapsed_ms(self) -> int:
        """Return the time since the run began."""
        return int((self._clock.monotonic_s() - self._started_s) * 1000)


def run_in_memory(population: Population, show: Show) -> tuple[State, Record]:
    """Run in virtual time in this process; return the final state and what was written down."""
    clock = ManualClock(population.start_us)
    simulation = Simulation(population, stopwatch=clock)
    phases = _Phases(clock, simulation.record)
    with phases.phase("market and agents in memory"), seldom_collected():
        for now_us in simulation.steps():
            phases.note_award(simulation.kernel.state)
            show(_progress(population, now_us, simulation.kernel.state))
    clearing_s = sum(
        clearing.seconds.solve + clearing.seconds.check for _, clearing in simulation.record.cleared
    )
    simulation.record.phase_wall_ms["of which clearing"] = int(clearing_s * 1000)
    simulation.record.wall_ms = phases.elapsed_ms()
    return simulation.kernel.state, simulation.record


def _progress(population: Population, now_us: int, state: State) -> Progress:
    share = (now_us - population.start_us) / max(1, population.end_us - population.start_us)
    return Progress(now_us=now_us, share=share, state=state)


async def run_on_nats(
    population: Population, folder: Path, show: Show, *, ray_address: str | None = None, hosts: int = HOSTS
) -> tuple[State, Record]:
    """Run on the embedded market in ``folder``: orders by HTTP, companies on Ray, messages over NATS.

    Raises
    ------
    RunError
        If a customer's order is not acknowledged, or the market does not come to rest.
    """
    record = Record()
    clock = ManualClock(population.start_us)
    phases = _Phases(clock, record)
    clearer = ProcessClearer()
    with phases.phase("starting market and Ray"):
        starting = asyncio.create_task(clearer.warm_up())
        stack = _Stack(population, folder, clock, RecordingClearer(clearer, record), ray_address, hosts)
        context = stack.running()
        try:
            run = await context.__aenter__()
        except BaseException:  # told to stop, perhaps
            await clearer.close()
            raise
    try:
        with phases.phase("starting market and Ray"):
            await starting
        orders = list(population.orders)
        notices = sorted(population.notices, key=lambda notice: notice.at_us)
        for moment in tick_times(population):
            clock.set(moment)
            await run.hush(moment)
            with phases.phase("orders by HTTP"):
                while orders and orders[0].at_us <= moment:
                    await run.order(orders.pop(0))
            with phases.phase("companies and rounds"):
                while notices and notices[0].at_us <= moment:
                    await run.say(notices.pop(0), phases)
                await run.pass_time(moment, phases)
            state = run.market.service.state_of().state
            show(_progress(population, moment, state))
            if not orders and not state.index.open_orders and not run.silences.silent:
                break
        record.messages = run.market.service.counters.messages
        clearing_s = sum(clearing.seconds.solve + clearing.seconds.check for _, clearing in record.cleared)
        record.phase_wall_ms["of which clearing"] = int(clearing_s * 1000)
        final = run.market.service.state_of().state
    finally:
        with phases.phase("stopping"):
            await context.__aexit__(None, None, None)
    record.wall_ms = phases.elapsed_ms()
    return final, record


class _Run:
    """A running market with its companies and customers."""

    def __init__(
        self,
        market: RunningMarket,
        fleet: Fleet,
        http: httpx.AsyncClient,
        keys: dict[str, str],
        clock: ManualClock,
        silences: Silences,
    ) -> None:
        self.market, self.fleet, self._http, self._keys, self._clock = market, fleet, http, keys, clock
        self.silences = silences

    async def order(self, order: TimedOrder) -> None:
        """Send an order as its customer would."""
        response = await self._http.post(
            "/v1/orders",
            json=order_document(order.command),
            headers=self._headers(order.customer) | {"Idempotency-Key": order.command.idempotency_key},
        )
        _check(response, f"order {order.command.idempotency_key} of {order.customer}")

    async def publish_parts(self, population: Population) -> None:
        """Put every customer's parts into its catalogue."""
        for customer, command in population.parts:
            response = await self._http.put(
                f"/v1/parts/{command.part.id}",
                json=part_document(command.part),
                headers=self._headers(customer),
            )
            _check(response, f"part {command.part.id} of {customer}")

    async def say(self, notice: TimedNotice, phases: _Phases) -> None:
        """Say what disturbs the run as whoever knows it would; returns once everybody has come to rest."""
        command = notice.command
        if notice.sender == OPERATOR:
            service, message_id = self.market.service, f"notice-{notice.at_us}-{digest_of(command)[:16]}"
            await service.submit(OPERATOR, command, message_id=message_id, source="operator")
        elif notice.sender not in self.silences.silent:
            subject_id = await self._post(notice.sender, command)
            if (priced := priced_order(command)) and subject_id:
                await self._post(notice.sender, AcceptChange(order_id=priced, quote_id=subject_id))
        await self._rest(phases)

    async def _post(self, sender: str, command: NotifyDisruption | ChangeCommand) -> str:
        channel: RequestChannel = "report" if isinstance(command, NotifyDisruption) else "order"
        return await self.fleet.post(sender, Outgoing(channel=channel, correlation_id="", body=command))

    async def hush(self, moment: int) -> None:
        """Let companies fall silent; from then on nobody waits for them."""
        if gone := self.silences.begin(moment, self._now_us(moment)):
            await self.fleet.hush(moment)
            await self._heard(gone, moment)
            self.market.service.pump.absent = frozenset(self.silences.silent)

    async def _heard(self, names: Sequence[str], moment: int) -> None:
        """Wait for heartbeats: nobody acknowledges them."""
        requests = self.market.service.requests
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                while not all(  # noqa: ASYNC110 - a heartbeat is told to nobody
                    requests.last_heard_us.get(n, -1) >= moment and n in requests.beating for n in names
                ):
                    await asyncio.sleep(REST_POLL_S)
        except TimeoutError as error:
            raise RunError(f"no heartbeat of {', '.join(names)} arrived") from error

    def _now_us(self, moment: int) -> int:
        return max(moment, self.market.service.state_of().state.now_us)

    def _headers(self, customer: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[customer]}"}

    async def pass_time(self, moment: int, phases: _Phases) -> None:
        """Let everybody see ``moment`` and do what is due, as the simulator does."""
        service = self.market.service
        self.silences.end(moment)
        service.pump.absent = frozenset(self.silences.silent)
        try:
            async with asyncio.timeout(REST_LIMIT_S):
                await self.fleet.advance(moment)
        except TimeoutError as error:
            raise RunError(f"the companies did not see {moment} within {REST_LIMIT_S:g} s") from error
        await self._heard(self.silences.beat(self._now_us(moment)), moment)
        await self._rest(phases)
        await service.note_silence(self._now_us(moment))
        await self._rest(phases)
        now_us = moment
        while True:
            happened = await service.tick(now_us)
            await self._rest(phases)
            round_ = service.state_of().state.round
            if round_ is not None and round_.state == "open":
                now_us = max(now_us, round_.deadline_us)
                self._clock.set(now_us)
            elif not happened:
                return

    async def _rest(self, phases: _Phases) -> None:
        service = self.market.service
        try:
            async with asyncio.timeout(REST_LIMIT_S):
                while not service.is_settled:
                    if service.has_failed:
                        raise RunError(await service.failed())
                    await asyncio.sleep(REST_POLL_S)
                    phases.note_award(service.state_of().state)
        except TimeoutError as error:
            raise RunError(f"{service.pump.open_count} messages stayed unacknowledged") from error
        phases.note_award(service.state_of().state)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Starts everything that a run on NATS needs."""

    population: Population
    folder: Path
    clock: ManualClock
    clearer: Clearer
    ray_address: str | None
    hosts: int

    @asynccontextmanager
    async def running(self) -> AsyncIterator[_Run]:
        """Yield the run, everybody admitted and started."""
        population = self.population
        async with (
            local_ray(self.ray_address),
            embedded_market(
                MarketFolder(self.folder),
                population.market,
                clock=self.clock,
                clearer=self.clearer,
                pid=os.getpid(),
                tick_s=None,
                escrow=MemoryEscrow(seeded_keys(population.seed)),
            ) as market,
            httpx.AsyncClient(base_url=market.address.http_url, timeout=60.0) as http,
        ):
            keys = await _admit(population, market)
            address = NatsAddress(url=market.nats.url, market=population.market, server_name=market.nats.name)
            windows = {one.participant: one.window for one in population.silences}
            assignments = [
                Assignment(
                    profile=profile,
                    creds=creds_of(
                        market.nats.issuer(),
                        profile.participant,
                        scenario_seed(population.seed, profile.participant),
                    ),
                    silence=windows.get(profile.participant),
                )
                for profile in population.profiles
            ]
            fleet = RayFleet(assignments, address, hosts=self.hosts)
            run = _Run(market, fleet, http, keys, self.clock, Silences(population.silences))
            await asyncio.gather(fleet.start(), run.publish_parts(population))
            try:
                yield run
            finally:
                await fleet.stop()


async def _admit(population: Population, market: RunningMarket) -> dict[str, str]:
    """Open the market and admit everybody; return the customers' keys."""
    entropy = OsEntropy()
    customers = {
        profile.participant for profile in population.profiles if isinstance(profile, CustomerProfile)
    }
    keys = {customer: entropy.token(KEY_BYTES).hex() for customer in sorted(customers)}
    await operate(market, replace(opening(population), market_key=market.market_key))
    for known in population.admissions:
        admission = with_key(known, scenario_seed(population.seed, known.participant))
        key = keys.get(admission.participant)
        await operate(
            market, admission if key is None else replace(admission, api_key_sha256=key_digest(key))
        )
    return keys


async def operate(market: RunningMarket, command: Command) -> Receipt:
    """Put an operator's command before the market.

    Raises
    ------
    RunError
        If the market refuses it.
    """
    reply = await market.service.submit(
        OPERATOR, command, message_id=f"operator-{command.kind}", source="operator"
    )
    if not isinstance(reply, Receipt):
        raise RunError(f"{command.kind} was refused: {reply.code} {reply.field} {reply.detail}")
    return reply


def _check(response: httpx.Response, what: str) -> None:
    if response.is_error:
        raise RunError(f"{what} was refused: {response.status_code} {response.text[:300]}")
