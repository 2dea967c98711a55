"""Companies on Ray: an actor hosts many of them, each with its own connection and credentials.

An actor keeps nothing that the market does not know. When its process dies, Ray starts it again and
its companies catch up by query, before it answers any call.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

import ray
from ray.actor import ActorHandle

from agents.hosts.assignment import Assignment, NatsAddress, company_on_nats
from agents.hosts.fleet import LocalFleet
from takt_sdk.errors import BusError, BusTimeoutError
from takt_sdk.pace import CompanyStatus, Pace
from takt_sdk.role import Outgoing
from takt_sdk.wall_clock import WallClock

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

CALLS_AT_A_TIME = 4
RESTART_PAUSE_S = 1.0
STOP_S = 20.0
"""How long companies may take to leave; what they have no receipt for comes again anyway."""


class CompanyHost:
    """The body of an actor: an event loop of its own in a thread, with a fleet on it.

    ``live`` says whether companies live by the wall clock; otherwise time is what `advance` says.
    The companies start with the actor, so that one that Ray restarted needs nobody to wake it.
    """

    def __init__(self, assignments: tuple[Assignment, ...], address: NatsAddress, *, live: bool) -> None:
        pace = Pace(clock=WallClock() if live else None)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="companies", daemon=True).start()
        silences = {one.profile.participant: one.silence for one in assignments if one.silence is not None}
        self._fleet = LocalFleet([company_on_nats(one, address, pace) for one in assignments], silences)
        self._run(self._start(again=ray.get_runtime_context().was_current_actor_reconstructed))

    async def _start(self, *, again: bool) -> None:
        """Start the companies; a restarted host waits for a market that is away, a new one fails."""
        while True:
            try:
                await self._fleet.start()
            except (BusError, BusTimeoutError):
                await self._fleet.stop()
                if not again:
                    raise
                _LOG.warning("the market is away", exc_info=True)
                await asyncio.sleep(RESTART_PAUSE_S)
            else:
                return

    def ready(self) -> None:
        """Return once the companies have started."""

    def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us``; idempotent, so Ray may repeat it."""
        self._run(self._fleet.advance(now_us))

    def hush(self, now_us: int) -> None:
        """Let those companies fall silent whose silence begins at ``now_us``."""
        self._run(self._fleet.hush(now_us))

    def post(self, participant: str, out: Outgoing) -> str:
        """Let a company send a command of its own; return what the receipt is of."""
        return self._run(self._fleet.post(participant, out))

    def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is."""
        return self._run(self._fleet.status())

    def stop(self) -> None:
        """Stop every company."""
        self._run(self._fleet.stop())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class RayFleet:
    """`Fleet` on the actors of a running Ray; whoever made it has called ``ray.init``.

    Parameters
    ----------
    assignments
        The companies; host k gets every ``hosts``-th of them.
    hosts
        Number of actors; ``len(assignments)`` gives each company its own.
    """

    def __init__(
        self, assignments: Sequence[Assignment], address: NatsAddress, *, hosts: int = 1, live: bool = False
    ) -> None:
        if hosts < 1:
            raise ValueError(f"hosts must be at least 1; was {hosts}")
        actor = ray.remote(CompanyHost).options(
            num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=CALLS_AT_A_TIME
        )
        self.hosts: list[ActorHandle[CompanyHost]] = [
            cast(
                "ActorHandle[CompanyHost]", actor.remote(tuple(assignments[first::hosts]), address, live=live)
            )
            for first in range(min(hosts, len(assignments)))
        ]
        self._host_of = {
            one.profile.participant: self.hosts[number % hosts] for number, one in enumerate(assignments)
        }

    async def start(self) -> None:
        """Return when every company has started."""
        await self._all("ready")

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us`` everywhere; a host that dies meanwhile does it when it is back."""
        await self._all("advance", now_us)

    async def hush(self, now_us: int) -> None:
        """Let those companies fall silent whose silence begins at ``now_us``, after a last heartbeat."""
        await self._all("hush", now_us)

    async def post(self, participant: str, out: Outgoing) -> str:
        """Let a company send a command of its own; return what the receipt is of, nothing for a refusal."""
        (subject_id,) = await _ask([self._host_of[participant]], "post", participant, out)
        return str(subject_id)

    async def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is, sorted by participant."""
        found: list[tuple[CompanyStatus, ...]] = await self._all("status")
        return tuple(sorted((one for many in found for one in many), key=lambda status: status.participant))

    async def stop(self) -> None:
        """Stop every company and end the actors; those that do not stop in time are killed as they are."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._all("stop")
        except (TimeoutError, ray.exceptions.RayError) as error:
            _LOG.warning("companies are ended without their farewell: %r", error)
        for host in self.hosts:
            ray.kill(host, no_restart=True)
        self.hosts = []

    async def _all(self, method: str, *arguments: object) -> list[Any]:
        return await _ask(self.hosts, method, *arguments)


async def _ask(hosts: Sequence[ActorHandle[CompanyHost]], method: str, *arguments: object) -> list[Any]:
    return await asyncio.gather(*(getattr(host, method).remote(*arguments) for host in hosts))
