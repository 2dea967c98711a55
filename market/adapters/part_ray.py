"""Search parts of a market on a Ray cluster: the `Helper` of many machines.

A helper is an actor with one core, so a search can be halted; Ray is imported only where a cluster is
asked for. The clock of a task is its machine's: it is told how many seconds it has.
"""

from __future__ import annotations

import logging
import socket
from threading import Event
from typing import TYPE_CHECKING, Any

from market.clearing.errors import HelperLostError

if TYPE_CHECKING:
    from market.clearing.search.part_search import Hire, PartFound, PartTask

_KNOCK_S = 3.0


class _Worker:
    """What runs on the cluster."""

    def __init__(self) -> None:
        self._halt = Event()

    def search(self, task: PartTask) -> PartFound:
        from market.adapters.part_worker import search  # noqa: PLC0415  there, not here

        self._halt.clear()
        return search(task, self._halt)

    def halt(self) -> None:
        self._halt.set()


class RayHelper:
    """A helper on a Ray cluster that this process is connected to."""

    def __init__(self) -> None:
        import ray  # noqa: PLC0415  seconds, and only where there is a cluster

        self._ray: Any = ray
        # Two threads: one searches, one takes the halt.
        actor: Any = self._ray.remote(num_cpus=1, max_concurrency=2)(_Worker)
        self._actor = actor.remote()

    def search(self, task: PartTask) -> PartFound:
        """Search a part there."""
        try:
            found: PartFound = self._ray.get(self._actor.search.remote(task))
        except self._ray.exceptions.RayError as error:
            raise HelperLostError(f"Ray: {error}") from error
        return found

    def halt(self) -> None:
        """Ask it to end its search."""
        self._actor.halt.remote()

    def close(self) -> None:
        """End the actor."""
        self._ray.kill(self._actor)


def hire_on(address: str) -> Hire:
    """Connect to a Ray cluster, unless this process is connected, and return what hires there.

    Raises
    ------
    ConnectionError
        If there is no cluster at the address.
    """
    import ray  # noqa: PLC0415

    if not ray.is_initialized():
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    return RayHelper


def _knock(address: str) -> None:
    """Raise unless something listens at ``host:port``: Ray itself tries for a minute, and then is vague."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
        except OSError as error:
            raise ConnectionError(f"{host}:{port}: {error.strerror or error}") from error
